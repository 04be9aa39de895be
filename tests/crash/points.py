"""The points a process can die at, generated from the record types and the tools: none is written down by hand."""

from __future__ import annotations

from lichen.core.events import TYPES

EFFECTS = ("shop.pay", "shop.note")
AFTER_A_CRASH = ("owned",)  # record types that only a life after a death writes
PROBES = ("probe.after",)


def points() -> list[str]:
    """Before and after the commit of every record type, around every effect, and at every step between."""
    commits = [f"commit.{when}/{name}" for name in TYPES for when in ("before", "after")]
    effects = [f"effect.{when}/{tool}" for tool in EFFECTS for when in ("before", "after")]
    return [*commits, *effects, "plan.after", "check.after", "deliver.before", "deliver.after", *PROBES]


def needs_a_death_before(point: str) -> bool:
    """Whether only a life that follows a death passes this point."""
    return point in PROBES or point.rpartition("/")[2] in AFTER_A_CRASH


WINDOW = frozenset({"commit.after/call_started", "effect.before/shop.pay", "effect.after/shop.pay"})
"""The only points at which a death leaves a payment without a probe in doubt: it is started and not finished.

Besides these, any record that is committed while the payment is under way: its `call_finished`, before the commit."""


def may_be_unknown(point: str) -> bool:
    """Whether a payment without a probe may end up unknown after a death at this point."""
    return point in WINDOW or point in {"commit.before/call_finished", *PROBES} or needs_a_death_before(point)
