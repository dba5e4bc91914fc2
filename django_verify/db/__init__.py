"""How this package uses a database: transactions, connections, retries, leases, hot queries.

The tables are in `models`.
"""
