"""`[[mcp]]` and `[[openapi]]`: other people's MCP servers, which tenants and environments have them, and HTTP APIs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from lichen.core.cage.terms import CageTerms
from lichen.core.remote.api import Api
from lichen.core.remote.credentials import ShownAs
from lichen.core.remote.server import (
    SYSTEM_DNS,
    Asks,
    OAuth,
    PromptRules,
    ResourceRules,
    Seconds,
    Server,
    Tokens,
    ToolTerms,
    Transport,
    Trust,
)
from lichen.core.words.scope import Scope

RESERVED = frozenset(
    ("agent", "channel", "eval", "health", "key", "letter", "lichen", "log", "message", "model", "person", "policy")
) | frozenset(("process", "run", "schedule", "secret", "session", "stop", "tool", "wait"))
"""What actions and tools of the runtime begin with."""

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,23}$")]


class McpTable(CageTerms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One server: a `command` that is started, or a `url`. Of `tenants` and `environments` it is those that have it,
    all where none is named. A value of `env` or `headers` may end in `secret:<name>`, a secret of whoever has it.

    `trust`: what it offers is pinned as it is first seen (`first_use`), or only once somebody accepted it (`review`).
    `tools` are, by the names that the server gives them, what is known of them better than it says. `asks`: how it may
    ask whoever a call is for, by a `form` or by a `url` to open; not at all where that is left out. `sampling` is
    the model that it may ask in the midst of a call, which the run pays for; none where it is left out. `resources`
    and `prompts` are those that may be read; `oauth` says how we sign in; with `tokens = "person"` each person
    does, or has a process of a command to themselves; `agentpin` is the agent of yours that asks. `roots` are folders,
    from where the file lies, that it is told of when it asks. A command is shut in by `cage = "jail"`, with what it is
    granted.
    `schemapin` is the domain whose key must have signed each tool, `schemapin_from` a folder of `DOMAIN.json` files or
    a trust bundle in which that key stands, where the domain is not to be asked. With `schemapin_dns` the domain's DNS
    has to name that key too, if it names one: `system` asks the resolver of this machine, an address (`192.0.2.53`,
    `127.0.0.1:5353`) the one there.
    """

    name: Name
    command: tuple[str, ...] = ()
    url: str = ""
    transport: Transport = "http"
    cwd: str | None = None
    env: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    timeout_s: Seconds = 30.0
    trust: Trust = "first_use"
    schemapin: Annotated[str, msgspec.Meta(pattern="^([a-z0-9-]+\\.)+[a-z][a-z0-9-]*$|^$", max_length=253)] = ""
    schemapin_from: str = ""
    schemapin_dns: Annotated[str, msgspec.Meta(max_length=64)] = ""
    tools: Mapping[str, ToolTerms] = {}
    asks: tuple[Asks, ...] = ()
    sampling: Annotated[str, msgspec.Meta(max_length=200)] = ""
    resources: ResourceRules = ResourceRules()
    prompts: PromptRules = PromptRules()
    oauth: OAuth | None = None
    tokens: Tokens = "tenant"
    agentpin: ShownAs | None = None
    roots: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise ValueError(f"the server {self.name} needs either `command` or `url`")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"the url of {self.name} begins with http:// or https://")
        if (self.schemapin_from or self.schemapin_dns) and not self.schemapin:
            raise ValueError(f"the server {self.name} names no domain in `schemapin`")
        if self.schemapin_dns not in ("", SYSTEM_DNS):
            resolver_place(self.schemapin_dns)
        if self.oauth is not None and not self.url:
            raise ValueError(f"the server {self.name} has `oauth` and no `url` to sign in for")
        if self.tokens == "person" and self.url and (self.oauth is None or self.oauth.grant != "code"):
            raise ValueError(f'people sign in at {self.name} themselves: write `oauth = {{}}` with `tokens = "person"`')
        if self.agentpin is not None and (not self.url or self.oauth is not None):
            raise ValueError(f"`agentpin` of {self.name} is for a `url`, and not beside `oauth`")
        if self.name in RESERVED:
            raise ValueError(f"a server is not called `{self.name}`: actions of the runtime begin so")
        if self.is_caged and not self.command:
            raise ValueError(f"the server {self.name} is not started here, so no cage can shut it in")
        self.check()

    def _shown(self, root: Path) -> ShownAs | None:
        if self.agentpin is None or not self.agentpin.known:
            return self.agentpin
        return msgspec.structs.replace(self.agentpin, known=str(root / self.agentpin.known))

    def is_of(self, scope: Scope) -> bool:
        """Whether a scope has it."""
        return (not self.tenants or scope.tenant in self.tenants) and (
            not self.environments or scope.env in self.environments
        )

    def server(self, root: Path, hides: tuple[str, ...] = ()) -> Server:
        """The server as whoever has it reaches it. Its command is run in `cwd`, or else where the file lies."""
        return Server(
            name=self.name,
            command=self.command,
            cwd=str(root / (self.cwd or "")),
            env=self.env,
            url=self.url,
            transport=self.transport,
            headers=self.headers,
            timeout_s=self.timeout_s,
            trust=self.trust,
            schemapin=self.schemapin,
            schemapin_from=str(root / self.schemapin_from) if self.schemapin_from else "",
            schemapin_dns=self.schemapin_dns,
            tools=self.tools,
            asks=self.asks,
            sampling=self.sampling,
            cage=self.granted(str(root)) if self.is_caged else None,
            hides=hides,
            credentials=self.credentials,
            resources=self.resources,
            prompts=self.prompts,
            oauth=self.oauth,
            tokens=self.tokens,
            agentpin=self._shown(root),
            roots=tuple((root / each).resolve().as_uri() for each in self.roots),
        )


