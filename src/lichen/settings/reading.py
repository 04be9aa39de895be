"""`lichen.toml` as its `Settings`: found, read strictly, and checked for what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from lichen.core.cage.grant import is_lower
from lichen.core.remote.credentials import wrong_with_doors
from lichen.core.speech.wording import Texts
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.core.words.scope import Scope
from lichen.settings.access.table import wrong_with_access
from lichen.settings.components.table import alike
from lichen.settings.decoding import Decoded, decode, table
from lichen.settings.file import FILE, File, Settings, Tenant
from lichen.settings.issuers.table import wrong_with_issuers
from lichen.settings.layers.layers import Layers
from lichen.settings.mcpfiles import McpFile, Tables, tables_of
from lichen.settings.packs.table import unknown_in
from lichen.settings.places import Step, spelt
from lichen.settings.providers import Providers, wrong_with_providers
from lichen.settings.schedules.table import wrong_with_schedules
from lichen.settings.secrets import shared_by_mistake, wrong_with, wrong_with_stores
from lichen.settings.servers import McpTable, RegistryTable, repeated
from lichen.settings.words.files import keyed_in

T = TypeVar("T")


class Read(NamedTuple):
    """What a file says, None where it cannot be read, its text, and every mistake in it with its line."""

    path: Path
    text: str
    settings: Settings | None
    errors: tuple[Invalid, ...]
    layers: Layers = Layers(())
    warnings: tuple[LichenError, ...] = ()

    def place(self, *steps: Step) -> str:
        """The place of something in the file: `file:line: a.b[0]`."""
        return self.layers.place(steps) if self.layers.layers else f"{self.path}: {spelt(steps)}"

    def table(self, value: object, kind: type[T], *steps: str) -> T:
        """What a table at a place of the file says, as `kind`. Raises Invalid (`settings_invalid`) with its line."""
        return table(self.path, self.text, value, kind, *steps)

    def unknown(self, what: str, name: str, *steps: Step, code: str, known: str) -> Invalid:
        """The error for a name at a place of the file that nothing has."""
        message = f"There is no {what} {name!r}."
        return Invalid(message, code=code, next_step=f"Name one of: {known}.", place=self.place(*steps))


def find(start: Path) -> Path:
    """The nearest `lichen.toml` at or above a directory. Raises NotFound (`project_unknown`)."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder / FILE
    raise NotFound(
        f"There is no {FILE} here or above.", code="project_unknown", next_step="Run `lichen init` in an empty folder."
    )


def read(path: Path, *, environ: Mapping[str, str]) -> Read:
    """What the file at `path` says. `LICHEN_HOME` of `environ` overrides where data lives. Runs no code of anybody."""
    decoded = decode(path, environ)
    if decoded.file is None:
        return Read(path, decoded.text, None, decoded.errors, decoded.layers)
    settings = _settings(path.resolve(), decoded.root or path.resolve().parent, decoded.file, environ)
    tables, errors = _from_files(settings, environ)
    own = keyed_in(settings.root)
    settings = msgspec.structs.replace(settings, mcp=(*settings.mcp, *tables), keyed=own.words)
    return _checked(path, decoded._replace(errors=(*decoded.errors, *errors, *own.errors)), settings, tables)


def _settings(path: Path, root: Path, file: File, environ: Mapping[str, str]) -> Settings:
    home = Path(environ.get("LICHEN_HOME") or root / file.lichen.home).resolve()
    return Settings(
        root,
        home,
        file.tenants,
        file.lichen,
        file.serve,
        path,
        providers=file.providers,
        models=file.models,
        breakers=file.breakers,
        mcp=(*file.mcp, *file.registry),
        floor=file.tools.floor,
        openapi=file.openapi,
        components=file.component,
        agentpin=file.agentpin,
        stores=file.secrets,
        state=file.state,
        store=file.store,
        bus=file.bus,
        packs=file.packs,
        issuers=file.issuer,
    )


def _from_files(settings: Settings, environ: Mapping[str, str]) -> Tables:
    """The servers that other programs' files name, and what is wrong with those files."""
    files = [McpFile(each) if isinstance(each, str) else each for each in settings.parts.mcp_files]
    read = [tables_of(settings.root, each, environ) for each in files]
    tables = tuple(table for each in read for table in each.tables)
    return Tables(tables, tuple(error for each in read for error in each.errors))


def _checked(path: Path, decoded: Decoded, settings: Settings, from_files: tuple[McpTable, ...]) -> Read:
    found = Read(path, decoded.text, settings, decoded.errors, decoded.layers, decoded.warnings)
    more = [error for name, tenant in settings.tenants.items() for error in _tenant(found, name, tenant)]
    more += _shared_secrets(found, settings)
    more += _shared_hosts(found, settings)
    more += _stores(found, settings)
    more += _providers(found, settings.providers, {}, "models")
    more += _servers(found, settings, from_files)
    more += _apis(found, settings)
    more += _components(found, settings)
    more += _doors(found, settings)
    more += _packs(found, settings)
    more += _issuers(found, settings)
    return found._replace(errors=(*decoded.errors, *more))


