"""`lichen.toml`: the agents, the tenants, who may act for them, and their policies.

Every path in the file is relative to the file. `LICHEN_HOME` overrides where data lives. Unknown keys are errors.
"""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

import msgspec

from lichen.agents.agent import Agent
from lichen.channels.routes import Route
from lichen.channels.routes import find as find_route
from lichen.core.errors import Invalid, NotFound
from lichen.core.quotas import Quotas
from lichen.core.scope import PRODUCTION, Actor, ActorKind, Environment, Scope
from lichen.core.wording import BUILT_IN, DEFAULT, Texts, Wording

FILE = "lichen.toml"


Language = Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}$")]


class DeclaredActor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may be named with `--as` on the local socket, with the roles they have."""

    id: str
    kind: ActorKind
    roles: tuple[str, ...] = ()


class WebChat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant's web chat. Without this table the tenant has none.

    `env` is the environment its conversations belong to; `origins` are the pages that may embed it, `*` for any.
    """

    env: str = "dev"
    title: str = ""
    accent: Annotated[str, msgspec.Meta(pattern="^#[0-9a-fA-F]{6}$")] = "#2f6f4f"
    locale: str = "en"
    token_s: Annotated[int, msgspec.Meta(ge=60, le=604_800)] = 1_800
    age_s: Annotated[int, msgspec.Meta(ge=60, le=31_622_400)] = 604_800  # how long a token can be renewed
    tokens_per_minute: Annotated[int, msgspec.Meta(ge=1)] = 600  # of one address; one user gets five
    origins: tuple[str, ...] = ("*",)


class Tenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tenant: environments, policy directory, declared actors, and which agent or flow its customers meet where.

    Without a fitting route they meet `agent`, which may be left out when there is only one. `development` names the
    environments that are for development; only there `self_approval` and `error_text` count. `languages` are spoken to
    customers, the first where they want none of these; `texts` stand, by language, for the runtime's own words.
    """

    environments: tuple[str, ...] = ("dev",)
    development: tuple[str, ...] = ()
    self_approval: bool = False
    error_text: bool = False
    policies: str | None = None
    agent: str | None = None
    actors: tuple[DeclaredActor, ...] = ()
    routes: tuple[Route, ...] = ()
    webchat: WebChat | None = None
    languages: Annotated[tuple[Language, ...], msgspec.Meta(min_length=1)] = (DEFAULT,)
    texts: Mapping[Language, Mapping[str, str]] = {}
    quotas: Quotas = Quotas()

    @property
    def wording(self) -> Wording:
        """Its languages, and what the runtime says in them. Raises ValidationError for a text there is none of."""
        texts = dict(BUILT_IN)
        for language, own in self.texts.items():
            before = msgspec.structs.asdict(texts.get(language, texts[DEFAULT]))
            texts[language] = msgspec.convert({**before, **own}, Texts)
        return Wording(self.languages, texts)


Many = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Serve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What strangers get of the machine: which proxies may say for whom they speak, how many are let in, and how much
    of the disk is kept from them for operators."""

    trusted_proxies: tuple[str, ...] = ()  # addresses or networks
    connections: Many = 2_000
    connections_per_address: Many = 200
    sockets: Many = 4_000
    sockets_per_address: Many = 200
    disk_reserve_mib: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 128

    def __post_init__(self) -> None:
        for name in self.trusted_proxies:
            ip_network(name)


class _Lichen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agents: tuple[str, ...]
    flows: tuple[str, ...] = ()
    home: str = ".lichen"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lichen: _Lichen
    tenants: Mapping[str, Tenant]
    serve: Serve = Serve()


