"""Issuers of tokens that pick the tenant, environment and team of a webhook."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

ANY: Final = "*"
LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""How a token may be signed: by a key pair, never by a secret that its reader has, and never not at all."""
Claim = Annotated[str, msgspec.Meta(max_length=256)]


class IssuerTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody whose tokens (JWT) say whose a webhook is. `issuer` and `audience` are what they have to say of
    themselves, `keys_url` a JWKS, or `keys` a file of the project with one or with a public key in PEM.

    `tenants` are those that it may name, `*` for all. `tenant`, `env` and `team` are the names of claims, or JSON
    pointers into them; without `tenant` a token is for the only one of `tenants`. `header` bears the token.
    """

    issuer: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    audience: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    tenants: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    keys_url: Annotated[str, msgspec.Meta(max_length=1_024)] = ""
    keys: Annotated[str, msgspec.Meta(max_length=1_024)] = ""
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)] = ("RS256", "ES256", "EdDSA")
    tenant: Claim = "tenant"
    env: Claim = ""
    team: Claim = ""
    header: Annotated[
        str, msgspec.Meta(max_length=64, pattern=r"^(authorization|[a-z0-9-]*(token|auth|jwt)[a-z0-9-]*)\Z")
    ] = "authorization"
    skew_s: Annotated[int, msgspec.Meta(ge=0, le=300)] = 60

    def __post_init__(self) -> None:
        if bool(self.keys_url) == bool(self.keys):
            raise ValueError(f"the issuer {self.issuer} needs either `keys_url` or `keys`")
        if self.keys_url and not is_reached_well(self.keys_url):
            raise ValueError("`keys_url` is an https address")
        if not self.tenant and (len(self.tenants) != 1 or ANY in self.tenants):
            raise ValueError("without the claim `tenant` an issuer is of one of `tenants`")


def is_reached_well(url: str) -> bool:
    """Whether an address is https, or of this machine."""
    parts = urlsplit(url)
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
    return is_secure and bool(parts.hostname) and not parts.username and not parts.fragment


class Wrong(NamedTuple):
    """What is wrong with one of the tables, in which field."""

    number: int
    field: str
    message: str
    code: str
    next_step: str


def wrong_with_issuers(tables: Sequence[IssuerTable], tenants: Collection[str]) -> Iterator[Wrong]:
    """Tenants that nobody declared, and two tables for one issuer: it alone says which of them counts."""
    known = ", ".join(tenants)
    for number, table in enumerate(tables):
        for name in table.tenants:
            if name != ANY and name not in tenants:
                message = f"There is no tenant {name!r}."
                yield Wrong(number, "tenants", message, "tenant_unknown", f"Name one of: {known}.")
        if any(other.issuer == table.issuer for other in tables[:number]):
            step = "Put what both say into one table."
            yield Wrong(number, "issuer", "There is a table for this issuer already.", "issuer_twice", step)
