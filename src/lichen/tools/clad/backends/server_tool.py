"""A manifest that stands for a tool of an MCP server: with narrower arguments, under a name of its own.

The server's tool has to have been accepted in the scope of the call, and is off where it changed, as for an agent that
has it directly. What the gate is asked about is the manifest's.

Source: ToolClad, MCP proxy backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    GoesOn,
    InvalidArguments,
    NotDone,
    Probe,
    Produced,
    Resources,
    Tool,
    ToolSpec,
    produced,
)
from lichen.core.remote.tools import RemoteTools
from lichen.core.words.scope import Scope
from lichen.tools.arguments.described import canonical, read
from lichen.tools.clad.envelope import Asked, answered
from lichen.tools.clad.inputs import Inputs
from lichen.tools.clad.manifest import Manifest, McpTable
from lichen.tools.clad.runner import Commands

Found = Callable[[Scope, RemoteTools], tuple[Tool, ...]]


class Passing:
    """Where the tools of servers are found that a scope has accepted. Made of nothing there are none."""

    def __init__(self, tools: Found = lambda scope, wanted: ()) -> None:
        self.tools = tools


class ServerTool:
    """One manifest with `[mcp]`. `passing` finds the server's tool."""

    def __init__(
        self, spec: ToolSpec, manifest: Manifest, inputs: Inputs, table: McpTable,
        passing: Passing | None = None, commands: Commands | None = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self._manifest, self._inputs, self._table = manifest, inputs, table
        self._passing, self._commands = passing or Passing(), commands or Commands()

    def bound(self, resources: Resources) -> ServerTool:
        """The tool over the servers of a runtime."""
        made = resources.made(Passing), resources.made(Commands)
        return ServerTool(self.spec, self._manifest, self._inputs, self._table, *made)

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments of their types, within the scope. Raises InvalidArguments."""
        fields = read(args, self.spec.input_schema)
        self._inputs.of(fields)
        return canonical(fields)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: a server vouches for nothing."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> Produced:
        """What the server brings, in its envelope if the manifest wants one.

        Raises NotDone where its tool is not there or refuses, NeedsAnswer where it asks something first, and others for
        what nobody knows.
        """
        tool = self._tool(meta.scope)
        if tool is None:
            raise NotDone(
                f"No tool {self._table.tool} of the server {self._table.server} was accepted here.",
                code="tool_unavailable",
                retryable=False,
                recovery="replan",
            )
        given = self._passed(args.fields)
        began_us, began_s = self._commands.clock(), asyncio.get_running_loop().time()
        asked = Asked(self._manifest, meta, f"mcp://{self._table.server}/{self._table.tool}", began_us, began_s)
        brought = produced(await tool.execute(_decoded(tool, given), meta))
        output = self._manifest.output
        assert output is not None, "a manifest that was read has an output"
        said = _text(brought.result)
        now_s, acts = asyncio.get_running_loop().time(), self.spec.effects != "none"
        result = await asyncio.to_thread(answered, asked, output, said, now_s, acts=acts)
        return Produced(result, brought.artifacts)

    def give_up(self, meta: CallMeta) -> None:
        """The call goes on no more while somebody is asked: its server is told so."""
        tool = self._tool(meta.scope)
        if isinstance(tool, GoesOn):
            tool.give_up(meta)

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: the protocol has no way to ask."""
        return CannotTell()

    def _tool(self, scope: Scope) -> Tool | None:
        found = self._passing.tools(scope, RemoteTools(self._table.server, only=(self._table.tool,)))
        return next(iter(found), None)

    def _passed(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments under the server's names, each as what its type is."""
        texts = self._inputs.of(fields)
        return {
            self._table.field_map.get(name, name): _value(self._inputs.plan.arguments[name].type, text)
            for name, text in texts.items()
            if text
        }


def _value(kind: str, text: str) -> Any:
    match kind:
        case "integer" | "port":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            return text == "true"
        case _:
            return text


def _decoded(tool: Tool, given: Mapping[str, Any]) -> Arguments:
    """The arguments as the accepted definition takes them. Raises NotDone (`invalid_call`)."""
    try:
        return tool.decode(msgspec.json.encode(given))
    except InvalidArguments as error:
        message = "The server's tool takes other arguments than the manifest gives it."
        raise NotDone(message, code="invalid_call", retryable=False, issues=error.issues, recovery="replan") from error


def _text(result: bytes) -> bytes:
    """What was said in words; the structured content where there is some."""
    match msgspec.json.decode(result):
        case {"text": str(text), **others} if not others:
            return text.encode()
        case _:
            return result
