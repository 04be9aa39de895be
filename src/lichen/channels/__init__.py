"""How messages come and go: each platform's way of saying who speaks, in which conversation, and what."""
