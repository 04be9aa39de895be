"""Where a tenant's secrets come from, and what is wrong with what `lichen.toml` says of it. No value stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from lichen.core.ports.secrets import SEALED, Source, checked_secret_name
from lichen.core.remote.stores import Stores
from lichen.core.words.errors import Invalid, NotFound

Steps = tuple[str, ...]
NONE: Final = "none"  # no source
SOURCE, NAMES, ENVIRONMENTS = "source", "names", "environments"

_KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_PATH: Final = re.compile(r"/[^\x00-\x1f]{1,1024}")
_DETAIL_CHARS_MAX: Final = 1024


class SecretSources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where secrets of an environment come from: `source` for all of them, `names` for single ones.

    A source is `sealed` (the encrypted file in the data directory), `env:PREFIX_` or `env:VARIABLE`, `mounted:/folder`
    or `mounted:/file`, `vault:MOUNT/PATH`, `aws:NAME`, `azure:VAULT/NAME` or `gcp:PROJECT/NAME`, or what a plug-in
    adds. Of one of these a name may add `@VERSION` and `#FIELD`. `none` stands for no source.
    """

    source: str = SEALED.kind
    names: Mapping[str, str] = {}

    def of(self, name: str) -> Source:
        """Where this one comes from. Raises NotFound (`secret_unknown`) where it has no source."""
        exact = self.names.get(name)
        kind, _, detail = (self.source if exact is None else exact).partition(":")
        if kind == NONE:
            step = "Name a source for it under [tenants.NAME.secrets.names] in lichen.toml."
            raise NotFound("This secret has no source here.", code="secret_unknown", next_step=step)
        return Source(kind, detail, exact is not None)

    def said(self) -> Iterator[tuple[Steps, Source]]:
        """Every source that is named, with where."""
        named = (((NAMES, name), source) for name, source in self.names.items())
        for steps, text in (((SOURCE,), self.source), *named):
            kind, _, detail = text.partition(":")
            if kind != NONE:
                yield steps, Source(kind, detail, steps[0] == NAMES)


class TenantSecrets(SecretSources, frozen=True, forbid_unknown_fields=True):
    """Those of a tenant. An environment that has a table of its own goes by that alone."""

    environments: Mapping[str, SecretSources] = {}

    def within(self, env: str) -> SecretSources:
        """Those of an environment."""
        return self.environments.get(env, self)


def sources_in(secrets: TenantSecrets) -> Iterator[tuple[Steps, Source]]:
    """Every source that a tenant names, with where."""
    yield from secrets.said()
    for env, table in secrets.environments.items():
        yield from (((ENVIRONMENTS, env, *steps), source) for steps, source in table.said())


class Wrong(NamedTuple):
    """What is wrong with what is said at a place: it never repeats what stands there, which may be a value."""

    steps: Steps
    message: str
    code: str
    next_step: str


def wrong_with(secrets: TenantSecrets, environments: tuple[str, ...]) -> Iterator[Wrong]:
    """What is wrong with a tenant's table by itself."""
    yield from _table((), secrets)
    for env, table in secrets.environments.items():
        if env not in environments:
            step = f"Name one of: {', '.join(environments)}."
            yield Wrong((ENVIRONMENTS, env), f"There is no environment {env!r}.", "env_unknown", step)
        yield from _table((ENVIRONMENTS, env), table)


def _table(above: Steps, table: SecretSources) -> Iterator[Wrong]:
    yield from _source((*above, SOURCE), table.source, is_exact=False)
    for name, source in table.names.items():
        at = (*above, NAMES, name)
        try:
            checked_secret_name(name)
        except Invalid as error:
            yield Wrong(at, error.message, error.code, error.next_step)
        yield from _source(at, source, is_exact=True)


_HINT: Final = (
    "If this is the secret itself, take it out of the file, and of the file's history, change it where it is used, and "
    "keep the new one with `lichen secrets set NAME`. A source is sealed, env:VARIABLE, mounted:/path or a store's."
)


def _source(at: Steps, said: str, *, is_exact: bool) -> Iterator[Wrong]:
    kind, colon, detail = said.partition(":")
    problem = _problem(kind, colon, detail, is_exact=is_exact)
    if problem:
        yield Wrong(at, problem, "secret_source_invalid", _HINT)


def _problem(kind: str, colon: str, detail: str, *, is_exact: bool) -> str:
    """What is wrong with a source, in words that repeat nothing of it."""
    match kind:
        case "sealed" | "none":
            return f"The source {kind} says no more than that." if colon else ""
        case "env" if not _VARIABLE.fullmatch(detail):
            what = "a variable" if is_exact else "the beginning of variables"
            return f"The source env names {what} in capital letters, digits and underscores."
        case "mounted" if not _PATH.fullmatch(detail) or "/../" in f"{detail}/":
            return "The source mounted names an absolute path, without `..`."
        case "env" | "mounted":
            return ""
        case "vault" | "aws" | "azure" | "gcp":
            return "" if _is_far(kind, detail, is_exact=is_exact) else f"The source {kind} names {_FAR[kind].says}."
        case _ if not _KIND.fullmatch(kind) or not colon or len(detail) > _DETAIL_CHARS_MAX:
            return "This is no source of a secret."
        case _:
            return ""  # a plug-in's, perhaps: whoever loads the project knows those there are


