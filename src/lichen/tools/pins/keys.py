"""Keys on the curve P-256, their fingerprints, and signatures with them in both conventions that are in use.

What is signed is the SHA-256 of the canonical spelling. SchemaPin for Python, JavaScript and Rust hands that digest to
an ECDSA that hashes again (`double`); SchemaPin for Go, Symbiont and signed bundles do not (`single`). We sign as the
first do and take both.

Source: SchemaPin specification 1.1 (ECDSA P-256, PEM, DER signatures in base64); RFC 5480, RFC 3279.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lichen.core.words.errors import Invalid

Convention = Literal["double", "single"]
SIGNATURE_CHARS_MAX: Final = 512
PEM_CHARS_MAX: Final = 8_192
_SHA256: Final = ec.ECDSA(hashes.SHA256())

PublicKey = ec.EllipticCurvePublicKey
PrivateKey = ec.EllipticCurvePrivateKey


def new_key() -> PrivateKey:
    """A new private key, from the randomness of OpenSSL."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: PrivateKey) -> str:
    """The private key as PKCS #8 in PEM, unencrypted."""
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


def public_pem(key: PublicKey) -> str:
    """The public key as SubjectPublicKeyInfo in PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private_key(pem: str) -> PrivateKey:
    """The private key in a PEM. Raises Invalid (`key_invalid`)."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_key("It is no private key in PEM, or has a password.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _no_key("It is no key on the curve P-256.")
    return key


def public_key(pem: str) -> PublicKey:
    """The public key in a PEM. Raises Invalid (`key_invalid`)."""
    if len(pem) > PEM_CHARS_MAX:
        raise _no_key(f"It has more than {PEM_CHARS_MAX} characters.")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_key("It is no public key in PEM.") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _no_key("It is no key on the curve P-256.")
    return key


def fingerprint(key: PublicKey) -> str:
    """`sha256:` and the SHA-256 of the key's DER, in hexadecimal."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return "sha256:" + hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def sign(data: bytes, key: PrivateKey, convention: Convention = "double") -> str:
    """The signature of these bytes, DER in base64."""
    return base64.b64encode(key.sign(_message(data, convention), _SHA256)).decode()


def signed_how(data: bytes, signature: str, key: PublicKey) -> Convention | None:
    """In which convention the key signed these bytes; None if it did not."""
    raw = _decoded(signature)
    conventions: tuple[Convention, ...] = ("double", "single")
    return next((each for each in conventions if raw and is_signed(_message(data, each), raw, key)), None)


def is_signed(message: bytes, signature: bytes, key: PublicKey) -> bool:
    """Whether the DER signature is the key's over the message, with ECDSA and SHA-256."""
    try:
        key.verify(signature, message, _SHA256)
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(data: bytes, convention: Convention) -> bytes:
    return hashlib.sha256(data).digest() if convention == "double" else data


def _decoded(signature: str) -> bytes:
    if len(signature) > SIGNATURE_CHARS_MAX:
        return b""
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError:
        return b""
    return raw if base64.b64encode(raw).decode() == signature else b""  # one signature has one spelling


def _no_key(message: str) -> Invalid:
    return Invalid(message, code="key_invalid", next_step="`lichen schemapin keygen KEY` makes one that fits.")