def _tenant(file: Read, name: str, tenant: Tenant) -> Iterator[Invalid]:
    """What is wrong with what a tenant says of itself."""
    for env in tenant.environments:
        yield from _spelt(file, name, env)
    yield from _environments(file, name, tenant)
    shared = file.settings.providers if file.settings is not None else None
    yield from _providers(file, tenant.models, shared or {}, "tenants", name, "models")
    for wrong in wrong_with(tenant.secrets, tenant.environments):
        place = file.place("tenants", name, "secrets", *wrong.steps)
        yield Invalid(wrong.message, code=wrong.code, next_step=wrong.next_step, place=place)
    for each in wrong_with_access(tenant.access, tenant.team, tenant.environments):
        place = file.place("tenants", name, *each.steps)
        yield Invalid(each.message, code=each.code, next_step=each.next_step, place=place)
    for found in wrong_with_schedules(tenant.schedules, tenant.environments):
        place = file.place("tenants", name, "schedules", found.number, found.key)
        yield Invalid(found.message, code=found.code, next_step=found.next_step, place=place)
    if tenant.webchat is not None and tenant.webchat.team and tenant.webchat.team not in tenant.team:
        known = ", ".join(tenant.team) or "none is declared"
        yield file.unknown(
            "team", tenant.webchat.team, "tenants", name, "webchat", "team", code="team_unknown", known=known
        )
    if tenant.webchat is not None and tenant.webchat.signed_in and tenant.webchat.env not in tenant.development:
        yield Invalid(
            "Only in a development environment is anybody believed to be a customer without a key.",
            code="signed_in_refused",
            next_step=f"Leave `signed_in` out, or add {tenant.webchat.env!r} to `development` of the tenant.",
            place=file.place("tenants", name, "webchat", "signed_in"),
        )
    try:
        _ = tenant.wording
    except msgspec.ValidationError:
        message, step = "There is no such text of the runtime.", f"Name some of: {', '.join(Texts.__struct_fields__)}."
        yield Invalid(message, code="text_unknown", next_step=step, place=file.place("tenants", name, "texts"))


def _stores(file: Read, settings: Settings) -> Iterator[Invalid]:
    for wrong in wrong_with_stores(settings.stores):
        place = file.place("secrets", *wrong.steps)
        yield Invalid(wrong.message, code=wrong.code, next_step=wrong.next_step, place=place)


def _providers(file: Read, tables: Providers, below: Providers, *above: Step) -> Iterator[Invalid]:
    for wrong in wrong_with_providers(tables, below):
        place = file.place(*above, *wrong.steps)
        yield Invalid(wrong.message, code=wrong.code, next_step=wrong.next_step, place=place)


def _servers(file: Read, settings: Settings, from_files: tuple[McpTable, ...]) -> Iterator[Invalid]:
    """Servers of tenants and environments that nobody declared, and two of one name that a scope would have."""
    known = ", ".join(settings.tenants)
    registries = sum(isinstance(each, RegistryTable) for each in settings.mcp)
    count = len(settings.mcp) - len(from_files) - registries
    for number, own in enumerate(settings.mcp):
        at: tuple[Step, ...] = ("mcp", number) if number < count else ("lichen", "mcp_files")
        at = ("registry", number - count) if isinstance(own, RegistryTable) else at
        for name in own.tenants:
            if name not in settings.tenants:
                yield file.unknown("tenant", name, *at, "tenants", code="tenant_unknown", known=known)
        if own.command and own.risk is not None and is_lower(own.tier, own.risk.tier):
            yield Invalid(
                f"The risk of the server {own.name} is {own.risk.score:g} ({'; '.join(own.risk.reasons)}).",
                code="risk_unmet",
                next_step=f'Add cage = "{own.risk.tier}" to it, with what it may read, write and reach.',
                place=file.place(*at),
            )
        if own.command and is_lower(own.tier, settings.floor):
            yield Invalid(
                f"The server {own.name} is not shut in as `floor` of [tools] wants it.",
                code="floor_missed",
                next_step=f'Add cage = "{settings.floor}" to it, with what it may read, write and reach.',
                place=file.place(*at),
            )
        twice = [other for other in settings.mcp[:number] if other.name == own.name]
        if any(own.is_of(scope) and other.is_of(scope) for other in twice for scope in settings.scopes):
            yield Invalid(
                f"There are two servers named {own.name!r} in one environment.",
                code="server_twice",
                next_step="Give one of them another name, or other tenants.",
                place=file.place(*at),
            )


def _apis(file: Read, settings: Settings) -> Iterator[Invalid]:
    """APIs that are called as another one, or as a server."""
    for number in repeated(settings.openapi, frozenset(own.name for own in settings.mcp)):
        name = settings.openapi[number].name
        yield Invalid(
            f"There are two that are named {name!r}, whose tools would be called alike.",
            code="api_twice",
            next_step="Give one of them another name.",
            place=file.place("openapi", number, "name"),
        )


