"""A loaded project with those of its agents and flows that are files as the files are now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from lichen.agents.agent import Agent, Source
from lichen.agents.document import load
from lichen.agents.files import CODE, FILE_BYTES_MAX
from lichen.core.words.errors import Invalid, LichenError
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.packs.naming import followed
from lichen.runtime.project.loading import Assembled, Loading
from lichen.runtime.project.project import Project
from lichen.settings.places import with_line
from lichen.settings.reading import Read, read

if TYPE_CHECKING:
    from lichen.gate.rules.packed import PackPolicies
    from lichen.runtime.packs.brought import Brought
    from lichen.runtime.packs.opening import Opened
    from lichen.settings.file import Settings


class Refreshed(NamedTuple):
    """A project as its files are now, with what is wrong with these."""

    project: Project
    errors: tuple[LichenError, ...]


def refreshed(project: Project) -> Refreshed:
    """A project with those of its agents, flows and packs that are files as the files are now, and what is wrong with
    these.

    An agent or flow whose files are wrong stays as it is. So does a pack that may not be loaded, or of which anything
    is wrong: its flows, agents, components and policies change together or not at all. Python files, and what else the
    settings say, are not looked at.
    """
    known: dict[str, Agent] = {agent.name: agent for agent in project.agents}
    before = {name: known[name] for name in project.flows if name in known}
    packed = {name: known[name] for name in project.packed if name in known}
    agents, errors = _made_again(agent for agent in project.agents if agent.name not in (*before, *packed))
    unchanged = msgspec.structs.replace(project, agents=(*agents, *packed.values(), *before.values()))
    if project.settings.file is None:
        return Refreshed(unchanged, tuple(errors))
    file = read(project.settings.file, environ={})
    if file.settings is None:
        return Refreshed(unchanged, (*errors, *file.errors))
    settings = followed(project.settings, file.settings) if project.settings.parts.packs else project.settings
    found, policies, wrong = _assembled(file, settings, project, agents)
    flows: dict[str, Agent] = {flow.name: flow for flow in found.flows}
    if wrong:  # what the broken file held is in force still
        flows = {**_left(before, project.packs, found.packs), **flows}
    now = msgspec.structs.replace(
        project,
        agents=(*agents, *found.packed, *flows.values()),
        flows=tuple(flows),
        tools=found.tools,
        packed=tuple(agent.name for agent in found.packed),
        policies=policies,
        packs=found.packs,
    )
    return Refreshed(now, (*errors, *wrong))


def _assembled(
    file: Read, settings: Settings, project: Project, agents: Sequence[Agent]
) -> tuple[Assembled, tuple[PackPolicies, ...], list[LichenError]]:
    """What packs bring, and the flows, with each pack as it was of which something is wrong as it is now."""
    old = {each.place: each.pack for each in project.packs}
    loading = Loading(file, settings)
    packs, errors = [_same(pack, old) for pack in loading.packs(project.packs)], loading.errors
    while True:
        trial = Loading(file, settings)
        found = trial.assembled(agents, project.own_tools, packs, project.packs)
        policies = trial.policies(found.packs)
        trial.errors += _twice(found, agents)
        new = {str(pack.root) for pack in packs if pack is not old.get(str(pack.root))}
        guilty = {place for place in new if any(_is_of(error, place) for error in trial.errors)}
        if not guilty:
            return found, policies, [*errors, *trial.errors]
        errors += [error for place in sorted(guilty) for error in _causes(trial.errors, place)]
        packs = [old.get(str(pack.root), pack) if str(pack.root) in guilty else pack for pack in packs]


def _same(pack: Opened, old: Mapping[str, Opened]) -> Opened:
    """The pack as it was, if it is that."""
    was = old.get(str(pack.root))
    return was if was is not None and was.digest == pack.digest else pack


def _twice(found: Assembled, agents: Sequence[Agent]) -> Iterator[LichenError]:
    """Agents of packs that have the name of another one."""
    names = Counter(agent.name for agent in (*agents, *found.packed, *found.flows))
    for each in found.packs:
        for agent in each.agents:
            if names[agent.name] > 1:
                step = "Rename one of them."
                message = f"Two agents have the same name, {agent.name}."
                yield Invalid(message, code="agents_invalid", next_step=step, place=each.place)


def _causes(errors: Sequence[LichenError], place: str) -> list[LichenError]:
    """What is wrong with a pack, without what only follows from a component that does not load."""
    found = [error for error in errors if _is_of(error, place)]
    first = found[0]
    return [first] if (first.place or "").endswith(".wasm") else found


def _is_of(error: LichenError, place: str) -> bool:
    return (error.place or "").startswith(place)


def _left(before: Mapping[str, Agent], old: Sequence[Brought], now: Sequence[Brought]) -> dict[str, Agent]:
    """The flows that were there, but those of packs that are others now."""
    packs = {each.pack.digest for each in now}
    gone = [each.place for each in old if each.pack.digest not in packs]
    return {
        name: flow
        for name, flow in before.items()
        if not isinstance(flow.planner, FlowPlanner) or not flow.planner.flow.path.startswith(tuple(gone))
    }


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
    return agent if files == source.files else source.again(files, ())


def _there(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Those files that can be read. Whether another one is wanted still is for the agent to say, and then why not."""
    for path in paths:
        with suppress(LichenError):
            yield path, load(path, FILE_BYTES_MAX, code=CODE)
