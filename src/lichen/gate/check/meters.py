"""What a call counts for: the keys of the meters that policies about it read, and the amounts it adds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec

from lichen.core.ports.policy import Check, Meter, Meters, Reservation
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Scope
from lichen.gate.cedar.values import LONG_MAX
from lichen.gate.rules.schema import ToolView

KeyedDigest = Callable[[Scope, bytes], str]
"""`digest(scope, data)`: an opaque name for `data`, under a key that only this tenant has."""

DAY_US: Final = 24 * 3600 * 1_000_000


class Claim(msgspec.Struct, frozen=True):
    """What a call is about to add to a meter: nothing where policies only read it."""

    key: str
    amount: int


class Unmeasurable(Exception):
    """A meter cannot tell whom or how much a call counts; the message says why."""


def claims(check: Check, tool: ToolView, *, now_us: int, digest: KeyedDigest) -> dict[str, Claim]:
    """The claim on every meter that policies about the tool may read, by the meter's name. Raises Unmeasurable."""
    return {
        meter.name: Claim(digest(check.scope, _identity(meter, check, now_us)), _amount(meter, check))
        for meter in tool.meters
    }


def _identity(meter: Meter, check: Check, now_us: int) -> bytes:
    """What makes two calls count together: the meter, whom it is kept for, and the UTC day."""
    window = now_us // DAY_US if meter.window == "day" else -1
    return msgspec.json.encode([meter.name, meter.per, _whom(meter, check), window])


def _whom(meter: Meter, check: Check) -> list[object]:
    match meter.per:
        case "tenant":
            return []
        case "subject":
            subject = check.actor.subject
            return [subject.kind, subject.id]
        case "session" if check.session is not None:
            return [check.session]
        case "session" | "run":  # a run outside a session counts for itself
            return [_root(check, meter)]
        case "argument":
            assert meter.per_argument is not None, "declared together"
            value = check.args.get(meter.per_argument)
            if value is None:
                raise Unmeasurable(f"meter {meter.name} is kept per {meter.per_argument}, which is not given")
            return [value]


def _root(check: Check, meter: Meter) -> str:
    """The run that a child run descends from: splitting work over children does not start a new count."""
    if check.run is None:
        raise Unmeasurable(f"meter {meter.name} is kept per {meter.per}, and the call is outside of any run")
    return check.run.partition(".")[0]


def _amount(meter: Meter, check: Check) -> int:
    if check.action not in meter.tools:
        return 0
    if meter.amount is None:
        return 1
    amount = check.args.get(meter.amount)
    if type(amount) is not int or not 0 <= amount <= LONG_MAX:
        raise Unmeasurable(f"meter {meter.name} sums {meter.amount}, which is missing or no amount")
    return amount


def reservations(claimed: Mapping[str, Claim]) -> tuple[Reservation, ...]:
    """What an allowed call reserves."""
    return tuple(Reservation(claim.key, claim.amount) for claim in claimed.values() if claim.amount)


class Watch:
    """Notices whether anything was paid under `keys` while somebody was not looking."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = frozenset(keys)
        self.is_stale = False


class MeterBook:
    """The meters of one log, and who is waiting for facts while they move."""

    def __init__(self, load: Callable[[str], tuple[int, int]]) -> None:
        self.meters = Meters(load)
        self.payments = 0  # how many calls that counted were paid
        self._watches: set[Watch] = set()

    @contextmanager
    def watch(self, keys: Iterable[str]) -> Generator[Watch]:
        """A watch on `keys` for as long as the block runs.

        Facts read from the outside may not show a payment yet that `pending` shows no more: a stale watch says so.
        """
        watch = Watch(keys)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def settle(self, run: RunId, call: CallId, *, paid: bool) -> None:
        """Tells how a call ended. What was only given back cannot be missing from anybody's facts."""
        settled = self.meters.settle(run, call, paid=paid)
        if paid and settled:
            self.payments += 1
            for watch in self._watches:
                watch.is_stale |= any(reservation.key in watch.keys for reservation in settled)
