"""The points a process can die at, generated from the record types and the tools: none is written down by hand."""

from __future__ import annotations

from lichen.core.deciders.events import (
    RESERVED,
    TYPES,
    CallAsked,
    DeadLettered,
    DeliveryDoubted,
    DeliveryResolved,
    LetterSettled,
    Pinned,
    Reviewed,
    Submitted,
    Ticked,
)

OF_SERVERS = (Pinned, Reviewed, Submitted)  # of lives of their own: tests/crash/judged, and tests/crash/others:
OF_CHANNELS = (DeliveryDoubted, DeliveryResolved, DeadLettered, LetterSettled)
OF_TIME = (Ticked,)
OF_MODELS = (CallAsked,)
OF_OTHERS = (*OF_SERVERS, *OF_CHANNELS, *OF_TIME, *OF_MODELS)
WRITTEN = [name for name, control in TYPES.items() if control not in (*RESERVED, *OF_OTHERS)]
EFFECTS = ("shop.pay", "shop.note")
AFTER_A_CRASH = ("owned",)  # record types that only a life after a death writes
PROBES = ("probe.after",)
SECRETS = ("secrets.replace.before", "secrets.replace.after")  # around the replacement of the sealed file


def points() -> list[str]:
    """Before and after the commit of every record type, around every effect, and at every step between."""
    commits = [f"commit.{when}/{name}" for name in WRITTEN for when in ("before", "after")]
    effects = [f"effect.{when}/{tool}" for tool in EFFECTS for when in ("before", "after")]
    return [*commits, *effects, "plan.after", "check.after", "deliver.before", "deliver.after", *PROBES, *SECRETS]


def needs_a_death_before(point: str) -> bool:
    """Whether only a life that follows a death passes this point."""
    return point in PROBES or point.rpartition("/")[2] in AFTER_A_CRASH


WINDOW = ("commit.after/call_started", "effect.before/shop.pay", "effect.after/shop.pay")
"""The points between the start and the end of a payment: a death here certainly leaves it in doubt.

At any other point it is in doubt only if the log that the death left says that it was started and not finished: one
commit may hold records of several kinds, so the death after it may come after a `call_started` as well.
"""
