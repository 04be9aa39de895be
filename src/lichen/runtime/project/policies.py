"""Where the policies of a scope lie, and whether they load."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.remote.tools import NOTHING, NoRemote, Offer, Remote
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.core.words.scope import Scope
from lichen.gate.gate import PolicyGate
from lichen.gate.rules.declarations import files_in
from lichen.runtime.entries.files import AccessSource

if TYPE_CHECKING:
    from lichen.gate.rules.packed import PackPolicies
    from lichen.gate.rules.policies import PolicySet
    from lichen.settings import Settings

STARTER_NOTICE = (
    "No policies are given, so the starter policy applies: tools run, except that those with effect `once` wait for an "
    "operator's approval."
)


Key = tuple[frozenset[str], tuple[str, ...]]  # of what others offer
Packs = tuple["PackPolicies", ...]
Names = tuple[str, ...]


class PolicySource(Protocol):
    """Where policies come from. `packs` are what packs bring of them."""

    packs: Packs

    def place(self, scope: Scope) -> Path | None:
        """Their directory; None for the starter policies. Raises Invalid (`policies_missing`)."""
        ...

    def load(self, scope: Scope, offer: Offer = NOTHING) -> PolicySet:
        """The policies of a scope as they are on disk now, for what it has of others' servers too. Raises Invalid with
        file, line and column."""
        ...

    def learn(self, specs: Sequence[ToolSpec], packs: Packs | None = None) -> None:
        """From now on policies are for these tools, and those of these packs are in force; of the same, if none are
        named."""
        ...


class InForce:
    """The policies that decide, scope by scope."""

    def __init__(
        self,
        gate: PolicyGate,
        source: PolicySource,
        clock: Callable[[], int],
        remote: Remote | None = None,
        access: AccessSource | None = None,
    ) -> None:
        self.source = source
        self.access = access or AccessSource()
        self._remote = remote or NoRemote()
        self._gate = gate
        self._clock = clock
        self._digests: dict[Scope, str] = {}
        self._loaded_us: dict[Scope, int] = {}

    def load(self, scope: Scope) -> str:
        """Puts those on disk in force; the old ones stay when that fails. Returns their digest. Raises Invalid."""
        policies = self.read(scope)
        self._gate.replace(scope, policies)
        if self._digests.get(scope) != policies.digest:
            self._loaded_us[scope] = self._clock()
        self._digests[scope] = policies.digest
        return policies.digest

    def read(self, scope: Scope) -> PolicySet:
        """Those on disk, which are not put in force. Raises Invalid."""
        return self.source.load(scope, self._remote.offer(scope)).beside(self.access.load(scope))

    def mistakes(self, scope: Scope) -> tuple[LichenError, ...]:
        """Everything that is wrong with the rules of access on disk."""
        return self.access.look(scope).errors

    def check(self, scope: Scope, offer: Offer) -> None:
        """Raises Invalid where those on disk would not load were this offered there."""
        self.source.load(scope, offer)
        self.access.load(scope)

    def loaded_us(self, scope: Scope) -> int:
        """Since when what decides there does, in this process: microseconds since 1970."""
        return self._loaded_us[scope]

    def digest(self, scope: Scope) -> str:
        """The digest of what decides there."""
        return self._digests[scope]


class PolicyReport(msgspec.Struct, frozen=True):
    """Policies that load. `directory` is None for the starter policies; `digest` pins what would be in force."""

    directory: str | None
    policies: tuple[str, ...]
    meters: tuple[str, ...]
    digest: str


def report_of(directory: Path | None, found: PolicySet) -> PolicyReport:
    """What is told of policies that load."""
    return PolicyReport(
        None if directory is None else str(directory),
        tuple(terms.id for terms in found.terms),
        tuple(meter.name for meter in found.meters),
        found.digest,
    )


class Place(msgspec.Struct, frozen=True):
    """Where a set of policies lies that decides in a tenant: in the environment `env`, or in all that have nothing of
    their own. `directory` is None for the starter policies."""

    tenant: str
    directory: Path | None
    env: str | None = None

    @property
    def name(self) -> str:
        """What it is called where sets are listed."""
        return self.tenant if self.env is None else f"{self.tenant}/{self.env}"


def places_of(settings: Settings, tenant: str) -> tuple[Place, ...]:
    """The sets that decide in a tenant: the shared one, unless every environment adds to it, and each that does.

    Raises NotFound (`tenant_unknown`).
    """
    declared = settings.tenants.get(tenant)
    if declared is None:
        known = ", ".join(settings.tenants)
        raise NotFound(f"There is no tenant {tenant!r}.", code="tenant_unknown", next_step=f"Name one of: {known}.")
    if declared.policies is None:
        return (Place(tenant, None),)
    directory = settings.root / declared.policies
    own = tuple(Place(tenant, directory, env) for env in declared.environments if files_in(directory / env))
    return own if len(own) == len(declared.environments) else (Place(tenant, directory), *own)


def place_of(settings: Settings, scope: Scope) -> Place:
    """The set that decides in a scope."""
    places = places_of(settings, scope.tenant)
    return next((place for place in places if place.env == scope.env), places[0])


def loaded(place: Place, specs: Sequence[ToolSpec], packs: Packs = ()) -> PolicySet:
    """The policies of a place, with those that packs bring there. Raises Invalid with file, line and column."""
    own = of_tenant(packs, place.tenant)
    if place.directory is None:
        return _starter(specs, own)
    return _loaded(place.directory, specs, place.env, packs=own)


def of_tenant(packs: Packs, tenant: str) -> Packs:
    """The policies of packs that are in force in a tenant."""
    return tuple(each for each in packs if each.is_of(tenant))


class Starter:
    """The starter policies for everybody."""

    packs: Packs = ()

    def __init__(self, specs: Sequence[ToolSpec]) -> None:
        self._starter = _Starter(specs)

    def place(self, scope: Scope) -> Path | None:
        """None: they lie nowhere."""
        return None

    def load(self, scope: Scope, offer: Offer = NOTHING) -> PolicySet:
        """The same for every scope."""
        return self._starter.load(offer)

    def learn(self, specs: Sequence[ToolSpec], packs: Packs | None = None) -> None:
        """From now on policies are for these tools."""
        self._starter = _Starter(specs)


class FromDirectory:
    """Policies of a directory of Cedar files for every tenant, or of one with a subdirectory for each."""

    packs: Packs = ()

    def __init__(self, root: Path, specs: Sequence[ToolSpec]) -> None:
        self._root = root
        self._loader = _Loader(specs)

    def place(self, scope: Scope) -> Path:
        """The tenant's subdirectory, or the directory itself. Raises Invalid (`policies_missing`)."""
        own = self._root / scope.tenant
        if own.is_dir():
            return own
        if any(self._root.glob("*.cedar")):
            return self._root
        raise Invalid(
            f"There are no policies for tenant {scope.tenant!r}.",
            code="policies_missing",
            place=str(self._root),
            next_step=f"Write {own}/*.cedar, or leave `policies` out to use the starter policy.",
        )

    def load(self, scope: Scope, offer: Offer = NOTHING) -> PolicySet:
        """What lies there now."""
        return self._loader.load(self.place(scope), scope.env, offer)

    def learn(self, specs: Sequence[ToolSpec], packs: Packs | None = None) -> None:
        """From now on policies are for these tools."""
        self._loader = _Loader(specs)


