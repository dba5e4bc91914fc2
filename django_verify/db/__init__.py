"""How this package uses a database: transactions, connections, retries, and the hottest queries.

The tables are in `models`.
"""
