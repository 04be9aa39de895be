"""A customer's conversation in a world: what they say, and what they hear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, assert_never

import msgspec

from lichen.core.words.errors import NotFound
from lichen.core.words.ids import RunId, SessionId
from lichen.core.words.scope import SYSTEM, Actor
from lichen.runtime.operations.talk.session import Outgoing, Session
from lichen.runtime.operations.talk.turn import Turn
from lichen.runtime.views.run import RunStatus

if TYPE_CHECKING:
    from lichen.testing.worlds.world import World

Heard = Literal["answered", "asked", "released", "failed", "cancelled", "refused", "rejected", "handed"]


class Reply(msgspec.Struct, frozen=True):
    """What a customer hears: `text` last, `texts` all since they heard something before.

    `outcome`: `answered`, `failed` or `cancelled` as the run ended; `asked` when they are to speak next; `released`
    while the run waits for somebody else; `refused` when policy did not let it start, `rejected` when the message was
    not taken because another one is being worked on. `run` is None for these two.
    """

    text: str
    outcome: Heard
    run: RunId | None
    texts: tuple[str, ...]


class Talk:
    """One conversation. It is the same one after `world.restart()`. `heard` holds everything the customer was told."""

    def __init__(self, world: World, session: SessionId, customer: Actor) -> None:
        self.id = session
        self.customer = customer
        self.heard: list[str] = []
        self._world = world

    @property
    def session(self) -> Session:
        """The session itself, as the customer holds it."""
        return self._world.runtime.sessions.get(self._world.scope, self.id, self.customer)

    async def say(self, text: str, *, key: str | None = None, data: Any = None) -> Reply:
        """Says something and hears the reply. Time passes only as far as the agent needs it: for retries, for a slow
        tool, for a timeout.

        Raises NotFound (`reply_missing`) when none comes within a simulated day, and what saying it raises.
        """
        turn = await self.session.say(text, key=key, data=data)
        if turn.disposition == "rejected":
            texts = await self._receive()
            return Reply(texts[-1], "rejected", None, texts)
        return await self._reply(turn)

    async def send(self, text: str, *, key: str | None = None, data: Any = None) -> None:
        """Says something and waits for nothing but that it is taken: `reply` hears what comes of it."""
        await self.session.say(text, key=key, data=data)

    async def reply(self) -> Reply:
        """Hears what comes next, of a message that was sent or of what a person decided meanwhile.

        Raises NotFound (`reply_missing`) when nothing comes by itself.
        """
        world = self._world
        found = await world.passing(self._next, is_moving=self._is_moving)
        if not found:
            raise self._missing()
        texts = await self._receive()
        return Reply(texts[-1], self._outcome(found[-1]), found[-1].run, texts)

    async def _reply(self, turn: Turn) -> Reply:
        world = self._world
        reply = await world.until(turn.result())
        if reply is None:
            raise self._missing()
        await world.clock.settle()
        texts = await self._receive()
        run = None if reply.outcome == "refused" else reply.run
        return Reply(reply.text, reply.outcome, run, texts)

    async def _next(self) -> tuple[Outgoing, ...]:
        return await self.session.pending()

    async def _receive(self) -> tuple[str, ...]:
        """What was told and not heard yet, and that it is heard now."""
        pending = await self.session.pending()
        for message in pending:
            await self.session.delivered(message.id)
        texts = tuple(message.text for message in pending)
        self.heard += texts
        return texts

    def _is_moving(self) -> bool:
        """Whether something goes on by itself that the customer may hear of."""
        world = self._world
        return self.session.is_owing() or any(world.is_moving(run) for run in self._runs())

    def _runs(self) -> tuple[RunId, ...]:
        """The conversation's runs, the newest first."""
        world = self._world
        return tuple(run.id for run in world.runtime.runs.list(world.scope, SYSTEM, session=self.id))

    def _outcome(self, told: Outgoing) -> Heard:
        if told.kind == "question":
            return "asked"
        if told.run is None:
            return "refused"
        world = self._world
        return _heard_of(world.runtime.runs.outcome(world.scope, told.run, SYSTEM).status)

    def _missing(self) -> NotFound:
        runs = self._runs()
        why = self._world.explain(runs[0]) if runs else "Nothing was asked of an agent."
        return NotFound(
            f"The customer is told nothing more. {why}",
            code="reply_missing",
            next_step="Answer what it waits for (`world.approve()`), or let time pass (`world.clock.advance(3600)`).",
        )


def _heard_of(status: RunStatus) -> Heard:
    match status:
        case "completed":
            return "answered"
        case "failed" | "cancelled":
            return status
        case "waiting" | "running":
            return "released"
        case _:
            assert_never(status)