def _components(file: Read, settings: Settings) -> Iterator[Invalid]:
    """Components that are called as another one, a server or an API."""
    others = frozenset(own.name for own in (*settings.mcp, *settings.openapi))
    for number in alike(settings.components, others):
        yield Invalid(
            f"There are two that are named {settings.components[number].name!r}, whose tools would be called alike.",
            code="component_twice",
            next_step="Give one of them another name.",
            place=file.place("component", number, "name"),
        )


def _doors(file: Read, settings: Settings) -> Iterator[Invalid]:
    """Environments for credentials of agents that nobody declared, and two with one audience."""
    tenants = {name: tenant.environments for name, tenant in settings.tenants.items()}
    for wrong in wrong_with_doors(settings.agentpin, tenants):
        place = file.place("agentpin", wrong.number, wrong.field)
        yield Invalid(wrong.message, code=wrong.code, next_step=wrong.next_step, place=place)


def _issuers(file: Read, settings: Settings) -> Iterator[Invalid]:
    """Issuers of tokens for tenants that nobody declared, and one that is named twice."""
    for wrong in wrong_with_issuers(settings.issuers, settings.tenants):
        place = file.place("issuer", wrong.number, wrong.field)
        yield Invalid(wrong.message, code=wrong.code, next_step=wrong.next_step, place=place)


def _shared_secrets(file: Read, settings: Settings) -> Iterator[Invalid]:
    """Sources of one tenant in which another's secrets could be found."""
    tenants = {name: (tenant.environments, tenant.secrets) for name, tenant in settings.tenants.items()}
    for other, wide in dict.fromkeys(shared_by_mistake(tenants)):
        yield Invalid(
            f"Names of {wide.tenant} could be found here that are secrets of {other.tenant}.",
            code="secret_source_shared",
            next_step="Give each tenant variables that begin differently, or a folder beside the others'.",
            place=file.place("tenants", wide.tenant, "secrets", *wide.steps),
        )


def _shared_hosts(file: Read, settings: Settings) -> Iterator[Invalid]:
    """Names of hosts that two tenants claim: by the host alone it is known whose a webhook is."""
    taken: dict[str, tuple[str, str]] = {}
    for tenant, declared in settings.tenants.items():
        for number, host in enumerate(declared.hosts):
            place = file.place("tenants", tenant, "hosts", number)
            owner, at = taken.setdefault(host, (tenant, place))
            if owner != tenant:
                yield Invalid(
                    f"The host {host} is {owner}'s already, at {at}.",
                    code="host_taken",
                    next_step="Leave it to one of them: the other's webhooks may name their tenant in the address.",
                    place=place,
                )


def _spelt(file: Read, tenant: str, env: str) -> Iterator[Invalid]:
    try:
        Scope(tenant, env)
    except Invalid as error:
        error.place = file.place("tenants", tenant)
        yield error


def _environments(file: Read, name: str, tenant: Tenant) -> Iterator[Invalid]:
    """Environments that are named and not declared."""
    named: list[tuple[str, tuple[Step, ...]]] = [(env, ("development", i)) for i, env in enumerate(tenant.development)]
    if tenant.webchat is not None:
        named.append((tenant.webchat.env, ("webchat", "env")))
    known = ", ".join(tenant.environments)
    for env, steps in named:
        if env not in tenant.environments:
            what = f"environment of {name}"
            yield file.unknown(what, env, "tenants", name, *steps, code="env_unknown", known=known)


def _packs(file: Read, settings: Settings) -> Iterator[Invalid]:
    """Tenants and environments that trust is given in, or policies of packs are for, and nobody declared."""
    yield from _policies_of_packs(file, settings)
    declared = {name: tenant.environments for name, tenant in settings.tenants.items()}
    for each in unknown_in(settings.packs, declared):
        what = "tenant" if each.key == "tenants" else "environment"
        environments = sorted({env for names in declared.values() for env in names})
        known = ", ".join(declared if what == "tenant" else environments)
        at = ("packs", "trust", each.number, each.key)
        yield file.unknown(what, each.name, *at, code="pack_trust_unknown", known=known)


def _policies_of_packs(file: Read, settings: Settings) -> Iterator[Invalid]:
    for number, said in enumerate(settings.parts.packs):
        if isinstance(said, str):
            continue
        at = ("lichen", "packs", number, "tenants")
        for name in said.tenants:
            if name not in settings.tenants:
                yield file.unknown("tenant", name, *at, code="pack_tenant_unknown", known=", ".join(settings.tenants))
        if said.tenants and not said.policies:
            message, step = (
                "`tenants` says where a pack's policies are in force, and they are not.",
                "Add policies = true.",
            )
            yield Invalid(message, code="pack_policies_unused", next_step=step, place=file.place(*at))
