"""Named points where a test may stop the world. In production `hit` does nothing."""

from __future__ import annotations

from collections.abc import Callable

_on_hit: Callable[[str], None] | None = None


def hit(name: str) -> None:
    """Announces that execution passed the point `name`, such as `commit.before/call_started`."""
    if _on_hit is not None:
        _on_hit(name)


def is_watched() -> bool:
    """Whether somebody sees the points that are passed: where there are many, they are named only then."""
    return _on_hit is not None


def install(on_hit: Callable[[str], None] | None) -> None:
    """Makes `on_hit` see every point passed in this process from now on; None removes it."""
    global _on_hit  # the one deliberate global: a fault point must cost one comparison in production
    _on_hit = on_hit
