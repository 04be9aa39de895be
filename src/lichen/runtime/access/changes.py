"""Changes to what governs a tenant, as records of its own stream."""

from __future__ import annotations

from collections.abc import Callable

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.words.content import RETENTION
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine


class Changes:
    """Writes them. `new_id` draws the id of each."""

    def __init__(self, engine: Engine, new_id: Callable[[str], str]) -> None:
        self._engine = engine
        self._new_id = new_id

    async def note(
        self,
        scope: Scope,
        kind: e.ChangeKind,
        name: str,
        actor: Actor,
        ruling: e.Ruling | None,
        *,
        reason: str = "",
        digest: str = "",
    ) -> None:
        """Says that something of the tenant's was changed, and why; returns once that is durable."""
        journal = self._engine.journal(scope)
        contents = moves.as_contents([("reason", reason.encode())], RETENTION)
        changed = e.Changed(kind, name, digest, self._new_id("change"), ruling)
        journal.append({TENANT_STREAM: (e.Draft(changed, contents),)}, actor=journal.log.name(actor))
        await journal.log.durable_stream(TENANT_STREAM)
