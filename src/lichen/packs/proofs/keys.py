"""Ed25519 keys in PEM, and the two names upstream has for one: a fingerprint and a key id.

Source: RFC 8032 (Ed25519), RFC 8410 (PKCS #8 and SubjectPublicKeyInfo); Greentic `key_fingerprint`, `key_id`.
"""

from __future__ import annotations

import hashlib
from typing import Final

from blake3 import blake3
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lichen.core.words.errors import Invalid

PrivateKey = Ed25519PrivateKey
PublicKey = Ed25519PublicKey
PEM_CHARS_MAX: Final = 8_192


def new_key() -> PrivateKey:
    """A new private key, from the randomness of OpenSSL."""
    return Ed25519PrivateKey.generate()


def private_pem(key: PrivateKey) -> str:
    """The private key as PKCS #8 in PEM, unencrypted."""
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


def public_pem(key: PublicKey) -> str:
    """The public key as SubjectPublicKeyInfo in PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private_key(pem: str) -> PrivateKey:
    """The private key in a PEM. Raises Invalid (`pack_key_invalid`)."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_key("It is no private key in PEM, or has a password.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key("It is no Ed25519 key.")
    return key


def public_key(pem: str) -> PublicKey:
    """The public key in a PEM. Raises Invalid (`pack_key_invalid`)."""
    if len(pem) > PEM_CHARS_MAX:
        raise _no_key(f"It has more than {PEM_CHARS_MAX} characters.")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_key("It is no public key in PEM.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key("It is no Ed25519 key.")
    return key


def raw(key: PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return key.public_bytes_raw()


def fingerprint(key: PublicKey) -> str:
    """What archives call a key: the BLAKE3 of its 32 bytes, in hexadecimal."""
    return blake3(raw(key)).hexdigest()


def key_id(key: PublicKey) -> str:
    """What folders and statements call a key: the first 16 bytes of the SHA-256 of its 32 bytes, in hexadecimal."""
    return hashlib.sha256(raw(key)).hexdigest()[:32]


def is_signed(message: bytes, signature: bytes, key: PublicKey) -> bool:
    """Whether the signature is the key's over the message."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _no_key(message: str) -> Invalid:
    return Invalid(message, code="pack_key_invalid", next_step="`lichen pack key FILE` makes one that fits.")
