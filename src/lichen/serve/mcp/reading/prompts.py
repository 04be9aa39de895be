"""The prompts of the project, with the caller's facts filled in. They are agents' words: customers read none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from lichen.agents.llm import prompts
from lichen.core.ports.plan import PromptText
from lichen.core.words.scope import Actor
from lichen.gate.rules.identity import may
from lichen.serve.mcp.visit import Context, House, Visit

OWN: Final = frozenset(("tenant", "environment", "actor", "now", "today", "memory", "attributes"))
"""What a prompt refers to that the caller's own facts say, or nobody."""

ARGUMENT_CHARS_MAX: Final = 1_000


class Prompts:
    """Lists and gives."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def list(self, ctx: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
        """Those that count where the caller is; none for whoever may not read agents."""
        visit = self._house.visit(ctx)
        if not _may(visit.actor):
            return ListPromptsResult(prompts=[])
        found = visit.runtime.prompts.list(visit.scope, visit.actor)
        return ListPromptsResult(prompts=[_shown(each) for each in found])

    async def get(self, ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
        """The words of one. Raises NotFound (`prompt_unknown`), Denied, MCPError for arguments it has not."""
        visit = self._house.visit(ctx)
        prompt = _read(visit.runtime.prompts.show(visit.scope, params.name, visit.actor))
        given = params.arguments or {}
        wrong = next((n for n in given if n not in arguments_of(prompt) or len(given[n]) > ARGUMENT_CHARS_MAX), None)
        if wrong is not None:
            raise MCPError(INVALID_PARAMS, "The prompt has no such argument, or it is too long.", {"argument": wrong})
        text = prompt.render({**_facts(visit), **given})
        message = PromptMessage(role="user", content=TextContent(type="text", text=text))
        return GetPromptResult(description=prompt.description or None, messages=[message])


def _may(actor: Actor) -> bool:
    return may(actor, "agent.read")


def _read(text: PromptText) -> prompts.Prompt:
    return prompts.Prompt(text.text, name=text.name, version=text.version)


def _shown(text: PromptText) -> Prompt:
    prompt = _read(text)
    arguments = [PromptArgument(name=name, required=False) for name in arguments_of(prompt)]
    version = f"Version {text.version}." if text.version else None
    return Prompt(name=text.name, description=version, arguments=arguments)


def arguments_of(prompt: prompts.Prompt) -> tuple[str, ...]:
    """What a client may say for it."""
    return tuple([name for name in prompt.names if name not in OWN])


def _facts(visit: Visit) -> dict[str, Any]:
    now = datetime.fromtimestamp(visit.runtime.engine.services.clock() / 1e6, UTC)
    return {
        "tenant": visit.scope.tenant,
        "environment": visit.scope.env,
        "actor": visit.actor.kind,
        "now": now.strftime("%Y-%m-%d %H:%M UTC"),
        "today": now.strftime("%A, %Y-%m-%d"),
    }
