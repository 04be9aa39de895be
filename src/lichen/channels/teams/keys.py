"""The public keys that an issuer signs with: read from its OpenID metadata, kept for a day, read again when a token
names one that is not among them.

Source: OpenID Connect Discovery 1.0; RFC 7517; Microsoft, "Authentication with the Bot Connector API".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, away, fields_of
from lichen.channels.port import Host
from lichen.channels.teams.clouds import origin_of
from lichen.core.words.errors import Invalid, LichenError

FRESH_S: Final = 24 * 3600  # then they are read again
STALE_S: Final = 5 * 24 * 3600  # so long they count while the issuer is away
UNKNOWN_S: Final = 300  # a key that nobody has is asked for no more often
AWAY_S: Final = 5  # nor an issuer that is away
KEYS_MAX: Final = 100
BITS_MIN: Final = 2048


class Key(msgspec.Struct, frozen=True):
    """A key, and the channels that it vouches for; none where the issuer says nothing of that."""

    public: RSAPublicKey
    endorsements: tuple[str, ...] = ()


class Keys:
    """The keys of one issuer."""

    def __init__(self, host: Host, metadata: str) -> None:
        self._host, self._metadata = host, metadata
        self._found: Mapping[str, Key] = {}
        self._read_us = self._asked_us = -(10**18)
        self._reading = asyncio.Lock()

    async def find(self, kid: str) -> Key | None:
        """The key of this name; None where the issuer has none.

        Raises Unavailable (`platform_unreachable`) while it cannot be known.
        """
        if self._is_due(kid):
            async with self._reading:
                if self._is_due(kid):
                    await self._read()
        if not self._found:
            raise away("Microsoft's sign-in")
        return self._found.get(kid)

    def _is_due(self, kid: str) -> bool:
        now_us = self._host.now_us()
        is_old = now_us - self._read_us > FRESH_S * 1_000_000
        pause_s = UNKNOWN_S if self._found else AWAY_S
        is_asked = now_us - self._asked_us <= pause_s * 1_000_000
        return (is_old or kid not in self._found) and not is_asked

    async def _read(self) -> None:
        now_us = self._host.now_us()
        try:
            told = await self._object(self._metadata)
            uri = told.get("jwks_uri")
            found = _keys(await self._object(uri)) if isinstance(uri, str) else {}
        except (NotSent, CutOff, LichenError):
            found = {}
        self._asked_us = now_us
        if found:
            self._found, self._read_us = found, now_us
        elif now_us - self._read_us > STALE_S * 1_000_000:
            self._found = {}

    async def _object(self, url: str) -> dict[str, Any]:
        answer = await _asked(self._host, url)
        return fields_of(answer) if answer.is_ok else {}


async def _asked(host: Host, url: str) -> Answer:
    try:
        return await Api(host, origin_of(url)).ask("GET", url)
    except ValueError:
        raise Invalid("The issuer's metadata name no address.", code="address_invalid") from None


def _keys(told: Mapping[str, Any]) -> dict[str, Key]:
    """The RSA keys of a set that are long enough and for signing."""
    listed = told.get("keys")
    found: dict[str, Key] = {}
    for each in cast("list[Any]", listed)[:KEYS_MAX] if isinstance(listed, list) else ():
        kid, key = _key(each)
        if key is not None:
            found[kid] = key
    return found


def _key(each: Any) -> tuple[str, Key | None]:
    said = cast("dict[str, Any]", each) if isinstance(each, dict) else {}
    kid = said.get("kid")
    if not isinstance(kid, str) or said.get("kty") != "RSA" or said.get("use", "sig") != "sig":
        return "", None
    try:
        public = jwt.PyJWK(said, "RS256").key
    except (jwt.PyJWTError, ValueError, TypeError):
        return "", None
    if not isinstance(public, RSAPublicKey) or public.key_size < BITS_MIN:
        return "", None
    endorsed: Any = said.get("endorsements")
    names = cast("list[Any]", endorsed) if isinstance(endorsed, list) else []
    return kid, Key(public, tuple(name for name in names if isinstance(name, str)))
