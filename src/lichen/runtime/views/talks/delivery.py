"""The way of each message to its customer, as the records of its session tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.words.ids import MessageId, SessionId
from lichen.log.records.record import Record

Way = Literal["unfetched", "queued", "sending", "retry", "delivered", "failed", "in_doubt", "dropped"]
"""Where a message is: not fetched by its customer yet, not sent yet, being handed over, tried again later, there, not
to be delivered, nobody knows whether it is there, or put away."""

SUMMARIES: dict[Way, str] = {
    "unfetched": "not fetched yet",
    "queued": "goes next",
    "sending": "on its way",
    "retry": "goes again",
    "delivered": "delivered",
    "failed": "could not be delivered",
    "in_doubt": "nobody knows whether it is there",
    "dropped": "put away",
}
STRANDED: tuple[Way, ...] = ("failed", "in_doubt")


class DeliveryView(msgspec.Struct, frozen=True):
    """How far a message came. `attempts` were made; `code` says why the last one did not succeed, `next_us` when the
    next is made, `at_us` when the state began. `letter` is the id by which a person settles it, empty where nothing is
    to be settled. `warnings` are codes of what the platform shows with less."""

    state: Way
    attempts: int
    code: str
    at_us: int
    next_us: int | None
    letter: str
    summary: str
    warnings: tuple[str, ...] = ()


class _Way(msgspec.Struct):
    """A message on its way, while the records are read."""

    state: Way
    at_us: int
    attempts: int = 0
    code: str = ""
    next_us: int | None = None
    warnings: tuple[str, ...] = ()


Ways = dict[MessageId, DeliveryView]


Lost = Callable[[Record], tuple[str, ...]]
"""What a platform shows with less, by the record of the delivery."""


def deliveries(
    session: SessionId, records: Iterable[Record], *, is_pushed: bool, lost: Lost = lambda record: ()
) -> Ways:
    """The way of each message of a session."""
    begun: Way = "queued" if is_pushed else "unfetched"
    ways: dict[MessageId, _Way] = {}
    for record in records:
        _read(ways, record, begun, lost)
    return {message: _view(session, message, way) for message, way in ways.items()}


def _read(ways: dict[MessageId, _Way], record: Record, begun: Way, lost: Lost) -> None:
    at_us = record.ts_us
    match record.control:
        case e.MessageQueued(message=message):
            ways[message] = _Way(begun, at_us)
        case e.DeliveryAttempted(message=message, attempt=attempt) if message in ways:
            state: Way = begun if begun == "unfetched" else "sending"
            ways[message] = _Way(state, at_us, attempt)
        case e.DeliverySettled(message=message) as c if message in ways:
            state = "dropped" if c.code == "content_erased" else c.outcome
            ways[message] = _Way(state, at_us, c.attempt, c.code, c.due_us or None, lost(record))
        case e.DeliveryDoubted(message=message) as c if message in ways:
            state = "in_doubt" if c.decision == "hold" else "retry"
            ways[message] = _Way(state, at_us, c.attempt, c.code, c.due_us or None)
        case e.DeliveryResolved(message=message) as c if message in ways:
            state = begun if c.decision == "again" else c.decision
            ways[message] = _Way(state, at_us, c.attempt, "" if c.decision == "again" else ways[message].code)
        case e.TimerFired(timer=timer) if timer.startswith("deliver/"):
            way = ways.get(MessageId(timer.split("/")[1]))
            if way is not None and way.state == "retry":
                way.state, way.next_us = begun, None
        case _:
            pass


def _view(session: SessionId, message: MessageId, way: _Way) -> DeliveryView:
    letter = f"{session}.{message}" if way.state in STRANDED else ""
    why = f" ({way.code})" if way.code and way.state != "delivered" else ""
    less = f", shown with less ({', '.join(way.warnings)})" if way.warnings else ""
    summary = f"{SUMMARIES[way.state]}{why}{less}"
    return DeliveryView(way.state, way.attempts, way.code, way.at_us, way.next_us, letter, summary, way.warnings)
