"""What `lichen.toml` says: the names of agents, flows and tools, the tenants, who may act for them, and their policies.

Every path in the file is relative to the file. `LICHEN_HOME` overrides where data lives. Unknown keys are errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from lichen.core.cage.grant import Tier
from lichen.core.cage.terms import ToolsTable
from lichen.core.ports.call import CircuitBreaker, ToolSpec
from lichen.core.ports.secrets import SEALED, Source
from lichen.core.remote.credentials import AgentPinTable
from lichen.core.remote.server import Server
from lichen.core.remote.stores import Stores
from lichen.core.speech.wording import BUILT_IN, DEFAULT, Greeting, Texts, Wording
from lichen.core.words.errors import Invalid, NotFound
from lichen.core.words.quotas import Budgets, Quotas
from lichen.core.words.scope import PRODUCTION, Actor, ActorKind, Environment, Scope
from lichen.settings.access.table import TEAMS_MAX, Access, AccessFiles, Team, TeamName, files_in
from lichen.settings.breakers import breaker_of
from lichen.settings.components.table import ComponentTable
from lichen.settings.issuers.table import IssuerTable
from lichen.settings.mcpfiles import McpFile
from lichen.settings.models import Models
from lichen.settings.packs.table import PackFile, PacksTable
from lichen.settings.providers import PROVIDERS, ProviderTable
from lichen.settings.routes import Route
from lichen.settings.schedules.table import SCHEDULES_MAX, Schedule
from lichen.settings.secrets import TenantSecrets
from lichen.settings.servers import McpTable, OpenApiTable, RegistryTable, servers_of

FILE = "lichen.toml"
CHANNEL = "<channel>"  # stands for the tables that are named for their channel


Language = Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}$")]


class DeclaredActor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may be named with `--as` on the local socket, with the roles they have."""

    id: str
    kind: ActorKind
    roles: tuple[str, ...] = ()


class WebChat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant's web chat. Without this table the tenant has none.

    `env` is the environment its conversations belong to; `origins` are the pages that may embed it, `*` for any.
    `greetings` are shown, by language, before anything is said; without one it is what agent or flow begin with.
    `signed_in`, in a development environment only: customers whose names are believed without a key, the first of which
    the chat page speaks for.
    `team` is the one whose rules of access bind its conversations.
    """

    env: str = "dev"
    title: str = ""
    accent: Annotated[str, msgspec.Meta(pattern="^#[0-9a-fA-F]{6}$")] = "#2f6f4f"
    token_s: Annotated[int, msgspec.Meta(ge=60, le=604_800)] = 1_800
    age_s: Annotated[int, msgspec.Meta(ge=60, le=31_622_400)] = 604_800  # how long a token can be renewed
    tokens_per_minute: Annotated[int, msgspec.Meta(ge=1)] = 600  # of one address; one user gets five
    origins: tuple[str, ...] = ("*",)
    greetings: Mapping[Language, Greeting] = {}
    signed_in: tuple[str, ...] = ()
    team: str = ""


HostName = Annotated[str, msgspec.Meta(max_length=253, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z")]


class Tenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tenant: environments, policy directory, declared actors, and which agent or flow its customers meet where.

    Without a fitting route they meet `agent`, which may be left out when there is only one. `development` names the
    environments that are for development; only there `self_approval` and `error_text` count. `languages` are spoken to
    customers, the first where they want none of these; `texts` stand, by language, for the runtime's own words.
    `secrets` says where those of its tools come from, `models` how it reaches providers of models, by their names;
    `schedules` are what begins by itself. `hosts` are the names under which only this tenant is reached: webhooks whose
    addresses name no tenant are the one's whose host they come to. `access` is the file of rules, or one for each
    environment, that say which flows, agents and nodes may be come to; the tables `team` have rules above them.
    `channels` are the tables of a tenant that have another name: each is for the channel that is called so, which some
    package brings.
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
    budgets: Budgets = Budgets()
    secrets: TenantSecrets = TenantSecrets()
    models: Mapping[str, ProviderTable] = {}
    schedules: Annotated[tuple[Schedule, ...], msgspec.Meta(max_length=SCHEDULES_MAX)] = ()
    hosts: tuple[HostName, ...] = ()
    access: Access | None = None
    team: Annotated[Mapping[TeamName, Team], msgspec.Meta(max_length=TEAMS_MAX)] = {}
    channels: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict[str, Any], name=CHANNEL)

    @property
    def wording(self) -> Wording:
        """Its languages, and what the runtime says in them. Raises ValidationError for a text there is none of."""
        texts = dict(BUILT_IN)
        for language, own in self.texts.items():
            before = msgspec.structs.asdict(texts.get(language, texts[DEFAULT]))
            texts[language] = msgspec.convert({**before, **own}, Texts)
        return Wording(self.languages, texts)


Many = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


Readable = Literal["agents", "agent", "agents.md", "runs", "run", "records", "waits"]
"""What MCP clients may be let read: lists and things, by name."""


class ServeMcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of `/mcp` and `lichen mcp`: what the port is called besides the loopback's names, and what may be read. Nothing
    that `allow` does not name is readable; `deny` wins over it; `on_request` may be added by a request's header."""

    hosts: tuple[str, ...] = ()
    allow: tuple[Readable, ...] = ()
    deny: tuple[Readable, ...] = ()
    on_request: tuple[Readable, ...] = ()
    symbi_tools: bool = True


