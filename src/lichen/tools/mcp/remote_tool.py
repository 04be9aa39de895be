"""A tool of an MCP server, as the engine executes it: only while its server says of it what was accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    DidNotHappen,
    Happened,
    NeedsAnswer,
    NotDone,
    Probe,
    Produced,
    Resources,
    ToolSpec,
)
from lichen.core.words.errors import Invalid, LichenError, Unavailable
from lichen.core.words.scope import Scope
from lichen.tools.arguments.described import canonical, read
from lichen.tools.arguments.example import example_of
from lichen.tools.mcp.calling import Calling, told
from lichen.tools.mcp.connection import Connection, Reached, is_broken
from lichen.tools.mcp.definition import Definition
from lichen.tools.mcp.failures import ServerGone, lease_lost, not_done, unasked, unavailable
from lichen.tools.mcp.results import error_of, produced_of, status_of

if TYPE_CHECKING:
    from mcp.types import CallToolResult

Changed = Callable[[Scope, Definition], Awaitable[None]]
"""Told of a definition that is not the one that was accepted."""


ONLY_KNOWN: Final = "lichen.dev/only-known"
UNKNOWN: Final = "call_unknown"
AGAIN_S: Final = 0.5  # before a registry that does not answer is asked again


class NotThere(Exception):
    """A registry gave no answer to what came of a call."""


class RemoteTool:
    """One tool of one server, in one scope. `pinned` is the definition that was accepted there."""

    def __init__(self, spec: ToolSpec, pinned: Definition, reached: Reached, changed: Changed) -> None:
        self.spec = spec
        self._pinned = pinned
        self._reached = reached
        self._changed = changed

    def bound(self, resources: Resources) -> RemoteTool:
        """Itself: it was made for its scope."""
        return self

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments that fit the schema which was accepted. Raises InvalidArguments."""
        return canonical(read(args, self.spec.input_schema))

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: a server vouches for nothing."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> Produced:
        """What the server brings.

        Raises NotDone for what it refused or was never asked, NeedsAnswer where it asks something first, ServerGone and
        others for what nobody knows.
        """
        from mcp import MCPError

        connection = self._connection(meta)
        client = await self._ready(connection, meta)
        timeout_s = max(meta.timeout_s, 0.001)
        calling = Calling(connection, client, self._pinned.tool, args.fields, meta)
        try:
            async with connection.watched(), asyncio.timeout(timeout_s):
                made = await calling.made()
        except MCPError as error:
            if is_broken(error) and connection.server.is_registry:
                raise lease_lost(connection.server.name, error.message) from error
            if is_broken(error):
                raise ServerGone(f"The connection broke: {error.message}") from error
            example, schema = example_of(self.spec).decode(), msgspec.json.encode(self.spec.input_schema).decode()
            raise not_done(error, example=example or "none is known", schema=schema) from error
        if isinstance(made, NeedsAnswer):
            raise made
        return self._produced(connection, made)

    def _produced(self, connection: Connection, made: CallToolResult) -> Produced:
        """What a call brought. That the run of a registry failed is what it brought: it was begun, and is not again."""
        if connection.server.is_registry and status_of(made) in ("failed", "cancelled"):
            made = made.model_copy(update={"is_error": False})
        return produced_of(made, self._pinned.said.get("outputSchema"))

    def _connection(self, meta: CallMeta) -> Connection:
        try:
            return self._reached.of(meta)
        except Unavailable as error:
            raise unasked(error) or unavailable(self.spec.name.partition(".")[0], error.message) from error

    async def _ready(self, connection: Connection, meta: CallMeta) -> Any:
        """The client, once the server says of the tool what was accepted. Nothing was asked of the tool yet."""
        from mcp import MCPError

        try:
            now = await connection.definition(self.spec.name)
            client = await connection.client()
        except (Unavailable, Invalid) as error:
            raise unasked(error) or unavailable(connection.server.name, error.message) from error
        except (MCPError, OSError, TimeoutError) as error:
            raise unavailable(connection.server.name, str(error) or "it does not answer") from error
        if now is None:
            raise NotDone("The server has no such tool any more.", code="tool_gone", retryable=False, recovery="replan")
        if now.digest != self._pinned.digest:
            await self._changed(meta.scope, now)
            raise NotDone(
                "The server says something else of this tool than what was accepted, so it is off until somebody did.",
                code="tool_changed",
                retryable=False,
                recovery="replan",
            )
        return client

    def give_up(self, meta: CallMeta) -> None:
        """The call goes on no more while somebody is asked: its server is told so."""
        self._reached.of(meta).calls.give_up((meta.run, meta.call))

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """What a registry says came of the call with this id, as soon as it answers: whoever asks sets the time.
        Nothing is done by asking. CannotTell of any other server, which cannot be asked.

        A call of which a registry knows nothing did not happen: a request that were still on its way would be the same
        call as the next one with its id.
        """
        connection = self._reached.of(meta)
        while connection.server.is_registry:
            try:
                made = await self._known(connection, args, meta)
                if error_of(made) == UNKNOWN:
                    return DidNotHappen()
                return Happened(self._produced(connection, made).result)
            except NotDone:
                return DidNotHappen()
            except (LichenError, OSError, NotThere) as error:
                if getattr(error, "code", "") == "outcome_unknown":
                    return CannotTell()
                await asyncio.sleep(AGAIN_S)
        return CannotTell()

    async def _known(self, connection: Connection, args: Arguments, meta: CallMeta) -> CallToolResult:
        """The registry's answer. Raises NotThere and others where it gives none."""
        from mcp import MCPError

        asked: Any = {**told(connection.server, meta), ONLY_KNOWN: True}
        client = await connection.client()
        try:
            async with connection.watched():
                return await client.session.call_tool(self._pinned.tool, dict(args.fields), meta=asked)
        except MCPError as error:
            raise NotThere from error
