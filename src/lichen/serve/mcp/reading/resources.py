"""The resources: a tenant's agents, runs, records and waits, as JSON, for whoever may read each of them anyway."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from mcp_types import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from lichen.core.words.errors import Denied, Invalid, NotFound
from lichen.core.words.ids import RunId, run_stream
from lichen.gate.rules.identity import may
from lichen.gate.rules.schema import Action
from lichen.runtime.operations.waits import FOR_PEOPLE
from lichen.serve.mcp.reading.permits import Permits
from lichen.serve.mcp.visit import Context, House, Visit
from lichen.settings.file import ServeMcp

SCHEME: Final = "lichen://"
LISTED_MAX: Final = 50
RECORDS_MAX: Final = 200
BYTES_MAX: Final = 1024 * 1024
JSON, MARKDOWN = "application/json", "text/markdown"

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"


class Kind(NamedTuple):
    """One kind of resource: what it is called, where it is, for which action, and what it says."""

    name: str
    place: str
    action: Action
    description: str
    read: Callable[[Visit, str], Awaitable[Any]]
    media: str = JSON

    @property
    def is_template(self) -> bool:
        """Whether there is one of it for each thing."""
        return "{" in self.place

    def part(self, uri: str) -> str | None:
        """What stands in the place's braces, empty where it has none; None for an address that is not of this kind."""
        if not self.is_template:
            return "" if uri == f"{SCHEME}{self.place}" else None
        before, _, rest = self.place.partition("{")
        pattern = f"{re.escape(SCHEME + before)}({_NAME}){re.escape(rest.partition('}')[2])}"
        found = re.fullmatch(pattern, uri)
        return found and found[1]


class Resources:
    """Lists and reads. What is not let be read, or is not the caller's kind's to read, is not listed."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def list(self, ctx: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        """Those that are one thing."""
        kinds = (kind for kind in self._let(ctx) if not kind.is_template)
        return ListResourcesResult(
            resources=[
                Resource(uri=SCHEME + kind.place, name=kind.name, description=kind.description, mime_type=kind.media)
                for kind in kinds
            ]
        )

    async def templates(self, ctx: Context, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        """Those of which there are many."""
        kinds = (kind for kind in self._let(ctx) if kind.is_template)
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(
                    uri_template=SCHEME + kind.place,
                    name=kind.name,
                    description=kind.description,
                    mime_type=kind.media,
                )
                for kind in kinds
            ]
        )

    async def read(self, ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        """What one says. Raises NotFound (`resource_unknown`), Denied (`resource_denied`), and what its kind raises."""
        visit = self._house.visit(ctx)
        kind, part = find(visit, params.uri)
        said = await kind.read(visit, part)
        text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        if len(text.encode()) > BYTES_MAX:
            step = "Read it in the console, or with `lichen log export`."
            raise Invalid("The resource is too large to be read here.", code="resource_too_large", next_step=step)
        return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, mime_type=kind.media, text=text)])

    def _let(self, ctx: Context) -> list[Kind]:
        visit = self._house.visit(ctx)
        permits = Permits(rules_of(visit), visit.connection)
        return [kind for kind in KINDS if permits.let(kind.name) and may(visit.actor, kind.action)]


def rules_of(visit: Visit) -> ServeMcp:
    """What the configuration says of clients."""
    settings = visit.runtime.settings
    return ServeMcp() if settings is None else settings.serve.mcp


def find(visit: Visit, uri: str) -> tuple[Kind, str]:
    """The kind of an address and what it names. Raises NotFound (`resource_unknown`), Denied (`resource_denied`)."""
    for kind in KINDS:
        part = kind.part(uri)
        if part is None:
            continue
        if not Permits(rules_of(visit), visit.connection).let(kind.name):
            step = f"Name {kind.name!r} under [serve.mcp] allow in lichen.toml."
            raise Denied("This resource is not let be read.", code="resource_denied", next_step=step)
        return kind, part
    raise NotFound("There is no such resource.", code="resource_unknown", next_step="Read the list of resources.")


async def _agents(visit: Visit, part: str) -> Any:
    return visit.runtime.agents.list(visit.scope, visit.actor)


async def _agent(visit: Visit, part: str) -> Any:
    return visit.runtime.agents.show(visit.scope, part, visit.actor)


async def agents_md(visit: Visit, part: str = "") -> str:
    """The agents in prose, as files of this name tell of them."""
    agents = visit.runtime.agents.offered(visit.scope, visit.actor)
    told = [f"## {agent.name}\n\n{agent.description or f'Talks to {agent.name}.'}\n" for agent in agents]
    return "\n".join(["# Agents\n", *told])


async def _runs(visit: Visit, part: str) -> Any:
    return visit.runtime.runs.list(visit.scope, visit.actor, limit=LISTED_MAX)


async def _run(visit: Visit, part: str) -> Any:
    await visit.runtime.log(visit.scope).load(run_stream(RunId(part)))
    return visit.runtime.runs.outcome(visit.scope, RunId(part), visit.actor)


async def _records(visit: Visit, part: str) -> Any:
    await visit.runtime.log(visit.scope).load(run_stream(RunId(part)))
    return visit.runtime.runs.show(visit.scope, RunId(part), visit.actor).records[-RECORDS_MAX:]


async def _waits(visit: Visit, part: str) -> Any:
    return visit.runtime.waits.list(visit.scope, visit.actor, kinds=FOR_PEOPLE)


KINDS: Final = (
    Kind("agents", "agents", "agent.list", "The agents, and what each may call.", _agents),
    Kind("agent", "agents/{agent}", "agent.read", "An agent with the contracts of its tools.", _agent),
    Kind("agents.md", "agents.md", "agent.list", "The agents in prose.", agents_md, MARKDOWN),
    Kind("runs", "runs", "run.read", "The newest runs.", _runs),
    Kind("run", "runs/{run}", "run.result", "How a run stands, and what it answered.", _run),
    Kind("records", "runs/{run}/records", "run.read", "The newest records of a run.", _records),
    Kind("waits", "waits", "wait.read", "What waits for a person. It is answered elsewhere.", _waits),
)
"""Every kind of resource. Reading one asks for its action as everything else does; this is for lists."""
