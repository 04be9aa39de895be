"""What channels were handed since the process began, and what became of it: counted in memory, minute by minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Scope
from lichen.engine.ports import Channel, Delivery, Outbound, Platform, Traits, traits_of

MINUTES: Final = 60
MINUTE_US: Final = 60_000_000


class Minute(msgspec.Struct, frozen=True):
    """Attempts of one minute that came through, and those that did not."""

    at_us: int
    delivered: int = 0
    troubled: int = 0


class Sent(msgspec.Struct, frozen=True):
    """Attempts to send since `since_us`, by what became of them: there, to be made again, for nothing, not known.
    `last_us` is when one came through last. Until `rests_us` the platform is left alone, since it asked for that or
    failed again and again; `code` says why the last attempt did not come through. `minutes` are those of the last hour
    in which there were any, the oldest first."""

    since_us: int = 0
    delivered: int = 0
    again: int = 0
    failed: int = 0
    unknown: int = 0
    last_us: int | None = None
    rests_us: int | None = None
    code: str = ""
    minutes: tuple[Minute, ...] = ()


class Traffic:
    """Counts what goes out, for each scope and channel. `clock` gives microseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._since_us = clock()
        self._sent: dict[tuple[Scope, str], Sent] = {}
        self._minutes: dict[tuple[Scope, str], deque[Minute]] = {}

    def of(self, scope: Scope, name: str) -> Sent:
        """What a channel was handed."""
        key, now_us = (scope, name), self._clock()
        recent = self._minutes.get(key, ())
        minutes = tuple(each for each in recent if each.at_us > now_us - MINUTES * MINUTE_US)
        sent = self._sent.get(key) or Sent(self._since_us)
        rests_us = sent.rests_us if sent.rests_us is not None and sent.rests_us > now_us else None
        return msgspec.structs.replace(sent, rests_us=rests_us, minutes=minutes)

    def note(self, scope: Scope, name: str, delivery: Delivery) -> None:
        """An attempt ended so."""
        key, now_us = (scope, name), self._clock()
        sent = self._sent.get(key) or Sent(self._since_us)
        match delivery.outcome:
            case "delivered":
                changes = {"delivered": sent.delivered + 1, "last_us": now_us, "rests_us": None, "code": ""}
            case "retry":
                pause_s = delivery.retry_after_s
                rests_us = now_us + int(pause_s * 1e6) if pause_s else None
                changes = {"again": sent.again + 1, "rests_us": rests_us, "code": delivery.code}
            case "failed":
                changes = {"failed": sent.failed + 1, "code": delivery.code}
            case "unknown":
                changes = {"unknown": sent.unknown + 1, "code": delivery.code}
        self._sent[key] = msgspec.structs.replace(sent, **changes)
        self._count(key, now_us - now_us % MINUTE_US, is_there=delivery.outcome == "delivered")

    def _count(self, key: tuple[Scope, str], at_us: int, *, is_there: bool) -> None:
        minutes = self._minutes.setdefault(key, deque(maxlen=MINUTES))
        if not minutes or minutes[-1].at_us != at_us:
            minutes.append(Minute(at_us))
        last = minutes.pop()
        minutes.append(Minute(at_us, last.delivered + is_there, last.troubled + (not is_there)))


class Counted:
    """A way out whose attempts are counted. Implements `Platform`."""

    def __init__(self, name: str, inner: Channel, traffic: Traffic) -> None:
        self._name, self._inner, self._traffic = name, inner, traffic

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Hands one message over."""
        try:
            delivery = await self._inner.send(scope, message)
        except LichenError as error:
            self._traffic.note(scope, self._name, Delivery("retry", error.code))
            raise
        except Exception as error:
            self._traffic.note(scope, self._name, Delivery("unknown", f"exception_{type(error).__name__}"))
            raise
        self._traffic.note(scope, self._name, delivery)
        return delivery

    def traits(self, scope: Scope) -> Traits:
        """What may be relied on."""
        return traits_of(self._inner, scope)

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether the platform has this message, where it can be asked."""
        return await self._inner.has(scope, message) if isinstance(self._inner, Platform) else None
