"""The store of a volume in a Postgres, for data that no machine's disk should hold alone.

Others take `PostgresStore`; psycopg is imported with it.
"""
