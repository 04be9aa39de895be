"""What other people's servers offer, and the judgement of an operator."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from lichen.runtime.operations.governing.search import FoundTool
from lichen.runtime.operations.governing.submissions import TOGETHER_MAX, Submission
from lichen.runtime.operations.governing.tools import ToolOffer, ToolStanding
from lichen.runtime.servers.servers import Seen
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Note, Nothing

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
TOKEN_CHARS_MAX = 32_768
Digest = Annotated[str, msgspec.Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$")]


class Looking(Body, frozen=True):
    """Which server is asked."""

    server: Name


class Searching(Body, frozen=True):
    """Words, any of which is to fit; all tools without one."""

    words: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Submitting(Body, frozen=True):
    """Definitions of a server's tools, as its `tools/list` would say them."""

    server: Name
    tools: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=TOGETHER_MAX)]


class SigningIn(Body, frozen=True):
    """At which server somebody signed in, and what `lichen tools login` got there."""

    server: Name
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_CHARS_MAX)]


class Judging(Body, frozen=True):
    """Which definition is judged: of this tool, with this digest."""

    name: Name
    digest: Digest
    reason: Note = ""


async def list_tools(x: Exchange) -> tuple[ToolStanding, ...]:
    """Every tool that a server ever offered here, and how it stands."""
    return x.runtime.tools.list(x.scope, x.actor)


async def show(x: Exchange) -> ToolOffer:
    """One of them: what is pinned, what waits, and where they differ."""
    return x.runtime.tools.show(x.scope, x.part("name"), x.actor)


async def look(x: Exchange) -> Seen:
    """Asks a server what it offers now."""
    return await x.runtime.tools.look(x.scope, x.body(Looking).server, x.actor)


async def login(x: Exchange) -> Nothing:
    """Keeps what the caller's own sign-in at a server brought, for calls that are made for them."""
    wanted = x.body(SigningIn)
    await x.runtime.sign_ins.keep(x.scope, wanted.server, wanted.token.encode(), x.actor)
    return Nothing()


async def search(x: Exchange) -> tuple[FoundTool, ...]:
    """Every tool that the words fit, of the project and of its servers and registries, the best first."""
    return await x.runtime.tool_search.search(x.scope, x.query(Searching).words, x.actor)


async def submit(x: Exchange) -> tuple[Submission, ...]:
    """Puts definitions of a server's tools before whoever judges, and says what is suspicious in them."""
    wanted = x.body(Submitting)
    return await x.runtime.submissions.submit(x.scope, wanted.server, wanted.tools, x.actor)


async def accept(x: Exchange) -> ToolStanding:
    """Turns a tool on as the definition that waits says."""
    wanted = x.body(Judging)
    return await x.runtime.tools.accept(x.scope, wanted.name, wanted.digest, x.actor, reason=wanted.reason)


async def reject(x: Exchange) -> ToolStanding:
    """Says no to a definition; a tool that is pinned so is off from now on."""
    wanted = x.body(Judging)
    return await x.runtime.tools.reject(x.scope, wanted.name, wanted.digest, x.actor, reason=wanted.reason)


ROUTES = (
    ApiRoute("GET", "tools", "tool.read", list_tools),
    ApiRoute("POST", "tools", "tool.submit", submit, body=Submitting, fails=(404, 409, 429, 503)),
    ApiRoute("GET", "tools/search", "tool.read", search, query=Searching),
    ApiRoute("GET", "tools/{name}", "tool.read", show, fails=(404,)),
    ApiRoute("POST", "tools/look", "tool.look", look, body=Looking, fails=(404, 503)),
    ApiRoute("POST", "tools/login", "tool.login", login, body=SigningIn, fails=(404, 409, 503)),
    ApiRoute("POST", "tools/accept", "tool.review", accept, body=Judging, fails=(404, 409, 503)),
    ApiRoute("POST", "tools/reject", "tool.review", reject, body=Judging, fails=(404, 409)),
)
