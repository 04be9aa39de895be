"""The public keys of an issuer: read from its address or file, kept for an hour, and again when a token names another.

A token names a key and nothing more: no address in it is ever asked. Source: RFC 7515, 7517, 8725.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from lichen.core.words.errors import LichenError, Unavailable
from lichen.settings.issuers.table import LOCAL, IssuerTable
from lichen.tools.egress.reach import Gone, NotReached, Reach, Request

FRESH_S: Final = 3_600  # then they are read again
STALE_S: Final = 24 * 3_600  # so long they count while the issuer is away
UNKNOWN_S: Final = 60  # a key that nobody has is asked for no more often
AWAY_S: Final = 5  # nor an issuer that is away
TIMEOUT_S: Final = 10.0
KEYS_MAX: Final = 100
BYTES_MAX: Final = 256 * 1024
BITS_MIN: Final = 2_048

Public = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class Key(msgspec.Struct, frozen=True):
    """A public key, and the algorithms that it may have signed with."""

    public: Public
    algorithms: frozenset[str]


class Keys:
    """The keys of one issuer, by their names."""

    def __init__(self, table: IssuerTable, root: Path, reach: Callable[[], Reach], now_us: Callable[[], int]) -> None:
        self._table, self._root, self._reach, self._now_us = table, root, reach, now_us
        self._found: Mapping[str, Key] = {}
        self._read_us = self._asked_us = -(10**18)
        self._reading = asyncio.Lock()

    async def find(self, kid: str) -> Key | None:
        """The key of this name; where a token names none, the only one. None where there is none.

        Raises Unavailable (`issuer_unreachable`) while that cannot be known.
        """
        if self._is_due(kid):
            async with self._reading:
                if self._is_due(kid):
                    await self._read()
        if not self._found:
            step = "Look whether this machine reaches `keys_url`, or whether the file in `keys` holds public keys."
            raise Unavailable("The keys of the issuer cannot be had.", code="issuer_unreachable", next_step=step)
        if not kid and len(self._found) == 1:
            return next(iter(self._found.values()))
        return self._found.get(kid)

    def _is_due(self, kid: str) -> bool:
        now_us = self._now_us()
        is_old = now_us - self._read_us > FRESH_S * 1_000_000
        is_unknown = kid not in self._found if kid else not self._found
        pause_s = UNKNOWN_S if self._found else AWAY_S
        return (is_old or is_unknown) and now_us - self._asked_us > pause_s * 1_000_000

    async def _read(self) -> None:
        table = self._table
        data = await (self._asked() if table.keys_url else asyncio.to_thread(_of_file, self._root, table.keys))
        found = _keys(data)
        now_us = self._asked_us = self._now_us()
        if found:
            self._found, self._read_us = found, now_us
        elif now_us - self._read_us > STALE_S * 1_000_000:
            self._found = {}

    async def _asked(self) -> bytes:
        request = Request("GET", self._table.keys_url, (("Accept", "application/json"),))
        is_local = request.url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0].strip("[]") in LOCAL
        try:
            answer = await self._reach().ask(request, TIMEOUT_S, is_private=is_local, bytes_max=BYTES_MAX)
        except (NotReached, Gone, TimeoutError, LichenError):
            return b""
        return (answer.body or b"") if answer.status == 200 else b""


def _of_file(root: Path, name: str) -> bytes:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        return b""
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX)
    except OSError:
        return b""


def _keys(data: bytes) -> dict[str, Key]:
    """The public keys of a JWKS that are for signatures, or the one in PEM, which has no name."""
    if data.lstrip().startswith(b"-----BEGIN"):
        key = _pem(data)
        return {} if key is None else {"": key}
    try:
        told: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    listed: Any = cast("dict[str, Any]", told).get("keys") if isinstance(told, dict) else None
    found: dict[str, Key] = {}
    for each in cast("list[Any]", listed)[:KEYS_MAX] if isinstance(listed, list) else ():
        key = _jwk(each)
        if key is not None:
            found[str(each.get("kid", ""))] = key
    return found


def _pem(data: bytes) -> Key | None:
    try:
        public = load_pem_public_key(data)
    except (ValueError, TypeError):
        return None
    return _key(public, "")


def _jwk(each: Any) -> Key | None:
    said = cast("dict[str, Any]", each) if isinstance(each, dict) else {}
    if said.get("kty") not in ("RSA", "EC", "OKP") or said.get("use", "sig") != "sig" or "d" in said:
        return None
    algorithm: Any = said.get("alg", "")
    try:
        public = jwt.PyJWK(said).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return _key(public, algorithm if isinstance(algorithm, str) else "none")


def _key(public: object, algorithm: str) -> Key | None:
    """A key with the algorithms of its kind, or only the one that its issuer says it is for."""
    match public:
        case RSAPublicKey() if public.key_size >= BITS_MIN:
            able = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
        case EllipticCurvePublicKey() if public.curve.name in ("secp256r1", "secp384r1"):
            able = frozenset({"ES256" if public.curve.name == "secp256r1" else "ES384"})
        case Ed25519PublicKey():
            able = frozenset({"EdDSA"})
        case _:
            return None
    able = able & {algorithm} if algorithm else able
    return Key(public, able) if able else None
