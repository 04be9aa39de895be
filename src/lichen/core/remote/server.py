"""What a project says of one MCP server: how it is reached, how long it may take, and what its tools are in truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import Effects, Origin
from lichen.core.remote.credentials import ShownAs, Trust

Transport = Literal["http", "sse"]
Asks = Literal["form", "url"]
Tokens = Literal["tenant", "person"]
SYSTEM_DNS = "system"
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3_600)]


class ResourceRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which resources of a server may be read, by address and by name; `*` stands for anything. Nothing may that no
    entry allows, nor what an entry denies."""

    allow_uris: tuple[str, ...] = ()
    deny_uris: tuple[str, ...] = ()
    allow_names: tuple[str, ...] = ()
    deny_names: tuple[str, ...] = ()


class PromptRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which prompts of a server may be got, by name; `*` stands for anything. None may that no entry allows, nor what
    an entry denies."""

    allow_names: tuple[str, ...] = ()
    deny_names: tuple[str, ...] = ()


class OAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How we sign in where a server wants that (OAuth 2.1). `code`: a person did, with `lichen tools login`.
    `client_credentials`: as ourselves, with the secret that `client_secret` names, at the `issuer` and nowhere else.

    `client_id` is that of a client which is registered there; without it one registers itself.
    """

    grant: Literal["code", "client_credentials"] = "code"
    client_id: str = ""
    client_secret: str = ""  # the name of a secret
    issuer: str = ""
    scopes: tuple[str, ...] = ()
    redirect_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0  # of the loopback; 0: whichever is free

    def __post_init__(self) -> None:
        if self.grant == "client_credentials" and not (self.client_id and self.client_secret and self.issuer):
            raise ValueError("client credentials need `client_id`, `client_secret` and `issuer`")


class ToolTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a tool better than its server says. Without it a call may act, at most once, and brings a
    stranger's words. `confirm` is the question to whom it is wanted for."""

    effects: Literal["none", "idempotent", "once"] = "once"
    origin: Origin = "third_party"
    timeout_s: Seconds | None = None
    confirm: str = ""
    tags: tuple[str, ...] = ()

    @property
    def means(self) -> Effects:
        """The effects, as contracts have them."""
        return self.effects


class Server(msgspec.Struct, frozen=True):
    """One server as a scope has it: either a `command` that is started, or a `url`. A value of `env` or `headers` may
    end in `secret:<name>`, which stands for a secret of the scope.

    `trust`: what it offers is pinned as it is first seen (`first_use`), or only once somebody accepted it (`review`).
    `asks`: how it may ask whoever a call is for before that ends, by a form or by an address to open. `sampling` is the
    model that it may ask in the midst of a call, by name; none where that is empty.
    A command is shut in where it has a `cage`: it has what that grants, without what lies below `hides`, and its
    requests get `credentials`, which may be secrets as well, by host.
    `schemapin` is the domain whose key must have signed each of its tools; `schemapin_from` is a folder or a trust
    bundle where that key stands, instead of at the domain. `schemapin_dns` is who is asked what the domain's DNS says
    of the key: `system`, the address of a resolver, or nobody.
    `tokens`: its connection and its tokens are the tenant's, or those of the `person` whom a call is for.
    `agentpin`: the agent of ours that asks it, by credentials.
    What it offers is read again after `listed_s`. A registry executes each call once by its id; of its tools those are
    taken that a pattern of `include` fits, if there is one, and none of `exclude`.
    """

    name: str
    command: tuple[str, ...] = ()
    cwd: str | None = None
    env: Mapping[str, str] = {}
    url: str = ""
    transport: Transport = "http"
    headers: Mapping[str, str] = {}
    timeout_s: Seconds = 30.0
    trust: Trust = "first_use"
    schemapin: str = ""
    schemapin_from: str = ""
    schemapin_dns: str = ""
    tools: Mapping[str, ToolTerms] = {}
    asks: tuple[Asks, ...] = ()
    sampling: str = ""
    cage: Grant | None = None
    hides: tuple[str, ...] = ()
    credentials: Mapping[str, Mapping[str, str]] = {}
    resources: ResourceRules = ResourceRules()
    prompts: PromptRules = PromptRules()
    oauth: OAuth | None = None
    tokens: Tokens = "tenant"
    agentpin: ShownAs | None = None
    roots: tuple[str, ...] = ()  # addresses of folders that it is told of
    listed_s: Seconds = 60.0
    is_registry: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What it is, as a tag of each of its tools: `mcp` or `registry`."""
        return "registry" if self.is_registry else "mcp"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets that it is reached with, and of the one that holds what a sign-in brought."""
        values = (value.partition("secret:")[2] for value in (*self.env.values(), *self.headers.values()))
        shared = "" if self.tokens == "person" else token_name(self.name)
        signing = () if self.oauth is None else (shared, self.oauth.client_secret)
        own = () if self.agentpin is None else (self.agentpin.key,)
        return tuple(dict.fromkeys(filter(None, (*values, *signing, *own))))

    def terms(self, tool: str) -> ToolTerms:
        """What is known of the tool that the server calls so."""
        return self.tools.get(tool, ToolTerms())


def token_name(server: str, person: str = "") -> str:
    """The name of the secret that holds the tokens for a server: the tenant's, or those of a person by their
    pseudonym."""
    return f"mcp.{server}.token/{person}" if person else f"mcp.{server}.token"
