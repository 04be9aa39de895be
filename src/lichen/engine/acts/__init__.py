"""The obligations, one file for each kind: what is owed is performed here, on an `Act`, and becomes records."""
