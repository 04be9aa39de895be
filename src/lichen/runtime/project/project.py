"""A project: what its `lichen.toml` says, and what that names, found, loaded and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Tool
from lichen.core.speech.wording import Greeter, Greeting
from lichen.core.words.errors import Invalid, LichenError
from lichen.runtime.channels.channels import Channels
from lichen.settings.file import FILE, Settings
from lichen.settings.routes import Route, find

if TYPE_CHECKING:
    from lichen.gate.rules.packed import PackPolicies
    from lichen.runtime.packs.brought import Brought

DEFAULT_FLOW: Final = "default"  # upstream's first choice among the flows of a pack
WEBCHAT: Final = "webchat"


class Project(msgspec.Struct, frozen=True):
    """The settings of a project with the agents and tools they name.

    Flows are among the agents; `flows` names them. `modules` are the project's own Python files that were loaded, each
    with the digest of what it held; `channels` are what packages brought for the tables of tenants. `packed` are the
    agents that packs brought, `warnings` what is odd about these packs, `policies` what they bring that is in force,
    and `packs` are these.
    """

    settings: Settings
    agents: tuple[Agent, ...]
    flows: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    modules: Mapping[Path, str] = {}
    channels: Channels = Channels()
    packed: tuple[str, ...] = ()
    warnings: tuple[LichenError, ...] = ()
    policies: tuple[PackPolicies, ...] = ()
    packs: tuple[Brought, ...] = ()

    @property
    def own_tools(self) -> tuple[Tool, ...]:
        """The tools that no pack brought."""
        brought = {id(tool) for pack in self.packs for tool in pack.tools}
        return tuple(tool for tool in self.tools if id(tool) not in brought)

    def agent_for(self, tenant: str) -> Agent:
        """The agent the customers of a tenant meet: the one it names, else the only one there is besides flows, else,
        where there is none, the flow that is called `default` or the only one.

        Raises Invalid (`agent_ambiguous`).
        """
        name = self.settings.tenants[tenant].agent
        found = [
            agent for agent in self.agents if name == agent.name or (name is None and agent.name not in self.flows)
        ]
        if name is None and not found:
            defaults = [agent for agent in self.agents if agent.name.rpartition(".")[2] == DEFAULT_FLOW]
            found = defaults or list(self.agents)
        if len(found) != 1:
            raise Invalid(
                f"Tenant {tenant!r} does not say which agent its customers meet.",
                code="agent_ambiguous",
                next_step=f"Set `agent` under [tenants.{tenant}] in {FILE}.",
            )
        return found[0]

    def route(self, tenant: str, channel: str, path: str = "", said: Mapping[str, Any] = {}) -> Route:
        """Where a conversation of a channel goes that begins with what is `said` at `path`. Raises Invalid
        (`agent_ambiguous`) when nothing says so."""
        found = find(self.settings.tenants[tenant].routes, channel, path, said)
        return found or Route(channel, agent=self.agent_for(tenant).name)

    def team(self, tenant: str, channel: str) -> str:
        """The team that a channel of a tenant is for, if the tenant declares one of that name; empty for none."""
        if channel == WEBCHAT:
            webchat = self.settings.tenants[tenant].webchat
            return "" if webchat is None else self.settings.team(tenant, webchat.team)
        return self.settings.team(tenant, self.channels.find(channel, tenant).team)

    def greeting(self, tenant: str, language: str) -> Greeting:
        """What visitors of a tenant's web chat see before they say anything; nothing where nobody says what."""
        declared = self.settings.tenants[tenant].webchat
        if declared is not None and language in declared.greetings:
            return declared.greetings[language]
        target = self.route(tenant, "webchat").target
        planner = next((agent.planner for agent in self.agents if agent.name == target), None)
        return planner.welcome(language) if isinstance(planner, Greeter) else Greeting()
