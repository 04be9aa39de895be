"""A pack with a signature in it: of its archive, and of its manifest where that is wanted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from lichen.core.words.errors import Invalid
from lichen.packs.building.building import files_in
from lichen.packs.container.archive import opened
from lichen.packs.container.writing import packed
from lichen.packs.manifests.cbor import decoded
from lichen.packs.manifests.reading import FILE as MANIFEST
from lichen.packs.proofs import archived
from lichen.packs.proofs.chain import own_certificate, read_chain
from lichen.packs.proofs.keys import PrivateKey, fingerprint
from lichen.packs.proofs.sbom import CBOR, JSON, read_sbom, sbom_of
from lichen.packs.proofs.signedmanifest import sign_manifest

YEAR: Final = timedelta(days=365)


def signed_pack(
    name: str,
    data: bytes,
    key: PrivateKey,
    at: datetime,
    *,
    subject: str = "",
    chain: bytes | None = None,
    lasts: timedelta = YEAR,
    in_manifest: bool = False,
) -> bytes:
    """A pack signed by a key, whose certificates are `chain`, else one that it makes out for itself.

    Its bill of materials is made anew. Raises Invalid (`pack_key_differs`, `pack_…`).
    """
    files = {path: each for path, each in files_in(name, data).items() if not path.startswith("signatures/")}
    certificates = chain or own_certificate(key, subject or "lichen", at, lasts=lasts)
    if fingerprint(read_chain(certificates, "chain").key) != fingerprint(key.public_key()):
        step = "Name the certificates of the key that signs, its own first."
        raise Invalid("The certificates are those of another key.", code="pack_key_differs", next_step=step)
    if in_manifest:
        files[MANIFEST] = sign_manifest(decoded(files[MANIFEST], f"{name}!/{MANIFEST}"), key)
    sbom = JSON if JSON in files and CBOR not in files else CBOR
    files[sbom] = sbom_of({path: each for path, each in files.items() if path != sbom}, sbom)
    files[archived.CHAIN] = certificates
    whole = opened(name, packed(name, files))
    signature = archived.sign(whole, read_sbom(whole), key, at)
    return packed(name, {**files, archived.SIGNATURE: signature})
