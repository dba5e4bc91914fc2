"""How this package uses a database: savepoints, and connections that die; no table is here."""
