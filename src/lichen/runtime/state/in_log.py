"""State in the scope's log: durable, sealed, and gone when the person it is about is erased.

Each key is a stream of its own, named by a keyed digest; every change is one `changed` record whose contents are the
value and, if it ends, when. A group of keys has a stream too, with each key once, so that all of them are found again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.state.port import PLAIN, Change, StateKey, Stored, check_change, check_key, check_version
from lichen.core.words.content import Content
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import StreamId
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal
from lichen.flows.text.reach import MISSING
from lichen.runtime.state.values import changed

SECOND_US: Final = 1_000_000
_VALUE, _UNTIL, _KEY = "value", "until", "key"
_OWN: Final = ("session", "user", "tenant")  # the groups that tools of agents have


class LogStates:
    """Implements `States` over the journals of scopes."""

    def __init__(self, journal_of: Callable[[Scope], Journal], clock: Callable[[], int]) -> None:
        self._journal_of, self._clock = journal_of, clock

    async def get(self, scope: Scope, key: StateKey) -> Stored | None:
        """The value, or None."""
        check_key(scope, key)
        journal = self._journal_of(scope)
        return self._stored(journal, stream_of(journal, key))

    async def names(self, scope: Scope, key: StateKey) -> tuple[str, ...]:
        """The keys of the group that begin so and have a value."""
        check_key(scope, key, is_prefix=True)
        journal = self._journal_of(scope)
        named = ((name, stream_of(journal, key._replace(key=name))) for name in _names(journal, key))
        return tuple(name for name, stream in named if self._stored(journal, stream) is not None)

    async def set(self, scope: Scope, key: StateKey, value: Any, change: Change = PLAIN) -> None:
        """Keeps a value. No other change comes in between, for nothing waits here."""
        check_key(scope, key)
        check_change(change)
        journal = self._journal_of(scope)
        stream = stream_of(journal, key)
        if not _is_done(journal, stream, change):
            before = self._stored(journal, stream)
            check_version("" if before is None else before.version, change)
            data = changed(MISSING if before is None else before.value, change.pointer, value)
            until = self._until(journal, stream, change)
            contents = (Content(_VALUE, key.subject, data), *([Content(_UNTIL, key.subject, until)] if until else []))
            self._append(journal, key, stream, contents, change)
        await journal.log.durable_stream(stream)

    async def delete(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> None:
        """Forgets a value: what was there stays in the log, sealed, until its subject is erased."""
        check_key(scope, key)
        journal = self._journal_of(scope)
        stream = stream_of(journal, key)
        if not _is_done(journal, stream, change):
            before = self._stored(journal, stream)
            check_version("" if before is None else before.version, change)
            if before is not None:
                self._append(journal, key, stream, (), change)
        await journal.log.durable_stream(stream)

    async def delete_prefix(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> int:
        """Forgets every value of the group whose key begins so."""
        check_key(scope, key, is_prefix=True)
        journal = self._journal_of(scope)
        streams: list[StreamId] = []
        for name in _names(journal, key):
            stream = stream_of(journal, key._replace(key=name))
            if self._stored(journal, stream) is not None:
                self._append(journal, key._replace(key=name), stream, (), change._replace(once=""))
                streams.append(stream)
        await journal.log.durable_stream(*streams)
        return len(streams)

    # -- records -------------------------------------------------------------------------------------------------

    def _stored(self, journal: Journal, stream: StreamId) -> Stored | None:
        n = journal.state(stream).n
        if n == 0:
            return None
        try:
            held = journal.log.contents(stream, n - 1)
        except ContentErased:
            return None
        if _VALUE not in held or (_UNTIL in held and int(held[_UNTIL]) <= self._clock()):
            return None
        return Stored(msgspec.json.decode(held[_VALUE]), str(n))

    def _until(self, journal: Journal, stream: StreamId, change: Change) -> bytes:
        """When the value ends, after a change; nothing where it does not."""
        if change.ttl_s is not None:
            return str(self._clock() + change.ttl_s * SECOND_US).encode() if change.ttl_s else b""
        if self._stored(journal, stream) is None:
            return b""
        return journal.log.contents(stream, journal.state(stream).n - 1).get(_UNTIL, b"")

    def _append(
        self, journal: Journal, key: StateKey, stream: StreamId, contents: tuple[Content, ...], change: Change
    ) -> None:
        id = change.once or f"n{journal.state(stream).n}"
        moves = {stream: (e.Draft(e.Changed("state", "", "", id), contents),)}
        group, name = group_of(journal, key), stream.id
        listed = e.Changed("state", "", "", name)
        if contents and journal.log.find(group, listed.key) is None:
            moves[group] = (e.Draft(listed, (Content(_KEY, key.subject, key.key.encode()),)),)
        journal.append(moves, actor=change.by, turn=change.turn)


def stream_of(journal: Journal, key: StateKey) -> StreamId:
    """The stream of a key."""
    kind, _, rest = key.prefix.partition(".")
    named = (kind, rest or key.user or "tenant") if kind in _OWN else (key.prefix, key.user)
    team = f"{key.scope.team}\x00" if key.scope.team else ""
    digest = journal.log.digest("\x00".join((f"{team}state", *named, key.key)).encode()).hex()
    return StreamId("tenant", f"state-{digest}")


def group_of(journal: Journal, key: StateKey) -> StreamId:
    """The stream in which the keys of a group are."""
    named = "\x00".join(("states", key.scope.team or "", key.prefix, key.user))
    return StreamId("tenant", f"states-{journal.log.digest(named.encode()).hex()}")


def _is_done(journal: Journal, stream: StreamId, change: Change) -> bool:
    once = e.Changed("state", "", "", change.once)
    return bool(change.once) and journal.log.find(stream, once.key) is not None


def _names(journal: Journal, key: StateKey) -> list[str]:
    """The keys of a group that begin so. What was erased has no name any more."""
    group, found = group_of(journal, key), list[str]()
    for n in range(journal.state(group).n):
        try:
            name = journal.log.contents(group, n)[_KEY].decode()
        except ContentErased:
            continue
        if name.startswith(key.key):
            found.append(name)
    return found
