"""What a request to a model cost, whatever became of it: what is known, and an estimate for every try that is lost."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.model import Delta, Deltas, ModelError, ModelReply, lost_tries
from lichen.core.ports.prices import Prices
from lichen.core.words.limits import NO_USAGE, Usage
from lichen.engine.asks.estimate import output_tokens
from lichen.engine.asks.keys import KeyRefused
from lichen.engine.asks.room import Room

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


class Shown:
    """Passes the pieces of a reply on, and remembers whether there were any."""

    def __init__(self, deltas: Deltas | None) -> None:
        self._deltas = deltas
        self.is_any = False

    @property
    def deltas(self) -> Deltas | None:
        """Where a model puts its pieces, None if nobody looks on."""
        return None if self._deltas is None else self._add

    def _add(self, piece: Delta) -> None:
        if self._deltas is not None:
            self.is_any = True
            self._deltas(piece)


class Bill:
    """The bill of a request that may use as much as its room has. `asked` is what is known of it, by now."""

    def __init__(self, model: str, room: Room, prices: Prices, ruling: e.Ruling) -> None:
        self.model = model
        self._room, self._reserved, self._prices = room, room.reserved, prices
        self.asked = e.ModelAsked(model, "cancelled", self._reserved, ruling=ruling, is_estimate=True)

    def answered(self, reply: ModelReply) -> None:
        """There is a reply."""
        usage, is_estimate = reply.usage, reply.is_estimate or reply.lost > 0
        if usage == NO_USAGE:
            usage, is_estimate = Usage(self._reserved.input_tokens, output_tokens(reply)), True
        self.asked = msgspec.structs.replace(
            self.asked,
            outcome="ok",
            usage=self._priced(usage) + self._lost(reply.lost),
            is_estimate=is_estimate,
            tries=reply.tries,
            first_us=reply.first_us,
            answered=reply.model if _NAME.fullmatch(reply.model) else "",
            finish=reply.finish,
        )

    def broke(self, error: BaseException, reserved: Usage, *, was_shown: bool) -> None:
        """There is none, but this. Of what nobody knows, `reserved` is what it may have cost, all of its tries."""
        asked = self.asked
        match error:
            case ModelError():
                lost = lost_tries(error, was_shown=was_shown)
                usage, told = self._priced(error.usage) + self._lost(lost), (error.code, lost > 0, error.tries)
            case KeyRefused():  # nothing was sent
                usage, told = NO_USAGE, (error.code, False, 0)
            case Exception():
                usage, told = reserved, ("model_failed", asked.is_estimate, asked.tries)
            case _:  # cancelled
                usage, told = reserved, (asked.outcome, asked.is_estimate, asked.tries)
        outcome, is_estimate, tries = told
        self.asked = msgspec.structs.replace(asked, outcome=outcome, usage=usage, is_estimate=is_estimate, tries=tries)

    def closed(self, duration_us: int) -> e.ModelAsked:
        """The request, after this time."""
        is_unpriced = self._room.is_unpriced and not self.asked.usage.cost_micro_usd
        return msgspec.structs.replace(self.asked, duration_us=duration_us, is_unpriced=is_unpriced)

    def of_try(self, error: ModelError, *, was_shown: bool) -> Usage:
        """What a try that failed cost, or may have cost."""
        return self._priced(error.usage) + self._lost(lost_tries(error, was_shown=was_shown))

    def _lost(self, tries: int) -> Usage:
        return sum([self._reserved] * tries, NO_USAGE)

    def _priced(self, usage: Usage) -> Usage:
        """The usage with its cost, unless whoever answered said that."""
        if usage.cost_micro_usd or usage == NO_USAGE:
            return usage
        return msgspec.structs.replace(usage, cost_micro_usd=self._prices.cost(self.model, usage) or 0)
