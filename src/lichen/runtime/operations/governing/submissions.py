"""Definitions that somebody submits before a server offers them: scanned at once, and judged like all others.

A person or a system says what tools of a configured server will be. That turns nothing on: each definition waits for an
operator, and what is called later has to be, byte for byte, what was accepted.

Source: Symbiont, tool review API (submission, analysis, queue, decision).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import TENANT_STREAM, ToolName
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.runtime.access.access import About, Access
from lichen.runtime.servers.definitions import By
from lichen.runtime.servers.servers import Servers
from lichen.runtime.servers.suspicions import Suspicions
from lichen.tools.mcp.definition import Definition, defined
from lichen.tools.scan.finding import Finding

TOGETHER_MAX: Final = 100
Status = Literal["submitted", "on", "rejected", "left_out"]
"""It waits to be judged; it is on as it is; somebody said no to it; it was not taken, and `why` says the reason."""


class Submission(msgspec.Struct, frozen=True):
    """What became of one definition. `review_id` names the record by which it waits, written at `created_at_us`
    (microseconds since 1970); submitted once more it is the same. `findings` are advice, the gravest first."""

    name: str
    server: str
    status: Status
    digest: str
    review_id: str = ""
    created_at_us: int = 0
    findings: tuple[Finding, ...] = ()
    why: str = ""


class Submissions:
    """Takes definitions. Raises Denied."""

    def __init__(self, engine: Engine, access: Access, servers: Servers, suspicions: Suspicions) -> None:
        self._engine, self._access = engine, access
        self._servers, self._suspicions = servers, suspicions

    async def submit(
        self, scope: Scope, server: str, told: Iterable[Mapping[str, Any]], actor: Actor
    ) -> tuple[Submission, ...]:
        """Puts tools of a server, as MCP defines tools, before whoever judges. All are taken or none.

        Raises NotFound (`server_unknown`), Invalid (`definition_invalid`, `definition_twice`), Conflict
        (`definitions_full`), Full, TooMany.
        """
        ruling = self._access.ask("tool.submit", scope, actor, About(server))
        self._engine.services.quota(scope, actor)
        name = self._servers.reach.table(scope, server).name
        definitions = _defined(name, tuple(told))
        by = By(self._engine.journal(scope).log.name(actor), ruling)
        stands = await self._servers.definitions.submit(scope, name, definitions.values(), by)
        return tuple([await self._shown(scope, definitions[name], state) for name, state in stands.items()])

    async def _shown(self, scope: Scope, definition: Definition, state: str) -> Submission:
        name, digest = definition.name, definition.digest
        found = await asyncio.to_thread(self._suspicions.of, scope, name, definition.said)
        self._suspicions.keep(scope, name, digest, found)
        told = Submission(name, name.partition(".")[0], "left_out", digest, findings=found)
        match state:
            case "submitted":
                record = self._engine.journal(scope).log.record(
                    TENANT_STREAM, self._servers.standing(scope)[f"tool:{name}"].submitted_n
                )
                id = record.control.id if isinstance(record.control, e.Submitted) else ""
                return msgspec.structs.replace(told, status=state, review_id=id, created_at_us=record.ts_us)
            case "on" | "rejected":
                return msgspec.structs.replace(told, status=state)
            case why:
                return msgspec.structs.replace(told, why=why)


def _defined(server: str, told: tuple[Mapping[str, Any], ...]) -> Mapping[ToolName, Definition]:
    """The definitions by the names that they have here."""
    if not 1 <= len(told) <= TOGETHER_MAX:
        raise _not_submitted(
            "definition_invalid", server, f"Between 1 and {TOGETHER_MAX} tools are submitted together."
        )
    found: dict[ToolName, Definition] = {}
    for each in told:
        definition = defined(server, each)
        if definition.name in found:
            raise _not_submitted("definition_twice", definition.name, "Two of the tools would have this name.")
        found[definition.name] = definition
    return found


def _not_submitted(code: str, place: str, message: str) -> Invalid:
    step = "Submit what the server's `tools/list` says, in parts where it is much."
    return Invalid(message, code=code, place=place, next_step=step)