class RegistryTable(McpTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Another Lichen, or a server that makes each call once by its id as one does: its tools are had as those of an
    MCP server at its `url`, under `name`. Of what it offers those are taken that a pattern of `include` fits (all,
    where there is none), and none that one of `exclude` does. Its list is read again after `cache_s`.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    cache_s: Seconds = 300.0

    def __post_init__(self) -> None:
        if not self.url:
            raise ValueError(f"the registry {self.name} needs a `url`")
        super().__post_init__()

    def server(self, root: Path, hides: tuple[str, ...] = ()) -> Server:
        """The registry as a server."""
        made = McpTable.server(self, root, hides)
        more = {"is_registry": True, "include": self.include, "exclude": self.exclude, "listed_s": self.cache_s}
        return msgspec.structs.replace(made, **more)


def servers_of(
    tables: tuple[McpTable, ...], scope: Scope, root: Path, hides: tuple[str, ...] = ()
) -> Mapping[str, Server]:
    """The servers that a scope has, by name. Of two tables with one name the later counts. `hides` are paths that none
    of them has in its cage."""
    return {table.name: table.server(root, hides) for table in tables if table.is_of(scope)}


class OpenApiTable(Api, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One API: its `document`, a file of OpenAPI 3.0 or 3.1 in JSON or YAML, and what an `Api` holds."""

    name: Name
    document: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name in RESERVED:
            raise ValueError(f"an API is not called `{self.name}`: actions of the runtime begin so")

    @property
    def api(self) -> Api:
        """What is said of it beside its document."""
        return Api(**{name: getattr(self, name) for name in Api.__struct_fields__})


def repeated(tables: tuple[OpenApiTable, ...], servers: frozenset[str]) -> Iterator[int]:
    """Which of the tables have the name of one before them, or of a server: tools of both would be called so."""
    for number, table in enumerate(tables):
        if table.name in servers or any(other.name == table.name for other in tables[:number]):
            yield number


def resolver_place(at: str) -> tuple[str, int]:
    """The address and the port of a resolver, 53 where none is said. Raises ValueError for what is no address."""
    has_port = at.startswith("[") or at.count(":") == 1
    host, colon, port = at.rpartition(":") if has_port and not at.endswith("]") else (at, "", "53")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError(f"{at} has no port of a resolver")
    return str(ipaddress.ip_address(host.strip("[]") if colon or host.startswith("[") else host)), int(port)
