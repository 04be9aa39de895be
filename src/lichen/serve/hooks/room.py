"""What is done with everything that a platform brings, wherever it goes from there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from lichen.channels.port import Arrival, ChannelPort, Inbound, Report, Reporting
from lichen.core.words.errors import Conflict, Denied, Expired, Invalid, LichenError, NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.channels.kept import Kept
from lichen.runtime.operations.talk.taking import check

REPORTS_MAX: Final = 1_000  # of one request
FOR_GOOD: Final = (Invalid, NotFound, Denied, Conflict, Expired)
"""What is refused with one of these would be refused again."""


class Room(ABC):
    """Takes what comes by one tenant's channel. Implements `Gateway` and `Noting`."""

    def __init__(self, scope: Scope, channel: ChannelPort) -> None:
        self._scope, self._channel = scope, channel

    async def take(self, message: Inbound) -> None:
        """Takes a message; returns once it is durable, as one or as a dead letter.

        The same one again is no second message. Raises TooMany, Unavailable.
        """
        await self.taken(message, Kept(message=message, path=message.path))

    async def take_all(self, messages: Sequence[Inbound], arrival: Arrival, sender: Actor | None, path: str) -> None:
        """Takes all messages of a request that can be taken, and then raises what the first was refused with that may
        come again: a platform that sends the whole request again brings nothing twice."""
        refused: list[LichenError] = []
        for at, message in enumerate(messages):
            try:
                await self.taken(message, Kept(arrival, sender, message, at, path))
            except LichenError as error:
                refused.append(error)
        if refused:
            raise refused[0]

    async def taken(self, message: Inbound, kept: Kept) -> None:
        """As `take`; `kept` is what a letter holds of it."""
        try:
            check(self._channel, message)
            await self.put(message)
        except FOR_GOOD as error:
            await self.bury(kept, error)

    async def reported(self, arrival: Arrival) -> None:
        """Notes what the platform says became of messages that it was handed. Raises Invalid, Unavailable."""
        if not isinstance(self._channel, Reporting):
            return
        reports: tuple[Report, ...] = self._channel.reports(self._scope, arrival)
        if len(reports) > REPORTS_MAX:
            raise Invalid(f"A request brings at most {REPORTS_MAX} reports.", code="reports_too_many")
        for each in reports:
            await self.note(each)

    @abstractmethod
    async def put(self, message: Inbound) -> None:
        """Counts a message and puts it where it goes; returns once it is durable. Raises LichenError."""
        ...

    @abstractmethod
    async def bury(self, kept: Kept, error: LichenError) -> None:
        """Keeps what cannot be taken, until a person has it taken or puts it away. Raises Unavailable."""
        ...

    @abstractmethod
    async def note(self, report: Report) -> None:
        """Notes what the platform says became of one message. Raises Unavailable."""
        ...
