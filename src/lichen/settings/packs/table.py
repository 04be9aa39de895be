"""Whose packs a project loads: `[packs]`, and the keys and certificates it trusts, per tenant and environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, NamedTuple

import msgspec

from lichen.core.components.terms import Allowed
from lichen.settings.packs.registries import RegistryHost

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}\Z")]
Denied = Annotated[str, msgspec.Meta(pattern=r"^(sha256:)?[0-9a-f]{32,64}\Z")]


class PackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pack: its file or its folder, the digest it is pinned to, and the file of a signed statement about it. `allow`
    is what its components are granted of what they want, `tools` what operations of its flows are called here; with
    `policies` those that it carries are in force, in `tenants`, or in all."""

    file: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
    digest: Annotated[str, msgspec.Meta(pattern=r"^(sha256:[0-9a-f]{64})?\Z")] = ""
    statement: str = ""
    allow: Allowed = Allowed()
    policies: bool = False
    tenants: tuple[str, ...] = ()
    tools: Mapping[str, str] = {}


class TrustTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody whose packs count: the file of their public key, or of a certificate that issued theirs. They count in
    these `environments` of these `tenants`, everywhere where none is named, and `until` a day."""

    name: Name
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
    tenants: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    until: date | None = None

    def is_of(self, tenant: str, env: str) -> bool:
        """Whether they count in this environment of this tenant."""
        return tenant in (self.tenants or (tenant,)) and env in (self.environments or (env,))


class PacksTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the project trusts, and what it never loads: digests of packs, and names of keys. How registries are
    reached, what of them is kept, and what `repo://` and `store://` stand for; tags count where `tags` says so."""

    trust: Annotated[tuple[TrustTable, ...], msgspec.Meta(max_length=256)] = ()
    denied: Annotated[tuple[Denied, ...], msgspec.Meta(max_length=4_096)] = ()
    registries: Annotated[tuple[RegistryHost, ...], msgspec.Meta(max_length=64)] = ()
    offline: bool = False
    tags: bool = False
    cache_mib: Annotated[int, msgspec.Meta(ge=1, le=1_048_576)] = 3_072
    repo: Annotated[str, msgspec.Meta(max_length=256)] = ""
    store: Annotated[str, msgspec.Meta(max_length=256)] = ""


class Unknown(NamedTuple):
    """A tenant or environment that trust is given in and nobody declared."""

    number: int
    key: str
    name: str


def unknown_in(table: PacksTable, tenants: Mapping[str, Sequence[str]]) -> Iterator[Unknown]:
    """Tenants, and environments, that the trust names and that there are not."""
    every = {env for environments in tenants.values() for env in environments}
    for number, each in enumerate(table.trust):
        yield from (Unknown(number, "tenants", name) for name in each.tenants if name not in tenants)
        yield from (Unknown(number, "environments", name) for name in each.environments if name not in every)
