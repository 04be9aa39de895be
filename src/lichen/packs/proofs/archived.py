"""The signature of a whole archive: over its manifest, its bill of materials, and the hash of every file in that.

Source: Greentic `signatures/pack.sig` (Ed25519 over the 32-byte BLAKE3 of manifest, SBOM, and `path\\n` + hash of each
entry in the order of paths).
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from blake3 import blake3

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.packs.container.archive import Archive
from lichen.packs.manifests.reading import FILE as MANIFEST
from lichen.packs.manifests.words import Digest
from lichen.packs.proofs.keys import PrivateKey, PublicKey, fingerprint, is_signed
from lichen.packs.proofs.sbom import Sbom

SIGNATURE: Final = "signatures/pack.sig"
CHAIN: Final = "signatures/chain.pem"
_SIGN: Final = "Let whoever made the pack sign it again, with `lichen pack sign`."


class ArchiveSignature(msgspec.Struct, frozen=True):
    """What `signatures/pack.sig` says. `signed_at_utc` is covered by nothing, so nothing may depend on it."""

    alg: Literal["ed25519"]
    sig: Annotated[str, msgspec.Meta(max_length=128)]
    digest: Digest
    key_fingerprint: Digest
    signed_at_utc: str = ""


def digest_of(archive: Archive, sbom: Sbom) -> bytes:
    """The 32 bytes that are signed. Raises what `Archive.read` does."""
    hasher = blake3(archive.read(MANIFEST))
    hasher.update(sbom.raw)
    for file in sorted(sbom.files, key=lambda file: file.path.encode()):
        hasher.update(f"{file.path}\n{file.hash_blake3}".encode())
    return hasher.digest()


def read_signature(archive: Archive) -> ArchiveSignature | None:
    """What signs the archive; None where nothing does. Raises Invalid (`pack_signature_invalid`)."""
    if SIGNATURE not in archive:
        return None
    place = f"{archive.name}!/{SIGNATURE}"
    try:
        return msgspec.json.decode(archive.read(SIGNATURE), type=ArchiveSignature)
    except msgspec.ValidationError as error:
        found = misfit(error)
        raise _wrong(f"{found.message}.", f"{place}#{found.pointer}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _wrong("It is not JSON.", place) from None


def check(archive: Archive, sbom: Sbom, signature: ArchiveSignature, key: PublicKey) -> None:
    """Refuses a signature that is not this key's over this archive. Raises Invalid (`pack_signature_invalid`)."""
    place, digest = f"{archive.name}!/{SIGNATURE}", digest_of(archive, sbom)
    if signature.digest != digest.hex():
        raise _wrong("It was made for other files.", place)
    if signature.key_fingerprint != fingerprint(key):
        raise _wrong("It names another key than the certificate beside it.", place)
    sig = decoded(signature.sig)
    if sig is None or not is_signed(digest, sig, key):
        raise _wrong("It is not the key's signature.", place)


def sign(archive: Archive, sbom: Sbom, key: PrivateKey, at: datetime) -> bytes:
    """What goes to `signatures/pack.sig`. The bill of materials must be that of the archive."""
    digest = digest_of(archive, sbom)
    said = {
        "alg": "ed25519",
        "sig": base64.urlsafe_b64encode(key.sign(digest)).rstrip(b"=").decode(),
        "digest": digest.hex(),
        "signed_at_utc": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "key_fingerprint": fingerprint(key.public_key()),
    }
    return json.dumps(said, indent=2).encode()


def decoded(text: str) -> bytes | None:
    """A signature in base64url without padding, spelled the one way there is."""
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if base64.urlsafe_b64encode(found).rstrip(b"=").decode() == text else None


def _wrong(message: str, place: str) -> Invalid:
    return Invalid(
        f"Its signature does not count: {message}", code="pack_signature_invalid", place=place, next_step=_SIGN
    )
