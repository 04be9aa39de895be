"""A loaded project, looked at as a whole: its rules, flows, routes and policies beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from lichen.agents.agent import Agent
from lichen.channels import webchat
from lichen.core.ports.call import ToolSpec
from lichen.core.words.errors import LichenError
from lichen.gate.cedar.statements import Statement, statements
from lichen.gate.rules.declarations import METERS_FILE, files_in
from lichen.gate.rules.packed import placed
from lichen.gate.rules.policies import policy_set
from lichen.runtime.project.hosting import specs_of
from lichen.runtime.project.policies import Packs, Place, loaded, of_tenant, places_of
from lichen.runtime.project.project import Project
from lichen.runtime.review.contracts import contract_flaws
from lichen.runtime.review.entries import access_flaws
from lichen.runtime.review.flaw import Flaw
from lichen.runtime.review.policies import met, policy_flaws, unpermitted_keys, unread
from lichen.runtime.review.roles import flow_roles
from lichen.runtime.review.words import unworded
from lichen.settings import FILE, Settings
from lichen.settings.routes import ANY

STATEMENTS_MAX = 1_000  # of a file that does not load, looked at one by one


def review(project: Project) -> tuple[Flaw, ...]:
    """Everything that loads and will fail when it runs. Policies that do not load are not this one's matter."""
    settings = project.settings
    flaws: list[Flaw] = [flaw for agent in project.agents for flaw in contract_flaws(agent)]
    flaws += _routes(settings, project.channels.names_of)
    agents: dict[str, Agent] = {agent.name: agent for agent in project.agents}
    specs = specs_of(project.agents)
    for name, tenant in settings.tenants.items():
        flaws += flow_roles(name, tenant, met(tenant, agents))
        for place in places_of(settings, name):
            with suppress(LichenError):
                policies = loaded(place, specs, project.policies)
                flaws += policy_flaws(place, tenant, policies, agents)
                flaws += unpermitted_keys(place, settings, policies, agents)
    flaws += unread(settings)
    flaws += unworded(project)
    flaws += access_flaws(project)
    return tuple(dict.fromkeys(flaws))


def policy_errors(place: Place, specs: Sequence[ToolSpec], packs: Packs = ()) -> tuple[int, tuple[LichenError, ...]]:
    """How many policies a set has, and why they do not load: every statement that is wrong, not the first alone."""
    directory = place.directory
    try:
        return len(loaded(place, specs, packs).terms), ()
    except LichenError as error:
        if directory is None:
            return 0, (error,)
        found = [
            _placed(each, directory, packs)
            for each in (*_alone(directory, place.env, specs, of_tenant(packs, place.tenant)), error)
        ]
        unique = {(each.place, each.code): each for each in found}
        return 0, tuple(unique.values())


def _alone(directory: Path, env: str | None, specs: Sequence[ToolSpec], packs: Packs) -> Iterator[LichenError]:
    """What is wrong with each statement by itself, at the place where it stands."""
    paths = [*directory.glob("*"), *(files_in(directory / env) if env else ())]
    files = {
        path.relative_to(directory).as_posix(): path.read_text("utf-8", "replace")
        for path in sorted(paths)
        if path.is_file()
    }
    beside = {name: text for name, text in files.items() if Path(name).name in (METERS_FILE, "policy.toml")}
    brought = {name: text for each in packs for name, text in each.named.items()}
    beside |= {name: text for name, text in brought.items() if Path(name).name == METERS_FILE}
    for name, text in files.items():
        if not name.endswith(".cedar"):
            continue
        for part in statements(name, text)[:STATEMENTS_MAX]:
            try:
                policy_set({**beside, name: _but(part)}, specs)
            except LichenError as error:
                yield error


def _but(part: Statement) -> str:
    """The file with nothing in it but one statement, which stands where it stood."""
    begin = part.tokens[0].start
    before = "".join("\n" if sign == "\n" else " " for sign in part.source[:begin])
    return before + part.text


def _placed(error: LichenError, directory: Path, packs: Packs) -> LichenError:
    if not error.place:
        error.place = str(directory)
    elif (brought := placed(packs, error.place)) is not None:
        error.place = brought
    elif not Path(error.place).is_absolute():
        error.place = str(directory / error.place)
    return error


def _routes(settings: Settings, names_of: Callable[[str], Iterable[str]]) -> Iterator[Flaw]:
    """Routes that nothing comes by: `names_of` are the channels that a tenant has."""
    for name, tenant in settings.tenants.items():
        channels = (webchat.NAME, *sorted(names_of(name)), ANY)
        for i, route in enumerate(tenant.routes):
            place = f"{settings.file or FILE}: tenants.{name}.routes[{i}]"
            if route.channel not in channels:
                message = f"A route of {name} is for the channel {route.channel!r}, which it does not have."
                mend = f"Name one of: {', '.join(channels)}."
                yield Flaw("channel_unknown", "problem", message, mend, place)
            elif route.channel == webchat.NAME and tenant.webchat is None:
                message = f"A route of {name} is for web chat, and {name} has none."
                yield Flaw("webchat_missing", "warning", message, f"Add a table [tenants.{name}.webchat].", place)
