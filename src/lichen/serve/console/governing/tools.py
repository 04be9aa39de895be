"""The tools of other people's servers: how each stands, both definitions beside each other, and the judgement."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lichen.core.words.errors import Invalid
from lichen.runtime.operations.governing.tools import ToolOffer, ToolStanding
from lichen.serve.console.visit import Outcome, Visit
from lichen.tools.scan.difference import Row, beside

REASON_CHARS_MAX = 4_000


class ToolBook(msgspec.Struct, frozen=True):
    """The tools of each server that is configured here or ever offered something; those that wait come first."""

    servers: Mapping[str, tuple[ToolStanding, ...]]


class ToolPage(msgspec.Struct, frozen=True):
    """One tool, and what is pinned and what waits line by line; all lines of the one there is, where there is one."""

    offer: ToolOffer
    rows: tuple[Row, ...]


async def listing(visit: Visit) -> ToolBook:
    """How every tool stands."""
    tools = visit.runtime.tools.list(visit.scope, visit.actor)
    names = {*visit.runtime.tools.servers(visit.scope, visit.actor), *(tool.server for tool in tools)}
    by_need = sorted(tools, key=lambda tool: (not tool.waiting, tool.name))
    return ToolBook({name: tuple(tool for tool in by_need if tool.server == name) for name in sorted(names)})


async def show(visit: Visit) -> ToolPage:
    """The tool of the path. Raises NotFound (`tool_unknown`)."""
    offer = visit.runtime.tools.show(visit.scope, visit.part("tool"), visit.actor)
    if offer.pinned is not None and offer.waiting is not None:
        return ToolPage(offer, beside(offer.pinned, offer.waiting))
    alone = offer.pinned if offer.waiting is None else offer.waiting
    return ToolPage(offer, beside(alone, alone))


async def look(visit: Visit) -> Outcome:
    """Asks a server what it offers now. Raises NotFound (`server_unknown`), Unavailable (`server_unreachable`)."""
    await visit.runtime.tools.look(visit.scope, visit.form.get("server", ""), visit.actor)
    return Outcome("/console/tools")


async def judge(visit: Visit) -> Outcome:
    """Accepts or rejects the definition that was shown, which its digest names.

    Raises Conflict (`definition_changed`) where it is another one by now, Denied, Invalid.
    """
    name, digest = visit.part("tool"), visit.form.get("digest", "")
    reason = visit.form.get("reason", "").strip()[:REASON_CHARS_MAX]
    tools = visit.runtime.tools
    match visit.form.get("verdict"):
        case "accept":
            await tools.accept(visit.scope, name, digest, visit.actor, reason=reason)
        case "reject":
            await tools.reject(visit.scope, name, digest, visit.actor, reason=reason)
        case _:
            step = "Use the buttons of the tool's page."
            raise Invalid(
                "A definition is accepted or rejected.", code="verdict_unknown", place="verdict", next_step=step
            )
    return Outcome(f"/console/tools/{name}")