class _Far(NamedTuple):
    """How another's store names what it has: everything of an environment, and one secret."""

    whole: re.Pattern[str]
    exact: re.Pattern[str]
    says: str


_PART: Final = r"[A-Za-z0-9_.-]{1,128}"
_SHORT: Final = r"[A-Za-z0-9][A-Za-z0-9-]{0,126}"
_PROJECT: Final = r"[a-z0-9][a-z0-9.:-]{0,62}"
_AWS: Final = r"[A-Za-z0-9_+=.:-]{1,256}"
_FAR: Final = {
    "vault": _Far(
        re.compile(f"{_PART}(/{_PART}){{0,31}}/?"),
        re.compile(f"{_PART}(/{_PART}){{1,31}}"),
        "an engine and a path in it, such as vault:secret/acme",
    ),
    "aws": _Far(
        re.compile(f"{_AWS}(/{_AWS}){{0,31}}/?"),
        re.compile(f"{_AWS}(/{_AWS}){{0,31}}"),
        "the name of a secret or its beginning, such as aws:acme/prod",
    ),
    "azure": _Far(
        re.compile(f"{_SHORT}(/{_SHORT})?"), re.compile(f"{_SHORT}/{_SHORT}"), "a key vault, such as azure:acme-prod"
    ),
    "gcp": _Far(
        re.compile(f"{_PROJECT}(/[A-Za-z0-9_-]{{1,128}})?"),
        re.compile(f"{_PROJECT}/[A-Za-z0-9_-]{{1,255}}"),
        "a project, such as gcp:acme-prod",
    ),
}
_OF_ONE: Final = re.compile(r"(?:@([A-Za-z0-9-]{1,64}))?(?:#([A-Za-z0-9_.-]{1,128}))?")


def _is_far(kind: str, detail: str, *, is_exact: bool) -> bool:
    path = _path_in(detail)
    found = _OF_ONE.fullmatch(detail[len(path) :])
    whole = _FAR[kind].exact if is_exact else _FAR[kind].whole
    is_pinned = found is not None and found[1] is not None
    dots = any(not part.strip(".") for part in path.rstrip("/").split("/"))
    return found is not None and (is_exact or not is_pinned) and bool(whole.fullmatch(path)) and not dots


def _path_in(detail: str) -> str:
    """Where something is, without which version and field of it."""
    return re.split("[@#]", detail, maxsplit=1)[0]


_REFERENCE: Final = re.compile(r"env:[A-Z][A-Z0-9_]{0,127}|mounted:/[^\x00-\x1f]{1,1024}")
_REFERENCES: Final = ("token", "role_id", "secret_id", "jwt")


def wrong_with_stores(stores: Stores) -> Iterator[Wrong]:
    """What is wrong with how stores are signed in to: a value where a reference should be. It is not repeated."""
    for name in _REFERENCES:
        if not _REFERENCE.fullmatch(getattr(stores.vault, name)):
            step = "Write env:VARIABLE or mounted:/path. If this is the value itself, change it where it is used."
            message = f"What stands for {name} is no reference."
            yield Wrong(("vault", name), message, "secret_source_invalid", step)


class Held(NamedTuple):
    """A source with whose it is, and where that is said."""

    tenant: str
    steps: Steps
    source: Source


def shared_by_mistake(tenants: Mapping[str, tuple[tuple[str, ...], TenantSecrets]]) -> Iterator[tuple[Held, Held]]:
    """Pairs of different tenants' sources of which the second could read what is the first's: variables that begin
    with what the second's begin with, folders inside the second's folder."""
    held = [each for name, (envs, secrets) in tenants.items() for each in _held(name, envs, secrets)]
    for wide in held:
        for other in held:
            if wide.tenant != other.tenant and _holds(wide.source, other.source):
                yield other, wide


def _held(tenant: str, environments: tuple[str, ...], secrets: TenantSecrets) -> Iterator[Held]:
    for env in environments:
        own = (ENVIRONMENTS, env) if env in secrets.environments else ()
        for steps, source in secrets.within(env).said():
            yield Held(tenant, (*own, *steps), source)


def _holds(wide: Source, other: Source) -> bool:
    """Whether a name could be found in `wide` that is what `other` names, or lies in it."""
    if wide.is_exact or wide.kind != other.kind:
        return False
    match wide.kind:
        case "env":
            return other.detail.startswith(wide.detail)
        case "mounted":
            return f"{other.detail.rstrip('/')}/".startswith(f"{wide.detail.rstrip('/')}/")
        case "vault" | "aws":
            above, below = (_path_in(each.detail).rpartition(":")[2].rstrip("/") for each in (wide, other))
            return f"{below}/".startswith(f"{above}/")
        case "azure" | "gcp":
            above, below = (_path_in(each.detail) for each in (wide, other))
            ends = "-" if "/" in above else "/"  # of a key vault, and of a project, every name
            return f"{below}{'-' if '/' in below else '/'}".startswith(f"{above}{ends}")
        case _:
            return False
