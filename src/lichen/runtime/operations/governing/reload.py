"""Files that changed, put in force without a restart: policies, channels and schedules at once, agents and flows for
runs that begin now."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import ToolSpec
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import SYSTEM, Actor, Scope
from lichen.engine.engine import Engine
from lichen.runtime.access.access import About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.channels.channels import Renewed
from lichen.runtime.project.catalog import Catalog
from lichen.runtime.project.hosting import specs_of
from lichen.runtime.project.policies import InForce, Packs
from lichen.runtime.project.prompts import Prompts

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project
    from lichen.runtime.schedules.ticker import Ticker
    from lichen.settings.file import Settings
    from lichen.settings.reading import Read


class Broken(msgspec.Struct, frozen=True):
    """Why something stayed as it was."""

    code: str
    message: str
    next_step: str
    place: str | None


class Reloaded(msgspec.Struct, frozen=True):
    """What is in force now. `agents` have a new version, or are new, or are gone; `broken` says what stayed as it was;
    `needs_restart` names the changed files that only a new process reads; `prompts` say something else now; `channels`,
    and `schedules`, each as `TENANT/NAME`, are others than before."""

    policies: str
    are_policies_new: bool
    agents: tuple[str, ...]
    broken: tuple[Broken, ...]
    needs_restart: tuple[str, ...]
    prompts: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()


class Reload:
    """Reads policies, agents and flows again. Raises Denied."""

    def __init__(
        self,
        engine: Engine,
        access: Access,
        changes: Changes,
        in_force: InForce,
        catalog: Catalog,
        project: Project | None,
        *,
        prompts: Prompts,
        ticker: Ticker,
    ) -> None:
        self._engine = engine
        self._access = access
        self._changes = changes
        self._in_force = in_force
        self._catalog = catalog
        self._project = project
        self._prompts = prompts
        self._ticker = ticker

    async def __call__(self, scope: Scope, actor: Actor) -> Reloaded:
        """Puts the files as they are now in force: the policies of the scope, the agents and flows of the runtime.

        What is broken leaves the old in force and is named. A run under way keeps the version it began with.
        """
        ruling = self._access.ask("policy.reload", scope, actor, About(scope.tenant))
        broken: list[LichenError] = []
        before = {each: self._in_force.digest(each) for each in self._engine.scopes}
        try:
            self._in_force.load(scope)
        except LichenError as error:
            found = self._in_force.mistakes(scope)
            broken += found if error.place in [each.place for each in found] else (error, *found)
        changed = await self._agents(broken)
        after = self._in_force.digest(scope)
        for other in self._engine.scopes:
            if self._in_force.digest(other) != before[other]:
                by, said = (actor, ruling) if other == scope else (SYSTEM, None)
                await self._changes.note(other, "policy", self._in_force.digest(other), by, said)
        prompts = self._changed_prompts(broken)
        for name in prompts:
            await self._changes.note(scope, "catalog", f"prompt:{name}", actor, ruling)
        for name, digest in changed:
            for other in self._engine.scopes:
                mine = other == scope
                by, said = (actor, ruling) if mine else (SYSTEM, None)
                await self._changes.note(other, "catalog", name, by, said, digest=digest)
        file = await self._file(broken)
        schedules = await self._schedules(file)
        channels = self._channels(file, broken)
        files = self._imported(are_settings_read=channels.are_all)
        tables = [("channel", each) for each in channels.changed] + [("schedule", each) for each in schedules]
        for kind, name in tables:
            if name.partition("/")[0] == scope.tenant:
                await self._changes.note(scope, "config", f"{kind}:{name.partition('/')[2]}", actor, ruling)
        return Reloaded(
            after,
            after != before[scope],
            tuple(name for name, _ in changed),
            tuple(Broken(error.code, error.message, error.next_step, error.place) for error in broken),
            tuple(str(file) for file in files),
            prompts,
            channels.changed,
            schedules,
        )

    def _changed_prompts(self, broken: list[LichenError]) -> tuple[str, ...]:
        """The prompts that say something else now."""
        try:
            return self._prompts.load()
        except LichenError as error:
            broken.append(error)
            return ()

    async def _file(self, broken: list[LichenError]) -> Read | None:
        """The settings as their file has them now. While there is a mistake in it, nothing of it is in force."""
        if self._project is None or self._project.settings.file is None:
            return None
        from lichen.settings.reading import read

        file = await asyncio.to_thread(read, self._project.settings.file, environ=os.environ)
        broken += file.errors
        return None if file.errors else file

    def _channels(self, file: Read | None, broken: list[LichenError]) -> Renewed:
        """The tables of channels as they are now."""
        if self._project is None or file is None or file.settings is None:
            return Renewed()
        from lichen.runtime.channels.opening import open_channels

        found, errors = open_channels(file, file.settings)
        broken += errors
        if errors:
            return Renewed()
        renewed = self._project.channels.renew(found, self._engine.scopes)
        return renewed._replace(are_all=not renewed.later and _are_alike(file.settings, self._project.settings))

    async def _schedules(self, file: Read | None) -> tuple[str, ...]:
        """The schedules as they are now."""
        if file is None or file.settings is None:
            return ()
        return await self._ticker.renew(file.settings, self._engine.scopes)

    async def _agents(self, broken: list[LichenError]) -> list[tuple[str, str]]:
        """The agents that changed, each with its digest, empty for one that is gone."""
        if self._project is None:
            return []
        from lichen.flows.walk.planner import FlowPlanner
        from lichen.runtime.project.refreshing import refreshed

        now = self._catalog.agents
        flows = tuple(agent.name for agent in now if isinstance(agent.planner, FlowPlanner))
        packs = self._in_force.source.packs
        current = msgspec.structs.replace(self._project, agents=now, flows=flows, policies=packs)
        found, errors = await asyncio.to_thread(refreshed, current)
        broken += errors
        if not self._are_policies_for(found.agents, found.policies, broken):
            return []
        changed = self._catalog.replace(found.agents, found.packs)
        self._project = msgspec.structs.replace(found, agents=self._project.agents)
        if found.packs:
            from lichen.runtime.packs.pinned import pinned  # for projects with packs only

            self._catalog.prune(await pinned(self._engine))
        digests: dict[str, str] = {agent.name: agent.digest for agent in self._catalog.agents}
        gone = [agent.name for agent in now if agent.name not in digests]
        return [(name, digests.get(name, "")) for name in sorted({*changed, *gone})]

    def _are_policies_for(self, agents: Sequence[Agent], packs: Packs, broken: list[LichenError]) -> bool:
        """Whether policies, and those of packs, load with the tools that these agents have; where they do not, nothing
        changes."""
        before, now = specs_of(self._catalog.agents), specs_of(agents)
        brought = self._in_force.source.packs
        if now == before and packs == brought:
            return True
        try:
            self._learn(now, packs)
        except LichenError as error:
            broken.append(error)
            self._learn(before, brought)
            return False
        return True

    def _learn(self, specs: Sequence[ToolSpec], packs: Packs) -> None:
        self._in_force.source.learn(specs, packs)
        for scope in self._engine.scopes:
            self._in_force.load(scope)

    def _imported(self, *, are_settings_read: bool) -> tuple[Path, ...]:
        """The Python files that changed since they were imported, and the settings where more than channels did."""
        if self._project is None:
            return ()
        from lichen.runtime.project.modules import changed_modules

        known = self._project.modules
        if are_settings_read:
            known = {file: digest for file, digest in known.items() if file != self._project.settings.file}
        return changed_modules(known)


def _are_alike(now: Settings, before: Settings) -> bool:
    """Whether nothing but tables of channels and schedules changed."""
    return _without_tables(now, before.home) == _without_tables(before, before.home)


def _without_tables(settings: Settings, home: Path) -> Settings:
    tenants = {
        name: msgspec.structs.replace(each, channels={}, schedules=()) for name, each in settings.tenants.items()
    }
    return msgspec.structs.replace(settings, tenants=tenants, home=home)
