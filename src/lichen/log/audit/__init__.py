"""Whole logs: verified, exported, backed up."""
