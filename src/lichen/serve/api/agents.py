"""The agents a runtime hosts: what each may call, within which limits, and what decides in it."""

from __future__ import annotations

from lichen.runtime.views.agent import AgentDetail, AgentSummary
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Exchange


async def list_agents(x: Exchange) -> tuple[AgentSummary, ...]:
    """The agents the runtime hosts."""
    return x.runtime.agents.list(x.scope, x.actor)


async def show(x: Exchange) -> AgentDetail:
    """One of them."""
    return x.runtime.agents.show(x.scope, x.part("agent"), x.actor)


ROUTES = (
    ApiRoute("GET", "agents", "agent.list", list_agents),
    ApiRoute("GET", "agents/{agent}", "agent.read", show),
)
