"""Who asks over MCP, and of which runtime: recognised anew for every message, so a key that was revoked ends there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST
from starlette.requests import HTTPConnection

from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.runtime import Runtime
from lichen.serve.http.auth import Caller, Identify
from lichen.serve.http.lines import broken
from lichen.serve.http.state import Site, site_of

Context = ServerRequestContext[Any, HTTPConnection]
SESSION_HEADER: Final = "mcp-session-id"
CALL_ID: Final = "lichen.dev/call-id"
ONLY_KNOWN: Final = "lichen.dev/only-known"
ID_CHARS_MAX: Final = 200

P = TypeVar("P")
R = TypeVar("R")


class House(NamedTuple):
    """What every message of an application is answered with: its runtime, and who recognises callers."""

    runtime: Runtime
    identify: Identify

    def visit(self, ctx: Context) -> Visit:
        """The visit that a message is. Raises Unauthenticated, Invalid, NotFound."""
        assert ctx.request is not None, "every way in says which connection a message came by"
        caller = self.identify(ctx.request)
        return Visit(self.runtime, caller, caller.scope(), caller.actor(), ctx.request)


class Visit(NamedTuple):
    """One message: whose it is, where, and the connection it came by."""

    runtime: Runtime
    caller: Caller
    scope: Scope
    actor: Actor
    connection: HTTPConnection

    @property
    def site(self) -> Site:
        """What the routes of the application share."""
        return site_of(self.connection)

    @property
    def closing(self) -> asyncio.Event:
        """Set when the server is about to stop."""
        return self.site.closing


def session_of(connection: HTTPConnection) -> Any:
    """What the messages of one client have in common: its session's id, or its pipe."""
    return connection.headers.get(SESSION_HEADER) or connection


def call_id(ctx: Context) -> str:
    """The id that a client gave a call; empty for none. Raises Invalid (`call_id_invalid`)."""
    found: object = (ctx.meta or {}).get(CALL_ID, "")
    if not isinstance(found, str) or len(found) > ID_CHARS_MAX or not found.isprintable():
        step = f"Give `_meta` a text of at most {ID_CHARS_MAX} characters under {CALL_ID}, or nothing."
        raise Invalid("This is no id of a call.", code="call_id_invalid", next_step=step)
    return found


def only_asks(ctx: Context) -> bool:
    """Whether it is only asked what came of a call. Raises Invalid (`call_id_invalid`) where that has no id."""
    if (ctx.meta or {}).get(ONLY_KNOWN) is not True:
        return False
    if not call_id(ctx):
        raise Invalid("It is not said of which call.", code="call_id_invalid", next_step=f"Name it under {CALL_ID}.")
    return True


def answering(handle: Callable[[Context, P], Awaitable[R]]) -> Callable[[Context, P], Awaitable[R]]:
    """A handler whose errors leave as the protocol has them: our code and next step, never a stack trace."""

    async def answered(ctx: Context, params: P) -> R:
        try:
            return await handle(ctx, params)
        except LichenError as error:
            raise refused(error) from None
        except MCPError:
            raise
        except Exception as error:  # noqa: BLE001 - no stack trace ever leaves; the log has its place
            broken(f"mcp {ctx.method}", error)
            raise MCPError(INTERNAL_ERROR, "Something went wrong inside the runtime; its own log says what.") from None

    return answered


def refused(error: LichenError) -> MCPError:
    """An error as the protocol has them."""
    code = INVALID_PARAMS if isinstance(error, (Invalid, NotFound)) else INVALID_REQUEST
    return MCPError(code, f"{error.message} {error.next_step}", {"code": error.code, "kind": error.kind})
