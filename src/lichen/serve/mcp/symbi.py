"""The six tools that Symbiont's server has, under their names, so that a client of that one finds them here.

They say what Lichen has of each: an agent is a TOML file or a flow, and never what a client writes at call time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from mcp_types import CallToolResult, Tool, ToolAnnotations

from lichen.core.words.errors import Invalid, NotFound
from lichen.serve.mcp.reading.resources import agents_md
from lichen.serve.mcp.results import said
from lichen.serve.mcp.schemas import Asked, verify_schema
from lichen.serve.mcp.visit import Visit

CONTENT_BYTES_MAX: Final = 256 * 1024
INVOKE: Final = "invoke_agent"
VERIFY: Final = "verify_schema"


class Invoked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `invoke_agent` takes."""

    agent: str
    prompt: str
    system_prompt: str = ""


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `get_agent_dsl` takes."""

    agent: str


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `parse_dsl` takes: a text, or the name of a file that an agent here is made of."""

    content: str = ""
    file: str = ""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the others take."""


def check_invoked(invoked: Invoked) -> None:
    """Raises Invalid (`system_prompt_refused`): whoever calls an agent does not write what it is told to be."""
    if invoked.system_prompt:
        raise Invalid(
            "What an agent is told to be is its project's to say, not its caller's.",
            code="system_prompt_refused",
            next_step="Leave `system_prompt` out, and say what is wanted in `prompt`.",
        )


async def _list_agents(visit: Visit, given: Nothing) -> CallToolResult:
    agents = visit.runtime.agents.offered(visit.scope, visit.actor)
    told = [{"name": each.name, "description": each.description, "kind": each.kind} for each in agents]
    return said(_json(told), {"agents": told})


async def _get_agents_md(visit: Visit, given: Nothing) -> CallToolResult:
    return said(await agents_md(visit))


async def _get_agent_dsl(visit: Visit, given: Named) -> CallToolResult:
    """The file of an agent, or its contract where it is made in Python."""
    files = visit.runtime.agents.source(visit.scope, given.agent, visit.actor)
    if not files:
        return said(_json(visit.runtime.agents.show(visit.scope, given.agent, visit.actor)))
    return said("\n".join(f"# {Path(path).name}\n{data.decode(errors='replace')}" for path, data in files.items()))


async def _parse_dsl(visit: Visit, given: Written) -> CallToolResult:
    """What a text says, or what is wrong with it and where. No code of anybody's is run, and no file is opened."""
    name, data = ("content", given.content.encode()) if given.content else _file(visit, given.file)
    if len(data) > CONTENT_BYTES_MAX:
        raise Invalid(f"The text has more than {CONTENT_BYTES_MAX} bytes.", code="content_too_large")
    told = await asyncio.to_thread(_parsed, name, data)
    return said(_json(told), told)


def _file(visit: Visit, name: str) -> tuple[str, bytes]:
    """A file that an agent here is made of, by its name. Raises NotFound (`file_unknown`), Denied."""
    for agent in visit.runtime.agents.all(visit.scope, visit.actor):
        for path, data in visit.runtime.agents.source(visit.scope, agent.name, visit.actor).items():
            if Path(path).name == Path(name).name:
                return Path(path).name, data
    step = "Name a file of an agent here, or send the text as `content`."
    raise NotFound("No agent here is made of a file of this name.", code="file_unknown", next_step=step)


def _parsed(name: str, data: bytes) -> dict[str, Any]:
    """A flow or an agent's file as plain values."""
    if Path(name).suffix == ".ygtc" or b"\nnodes:" in b"\n" + data:
        from lichen.flows.read.doctor import as_json, diagnose_bytes

        return {"kind": "flow", **as_json(diagnose_bytes(data, name))}
    return {"kind": "agent", **_agent(name, data)}


def _agent(name: str, data: bytes) -> dict[str, Any]:
    from lichen.agents import written
    from lichen.agents.document import read
    from lichen.agents.tables import AgentFile

    try:
        tree = written.read(Path(name), data).tree
        return {"ok": True, "agent": msgspec.to_builtins(read(tree, AgentFile, code=written.CODE))}
    except Invalid as error:
        return {"ok": False, "errors": [{"code": error.code, "message": error.message, "place": error.place or ""}]}


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


class Own(NamedTuple):
    """One of the tools: what it takes, and what it does."""

    tool: Tool
    takes: type[Any]
    does: Callable[[Visit, Any], Awaitable[CallToolResult]]


def _tool(name: str, description: str, fields: Mapping[str, Any], required: tuple[str, ...] = ()) -> Tool:
    schema = {
        "type": "object",
        "properties": dict(fields),
        "required": list(required),
        "additionalProperties": False,
    }
    return Tool(
        name=name,
        description=description,
        input_schema=schema,
        annotations=ToolAnnotations(read_only_hint=name != INVOKE, open_world_hint=name == VERIFY),
    )


_TEXT: Final[Mapping[str, str]] = {"type": "string"}

INVOKE_TOOL: Final = _tool(
    INVOKE,
    "Tells an agent what is wanted, as its own tool does. `system_prompt` is refused.",
    {"agent": _TEXT, "prompt": _TEXT, "system_prompt": _TEXT},
    ("agent", "prompt"),
)

TOOLS: Final[Mapping[str, Own]] = {
    own.tool.name: own
    for own in (
        Own(_tool("list_agents", "Lists the agents that the caller may begin with.", {}), Nothing, _list_agents),
        Own(
            _tool(
                "parse_dsl",
                "Reads an agent's file (TOML, YAML, JSON) or a flow (.ygtc), and says what is wrong with it.",
                {"content": _TEXT, "file": _TEXT},
            ),
            Written,
            _parse_dsl,
        ),
        Own(
            _tool("get_agent_dsl", "Gives the file of an agent, or its contract.", {"agent": _TEXT}, ("agent",)),
            Named,
            _get_agent_dsl,
        ),
        Own(_tool("get_agents_md", "Describes the agents in Markdown.", {}), Nothing, _get_agents_md),
        Own(
            _tool(
                VERIFY,
                "Checks the signature of a tool's schema: beside it, or in it. The address holds the key or a domain's "
                "discovery document; what the domain takes back does not count.",
                {"schema": {}, "public_key_url": _TEXT, "signature": _TEXT},
                ("schema", "public_key_url"),
            ),
            Asked,
            verify_schema,
        ),
    )
}
"""Those that are no call of an agent."""