class Serve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it is listened, and what strangers get of the machine: which proxies may say for whom they speak, how many
    are let in, and how much of the disk is kept from them for operators."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8080  # 0 takes a free one
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks
    connections: Many = 2_000
    connections_per_address: Many = 200
    sockets: Many = 4_000
    sockets_per_address: Many = 200
    metrics_port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] | None = None  # of the loopback, instead of the port
    disk_reserve_mib: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 128
    mcp: ServeMcp = ServeMcp()

    def __post_init__(self) -> None:
        for name in self.trusted_proxies:
            ip_network(name)


class FlowFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A flow, or with a pattern several, and what is called otherwise here than it is written there: the flow itself,
    operations (`"apply" = "shop.apply"`, or `"@node" = ...` for one node) and agents."""

    file: str
    name: str = ""
    tools: Mapping[str, str] = {}
    agents: Mapping[str, str] = {}


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a project is made of. `bundle` is a folder or a `.gtbundle` whose packs and tenants it has, what the file
    says itself being over them. `agents` are `file.py:name` or agent files; `tools`, as `file.py:name`, are for agent
    files and flows; `flows` are paths and globs, or tables that also say names; `prompts` is a folder; `mcp_files` name
    MCP servers as other programs have them; `packs` are files, folders, patterns and
    references to registries, or tables that also pin them."""

    agents: tuple[str, ...]
    flows: tuple[str | FlowFile, ...] = ()
    tools: tuple[str, ...] = ()
    home: str = ".lichen"
    bundle: Annotated[str, msgspec.Meta(max_length=1_024)] = ""
    prompts: str | None = None
    mcp_files: tuple[str | McpFile, ...] = ()
    packs: Annotated[tuple[str | PackFile, ...], msgspec.Meta(max_length=256)] = ()


class StateTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where what flows and agents keep lies: in each scope's log, or on a Redis at the address in a variable."""

    kind: Literal["log", "redis"] = "log"
    url: Annotated[str, msgspec.Meta(pattern="^env:[A-Z][A-Z0-9_]{0,127}$")] = "env:REDIS_URL"


class StoreTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the logs lie: in a file of the data directory, or in a schema of a Postgres at the address in a variable.
    Keys lie in the data directory all the same."""

    kind: Literal["sqlite", "postgres"] = "sqlite"
    url: Annotated[str, msgspec.Meta(pattern="^env:[A-Z][A-Z0-9_]{0,127}$")] = "env:DATABASE_URL"
    schema: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,47}\Z")] = "lichen"


class BusTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What joins gateway, runner and egress where they are processes of their own: a NATS server with JetStream, at the
    address in a variable. `lichen serve` as one process needs none."""

    kind: Literal["nats"] = "nats"
    url: Annotated[str, msgspec.Meta(pattern="^env:[A-Z][A-Z0-9_]{0,127}$")] = "env:NATS_URL"


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    lichen: Parts
    tenants: Mapping[str, Tenant]
    serve: Serve = Serve()
    providers: Mapping[str, ProviderTable] = msgspec.field(default_factory=dict[str, ProviderTable], name=PROVIDERS)
    models: Models = Models()
    breakers: Mapping[str, CircuitBreaker] = {}
    mcp: tuple[McpTable, ...] = ()
    registry: tuple[RegistryTable, ...] = ()
    tools: ToolsTable = ToolsTable()
    openapi: tuple[OpenApiTable, ...] = ()
    component: tuple[ComponentTable, ...] = ()
    agentpin: tuple[AgentPinTable, ...] = ()
    issuer: tuple[IssuerTable, ...] = ()
    secrets: Stores = Stores()
    state: StateTable = StateTable()
    store: StoreTable = StoreTable()
    bus: BusTable | None = None
    packs: PacksTable = PacksTable()


