"""The records that several kinds of obligation append."""
