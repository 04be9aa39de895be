"""The kill switch: stop all of a tenant, an agent, a tool or a run, and let it go again."""

from __future__ import annotations

from lichen.core.errors import Invalid
from lichen.core.scope import Actor, Scope
from lichen.gate.gate import PolicyGate
from lichen.gate.switches import Stop, StopKind
from lichen.runtime.operations.access import EVERYTHING, About, Access
from lichen.runtime.operations.changes import Changes

STOPPED = "An operator stopped this."


class Stops:
    """Sets and clears stops. Raises Denied."""

    def __init__(self, gate: PolicyGate, access: Access, changes: Changes) -> None:
        self._gate = gate
        self._access = access
        self._changes = changes

    async def set(self, scope: Scope, kind: str, name: str, actor: Actor, *, reason: str = "") -> None:
        """From now on nothing of this tenant, agent, tool or run begins an effect. Durable when this returns.

        `kind` is `tenant`, `agent`, `tool` or `run`. Raises Invalid (`stop_invalid`).
        """
        stopped = stop_kind(kind)
        ruling = self._access.ask("stop.set", scope, actor, About(f"{kind}:{name}"))
        self._gate.stop(scope, stopped, name, reason or STOPPED)
        await self._changes.note(scope, "stop", f"{kind}:{name}", actor, ruling)

    async def clear(self, scope: Scope, kind: str, name: str, actor: Actor) -> None:
        """Takes a stop back, once that is durable. Raises Invalid (`stop_invalid`)."""
        stopped = stop_kind(kind)
        ruling = self._access.ask("stop.clear", scope, actor, About(f"{kind}:{name}"))
        await self._changes.note(scope, "start", f"{kind}:{name}", actor, ruling)
        self._gate.start(scope, stopped, name)

    def list(self, scope: Scope, actor: Actor) -> tuple[Stop, ...]:
        """What is stopped now."""
        self._access.ask("stop.read", scope, actor, EVERYTHING)
        return tuple(self._gate.switches.stops(scope))


def stop_kind(text: str) -> StopKind:
    """What a kill switch can be for. Raises Invalid (`stop_invalid`)."""
    if text in ("tenant", "agent", "tool", "run"):
        return text
    raise Invalid(
        f"There is no kill switch for {text!r}.", code="stop_invalid", next_step="Use tenant, agent, tool or run."
    )
