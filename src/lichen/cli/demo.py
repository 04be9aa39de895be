"""`lichen demo`."""

from __future__ import annotations


def play() -> None:
    """Plays the story of the demo shop."""
