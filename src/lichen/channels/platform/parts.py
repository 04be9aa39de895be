"""A message that a platform takes in several requests: each part once, in order, over as many attempts as it needs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from lichen.core.words.errors import LichenError
from lichen.engine.ports import Delivery, Outbound

KEPT: Final = 10_000  # messages of which some parts are there

P = TypeVar("P")


class Parts:
    """How far each message is. What a process knew of it dies with it: then the message is in doubt as a whole."""

    def __init__(self) -> None:
        self._done: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def send(self, message: Outbound, parts: Sequence[P], post: Callable[[P], Awaitable[Delivery]]) -> Delivery:
        """Posts the parts that are not there yet, up to the first that is not delivered: what became of that one is
        what became of the message."""
        key = (message.session, message.id)
        for i in range(self._done.pop(key, 0), len(parts)):
            try:
                delivery = await post(parts[i])
            except LichenError:  # raised before anything left
                self._keep(key, i)
                raise
            if delivery.outcome == "retry":
                self._keep(key, i)
            if delivery.outcome != "delivered":
                return delivery
        return Delivery("delivered")

    def _keep(self, key: tuple[str, str], done: int) -> None:
        self._done[key] = done
        if len(self._done) > KEPT:
            self._done.popitem(last=False)
