"""Files, locks and SQLite: bytes that stay where they were put."""