class Settings(msgspec.Struct, frozen=True):
    """A project as loaded: where it lies, where its data goes, its agents and tenants.

    Flows are among the agents; `flows` names them.
    """

    root: Path
    home: Path
    agents: tuple[Agent, ...]
    tenants: Mapping[str, Tenant]
    flows: tuple[str, ...] = ()
    serve: Serve = Serve()

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Every tenant in each of its environments."""
        return tuple(Scope(name, env) for name, tenant in self.tenants.items() for env in tenant.environments)

    def scope(self, tenant: str, env: str | None) -> Scope:
        """The scope of a declared tenant; `env` may be left out when there is exactly one.

        Raises NotFound (`tenant_unknown`, `env_unknown`), Invalid (`env_ambiguous`).
        """
        declared = self.tenants.get(tenant)
        if declared is None:
            raise NotFound(f"No tenant {tenant!r} is declared in {FILE}.", code="tenant_unknown")
        if env is None:
            if len(declared.environments) != 1:
                raise Invalid(
                    f"Tenant {tenant!r} has several environments.",
                    code="env_ambiguous",
                    next_step=f"Name one with --env (Lichen-Env): {', '.join(declared.environments)}.",
                )
            env = declared.environments[0]
        if env not in declared.environments:
            raise NotFound(f"Tenant {tenant!r} has no environment {env!r}.", code="env_unknown")
        return Scope(tenant, env)

    def environment(self, scope: Scope) -> Environment:
        """What this environment of a tenant is for; one nobody declared is for production."""
        tenant = self.tenants.get(scope.tenant)
        if tenant is None or scope.env not in tenant.development:
            return PRODUCTION
        return Environment(True, tenant.self_approval, tenant.error_text)

    def wording(self, tenant: str) -> Wording:
        """The languages of a declared tenant, and what the runtime says in them."""
        return self.tenants[tenant].wording

    def actor(self, tenant: str, id: str) -> Actor:
        """A declared actor of a tenant. Raises NotFound (`actor_unknown`)."""
        for declared in self.tenants[tenant].actors:
            if declared.id == id:
                return Actor(declared.kind, declared.id, declared.roles)
        raise NotFound(
            f"No such actor is declared for tenant {tenant!r}.",
            code="actor_unknown",
            next_step=f"Add it to `actors` of [tenants.{tenant}] in {FILE}, or name one that is there.",
        )

    def agent_for(self, tenant: str) -> Agent:
        """The agent the customers of a tenant meet: the one it names, else the only one there is besides flows."""
        name = self.tenants[tenant].agent
        found = [
            agent for agent in self.agents if name == agent.name or (name is None and agent.name not in self.flows)
        ]
        if len(found) != 1:
            raise Invalid(
                f"Tenant {tenant!r} does not say which agent its customers meet.",
                code="agent_ambiguous",
                next_step=f"Set `agent` under [tenants.{tenant}] in {FILE}.",
            )
        return found[0]

    def route(self, tenant: str, channel: str) -> Route:
        """Where the conversations of a channel go. Raises Invalid (`agent_ambiguous`) when nothing says so."""
        found = find_route(self.tenants[tenant].routes, channel)
        return found or Route(channel, agent=self.agent_for(tenant).name)


def find(start: Path) -> Path:
    """The nearest `lichen.toml` at or above a directory. Raises NotFound (`project_unknown`)."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder / FILE
    raise NotFound(
        f"There is no {FILE} here or above.", code="project_unknown", next_step="Run `lichen init` in an empty folder."
    )


def load(path: Path, *, environ: Mapping[str, str]) -> Settings:
    """The project of a `lichen.toml`. Raises Invalid (`settings_invalid`) with the place, and what agents raise."""
    root = path.resolve().parent
    file = _decode(path)
    home = Path(environ.get("LICHEN_HOME") or root / file.lichen.home).resolve()
    agents = tuple(agent for reference in file.lichen.agents for agent in load_agents(root, reference))
    flows = _load_flows(root, file.lichen.flows, agents, path) if file.lichen.flows else ()
    agents = (*agents, *flows)
    if len({agent.name for agent in agents}) != len(agents):
        raise Invalid("Two agents have the same name.", code="settings_invalid", place=f"{path}: lichen.agents")
    settings = Settings(root, home, agents, file.tenants, tuple(flow.name for flow in flows), file.serve)
    _ = settings.scopes  # every name is spelt right
    _check_routes(settings, path)
    _check_texts(settings, path)
    return settings


