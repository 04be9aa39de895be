"""Whose a webhook is by the token that it bears: that counts once it is verified, and changes nothing before.

Source: RFC 7519, RFC 8725 (JSON Web Token Best Current Practices).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import jwt
import msgspec

from lichen.channels.webhook.reading import at
from lichen.core.words.errors import Denied, NotFound, Unauthenticated
from lichen.runtime.channels.channels import Opened
from lichen.serve.hooks.keys import Keys
from lichen.settings.issuers.table import ANY, IssuerTable
from lichen.tools.egress.reach import Reach

TOKEN_CHARACTERS_MAX: Final = 8 * 1024
CLAIM_CHARACTERS_MAX: Final = 128
_STEP: Final = "Have the issuer make another one, for the audience of [[issuer]] in lichen.toml."


class Claimed(msgspec.Struct, frozen=True):
    """What a verified token says: the tenant, and where they are said its environment and team."""

    tenant: str
    env: str = ""
    team: str = ""

    def fits(self, opened: Opened) -> bool:
        """Whether a channel is one that the token is for."""
        scope = opened.scope
        return self.tenant == scope.tenant and self.env in ("", scope.env) and self.team in ("", opened.team)

    def check(self, opened: Opened) -> None:
        """Raises Denied (`tenant_other`) for a channel that is another tenant's, environment's or team's."""
        if not self.fits(opened):
            step = "Use the address of the tenant, environment and team that the token is for."
            raise Denied("The token is for somebody else.", code="tenant_other", next_step=step)

    def pick(self, kind: str, channels: Sequence[Opened]) -> Opened:
        """The channel of a kind that it is for; of several the one that is called as its kind is.

        Raises NotFound (`channel_unknown`).
        """
        found = [each for each in channels if each.kind == kind and self.fits(each)]
        named = [each for each in found if each.name == kind] if len(found) > 1 else found
        if len(named) != 1:
            step = "Declare one for the tenant of the token, or use the address that names it."
            raise NotFound("There is no such channel here.", code="channel_unknown", next_step=step)
        return named[0]


class Tokens:
    """The tokens of the issuers that the settings name. Those of others are nobody's business here: they are left to
    the channel, and say nothing of the tenant."""

    def __init__(
        self, tables: Sequence[IssuerTable], root: Path, reach: Callable[[], Reach], now_us: Callable[[], int]
    ) -> None:
        self._now_us = now_us
        self._issuers = {each.issuer: (each, Keys(each, root, reach, now_us)) for each in tables}
        self._headers = tuple(dict.fromkeys(each.header for each in tables))

    async def claimed(self, headers: Mapping[str, str]) -> Claimed | None:
        """What the token of a request says; None where it bears none of an issuer of ours.

        Raises Unauthenticated (`token_invalid`, `token_expired`), Denied (`tenant_other`), Unavailable.
        """
        found: Claimed | None = None
        for header in self._headers:
            token = _token(headers.get(header, ""), header)
            issuer = _issuer_said(token) if token else None
            table, keys = self._issuers.get(issuer or "", (None, None))
            if table is None or keys is None or table.header != header:
                continue
            now = await self._verified(table, keys, token)
            if found is not None and found != now:
                raise Denied(
                    "Two tokens of the request are for different tenants.", code="tenant_other", next_step=_STEP
                )
            found = now
        return found

    async def _verified(self, table: IssuerTable, keys: Keys, token: str) -> Claimed:
        header = _header(token)
        kid, algorithm = header.get("kid", ""), header.get("alg")
        if "crit" in header or "b64" in header or not isinstance(kid, str) or algorithm not in table.algorithms:
            raise _invalid()
        key = await keys.find(kid)
        if key is None or algorithm not in key.algorithms:
            raise _invalid()
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[algorithm],
                audience=table.audience,
                issuer=table.issuer,
                options={  # the times are checked by our own clock
                    "require": ["exp", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise _invalid() from None
        _check_times(claims, self._now_us() / 1e6, table.skew_s)
        return _claimed(table, claims)


def _token(value: str, header: str) -> str:
    """The token in a header: behind `Bearer`, or alone in another one than `authorization`."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    return "" if header == "authorization" else value.strip()


def _issuer_said(token: str) -> str | None:
    """Who it says made it, unproven: by that alone it is known whose keys to prove it by. None for what is no token."""
    if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        return None
    try:
        _, payload, _ = token.split(".")
        claims: Any = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    said: Any = cast("dict[str, Any]", claims).get("iss") if isinstance(claims, dict) else None
    return said if isinstance(said, str) else None


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _invalid() from None


def _check_times(claims: Mapping[str, Any], now_s: float, skew_s: int) -> None:
    until, since = _time(claims.get("exp")), _time(claims.get("nbf", 0))
    if until is None or since is None or not since - skew_s <= now_s < until + skew_s:
        step = "Send it while it is good, from a machine whose clock is right."
        raise Unauthenticated("The token is not good at this time.", code="token_expired", next_step=step)


def _claimed(table: IssuerTable, claims: Mapping[str, Any]) -> Claimed:
    """Raises Unauthenticated (`token_invalid`) where a claim is missing, Denied for a tenant that it may not name."""
    tenant = _claim(claims, table.tenant) if table.tenant else table.tenants[0]
    if ANY not in table.tenants and tenant not in table.tenants:
        step = "Name the tenant in `tenants` of [[issuer]] if this issuer may speak for it."
        raise Denied("The issuer does not speak for this tenant.", code="tenant_other", next_step=step)
    env, team = (_claim(claims, name) if name else "" for name in (table.env, table.team))
    return Claimed(tenant, env, team)


def _claim(claims: Mapping[str, Any], name: str) -> str:
    value: Any = at(claims, name) if name.startswith("/") else claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= CLAIM_CHARACTERS_MAX:
        raise _invalid()
    return value


def _time(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e12 else None


def _invalid() -> Unauthenticated:
    return Unauthenticated("The token of this request is wrong.", code="token_invalid", next_step=_STEP)
