"""Rules of access beside what is hosted: rules that are about nothing, teams that nobody is of, what is kept closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from lichen.agents.agent import Agent
from lichen.core.words.errors import NotFound
from lichen.flows.walk.planner import FlowPlanner
from lichen.gate.access.parsing import path_of
from lichen.gate.access.rules import EVERY, AccessRules, Path, Rule, Ruled
from lichen.runtime.entries.files import AccessSource
from lichen.runtime.entries.places import paths_of
from lichen.runtime.project.project import Project
from lichen.runtime.review.flaw import Flaw
from lichen.settings.file import FILE, Tenant

Nodes = Mapping[str, Mapping[str, frozenset[str]]]
"""What is hosted: by pack the flows and agents, by those their nodes."""


def access_flaws(project: Project) -> Iterator[Flaw]:
    """Everything about rules of access that loads and does not do what it is for. Files that do not load are not this
    one's matter."""
    settings, source = project.settings, AccessSource(project.settings)
    paths, there = paths_of(project.agents), hosted_nodes(project.agents)
    for scope in settings.scopes:
        found = source.look(scope)
        if found.errors or not found.rules.digest:
            continue
        tenant = settings.tenants[scope.tenant]
        sets = [rules for rules in (found.rules.tenant, *found.rules.teams.values()) if rules is not None]
        yield from (flaw for rules in sets for rule in rules.every for flaw in _unmatched(rule, there))
        yield from _closed(scope.tenant, tenant, found.rules, paths)
        yield from _alike(paths)
    for name, tenant in settings.tenants.items():
        yield from _unreached(project, name, tenant)


def hosted_nodes(agents: Iterable[Agent]) -> Nodes:
    """What rules may be about, as rules call it."""
    given = tuple(agents)
    planners: dict[str, object] = {agent.name: agent.planner for agent in given}
    there: dict[str, dict[str, frozenset[str]]] = {}
    for name, path in paths_of(given).items():
        planner = planners.get(name)
        nodes = frozenset(planner.flow.nodes) if isinstance(planner, FlowPlanner) else frozenset[str]()
        there.setdefault(path.pack, {})[path.flow] = nodes
    return there


def _unmatched(rule: Rule, there: Nodes) -> Iterator[Flaw]:
    """A rule that is about nothing there is."""
    path = rule.path
    flows = there.get(path.pack)
    if not path.pack:
        return
    if flows is None:
        yield _nothing(rule, "pack", path.pack, there)
    elif path.flow and path.flow != EVERY and path.flow not in flows:
        yield _nothing(rule, "flow or agent", path.flow, flows)
    elif path.node and path.node not in flows[path.flow]:
        yield _nothing(rule, "node", path.node, flows[path.flow])


def _nothing(rule: Rule, what: str, name: str, known: Iterable[str]) -> Flaw:
    every = sorted(known)
    near = get_close_matches(name, every, 3, 0.5) or every[:8]
    mend = f"Name one of: {', '.join(near)}." if near else "Leave the rule out."
    return Flaw("access_unmatched", "warning", f"`{rule}` is about no {what} that is hosted.", mend, rule.place)


def _closed(name: str, tenant: Tenant, rules: AccessRules, paths: Mapping[str, Path]) -> Iterator[Flaw]:
    """What a tenant's customers and schedules are led to, and its rules keep closed."""
    led = [("agent", tenant.agent)] if tenant.agent is not None else []
    led += [(f"routes[{i}]", route.target) for i, route in enumerate(tenant.routes)]
    led += [(f"schedules[{i}]", each.target) for i, each in enumerate(tenant.schedules)]
    for at, target in led:
        path = paths.get(target)
        ruled = None if path is None else rules.decide(path)
        if ruled is not None and rules.tenant is not None and not ruled.is_public:
            message = f"{target} may not be come to: {ruled.why}."
            mend = f"Write `{ruled.path} = public`, or lead elsewhere."
            yield Flaw("access_closed", "warning", message, mend, f"{FILE}: tenants.{name}.{at}")


def _alike(paths: Mapping[str, Path]) -> Iterator[Flaw]:
    """Flows and agents that rules cannot tell apart."""
    counted = Counter(paths.values())
    for path in (path for path, count in counted.items() if count > 1):
        names = ", ".join(sorted(name for name, each in paths.items() if each == path))
        message = f"Rules of access call several alike, {path}: {names}."
        yield Flaw("access_alike", "problem", message, "Give one of them another id, or another folder.")


def _unreached(project: Project, name: str, tenant: Tenant) -> Iterator[Flaw]:
    """Teams whose rules bind nobody who comes by a channel."""
    channels = {each.team for each in project.channels.all if each.scope.tenant == name}
    own = set[str]() if tenant.webchat is None else {tenant.webchat.team}
    for team in tenant.team:
        if team not in channels | own:
            message = f"No channel of {name} is of the team {team}, so its rules bind nobody."
            mend = f'Write team = "{team}" into the table of a channel, or name it where sessions are opened.'
            yield Flaw("team_unreached", "warning", message, mend, f"{FILE}: tenants.{name}.team.{team}")


def explained(
    project: Project, tenant: str, path: str, *, env: str | None = None, team: str = ""
) -> list[dict[str, str]]:
    """Whether somebody of a team, or of none, may come to what a path names, and why: of a node, the flow first.

    Raises NotFound (`tenant_unknown`, `env_unknown`, `team_unknown`), Invalid (`env_ambiguous`, `access_path`,
    `access_…` for files that do not load).
    """
    settings = project.settings
    scope = settings.scope(tenant, env)
    if team and not settings.team(tenant, team):
        step = f"Name one of: {', '.join(settings.tenants[tenant].team) or 'none is declared'}."
        raise NotFound(f"{tenant} has no team {team!r}.", code="team_unknown", next_step=step)
    rules, asked = AccessSource(settings).load(scope), path_of(path)
    passed = [Path(asked.pack, asked.flow), asked] if asked.node else [asked]
    return [_told(rules.decide(each, team)) for each in passed]


def _told(ruled: Ruled) -> dict[str, str]:
    rule = ruled.rule
    place = "" if rule is None else rule.place
    outcome = "public" if ruled.is_public else "forbidden"
    return {"path": str(ruled.path), "outcome": outcome, "rule": str(rule or ""), "place": place, "why": ruled.why}
