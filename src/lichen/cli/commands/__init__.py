"""Commands about what goes on."""
