"""The way of an append to the disk."""
