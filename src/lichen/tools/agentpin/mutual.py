"""Both sides prove that they have their keys: each signs a word that the other one just made up.

Source: AgentPin specification 0.1, mutual verification.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lichen.core.words.errors import Invalid
from lichen.tools.agentpin.jwk import base64url, base64url_decoded
from lichen.tools.pins.keys import SIGNATURE_CHARS_MAX, PrivateKey, PublicKey, is_signed
from lichen.tools.pins.signed import time_of

NONCE_BYTES: Final = 16
NONCE_S: Final = 60
NONCE_CHARS_MAX: Final = 128
NONCES_MAX: Final = 100_000

Answered = Literal["proved", "wrong_nonce", "expired", "replayed", "signature_invalid"]


class Challenge(msgspec.Struct, frozen=True, omit_defaults=True):
    """A word to be signed within a minute."""

    nonce: str
    timestamp: str
    type: str = "agentpin-challenge"
    verifier_credential: str = ""


class Response(msgspec.Struct, frozen=True):
    """The word, signed."""

    nonce: str
    signature: str
    kid: str
    type: str = "agentpin-response"


class Nonces:
    """The words that were answered within the last minute: none is answered twice."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def take(self, nonce: str, now: datetime) -> bool:
        """Whether it is the first answer."""
        self._until = {each: until for each, until in self._until.items() if until > now}
        if nonce in self._until or len(self._until) >= NONCES_MAX:
            return False
        self._until[nonce] = now + timedelta(seconds=NONCE_S)
        return True


def challenge(randomness: bytes, now: datetime, credential: str = "") -> Challenge:
    """A challenge of 128 random bits. Raises Invalid (`nonce_invalid`) for fewer."""
    if len(randomness) < NONCE_BYTES:
        raise Invalid(f"A nonce has {NONCE_BYTES} random bytes.", code="nonce_invalid")
    return Challenge(base64url(randomness), now.isoformat(), verifier_credential=credential)


def respond(asked: Challenge, key: PrivateKey, kid: str) -> Response:
    """The answer of whoever has the key. Raises Invalid (`nonce_invalid`) for a word that could be something else, such
    as a credential or an attestation that was never given: what is signed here is random bytes and says nothing."""
    made = base64url_decoded(asked.nonce[:NONCE_CHARS_MAX])
    if made is None or len(made) < NONCE_BYTES or len(asked.nonce) > NONCE_CHARS_MAX:
        raise Invalid("A nonce is the base64url of 16 random bytes.", code="nonce_invalid")
    signature = key.sign(asked.nonce.encode(), ec.ECDSA(hashes.SHA256()))
    return Response(asked.nonce, base64.b64encode(signature).decode(), kid)


def answered(response: Response, asked: Challenge, key: PublicKey, nonces: Nonces, now: datetime) -> Answered:
    """Whether the answer proves that somebody has the key. A nonce is used up by the answer that does."""
    made = time_of(asked.timestamp)
    if response.nonce != asked.nonce:
        return "wrong_nonce"
    if made is None or not timedelta(0) <= now - made <= timedelta(seconds=NONCE_S):
        return "expired"
    try:
        signature = base64.b64decode(response.signature[:SIGNATURE_CHARS_MAX], validate=True)
    except ValueError:
        return "signature_invalid"
    if not is_signed(asked.nonce.encode(), signature, key):
        return "signature_invalid"
    return "proved" if nonces.take(asked.nonce, now) else "replayed"
