"""Keys as AgentPin publishes them: JSON Web Keys on the curve P-256.

Source: RFC 7517, RFC 7518, RFC 7638; AgentPin specification 0.1, public key format.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from lichen.core.words.errors import Invalid
from lichen.tools.pins.keys import PublicKey, fingerprint

COORDINATE_BYTES: Final = 32


class Jwk(msgspec.Struct, frozen=True):
    """One public key. `exp` is the time after which it counts no more."""

    kid: str
    kty: str
    crv: str
    x: str
    y: str
    use: str = "sig"
    key_ops: tuple[str, ...] = ()
    exp: str | None = None

    @property
    def key(self) -> PublicKey:
        """The key. Raises Invalid (`key_invalid`)."""
        x, y = base64url_decoded(self.x), base64url_decoded(self.y)
        if (self.kty, self.crv) != ("EC", "P-256") or x is None or y is None or {len(x), len(y)} != {COORDINATE_BYTES}:
            raise _invalid()
        try:
            numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1())
            return numbers.public_key()
        except ValueError:
            raise _invalid() from None

    @property
    def thumbprint(self) -> str:
        """What the key is pinned by: the SHA-256 of its members, in hexadecimal."""
        said = f'{{"crv":"{self.crv}","kty":"{self.kty}","x":"{self.x}","y":"{self.y}"}}'
        return hashlib.sha256(said.encode()).hexdigest()


def jwk_of(key: PublicKey, kid: str = "") -> Jwk:
    """The JWK of a key, called by the SHA-256 of its DER where it has no other name."""
    numbers = key.public_numbers()
    x, y = (base64url(each.to_bytes(COORDINATE_BYTES)) for each in (numbers.x, numbers.y))
    return Jwk(kid or fingerprint(key).partition(":")[2], "EC", "P-256", x, y, "sig", ("verify",))


def base64url(data: bytes) -> str:
    """Base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_decoded(text: str) -> bytes | None:
    """What such a text stands for; None where it is none, or could be spelled otherwise."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return data if base64url(data) == text else None


def _invalid() -> Invalid:
    return Invalid("It is no key on the curve P-256.", code="key_invalid", place="public_keys")
