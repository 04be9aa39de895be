"""Which wait an answer from outside is for: an index in the store of state. The waits themselves are in the log."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from lichen.core.state.port import Change, StateKey, States, Stored
from lichen.core.state.replies import ReplyScope
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict
from lichen.core.words.scope import Scope

PREFIX: Final = "waits"


class Registered(NamedTuple):
    """The wait that an answer is for, by its id, and the version of this entry."""

    wait: str
    version: str


class WaitIndex:
    """Finds waits by where their answers come back, for one user (a pseudonym) or for nobody in particular.

    Every operation is refused for another tenant, environment or team, as `States` does. Raises Unavailable
    (`state_unavailable`), Invalid (`reply_scope_invalid`).
    """

    def __init__(self, states: States) -> None:
        self._states = states

    async def register(
        self, scope: Scope, reply: ReplyScope, wait: str, *, user: str = "", ttl_s: int = 0, replaces: str = ""
    ) -> None:
        """Has answers that come back there be for a wait, for so many seconds (0: until it is cleared).

        `replaces` is the version of the entry that may be there, "" for none. What is registered already for the same
        wait stays. Raises Conflict (`wait_registered`).
        """
        at = _at(scope, reply, user)
        try:
            await self._states.set(scope, at, {"wait": wait}, Change(ttl_s=ttl_s, expected=replaces))
        except Conflict:
            found = await self.find(scope, reply, user=user)
            if found is None or found.wait != wait:
                step = "Name another thread or correlation, or answer that wait first."
                message = "Answers that come back there are for another wait."
                raise Conflict(message, code="wait_registered", next_step=step) from None

    async def find(self, scope: Scope, reply: ReplyScope, *, user: str = "") -> Registered | None:
        """The wait that is registered there, or None."""
        return _read(await self._states.get(scope, _at(scope, reply, user)))

    async def list(self, scope: Scope, *, user: str = "") -> tuple[Registered, ...]:
        """Every wait that is registered for a user, in no order."""
        group = _group(scope, user)
        names = await self._states.names(scope, group)
        found = [_read(await self._states.get(scope, group._replace(key=name))) for name in names]
        return tuple(each for each in found if each is not None)

    async def clear(self, scope: Scope, reply: ReplyScope, *, user: str = "", only: str | None = None) -> None:
        """Forgets an entry; with `only` not if it is another version by now. That there is none is no error."""
        try:
            await self._states.delete(scope, _at(scope, reply, user), Change(expected=only))
        except Conflict:
            return  # somebody registered another one meanwhile, or cleared it


def _group(scope: Scope, user: str) -> StateKey:
    return StateKey(scope, PREFIX, "", user, user or RETENTION)


def _at(scope: Scope, reply: ReplyScope, user: str) -> StateKey:
    return _group(scope, user)._replace(key=reply.scope_hash)


def _read(stored: Stored | None) -> Registered | None:
    held: Any = None if stored is None else stored.value
    wait = held.get("wait") if isinstance(held, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return Registered(wait, stored.version) if stored is not None and isinstance(wait, str) else None
