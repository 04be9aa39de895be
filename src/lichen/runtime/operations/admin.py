"""The runtime as a whole: how it is, and its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.gate.rules.identity import may
from lichen.gate.rules.schema import Action
from lichen.log.volume import Volume
from lichen.plugins.registry import Used
from lichen.runtime.access.access import About, Access, role_missing
from lichen.tools.breaker import Phase

TIMERS_MAX = 50
_TENANT = re.compile(r"[a-z0-9-]+: ")


class Room(msgspec.Struct, frozen=True):
    """Where tools run: threads, those of facts, or processes; `given_up` are held by calls that do not end."""

    kind: str
    used: int
    given_up: int
    waiting: int


class Models(msgspec.Struct, frozen=True):
    """Requests to models over a network: `in_flight`, and `waiting` for a place. Of the ways to them, each one key's to
    one model, `closed` are not used for as long as their provider asked, `open` are left alone since they failed again
    and again, and `half_open` are tried by one request at a time. `processes` share what is known of them."""

    in_flight: int = 0
    waiting: int = 0
    closed: int = 0
    open: int = 0
    half_open: int = 0
    processes: int = 1


class ShutTool(msgspec.Struct, frozen=True):
    """A tool that failed again and again: in this environment it is left alone for `left_s` (`open`), or tried by one
    call at a time (`half_open`)."""

    tenant: str
    env: str
    tool: str
    phase: Phase
    left_s: float


class Tools(msgspec.Struct, frozen=True):
    """Circuit breakers of tools, each of one tool in one environment; `shut` are those that the asker may know of."""

    open: int = 0
    half_open: int = 0
    shut: tuple[ShutTool, ...] = ()


class StuckLetters(msgspec.Struct, frozen=True):
    """What got stuck in an environment and nobody settled: messages that came and could not be taken (`dead`), that
    could not be delivered (`failed`), and those in doubt."""

    tenant: str
    env: str
    dead: int
    failed: int
    in_doubt: int


class WaitingReplies(msgspec.Struct, frozen=True):
    """Messages of an environment that wait for another attempt at one channel, for one reason: how many, since when the
    oldest does, and when the first is tried again. `kind` is the channel's, empty where there is none of its name."""

    tenant: str
    env: str
    channel: str
    kind: str
    code: str
    count: int
    since_us: int
    until_us: int


class Health(msgspec.Struct, frozen=True):
    """How the runtime is: `ok`, or `readonly` while the volume cannot write. `clock_behind_s`: by how much the clock is
    behind the newest record; the limits of a day count by the later of the two. `plugins` are the parts of other
    packages that the process was asked for. `letters` and `replies` are those that the asker may know of."""

    status: str
    home: str
    driven: int
    timers: int
    clock_jumps: int
    agents: tuple[str, ...]
    notices: tuple[str, ...]
    places: tuple[Room, ...]
    clock_behind_s: int = 0
    plugins: tuple[Used, ...] = ()
    models: Models = Models()
    tools: Tools = Tools()
    letters: tuple[StuckLetters, ...] = ()
    replies: tuple[WaitingReplies, ...] = ()


class DueTimer(msgspec.Struct, frozen=True):
    """A timer of a scope and when it comes due."""

    stream: str
    timer: str
    due_at_us: int


class Load(msgspec.Struct, frozen=True):
    """What the runtime carries for a scope. `queued_rows` of all of them wait to be committed; `timers` are the next
    ones."""

    queued_rows: int
    streams_in_memory: int
    records: int
    durable: int
    timers: tuple[DueTimer, ...]


class Totals(msgspec.Struct, frozen=True):
    """What the process carries for all tenants together: nothing of it is anybody's. `waits` counts them by kind."""

    health: Health
    queued_rows: int
    durable: int
    commits: int
    waits: Mapping[str, int]


class Admin:
    """Asks how the runtime is, and ends it. `look` says how it is, `stop` begins its end."""

    def __init__(
        self, engine: Engine, volume: Volume, access: Access, look: Callable[[], Health], stop: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._volume = volume
        self._access = access
        self._look = look
        self._stop = stop

    def load(self, scope: Scope, actor: Actor) -> Load:
        """What the runtime carries for a scope now. Raises Denied."""
        self._ask("health.read", scope, actor)
        log = self._engine.journal(scope).log
        due = (DueTimer(str(stream), id, at) for stream, ids in log.timers().items() for id, at in ids.items())
        return Load(
            queued_rows=self._volume.queued_rows,
            streams_in_memory=log.streams_in_memory,
            records=log.last_seq,
            durable=log.durable_seq,
            timers=tuple(sorted(due, key=lambda each: each.due_at_us)[:TIMERS_MAX]),
        )

    def health(self, scope: Scope | None, actor: Actor) -> Health:
        """How the runtime is now. Where its data lies and what is installed is told to its owner only; operators are
        told what to know of their own tenant.

        Without a scope there is no tenant whose policies could say anything of it. Raises Denied.
        """
        self._ask("health.read", scope, actor)
        found = self._look()
        if actor.kind == "system":
            return found
        theirs = scope if actor.kind == "operator" else None
        own = () if theirs is None else _notices_of(theirs, found.notices)
        shut = tuple(each for each in found.tools.shut if theirs == Scope(each.tenant, each.env))
        tools = msgspec.structs.replace(found.tools, shut=shut)
        letters = tuple(each for each in found.letters if theirs == Scope(each.tenant, each.env))
        replies = tuple(each for each in found.replies if theirs == Scope(each.tenant, each.env))
        seen = {"tools": tools, "letters": letters, "replies": replies}
        return msgspec.structs.replace(found, home="", notices=own, plugins=(), **seen)

    def stop(self, scope: Scope | None, actor: Actor) -> None:
        """Asks the process to end in order, as SIGTERM does. Raises Denied: only the owner of the data may."""
        self._ask("process.stop", scope, actor)
        self._stop()

    def _ask(self, action: Action, scope: Scope | None, actor: Actor) -> None:
        if scope is not None:
            self._access.ask(action, scope, actor, About(scope.tenant))
        elif not may(actor, action):
            raise role_missing(action)


def _notices_of(scope: Scope, notices: tuple[str, ...]) -> tuple[str, ...]:
    """What is noticed of a tenant, and of all of them."""
    return tuple(each for each in notices if each.startswith(f"{scope.tenant}: ") or not _TENANT.match(each))
