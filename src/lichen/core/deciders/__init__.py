"""The records, and the pure functions that fold them and say what is owed."""
