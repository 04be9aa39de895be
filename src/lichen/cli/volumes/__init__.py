"""Commands about logs as files."""