class Settings(msgspec.Struct, frozen=True):
    """What the file says, and where: the folder it lies in, where data goes, its tenants, and the names of its parts.

    `file` is None for settings that no file says. `keyed` are the project's own words, by language and key.
    """

    root: Path
    home: Path
    tenants: Mapping[str, Tenant]
    parts: Parts = Parts(())
    serve: Serve = Serve()
    file: Path | None = None
    providers: Mapping[str, ProviderTable] = {}
    models: Models = Models()
    breakers: Mapping[str, CircuitBreaker] = {}
    mcp: tuple[McpTable, ...] = ()
    floor: Tier = "process"
    openapi: tuple[OpenApiTable, ...] = ()
    components: tuple[ComponentTable, ...] = ()
    agentpin: tuple[AgentPinTable, ...] = ()
    stores: Stores = Stores()
    keyed: Mapping[str, Mapping[str, str]] = {}
    state: StateTable = StateTable()
    store: StoreTable = StoreTable()
    bus: BusTable | None = None
    packs: PacksTable = PacksTable()
    issuers: tuple[IssuerTable, ...] = ()

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

    def secret(self, scope: Scope, name: str) -> Source:
        """Where a secret of an environment comes from. Raises NotFound (`secret_unknown`)."""
        tenant = self.tenants.get(scope.tenant)
        return SEALED if tenant is None else tenant.secrets.within(scope.env).of(name)

    def secret_names(self, scope: Scope) -> tuple[str, ...]:
        """The secrets of an environment that the file names."""
        tenant = self.tenants.get(scope.tenant)
        if tenant is None:
            return ()
        keys = (self.provider(scope, name).secret for name in {**self.providers, **tenant.models})
        servers = (name for server in self.servers(scope).values() for name in server.secrets)
        own = (each.own.key for each in self.agentpin if each.own is not None and each.tenant == scope.tenant)
        return (*tenant.secrets.within(scope.env).names, *filter(None, keys), *servers, *own)

    def provider(self, scope: Scope, name: str) -> ProviderTable:
        """How a scope reaches a provider of models: its tenant's table over that of all."""
        below, tenant = self.providers.get(name, ProviderTable()), self.tenants.get(scope.tenant)
        own = None if tenant is None else tenant.models.get(name)
        return below if own is None else own.over(below)

    def breaker(self, spec: ToolSpec) -> CircuitBreaker:
        """When a tool is left alone."""
        return breaker_of(spec, self.breakers)

    def servers(self, scope: Scope) -> Mapping[str, Server]:
        """The MCP servers that an environment has, by name."""
        return servers_of(self.mcp, scope, self.root, (str(self.home),))

    def schedules(self, scope: Scope) -> tuple[Schedule, ...]:
        """What begins by itself in an environment."""
        tenant = self.tenants.get(scope.tenant)
        found = () if tenant is None else tenant.schedules
        return tuple(each for each in found if tenant is not None and each.is_in(scope.env, tenant.environments))

    def access(self, scope: Scope) -> AccessFiles:
        """The files that say what may be come to in an environment; none in one that nobody declared."""
        tenant = self.tenants.get(scope.tenant)
        return AccessFiles() if tenant is None else files_in(tenant.access, tenant.team, scope.env)

    def team(self, tenant: str, name: str) -> str:
        """A team that the tenant declares; empty for any other, which no rules are about."""
        declared = self.tenants.get(tenant)
        return name if declared is not None and name in declared.team else ""

    def budgets(self, scope: Scope) -> Budgets:
        """What models of an environment may use; one nobody declared has no bounds."""
        tenant = self.tenants.get(scope.tenant)
        return Budgets() if tenant is None else tenant.budgets

    def wording(self, tenant: str) -> Wording:
        """The languages of a declared tenant, and what the runtime says in them."""
        return msgspec.structs.replace(self.tenants[tenant].wording, keyed=self.keyed)

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
