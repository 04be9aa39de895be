"""Every pattern of agents, killed where members are asked and answer: what they did, and what came of it."""