class FromSettings:
    """Policies as a project declares them for each tenant, beside those that its packs bring there."""

    def __init__(self, settings: Settings, specs: Sequence[ToolSpec], packs: Packs = ()) -> None:
        self._settings = settings
        self.packs = packs
        self._starter = _Starter(specs)
        self._loader = _Loader(specs)

    def place(self, scope: Scope) -> Path | None:
        """The directory that the tenant names."""
        directory = self._settings.tenants[scope.tenant].policies
        return None if directory is None else self._settings.root / directory

    def load(self, scope: Scope, offer: Offer = NOTHING) -> PolicySet:
        """What lies there now, or the starter policies for a tenant that names none."""
        directory, packs = self.place(scope), of_tenant(self.packs, scope.tenant)
        if directory is None:
            return self._starter.load(offer, packs)
        return self._loader.load(directory, scope.env, offer, packs)

    def learn(self, specs: Sequence[ToolSpec], packs: Packs | None = None) -> None:
        """From now on policies are for these tools, and those of these packs are in force."""
        self._starter, self._loader = _Starter(specs), _Loader(specs)
        self.packs = self.packs if packs is None else packs


class _Starter:
    """The starter policies, compiled once for the same tools of others."""

    def __init__(self, specs: Sequence[ToolSpec]) -> None:
        self._specs = specs
        self._known: dict[tuple[Key, Names], PolicySet] = {}

    def load(self, offer: Offer, packs: Packs = ()) -> PolicySet:
        """Those for the tools known anyway and these, and what packs bring."""
        key = _key(offer), _names(packs)
        if key not in self._known:
            self._known[key] = _starter(_together(self._specs, offer), packs)
        return self._known[key]


