"""A tenant's policy files: read, bounded, checked against the schema."""
