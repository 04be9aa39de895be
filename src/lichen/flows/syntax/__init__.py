"""What a flow file says, with the place of each word."""
