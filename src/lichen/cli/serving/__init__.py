"""Commands that run a process, or prepare to."""
