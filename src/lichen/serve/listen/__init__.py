"""Sockets: who connects, how many, and what they may send."""
