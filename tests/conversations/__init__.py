"""Hard conversations: what customers really write, and what models really do, and what may never come of it."""