def _load_flows(root: Path, patterns: Sequence[str], agents: Sequence[Agent], path: Path) -> tuple[Agent, ...]:
    """The flows that these paths and globs name, as agents. Raises Invalid (`flows_missing`) where one names none."""
    from lichen.flows.load import load as load_flow
    from lichen.runtime.flows import flow_agents

    files: dict[Path, None] = {}
    for i, pattern in enumerate(patterns):
        found = sorted(root.glob(pattern))
        if not found:
            place = f"{path}: lichen.flows[{i}]"
            step = "Name a .ygtc file, relative to lichen.toml."
            raise Invalid(f"No file fits {pattern!r}.", code="flows_missing", next_step=step, place=place)
        files |= dict.fromkeys(found)
    return flow_agents([load_flow(file) for file in files], agents)


def _check_routes(settings: Settings, path: Path) -> None:
    """Raises Invalid (`route_unknown`, `env_unknown`) for a route or web chat that leads nowhere."""
    names = {agent.name for agent in settings.agents}
    for name, tenant in settings.tenants.items():
        for i, route in enumerate(tenant.routes):
            if route.target not in names:
                raise Invalid(
                    f"There is no agent or flow {route.target!r}.",
                    code="route_unknown",
                    next_step=f"Name one of: {', '.join(sorted(names))}.",
                    place=f"{path}: tenants.{name}.routes[{i}]",
                )
        for i, env in enumerate(tenant.development):
            if env not in tenant.environments:
                raise Invalid(
                    f"Tenant {name!r} has no environment {env!r}.",
                    code="env_unknown",
                    next_step="Name one of its environments.",
                    place=f"{path}: tenants.{name}.development[{i}]",
                )
        if tenant.webchat is not None and tenant.webchat.env not in tenant.environments:
            raise Invalid(
                f"Tenant {name!r} has no environment {tenant.webchat.env!r}.",
                code="env_unknown",
                next_step="Name one of its environments.",
                place=f"{path}: tenants.{name}.webchat.env",
            )


def _check_texts(settings: Settings, path: Path) -> None:
    """Raises Invalid (`text_unknown`) for a text that the runtime never says."""
    for name, tenant in settings.tenants.items():
        try:
            _ = tenant.wording
        except msgspec.ValidationError:
            known = ", ".join(Texts.__struct_fields__)
            raise Invalid(
                "There is no such text of the runtime.",
                code="text_unknown",
                next_step=f"Name some of: {known}.",
                place=f"{path}: tenants.{name}.texts",
            ) from None


def _decode(path: Path) -> _File:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{error}.", code="settings_invalid", place=str(path)) from None
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise Invalid(f"{what}.", code="settings_invalid", place=f"{path}: {where.strip('`') or '$'}") from None


def load_agents(root: Path, reference: str) -> tuple[Agent, ...]:
    """The agents that `file.py:name` refers to: one Agent or a list of them. Raises Invalid (`agents_invalid`)."""
    file, _, attribute = reference.partition(":")
    place = f"{root / file}:{attribute}"
    if not attribute:
        raise Invalid("An agents entry is `file.py:name`.", code="agents_invalid", place=place)
    if not (root / file).is_file():
        raise Invalid(f"There is no file {file}.", code="agents_invalid", place=place)
    value = getattr(_module(root / file), attribute, None)
    found: tuple[Any, ...] = (value,) if isinstance(value, Agent) else tuple(value or ())
    if not found or not all(isinstance(agent, Agent) for agent in found):
        raise Invalid("There is no agent, or list of agents, of this name.", code="agents_invalid", place=place)
    return found


def _module(path: Path) -> Any:
    name = f"lichen_project.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
