"""What a test may get wrong about its world, said so that it can be mended at once."""

from __future__ import annotations

from collections.abc import Sequence

from lichen.core.words.errors import Invalid, NotFound
from lichen.runtime.views.wait import WaitView


def only(waits: Sequence[WaitView], kind: str) -> WaitView:
    """The one thing that waits. Raises NotFound (`approval_missing`), Invalid (`approval_unnamed`)."""
    if not waits:
        raise NotFound(
            f"Nothing waits for a person here ({kind}).",
            code="approval_missing",
            next_step="`world.calls()` shows what was decided of each call, and by which policies.",
        )
    if len(waits) > 1:
        asked = "; ".join(wait.summary for wait in waits)
        raise Invalid(
            f"{len(waits)} things wait for a person ({kind}): {asked}.",
            code="approval_unnamed",
            next_step="Name one, as `world.approvals()` or `world.unknown()` lists them.",
        )
    return waits[0]


def agent_unnamed(known: Sequence[str]) -> Invalid:
    """The error for a talk with nobody in particular."""
    names = ", ".join(known) or "none"
    return Invalid(
        f"A talk is with one agent, and the world has: {names}.",
        code="agent_unnamed",
        next_step="Name one: `world.talk(agent=…)`.",
    )


def tenant_unnamed(known: Sequence[str]) -> Invalid:
    """The error for a project whose tenant is not clear."""
    return Invalid(
        f"A world is of one tenant, and the project has: {', '.join(known) or 'none'}.",
        code="tenant_unnamed",
        next_step="Name one: `project_world(…, tenant=…)`.",
    )


def tool_unhosted(name: str, known: Sequence[str]) -> NotFound:
    """The error for a tool that nobody could call: a test about it would hold for nothing."""
    return NotFound(
        f"No agent of this world has a tool {name!r}.",
        code="tool_unhosted",
        next_step=f"Name one of: {', '.join(known) or 'none'}.",
    )
