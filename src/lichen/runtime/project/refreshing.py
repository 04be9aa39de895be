"""A loaded project with those of its agents and flows that are files as the files are now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from lichen.agents.agent import Agent, Source
from lichen.agents.document import load
from lichen.agents.files import CODE, FILE_BYTES_MAX
from lichen.core.words.errors import LichenError
from lichen.runtime.packs.naming import followed
from lichen.runtime.project.loading import Loading
from lichen.runtime.project.project import Project
from lichen.settings.places import with_line
from lichen.settings.reading import read

if TYPE_CHECKING:
    from lichen.gate.rules.packed import PackPolicies


class Refreshed(NamedTuple):
    """A project's agents, and the policies of its packs, as the files are now, and what is wrong with these."""

    agents: tuple[Agent, ...]
    policies: tuple[PackPolicies, ...]
    errors: tuple[LichenError, ...]


def refreshed(project: Project) -> Refreshed:
    """The agents of a project with those that are files as the files are now, and what is wrong with these.

    An agent or flow whose files are wrong, or whose pack may not be loaded, stays as it is; where packs bring policies,
    all packs and flows do. Python files, and what else the settings say, are not looked at.
    """
    known: dict[str, Agent] = {agent.name: agent for agent in project.agents}
    before = {name: known[name] for name in project.flows if name in known}
    packed = {name: known[name] for name in project.packed if name in known}
    agents, errors = _made_again(agent for agent in project.agents if agent.name not in (*before, *packed))
    if project.settings.file is None:
        return Refreshed((*agents, *packed.values(), *before.values()), project.policies, tuple(errors))
    file = read(project.settings.file, environ={})
    if file.settings is None:
        return Refreshed((*agents, *packed.values(), *before.values()), project.policies, (*errors, *file.errors))
    settings = followed(project.settings, file.settings) if project.settings.parts.packs else project.settings
    loading = Loading(file, settings)
    packs = loading.packs()
    brought: dict[str, Agent] = {agent.name: agent for agent in loading.packed(packs, project.tools)}
    if loading.errors:  # what the broken pack held is in force still
        brought = {**packed, **brought}
    agents = [*agents, *brought.values()]
    flows: dict[str, Agent] = {flow.name: flow for flow in loading.flows(agents, project.tools, packs)}
    policies = loading.policies(packs, project.brought)
    if loading.errors and (policies or project.policies):  # a pack is in force with its policies or not at all
        kept = [agent for agent in agents if agent.name not in brought]
        everything = (*kept, *packed.values(), *before.values())
        return Refreshed(everything, project.policies, (*errors, *loading.errors))
    if loading.errors:  # what the broken file held is in force still
        flows = {**before, **flows}
    return Refreshed((*agents, *flows.values()), policies, (*errors, *loading.errors))


def _made_again(agents: Iterable[Agent]) -> tuple[list[Agent], list[LichenError]]:
    """The agents as their files are now; one whose file is wrong, or gone, stays as it is and says why."""
    found: list[Agent] = []
    errors: list[LichenError] = []
    for agent in agents:
        try:
            found.append(agent if agent.source is None else _fresh(agent, agent.source))
        except LichenError as error:
            error.place = with_line(error.place)
            errors.append(error)
            found.append(agent)
    return found, errors


def _fresh(agent: Agent, source: Source) -> Agent:
    files = dict(_there(source.files))
    return agent if files == source.files else source.again(files)


def _there(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Those files that can be read. Whether another one is wanted still is for the agent to say, and then why not."""
    for path in paths:
        with suppress(LichenError):
            yield path, load(path, FILE_BYTES_MAX, code=CODE)
