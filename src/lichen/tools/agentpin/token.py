"""A credential on the wire: a JWT signed with ES256 and nothing else.

AgentPin's own tools write the signature in DER, where RFC 7518 wants two numbers side by side. We write what they read
and read both.

Source: RFC 7515, RFC 7518 (3.4), RFC 7519; AgentPin specification 0.1, credentials.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lichen.core.words.errors import Invalid
from lichen.tools.agentpin.delegation import Attestation
from lichen.tools.agentpin.jwk import base64url, base64url_decoded
from lichen.tools.pins.canonical import read
from lichen.tools.pins.keys import PrivateKey, PublicKey, is_signed

ALGORITHM: Final = "ES256"
KIND: Final = "agentpin-credential+jwt"
VERSION: Final = "0.1"
TOKEN_CHARS_MAX: Final = 32 * 1024
RAW_BYTES: Final = 64


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a credential says of an agent. Times are in seconds since 1970."""

    iss: str
    sub: str
    iat: int
    exp: int
    jti: str
    capabilities: tuple[str, ...]
    agentpin_version: str = ""
    aud: str = ""
    nbf: int | None = None
    constraints: Mapping[str, Any] = {}
    delegation_chain: tuple[Attestation, ...] = ()
    nonce: str = ""


class Token(NamedTuple):
    """A credential that was taken apart; nothing of it is proved yet."""

    kid: str
    claims: Claims
    signed: bytes
    signature: bytes

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether the key signed it."""
        return is_signed(self.signed, _der(self.signature), key)


def written(claims: Claims, kid: str, key: PrivateKey) -> str:
    """The credential."""
    header = {"alg": ALGORITHM, "typ": KIND, "kid": kid}
    told = msgspec.to_builtins(claims) | {"agentpin_version": VERSION}
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, told))
    return f"{signed}.{base64url(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))}"


def taken_apart(text: str) -> Token:
    """The parts of a credential. Raises Invalid (`credential_malformed`) for one that is signed in another way, is of
    another kind, or lacks what it has to say."""
    parts = text.split(".")
    if len(text) > TOKEN_CHARS_MAX or len(parts) != 3:
        raise _malformed("It has not three parts, or is too long.")
    header, claims, signature = (base64url_decoded(part) for part in parts)
    if header is None or claims is None or signature is None:
        raise _malformed("A part of it is no base64url.")
    kid = _kid(_object(header))
    try:
        told = msgspec.convert(_object(claims), Claims)
    except msgspec.ValidationError as error:
        raise _malformed(f"Its claims are not those of a credential: {error}") from None
    if told.agentpin_version != VERSION:
        raise _malformed("It is of another version.")
    return Token(kid, told, f"{parts[0]}.{parts[1]}".encode(), signature)


def _kid(header: Mapping[str, Any]) -> str:
    if header.get("alg") != ALGORITHM:
        raise _malformed(f"It is not signed with {ALGORITHM}.")
    if header.get("typ") != KIND:
        raise _malformed(f"It is no {KIND}.")
    if not isinstance(header.get("kid"), str):
        raise _malformed("It names no key.")
    return header["kid"]


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        told = read(data, place="credential")
    except Invalid as error:
        raise _malformed(error.message) from None
    if not isinstance(told, dict):
        raise _malformed("A part of it is no JSON object.")
    return cast("dict[str, Any]", told)


def _der(signature: bytes) -> bytes:
    if len(signature) != RAW_BYTES:
        return signature
    return encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


def _malformed(message: str) -> Invalid:
    step = "Ask whoever issued it for another one."
    return Invalid(message, code="credential_malformed", place="credential", next_step=step)
