"""Who made a request: a JWT of the Bot Connector, or, where the settings say so, one of an Entra tenant.

The token is signed with RS256 by a key that the issuer publishes, is for this bot, is of about now, and names the
address that answers go to: so nobody can have our own token sent elsewhere.

Source: Microsoft, "Authentication with the Bot Connector API", steps 1 to 7; RFC 7515, RFC 7519.
"""

from __future__ import annotations

import hmac
from typing import Any, Final, cast

import jwt
import msgspec

from lichen.channels.port import Host
from lichen.channels.teams.clouds import Cloud
from lichen.channels.teams.keys import Key, Keys
from lichen.core.words.errors import Denied

SKEW_S: Final = 300
TOKEN_CHARACTERS_MAX: Final = 8 * 1024
ALGORITHM: Final = "RS256"
_STEP: Final = "Give the channel the app id that the bot has at Microsoft: `lichen channel update`."
_JWS: Final = jwt.PyJWS(algorithms=[ALGORITHM])


class Entra(msgspec.Struct, frozen=True):
    """A tenant of Entra whose tokens prove requests too, and the apps that may have asked for them."""

    tenant: str
    callers: tuple[str, ...]


class Claims(msgspec.Struct, frozen=True):
    """What a token says that was proven."""

    service_url: str
    endorsements: tuple[str, ...] = ()
    is_entra: bool = False

    def vouches_for(self, channel_id: str) -> bool:
        """Whether the key may sign what comes by this channel of the Bot Connector."""
        return not self.endorsements or channel_id in self.endorsements


class Proofs:
    """What proves a request to one bot."""

    def __init__(self, host: Host, cloud: Cloud, app_id: str, entra: Entra | None) -> None:
        self._app_id, self._cloud, self._entra = app_id, cloud, entra
        self._connector = Keys(host, cloud.metadata)
        self._tenant = None
        if entra is not None:
            self._tenant = Keys(host, f"{cloud.login}/{entra.tenant}/v2.0/.well-known/openid-configuration")

    async def check(self, authorization: str, now_us: int) -> Claims:
        """What the token in an `Authorization` header says.

        Raises Denied: `signature_missing`, `signature_invalid`, `signature_expired`, `issuer_unknown`,
        `audience_other`, `caller_unknown`; Unavailable while the keys cannot be had.
        """
        scheme, _, token = authorization.partition(" ")
        if not token or scheme.lower() != "bearer":
            step = "Have Microsoft send it: set the bot's messaging endpoint."
            raise Denied("The request carries no token.", code="signature_missing", next_step=step)
        kid, claims = _unproven(token)
        keys = self._keys(claims.get("iss"))
        key = await keys.find(kid)
        _check_signed(token, key)
        assert key is not None, "a signature that counts has a key"
        self._check_claims(claims, now_us)
        if keys is self._tenant:
            self._check_caller(claims)
        url = claims.get("serviceurl")
        return Claims(url if isinstance(url, str) else "", key.endorsements, keys is self._tenant)

    def _keys(self, issuer: Any) -> Keys:
        """The keys of who is said to have issued it. Only ours are ever asked for."""
        if issuer == self._cloud.issuer:
            return self._connector
        if self._entra is not None and self._tenant is not None:
            tenant = self._entra.tenant
            if issuer in (f"{self._cloud.login}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"):
                return self._tenant
        raise Denied("The token is of another issuer.", code="issuer_unknown", next_step=_STEP)

    def _check_claims(self, claims: dict[str, Any], now_us: int) -> None:
        audience = claims.get("aud")
        if not isinstance(audience, str) or not hmac.compare_digest(audience.encode(), self._app_id.encode()):
            raise Denied("The token is for another bot.", code="audience_other", next_step=_STEP)
        until, since, now_s = _time(claims.get("exp")), _time(claims.get("nbf", 0)), now_us / 1e6
        if until is None or since is None or not since - SKEW_S <= now_s <= until + SKEW_S:
            step = "Send it at once, from a machine whose clock is right."
            raise Denied("The token is not good at this time.", code="signature_expired", next_step=step)

    def _check_caller(self, claims: dict[str, Any]) -> None:
        assert self._entra is not None, "a tenant's token is looked at only where one is set"
        caller = claims["azp"] if "azp" in claims else claims.get("appid")
        if not isinstance(caller, str) or caller.lower() not in self._entra.callers:
            step = "Name the app in `entra_callers` if it may speak to this bot."
            raise Denied("Another app had this token made.", code="caller_unknown", next_step=step)


def _unproven(token: str) -> tuple[str, dict[str, Any]]:
    """The name of the key and the claims, before anything of them is proven. Raises Denied (`signature_invalid`)."""
    if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        raise _invalid()
    try:
        header = jwt.get_unverified_header(token)
        claims: Any = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _invalid() from None
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or "crit" in header or not isinstance(kid, str):
        raise _invalid()
    return kid, cast("dict[str, Any]", claims)


def _check_signed(token: str, key: Key | None) -> None:
    if key is None:
        raise _invalid()
    try:
        _JWS.decode_complete(token, key.public, algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError):
        raise _invalid() from None


def _time(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e12 else None


def _invalid() -> Denied:
    return Denied("The token of this request is wrong.", code="signature_invalid", next_step=_STEP)
