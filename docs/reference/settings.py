"""`lichen.toml` and agent files, from the structs that read them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docs.reference.markdown import prose, table
from docs.reference.structs import plain, rows
from lichen.agents.llm.reminders import Reminder
from lichen.agents.rules.planner import RulePlanner
from lichen.agents.rules.rules import Answer, Call, Intent, Slot, When
from lichen.agents.rules.words import IntentWords, SlotWords, Words
from lichen.agents.tables import (
    AgentFile,
    ChainTable,
    ChildTable,
    CriticTable,
    DebateTable,
    DirectorTable,
    HumanTable,
    LimitsTable,
    LLMTable,
    MapReduceTable,
    ParallelTable,
    RaceTable,
    RouterTable,
    ToolTable,
)
from lichen.core.cage.terms import ToolsTable
from lichen.core.ports.call import CircuitBreaker
from lichen.core.ports.prices import Price
from lichen.core.remote.credentials import AgentPinTable, AgentTerms
from lichen.core.remote.stores import AwsStore, AzureStore, GcpStore, Stores, VaultStore
from lichen.core.speech.wording import BUILT_IN, Texts
from lichen.core.words.quotas import Budgets, Quotas
from lichen.settings.access.table import Team
from lichen.settings.file import (
    BusTable,
    DeclaredActor,
    FlowFile,
    Parts,
    Serve,
    ServeMcp,
    StateTable,
    StoreTable,
    Tenant,
    WebChat,
)
from lichen.settings.issuers.table import IssuerTable
from lichen.settings.layers.user import ALLOWED
from lichen.settings.layers.variables import VARIABLES
from lichen.settings.mcpfiles import McpFile
from lichen.settings.models import Models
from lichen.settings.packs.registries import RegistryHost
from lichen.settings.packs.table import PackFile, PacksTable, TrustTable
from lichen.settings.providers import ProviderTable
from lichen.settings.routes import Route
from lichen.settings.schedules.table import Heartbeat, Schedule
from lichen.settings.secrets import TenantSecrets

SETTINGS: Mapping[str, tuple[type[msgspec.Struct], Mapping[str, str]]] = {
    "[lichen]": (
        Parts,
        {
            "agents": "Where agents are: `file.py:name`, an `Agent` or a list of them.",
            "flows": "Flow files, `.ygtc`, as paths and globs, or as tables that also say names.",
            "prompts": "A folder of prompts, `NAME.md` or `NAME@VERSION.md`, which stand in the place of those that "
            "agents have under these names; in `TENANT/` for a tenant, in `TENANT/ENVIRONMENT/` for one of its.",
            "tools": "Tools that only flows use: `file.py:name`, a tool or a list of them.",
            "home": "Where data lies; `LICHEN_HOME` overrides it.",
            "mcp_files": "Files in which other programs are told of MCP servers, `.mcp.json`, or tables that also say "
            "which variables these may read.",
            "bundle": "A bundle, as a folder or a `.gtbundle`, whose packs and tenants it has.",
            "packs": "Packs whose flows and agents it has: files, folders, patterns, references to registries "
            "(`oci://…`), or tables that also pin them.",
        },
    ),
    "packs = [{ … }]": (
        PackFile,
        {
            "file": "The pack's file, its folder, or `oci://HOST/REPOSITORY@sha256:…`.",
            "digest": "What it is pinned to, `sha256:…`; another pack is not loaded.",
            "statement": "A file that `lichen pack sign` wrote beside the pack, where that is what is signed.",
            "allow": "What its components are granted of what they want: `allow` as of `[[component]]`.",
            "tools": "What operations that its flows name are called here: tools of the project.",
            "policies": "Whether the policies that it carries are in force, beside those of the tenants.",
            "tenants": "In which tenants its policies are in force; in all, if left out.",
        },
    ),
    "flows = [{ … }]": (
        FlowFile,
        {
            "file": "A path or a glob. What a table says of a file comes before a glob.",
            "name": "What the flow is called; else its `id`, else its pack and `id`, such as `weather_bot.main`.",
            "tools": 'The tool for an operation of it: `"apply" = "shop.apply"`, or `"@node"` for one node.',
            "agents": "The agent for one that it names otherwise.",
        },
    ),
    "mcp_files = [{ … }]": (
        McpFile,
        {
            "file": "The file: `.mcp.json`, or what has the same format.",
            "variables": "The variables that `${NAME}` and `${NAME:-otherwise}` may stand for in it.",
            "tenants": "The tenants that have its servers; all where none is named.",
            "environments": "The environments that have them; all where none is named.",
            "servers": "By the names they have here, terms of its servers: `timeout_s`, `trust`, `tools`.",
        },
    ),
    "[tenants.NAME]": (
        Tenant,
        {
            "environments": "Its environments. Each has a log, keys and meters of its own.",
            "development": "Those of them that are for development.",
            "self_approval": "In a development environment: who asked may approve as well. The record says so.",
            "error_text": "In a development environment: texts of errors go to the process's log, too.",
            "policies": "The directory of its `.cedar` files; the starter policies when left out. A folder in it "
            "that is named after an environment has more of them, and meters, for that environment alone.",
            "agent": "Which agent its customers meet; may be left out when there is only one.",
            "actors": "Who may be named with `--as` on the machine itself.",
            "routes": "Which agent or flow has the conversations of which channel.",
            "webchat": "Its web chat; none without this table.",
            "languages": "What its customers are spoken to in, the first where they want none of these.",
            "texts": "Words of its own, by language, in place of the runtime's.",
            "quotas": "How much its customers and services may write.",
            "budgets": "What its requests to models may use.",
            "secrets": "Where what its tools are handed comes from.",
            "models": "How it reaches providers of models: tables as under `[models]`, over those.",
            "schedules": "What begins by itself.",
            "hosts": "Names of hosts that are this tenant's alone: a webhook whose address names no tenant is that of "
            "the one whose host it comes to.",
            "access": "The `.gmap` file of rules that say which flows, agents and nodes may be come to, or one for "
            'each environment: `{ dev = "dev.gmap", prod = "prod.gmap" }`. Without one policy alone decides.',
            "team": "Its teams, each with rules of its own.",
            "channels": "Any other table is for the channel of that name, which some package brings.",
        },
    ),
    "[tenants.NAME.team.TEAM]": (
        Team,
        {
            "access": "Its `.gmap` file, or one for each environment. What it says of a path stands above what the "
            "tenant's says; what it does not speak of, the tenant's decides.",
        },
    ),
    "actors = [{ … }]": (
        DeclaredActor,
        {
            "id": "Its name.",
            "kind": "What it is; only operators may approve and see other people's runs.",
            "roles": "What approvals ask for. An operator has no role unless it stands here.",
        },
    ),
    "[[tenants.NAME.routes]]": (
        Route,
        {
            "channel": "The channel, `*` for any.",
            "agent": "The agent that has its conversations.",
            "flow": "The flow that has them; exactly one of the two is named.",
            "double_texting": "What becomes of a message that comes while an earlier one is being answered.",
            "path": "What stands behind the tenant in the address of a webhook; any when left out.",
            "where": 'What stands in the data of a message, by JSON pointer: `{ "/action" = "opened" }`; `*` for any.',
        },
    ),
    "[[tenants.NAME.schedules]]": (
        Schedule,
        {
            "name": "What it is called, in the log and by `lichen schedules`.",
            "agent": "The agent that begins.",
            "flow": "The flow that begins; exactly one of the two is named.",
            "cron": "When: five fields as crontab has them, or six with the seconds first.",
            "every_s": "Or so many seconds after one another.",
            "at": "Or once, at a moment such as `2027-01-01T09:00:00`. Without any of the three, a program begins it.",
            "timezone": "The time zone of `cron` and `at`.",
            "jitter_s": "How much later each tick may begin; always as much for one tick.",
            "catch_up": "Which moments that were missed are made up for: none, the last one, or each, of a hundred.",
            "overlap": "What becomes of a tick that comes before the one before it ended: left out, or it waits "
            "(`queue`), or begins beside it (`allow`).",
            "text": "What is said to the agent.",
            "data": "What it is given beside the fields of the tick, under `data`.",
            "retries": "How often a tick that failed is tried again before it is a dead letter.",
            "retry_s": "How much later the first time; each time after, twice that.",
            "env": "Its environment, where the tenant has several.",
            "heartbeat": "Of an agent that looks after something: a table as below.",
        },
    ),
    "heartbeat = { … }": (
        Heartbeat,
        {
            "context": "What it is told of ticks before it: the last twenty answers, the last one (`summary`), none "
            "(`fresh`).",
            "all_clear": "What an answer begins with that says that nothing was to be done.",
            "after": "After so many of these in a row it looks less often.",
            "factor": "How many times as long its interval is then.",
            "max_s": "How long the interval may get, also after failures, each of which doubles it.",
        },
    ),
    "[tenants.NAME.webchat]": (
        WebChat,
        {
            "env": "The environment its conversations belong to.",
            "title": "What stands above the chat; the tenant's name when empty.",
            "accent": "Its colour.",
            "token_s": "How long a token is good.",
            "age_s": "How long it can be renewed.",
            "tokens_per_minute": "How many tokens one address gets; one user gets five.",
            "origins": "The pages that may embed it, `*` for any.",
            "greetings": "What is shown, by language, before anything is said: `text` and `suggestions`.",
            "signed_in": "In a development environment: customers believed without a key, the first in the page.",
            "team": "The team whose rules of access bind its conversations.",
        },
    ),
    "[tenants.NAME.quotas]": (
        Quotas,
        {
            "messages_per_minute": "Of one conversation.",
            "messages_per_minute_address": "Of one address.",
            "messages_per_minute_tenant": "Of the whole tenant.",
            "webhooks_per_second": "Proven requests that platforms bring to all its channels; beyond it they are "
            "answered 429, and come again.",
            "webhooks_burst": "So many of them at once.",
            "webhook_bytes_per_minute": "What they weigh together.",
            "bytes_per_day": "What its log may grow by in a day, UTC, in each environment.",
            "bytes_per_day_address": "What one address may cause of that.",
            "file_bytes": "What the files of one message may have together.",
            "file_bytes_per_day": "What the files of all messages of a day, UTC, may have, in each environment.",
        },
    ),
    "[tenants.NAME.budgets]": (
        Budgets,
        {
            "tokens_per_day": "Tokens on one day, UTC, in each environment. Nothing is sent that could be too much.",
            "cost_usd_per_day": "US dollars on one day. A model without a price is not asked then.",
            "tokens_per_session": "Tokens in one session.",
            "cost_usd_per_session": "US dollars in one session.",
        },
    ),
    "[tenants.NAME.secrets]": (
        TenantSecrets,
        {
            "source": "Where they come from: `sealed`, the encrypted file in the data directory; `env:ACME_`, "
            "variables that begin so (`payments.key` is `ACME_PAYMENTS_KEY`); `mounted:/run/secrets/acme`, a "
            "folder; `vault:secret/acme`, `aws:acme/prod`, `azure:acme-vault`, `gcp:acme-prod`, what stores of "
            "others have there; `none`.",
            "names": 'Single ones: `"payments.key" = "env:STRIPE_KEY"`, or `"mounted:/run/secrets/stripe"`. Of a store '
            "with `@VERSION` and `#FIELD` behind, where one is meant: `vault:secret/acme/stripe@3#key`.",
            "environments": "An environment with a table of its own, `source` and `names`, goes by that alone.",
        },
    ),
    "[secrets]": (
        Stores,
        {
            "fresh_s": "So many seconds a value from a store is used without asking again. 0: it is asked at each use.",
            "stale_s": "Up to so many seconds after it was asked for, a value is used where its store does not answer.",
            "vault": "Vault or OpenBao: the table `[secrets.vault]`.",
            "aws": "AWS Secrets Manager: `[secrets.aws]`.",
            "azure": "Azure Key Vault: `[secrets.azure]`.",
            "gcp": "Google Secret Manager: `[secrets.gcp]`.",
        },
    ),
    "[secrets.vault]": (
        VaultStore,
        {
            "url": "Where it is; `VAULT_ADDR` when left out.",
            "namespace": "Its namespace; `VAULT_NAMESPACE` when left out.",
            "auth": "How Lichen signs in: with a token, an AppRole, or a service account of Kubernetes.",
            "mount": "Where that method is, if not under its own name.",
            "token": "Where the token is: `env:VARIABLE` or `mounted:/file`, as below.",
            "role_id": "Where the id of an AppRole is.",
            "secret_id": "Where its secret id is.",
            "role": "The role of Kubernetes.",
            "jwt": "Where the service account's token is.",
            "ca": "A file of certificates to know it by.",
        },
    ),
    "[secrets.aws]": (
        AwsStore,
        {"region": "The region, if the environment does not say it.", "url": "An endpoint of your own."},
    ),
    "[secrets.azure]": (
        AzureStore,
        {
            "url": "Where vaults are; `{vault}` is what a source names first.",
            "ca": "A file of certificates to know it by.",
        },
    ),
    "[secrets.gcp]": (GcpStore, {"url": "An endpoint of your own."}),
    "[state]": (
        StateTable,
        {
            "kind": "Where what flows keep lies: in each tenant's log, or on a Redis or Valkey.",
            "url": "The variable with its address, such as `rediss://user:password@host:6379/0`.",
        },
    ),
    "[store]": (
        StoreTable,
        {
            "kind": "Where the logs lie: in a file of the data directory, or in a Postgres.",
            "url": "The variable with its address, such as `postgresql://user:password@host/database?sslmode=verify-full`.",
            "schema": "The schema they lie in, which is made when it is missing.",
        },
    ),
    "[bus]": (
        BusTable,
        {
            "kind": "What joins `lichen serve --only gateway`, `runner` and `egress`.",
            "url": "The variable with its address, such as `tls://user:password@host:4222`.",
        },
    ),
    "[packs]": (
        PacksTable,
        {
            "trust": "Whose packs count: tables `[[packs.trust]]`.",
            "denied": "What counts nowhere: digests of packs (`sha256:…`), fingerprints and ids of keys.",
            "registries": "How registries are reached: tables `[[packs.registries]]`.",
            "offline": "Whether only what was fetched before is loaded; `GREENTIC_DIST_OFFLINE=1` says the same.",
            "tags": "Whether tags count, which may stand for another pack tomorrow; else only digests do.",
            "cache_mib": "How much of what was fetched is kept, in MiB; `GREENTIC_CACHE_MAX_BYTES` overrides it.",
            "repo": "What `repo://` stands for, such as `ghcr.io/acme`; `GREENTIC_REPO_REGISTRY_BASE` overrides it.",
            "store": "What `store://` stands for; `GREENTIC_STORE_REGISTRY_BASE` overrides it.",
        },
    ),
    "[[packs.registries]]": (
        RegistryHost,
        {
            "host": "The registry, with its port if it has one of its own, such as `ghcr.io`.",
            "username": "As whom it is asked. Where neither this nor `token` stands, what `docker login` keeps counts.",
            "password": "Where the password is: `env:VARIABLE` or `mounted:/file`.",
            "token": "Where a token for the registry itself is, likewise.",
            "insecure": "Whether a registry of this machine is asked without TLS; no other one ever is.",
            "ca": "A PEM file of certificates that count for it, relative to this file.",
            "realms": "Other hosts that it may send us to for a token. Our password is shown to no further one.",
        },
    ),
    "[[packs.trust]]": (
        TrustTable,
        {
            "name": "Who they are, as `lichen pack verify` names them.",
            "key": "The PEM file of their public key, or of a certificate that issued theirs.",
            "tenants": "The tenants they count for; all where none is named.",
            "environments": "The environments they count in; all where none is named.",
            "until": "The last day they count, such as `2027-12-31`.",
        },
    ),
    "[models.PROVIDER]": (
        ProviderTable,
        {
            "key": "The key its provider knows us by: `env:VARIABLE`, `secret:NAME`, or `none` for a server that wants "
            "none. Without it, the provider's own variable.",
            "base_url": "Where it is; needed for gateways and servers of your own.",
            "options": "What this provider needs beside them, such as `region` of Bedrock, `project` of Vertex AI, "
            '`api_version` and `auth = "entra"` of Azure, `tools = "schema"` for a server whose model calls no tools.',
            "tries": "How often one request is sent at most, while it fails in a way that may pass; 4 when left out.",
            "timeout_s": "How many seconds one try may take; 120 when left out.",
        },
    ),
    '[breakers."TOOL"]': (
        CircuitBreaker,
        {
            "failures": 'So many failures shut the tool in an environment; 0: never. `[breakers."*"]` is for tools '
            "that are not named and whose authors say nothing.",
            "of": "Among so many of its last calls.",
            "open_s": "How many seconds it is left alone. Then one call at a time tries it.",
            "answers": "So many answers to those open it to all.",
            "codes": "Codes of `NotDone` that are failures. Any other is a refusal, which is an answer.",
        },
    ),
    "[models]": (
        Models,
        {
            "keep_requests": "Whether what models were sent stands, sealed, in the log.",
            "patience_s": "How long a customer waits for models that fail: no request of a turn is tried again later. "
            "Runs that are no turn try for as long as they have time.",
            "prices": "What models cost, by `provider:model`, or `provider:` for all of one.",
            "tags": "What policies read of a model as `context.model.tags`, by the same names.",
        },
    ),
    'prices = { "provider:model" = { … } }': (
        Price,
        {
            "input": "US dollars for a million tokens that are read.",
            "output": "For a million that are written.",
            "cached": "For a million that come from the provider's cache.",
            "cache_write": "For a million that are put there.",
        },
    ),
    "[serve]": (
        Serve,
        {
            "host": "The address that `lichen serve` listens on; `--host` comes before it.",
            "port": "Its port, 0 for a free one; `--port` comes before it.",
            "trusted_proxies": "Addresses or networks of proxies that may say for whom they speak.",
            "connections": "How many connections are open at once.",
            "connections_per_address": "How many of them from one address.",
            "sockets": "How many WebSockets are open at once.",
            "sockets_per_address": "How many of them from one address.",
            "metrics_port": "A port of the loopback for `/metrics`, which the other port then has not.",
            "disk_reserve_mib": "How much of the disk is kept for operators.",
            "mcp": "What `/mcp` lets through: a table `[serve.mcp]`.",
        },
    ),
    "[tools]": (
        ToolsTable,
        {"floor": "How well commands of others have to be shut in: `process` or `jail`. Else nothing loads."},
    ),
    "[[agentpin]]": (
        AgentPinTable,
        {
            "audience": "The domain of yours that credentials have to be for; by it the environment is known.",
            "tenant": "The tenant whose doors take them.",
            "env": "Its environment, where it has several.",
            "agents": 'Whose credentials count: tables `[agentpin.agents."urn:agentpin:DOMAIN:NAME"]`.',
            "vouchers": "Domains that may stand in a chain of delegation besides those of `agents`.",
            "known": "A folder of `DOMAIN.json` and `DOMAIN.revocations.json`, or a trust bundle. Without it "
            "the domains are asked.",
            "trust": "The first key of a domain is pinned (`first_use`), or waits to be accepted (`review`).",
            "skew_s": "How many seconds clocks may differ.",
            "ttl_s_max": "How many seconds a credential may last.",
            "own": 'Who you are there: `{ agent = "urn:agentpin:DOMAIN:NAME", key = "SECRET" }`.',
        },
    ),
    "[[issuer]]": (
        IssuerTable,
        {
            "issuer": "Who makes the tokens, as their `iss` says.",
            "audience": "Whom they are for, as their `aud` says.",
            "tenants": "The tenants that it may name; `*` for all.",
            "keys_url": "The https address of its JWKS.",
            "keys": "Instead of it a file of the project: a JWKS, or a public key in PEM.",
            "algorithms": "How its tokens may be signed.",
            "tenant": "The claim that names the tenant, or a JSON pointer into the claims. Empty: the only one of "
            "`tenants`.",
            "env": "The claim that names the environment; without it any.",
            "team": "The claim that names the team; without it any.",
            "header": "The header that bears the token; one that is not `authorization` has `token`, `auth` or `jwt` "
            "in its name.",
            "skew_s": "How many seconds clocks may differ.",
        },
    ),
    '[agentpin.agents."URN"]': (
        AgentTerms,
        {
            "kind": "As what it comes in: `service` or `customer`.",
            "roles": "The roles it has.",
            "capabilities": "Those of its credential that policies are told of, `action:resource`.",
        },
    ),
    "[serve.mcp]": (
        ServeMcp,
        {
            "hosts": "What the port is called, besides the names of the loopback, for clients of the protocol.",
            "allow": "The resources that clients may read, by name; none without it.",
            "deny": "Those that they may not, whatever `allow` says.",
            "on_request": "Those that a request may add by its header `X-MCP-Allow-Names`, also over `deny`.",
            "symbi_tools": "Whether the six tools of Symbiont's server are there under their names.",
        },
    ),
}
"""Each table of `lichen.toml`, with what every key says."""

_AGENT = (
    AgentFile,
    ToolTable,
    ChildTable,
    LimitsTable,
    LLMTable,
    Reminder,
    ChainTable,
    RaceTable,
    ParallelTable,
    MapReduceTable,
    DebateTable,
    DirectorTable,
    RouterTable,
    CriticTable,
    HumanTable,
    RulePlanner,
    Intent,
    Slot,
    Call,
    When,
    Answer,
    Words,
    IntentWords,
    SlotWords,
)
_HEADS: Mapping[str, str] = {
    "AgentFile": "The file",
    "ToolTable": "[[tools]]",
    "ChildTable": "[[children]]",
    "LimitsTable": "[limits]",
    "LLMTable": "[llm]",
    "Reminder": "[[llm.reminders]]",
    "ChainTable": "[pattern], kind chain",
    "RaceTable": "[pattern], kind race",
    "ParallelTable": "[pattern], kind parallel",
    "MapReduceTable": "[pattern], kind map_reduce",
    "DebateTable": "[pattern], kind debate",
    "DirectorTable": "[pattern], kind director",
    "RouterTable": "[pattern], kind router",
    "CriticTable": "[pattern], kind critic",
    "HumanTable": "judge, a person",
    "RulePlanner": "[rules]",
    "Intent": "[[rules.intents]]",
    "Slot": "slots",
    "Call": "calls",
    "When": "when",
    "Answer": "answers",
    "Words": "[rules.languages.LANGUAGE]",
    "IntentWords": "[rules.languages.LANGUAGE.intents.NAME]",
    "SlotWords": "slots, in another language",
}


def settings() -> str:
    """Every table of `lichen.toml`."""
    return "\n\n".join(f"## {name}\n\n{rows(struct, meaning)}" for name, (struct, meaning) in SETTINGS.items())


def agent_file() -> str:
    """Every table of an agent file, in the words of the struct that reads it."""
    parts = (f"## {_HEADS[struct.__name__]}\n\n{prose(struct)}\n\n{plain(struct)}" for struct in _AGENT)
    return "\n\n".join(parts)


def variables() -> str:
    """The variables of the environment, and the settings that they say."""
    said = ((f"`{each.name}`", f"`{each.key}`" if each.key else "", prose(each.meaning)) for each in VARIABLES)
    return table(("variable", "setting", ""), said)


def user_settings() -> str:
    """What the user's own file may say."""
    return "\n".join(f"- `{name}.{key}`" for name, keys in ALLOWED.items() for key in keys)


def texts() -> str:
    """The runtime's own words, by language."""
    languages = sorted(BUILT_IN, key=lambda each: each != "en")
    lines = (
        (f"`{name}`", *(getattr(BUILT_IN[language], name) for language in languages))
        for name in Texts.__struct_fields__
    )
    return table(("text", *languages), lines)
