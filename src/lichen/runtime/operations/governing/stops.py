"""The kill switch: stop all of a tenant, an agent, a tool or a run, and let it go again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import msgspec

from lichen.agents.agent import Agent
from lichen.core.deciders.run import Call, RunState
from lichen.core.words.errors import ContentErased, Invalid, NotFound
from lichen.core.words.ids import TENANT_STREAM, RunId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.journal.journal import Journal
from lichen.gate.gate import PolicyGate
from lichen.gate.switches import Stop as Switch
from lichen.gate.switches import StopKind
from lichen.log.log import Log
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.project.hosting import family, specs_of
from lichen.runtime.views.tenant import Stop, stop_view

STOPPED = "An operator stopped this."
NAMES_TOLD_MAX = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,127}")


class Stopped(msgspec.Struct, frozen=True):
    """What a stop hit. `calls` are open calls that will not begin, or not again, as long as it is on."""

    kind: StopKind
    name: str
    calls: int


class Stops:
    """Sets, clears and lists stops. Raises Denied."""

    def __init__(
        self,
        engine: Engine,
        gate: PolicyGate,
        access: Access,
        changes: Changes,
        *,
        agents: Callable[[], Sequence[Agent]],
    ) -> None:
        self._engine = engine
        self._gate = gate
        self._access = access
        self._changes = changes
        self._agents = agents

    async def set(
        self, scope: Scope, kind: str, name: str, actor: Actor, *, reason: str = "", anyway: bool = False
    ) -> Stopped:
        """From now on nothing of this tenant, agent, tool or run begins an effect. Durable when this returns.

        `kind` is `tenant`, which needs no name, `agent`, `tool` or `run`. With `anyway` also what is not there yet.
        Raises Invalid (`stop_invalid`, `stop_name_invalid`), NotFound (`stop_unknown`) naming what there is.
        """
        stopped = stop_kind(kind)
        ruling = self._access.ask("stop.set", scope, actor, About(f"{kind}:{name}"))
        journal = self._engine.journal(scope)
        name = self._named(journal, stopped, name, anyway=anyway)
        self._gate.stop(scope, stopped, name, reason or STOPPED)
        await self._changes.note(scope, "stop", f"{kind}:{name}", actor, ruling, reason=reason)
        return Stopped(stopped, name or scope.tenant, _hit(journal, stopped, name))

    async def clear(self, scope: Scope, kind: str, name: str, actor: Actor, *, reason: str = "") -> Stopped:
        """Takes a stop back, once that is durable. Raises Invalid (`stop_invalid`), NotFound (`stop_not_set`)."""
        stopped = stop_kind(kind)
        ruling = self._access.ask("stop.clear", scope, actor, About(f"{kind}:{name}"))
        name = "" if stopped == "tenant" and name == scope.tenant else name
        switches = self._gate.switches.stops(scope)
        if (stopped, name) not in {(switch.kind, switch.name) for switch in switches}:
            set_now = sorted(map(_told, switches))
            raise NotFound(
                f"No stop is set for this {kind}.",
                code="stop_not_set",
                next_step=f"Set are: {', '.join(set_now)}." if set_now else "No stop is set here: `lichen stops`.",
            )
        await self._changes.note(scope, "start", f"{kind}:{name}", actor, ruling, reason=reason)
        self._gate.start(scope, stopped, name)
        return Stopped(stopped, name or scope.tenant, 0)

    def list(self, scope: Scope, actor: Actor) -> tuple[Stop, ...]:
        """What is stopped now, by whom and why, the oldest first."""
        self._access.ask("stop.read", scope, actor, EVERYTHING)
        journal = self._engine.journal(scope)
        found = sorted((n, what) for what, n in journal.log.stops().items())
        return tuple(_stop(journal, what, n) for n, what in found)

    def _named(self, journal: Journal, kind: StopKind, name: str, *, anyway: bool) -> str:
        """The name as the switch knows it."""
        match kind:
            case "tenant":
                if name not in ("", journal.scope.tenant):
                    raise _unknown(kind, name, [journal.scope.tenant])
                return ""
            case "agent":
                known = frozenset(agent.name for agent in family(self._agents()))
            case "tool":
                known = frozenset(spec.name for spec in specs_of(self._agents()))
            case "run":
                known = frozenset([name] if journal.run(RunId(name)).n else [])
        if name in known:
            return name
        if not anyway:
            raise _unknown(kind, name, sorted(known))
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"This is no name of {_article(kind)}.",
                code="stop_name_invalid",
                next_step="Use lower-case letters, digits, dots, hyphens and underscores.",
            )
        return name


def _told(switch: Switch) -> str:
    return f"{switch.kind} {switch.name}".strip()


def _article(kind: StopKind) -> str:
    return f"{'an' if kind == 'agent' else 'a'} {kind}"


def _unknown(kind: StopKind, name: str, known: Sequence[str]) -> NotFound:
    near = get_close_matches(name, known, n=3) or known[:NAMES_TOLD_MAX]
    step = f"Did you mean {' or '.join(near)}? " if near else ""
    return NotFound(
        f"There is no {kind} {name[:128]!r} here, so nothing was stopped.",
        code="stop_unknown",
        next_step=f"{step}Say --anyway to stop what is yet to come.",
    )


def _stop(journal: Journal, what: str, n: int) -> Stop:
    kind, _, name = what.partition(":")
    return stop_view(journal.log, stop_kind(kind), name or journal.scope.tenant, n)


def reason_of(log: Log, n: int) -> str:
    """Why the change in record `n` of the tenant's stream was made, in the words of whoever made it."""
    try:
        return log.contents(TENANT_STREAM, n).get("reason", b"").decode()
    except ContentErased:
        return ""


def _hit(journal: Journal, kind: StopKind, name: str) -> int:
    """How many open calls of runs that are at work, or that wait for a person, the switch holds."""
    runs = {RunId(stream.id) for stream in journal.log.owing() if stream.kind == "run"}
    runs |= {RunId(row.run) for row in journal.log.wait_rows() if row.call}
    states = map(journal.run, runs)
    return sum(_is_hit(state, call, kind, name) for state in states for call in state.calls.values())


def _is_hit(state: RunState, call: Call, kind: StopKind, name: str) -> bool:
    match kind:
        case "tenant":
            return True
        case "agent":
            return state.agent == name
        case "tool":
            return call.tool == name
        case "run":
            return state.id == name or state.id.startswith(f"{name}.")


def stop_kind(text: str) -> StopKind:
    """What a kill switch can be for. Raises Invalid (`stop_invalid`)."""
    if text in ("tenant", "agent", "tool", "run"):
        return text
    raise Invalid(
        f"There is no kill switch for {text!r}.", code="stop_invalid", next_step="Use tenant, agent, tool or run."
    )
