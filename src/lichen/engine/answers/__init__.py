"""What a wait expects, and what somebody's words say of it."""
