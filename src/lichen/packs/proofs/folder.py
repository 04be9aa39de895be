"""The signature of a pack's folder, before it is built: over every file with its path and length.

Source: Greentic pack signing (`PATH\\0<rel>\\nLEN\\0<n>\\n` and the bytes of each file in the order of paths, SHA-256,
Ed25519; `greentic.signature`). The signature lies in a file of its own, so that no file needs to be written in again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.packs.manifests.words import Digest
from lichen.packs.proofs.keys import PrivateKey, PublicKey, is_signed, key_id

FILE: Final = "signatures/source.json"
_SIGN: Final = "Sign the folder again, with `lichen pack sign`."


class SourceSignature(msgspec.Struct, frozen=True):
    """What a folder's signature says."""

    alg: Literal["ed25519"]
    key_id: Annotated[str, msgspec.Meta(max_length=128)]
    digest: Digest
    sig: Annotated[str, msgspec.Meta(max_length=128)]
    created_at: str = ""


def digest_of(files: Mapping[str, bytes]) -> bytes:
    """The 32 bytes that are signed: those of the folder's files, but for the signature itself."""
    hasher = hashlib.sha256()
    for path in sorted(files, key=str.encode):
        if path != FILE:
            hasher.update(f"PATH\0{path}\nLEN\0{len(files[path])}\n".encode())
            hasher.update(files[path])
    return hasher.digest()


def sign_folder(files: Mapping[str, bytes], key: PrivateKey, at: datetime) -> bytes:
    """What goes to `signatures/source.json`."""
    digest = digest_of(files)
    said = {
        "alg": "ed25519",
        "key_id": key_id(key.public_key()),
        "created_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "digest": digest.hex(),
        "sig": base64.urlsafe_b64encode(key.sign(digest)).rstrip(b"=").decode(),
    }
    return json.dumps({"greentic": {"signature": said}}, indent=2).encode() + b"\n"


def read_source_signature(data: bytes, place: str) -> SourceSignature:
    """What a folder's signature says. Raises Invalid (`pack_signature_invalid`)."""
    try:
        value: Any = msgspec.json.decode(data)
        return msgspec.convert(value["greentic"]["signature"], SourceSignature)
    except msgspec.ValidationError as error:
        raise _wrong(f"{misfit(error).message}.", place) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        raise _wrong("It is not JSON, or has no `greentic.signature`.", place) from None


def signs_folder(files: Mapping[str, bytes], signature: SourceSignature, key: PublicKey) -> bool:
    """Whether a folder's signature is this key's over these files."""
    digest = digest_of(files)
    try:
        raw = base64.b64decode(signature.sig + "=" * (-len(signature.sig) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    named = signature.key_id.lower() == key_id(key)
    return named and signature.digest == digest.hex() and is_signed(digest, raw, key)


def _wrong(message: str, place: str) -> Invalid:
    return Invalid(
        f"Its signature does not count: {message}", code="pack_signature_invalid", place=place, next_step=_SIGN
    )
