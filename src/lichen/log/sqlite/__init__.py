"""The store of a data directory: one SQLite file. All SQL of a log is here, and in what audits such files."""
