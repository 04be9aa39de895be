"""Messages of several sessions that came together: each is taken as if alone, but in one append, and waits for the disk
with the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lichen.core.deciders import moves
from lichen.core.words.errors import Conflict, ContentErased
from lichen.core.words.ids import StreamId, session_stream
from lichen.engine.intake.messages import Coming, Receipt, receive, received
from lichen.engine.journal.journal import Journal
from lichen.tools.workers.step import Begun

TOGETHER_MAX: Final = 32  # of one append
TOGETHER_BYTES_MAX: Final = 32 * 1024  # of their words: what a tenant's day has left is asked before each


async def say_together(messages: Sequence[Coming | Exception]) -> list[Receipt | Exception]:
    """Takes messages of one scope, in their order; returns once all are durable, for each what `say` returns or raises.

    An error stands for a message that is not taken.
    """
    found = list[Receipt | Exception]()
    together: _Together | None = None
    for message in messages:
        if isinstance(message, Exception):
            found.append(message)
            continue
        together = together or _Together(message.request.journal, found)
        await together.take(message)
    if together is not None:
        together.append()
        await _durable(together.journal, found)
    return found


async def _durable(journal: Journal, found: list[Receipt | Exception]) -> None:
    """Waits for those that were taken, once; if that fails, each of them did."""
    sessions = [each.session for each in found if isinstance(each, Receipt)]
    if not sessions:
        return
    try:
        await journal.durable_sessions(sessions)
    except Exception as error:  # noqa: BLE001 - each of the messages has it
        found[:] = [error if isinstance(each, Receipt) else each for each in found]


class _Together:
    """The messages that were decided upon and are not appended yet, each of a session of its own. What becomes of each
    is in `found`."""

    def __init__(self, journal: Journal, found: list[Receipt | Exception]) -> None:
        self.journal, self._found = journal, found
        self._drafts: dict[StreamId, moves.Drafts] = {}
        self._actors: dict[StreamId, str] = {}
        self._waiting: list[tuple[int, Coming]] = []
        self._bytes = self._ahead = 0

    async def take(self, message: Coming) -> None:
        """Decides upon a message: it is appended with those before it, or after them."""
        if len(self._waiting) >= TOGETHER_MAX or self._bytes >= TOGETHER_BYTES_MAX:
            self.append()
        try:
            admitted = Begun(message.request.admitted(ahead=self._ahead))
            if not admitted.begin():
                self.append()  # what was decided was decided from the states of this moment
                await admitted
            self._found.append(self._decided(message))
        except Exception as error:  # noqa: BLE001 - it is this message's: the others are taken
            self._found.append(error)

    def _decided(self, message: Coming) -> Receipt:
        stream = session_stream(message.session)
        if stream in self._drafts:
            self.append()
        receipt, drafts = received(message)
        if len(drafts) == 1 and receipt.disposition == "queued":  # it does nothing but wait for its turn
            self._drafts[stream] = drafts[stream]
            self._actors[stream] = message.request.by
            self._waiting.append((len(self._found), message))
            seat = self.journal.seated(stream)
            self._ahead += seat is None or not seat.is_driven
            self._bytes += sum(len(content.data) for draft in drafts[stream] for content in draft.contents)
        elif drafts:
            self.append()
            receipt = receive(message)
        return receipt

    def append(self) -> None:
        """Appends what was decided; what cannot be appended with the others is appended alone."""
        waiting, drafts, actors = self._waiting, self._drafts, self._actors
        self._waiting, self._drafts, self._actors = [], {}, {}
        self._bytes = self._ahead = 0
        if not waiting:
            return
        try:
            self.journal.append_together(drafts, actors)
        except (Conflict, ContentErased):
            for i, message in waiting:
                self._found[i] = _alone(message)
        except Exception as error:  # noqa: BLE001 - each of the messages has it
            for i, _ in waiting:
                self._found[i] = error


def _alone(message: Coming) -> Receipt | Exception:
    try:
        return receive(message)
    except Exception as error:  # noqa: BLE001 - it is this message's
        return error
