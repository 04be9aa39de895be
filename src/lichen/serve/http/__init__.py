"""What every door does with a request."""
