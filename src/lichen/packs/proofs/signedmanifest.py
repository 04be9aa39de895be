"""The signature that stands in a manifest of pack-v1: over the manifest as it was without any signature.

It says nothing of the files of the pack: only the signature of the archive, or of a statement about it, does.

Source: Greentic `greentic-pack sign` (Ed25519 over the manifest with `signatures` cleared, encoded again).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.packs.manifests.cbor import Document, encoded
from lichen.packs.manifests.words import Manifest, Signed
from lichen.packs.proofs.keys import PrivateKey, PublicKey, is_signed, key_id

_ALGORITHM: Final = "ed25519"


def unsigned(document: Document) -> bytes:
    """The manifest as it was signed: in the order it has, with its list of signatures empty."""
    value: Mapping[str, Any] = document.value
    return encoded(Document({**value, "signatures": {"signatures": []}}, document.described))


def sign_manifest(document: Document, key: PrivateKey, named: str = "") -> bytes:
    """The manifest with one signature more. What lists its hash must be made anew."""
    value = cast("dict[str, Any]", document.value)
    before: list[Any] = list(value.get("signatures", {}).get("signatures", []))
    signature = list(key.sign(unsigned(document)))
    said = {"key_id": named or key_id(key.public_key()), "algorithm": "Ed25519", "signature": signature}
    return encoded(Document({**value, "signatures": {"signatures": [*before, said]}}, document.described))


def signs(manifest: Manifest, signature: Signed, key: PublicKey) -> bool:
    """Whether a signature of a manifest is this key's."""
    raw = _bytes_of(signature.signature)
    if raw is None or signature.algorithm.lower() != _ALGORITHM:
        return False
    return is_signed(unsigned(manifest.document), raw, key)


def _bytes_of(value: Any) -> bytes | None:
    """A signature as its 64 bytes, however the manifest holds it."""
    try:
        match value:
            case bytes():
                found = value
            case str() if len(value) <= 128:
                found = base64.b64decode(value, validate=True)
            case list() | tuple():
                found = bytes(cast("list[int]", value))
            case _:
                return None
    except (binascii.Error, ValueError, TypeError):
        return None
    return found if len(found) == 64 else None