class _Loader:
    """Loads directories of policies. One that many tenants share is compiled once, until it changes."""

    def __init__(self, specs: Sequence[ToolSpec]) -> None:
        self._specs = specs
        self._known: dict[tuple[Path, str, Key, Names], tuple[object, PolicySet]] = {}

    def load(self, directory: Path, env: str, offer: Offer, packs: Packs = ()) -> PolicySet:
        """The policies of a directory for an environment, and those that packs bring; what is wrong with them is named
        by its full path."""
        files = sorted([*directory.glob("*"), *files_in(directory / env)])
        stand = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        key = directory, env, _key(offer), _names(packs)
        known = self._known.get(key)
        if known is None or known[0] != stand:
            found = _loaded(directory, _together(self._specs, offer), env, offer.servers, packs=packs)
            known = self._known[key] = (stand, found)
        return known[1]


def _together(own: Sequence[ToolSpec], offer: Offer) -> tuple[ToolSpec, ...]:
    """Our own tools, and those of others that have no name of one of ours."""
    names = {spec.name for spec in own}
    return (*own, *(spec for spec in offer.specs if spec.name not in names))


def _key(offer: Offer) -> Key:
    return offer.servers, tuple(spec.digest for spec in offer.specs)


def _names(packs: Packs) -> Names:
    """Which of the packs of a loader these are: what they say is the same as long as it is there."""
    return tuple(each.root for each in packs)


def _loaded(
    directory: Path,
    specs: Sequence[ToolSpec],
    env: str | None,
    servers: frozenset[str] = frozenset(),
    *,
    packs: Packs = (),
) -> PolicySet:
    from lichen.gate.rules.policies import load_policies

    with _placed(str(directory), packs):
        return load_policies(directory, specs, env=env, servers=servers, packs=packs)


def _starter(specs: Sequence[ToolSpec], packs: Packs = ()) -> PolicySet:
    from lichen.gate.rules.policies import (
        starter_policies,  # Cedar is loaded by whoever has policies, not by `import lichen`
    )

    with _placed("", packs):
        return starter_policies(specs, packs)


@contextmanager
def _placed(directory: str, packs: Packs) -> Generator[None]:
    """Names what is wrong by its full path, in a pack or in the directory."""
    try:
        yield
    except Invalid as error:
        from lichen.gate.rules.packed import placed

        place = placed(packs, error.place or "") or str(Path(directory, error.place or ""))
        raise Invalid(error.message, code=error.code, next_step=error.next_step, place=place) from error
