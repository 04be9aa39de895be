"""The runtime as a whole: how it is, and its end."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from lichen.core.words.scope import Actor, Scope
from lichen.gate.rules.identity import may
from lichen.gate.rules.schema import Action
from lichen.runtime.access.access import About, Access, role_missing

_TENANT = re.compile(r"[a-z0-9-]+: ")


class Room(msgspec.Struct, frozen=True):
    """Where tools run: threads, those of facts, or processes; `given_up` are held by calls that do not end."""

    kind: str
    used: int
    given_up: int
    waiting: int


class Health(msgspec.Struct, frozen=True):
    """How the runtime is: `ok`, or `readonly` while the volume cannot write. `clock_behind_s`: by how much the clock is
    behind the newest record; the limits of a day count by the later of the two."""

    status: str
    home: str
    driven: int
    timers: int
    clock_jumps: int
    agents: tuple[str, ...]
    notices: tuple[str, ...]
    places: tuple[Room, ...]
    clock_behind_s: int = 0


class Admin:
    """Asks how the runtime is, and ends it. `look` says how it is, `stop` begins its end."""

    def __init__(self, access: Access, look: Callable[[], Health], stop: Callable[[], None]) -> None:
        self._access = access
        self._look = look
        self._stop = stop

    def health(self, scope: Scope | None, actor: Actor) -> Health:
        """How the runtime is now. Where its data lies is told to its owner only; operators are told what to know of
        their own tenant.

        Without a scope there is no tenant whose policies could say anything of it. Raises Denied.
        """
        self._ask("health.read", scope, actor)
        found = self._look()
        if actor.kind == "system":
            return found
        own = () if scope is None or actor.kind != "operator" else _notices_of(scope, found.notices)
        return msgspec.structs.replace(found, home="", notices=own)

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
