"""Whose packs may be loaded where: what is proven of a pack once, and what an environment's roots make of it.

Strict by default: a pack counts when its files are those of its bill of materials and somebody signed all of them
whose key, or whose certificate's root, is trusted in the environment. Only where an environment is marked for
development does a pack load whose signer is nobody we know, and then that is said.

Source: Greentic `VerificationPolicy` (trusted_keys, deny_issuers, deny_digests); its strict policy covers only the
older model and validates no chain, ours covers every pack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from lichen.core.words.errors import Denied, Invalid, LichenError
from lichen.packs.container.archive import Archive
from lichen.packs.manifests.words import Manifest
from lichen.packs.proofs import archived, dsse, folder, signedmanifest
from lichen.packs.proofs.chain import Certificate, Chain, read_chain, root_of, wrong_time
from lichen.packs.proofs.keys import PublicKey, fingerprint, is_signed, key_id
from lichen.packs.proofs.sbom import Differs, differences, read_sbom

Scheme = Literal["archive", "statement", "folder"]
_TRUST: Final = "Add the signer's key under [[packs.trust]] in lichen.toml, if you know it to be theirs."
_SIGN: Final = "Let whoever made the pack sign it, with `lichen pack sign`."
_SAID: Final = {
    "missing": "is listed and not there",
    "unlisted": "is there and not listed",
    "size": "has another size than listed",
    "hash": "has another hash than listed",
    "twice": "is listed twice",
}


class Root(msgspec.Struct, frozen=True):
    """Somebody whose signature counts: by a key, or by certificates that one of theirs issued."""

    name: str
    key: PublicKey | None = None
    certificate: Certificate | None = None
    until: datetime | None = None


class Ring(msgspec.Struct, frozen=True):
    """Whom one environment trusts. `denied` are fingerprints, key ids and digests that count nowhere."""

    roots: tuple[Root, ...] = ()
    denied: frozenset[str] = frozenset()
    is_for_development: bool = False


class Proof(msgspec.Struct, frozen=True):
    """What is known of a pack without asking whom anybody trusts."""

    name: str
    digest: str  # SHA-256 of all its bytes
    differs: tuple[Differs, ...] = ()
    lacks_sbom: bool = False
    chain: Chain | None = None  # of a signature of the archive that is its key's
    envelope: tuple[dsse.Envelope, bytes] | None = None
    broken: LichenError | None = None
    manifest: Manifest | None = None
    folder_key: str = ""  # the key id of a folder's signature
    folder_signed: tuple[bytes, bytes] | None = None  # its digest and signature


class Verdict(msgspec.Struct, frozen=True):
    """Whether a pack may be loaded in an environment, who signed it, and what is wrong with that."""

    is_ok: bool
    scheme: Scheme | None = None
    signer: str = ""  # the root that vouches
    key: str = ""
    subject: str = ""
    errors: tuple[LichenError, ...] = ()
    warnings: tuple[LichenError, ...] = ()


def proven(archive: Archive, manifest: Manifest | None = None, *, statement: bytes | None = None) -> Proof:
    """What an archive proves of itself. Raises what reading its files does."""
    digest = hashlib.sha256(archive.data).hexdigest()
    proof = Proof(archive.name, digest, manifest=manifest)
    try:
        if statement is not None:
            place = f"{archive.name}: statement"
            envelope, payload = dsse.read_envelope(statement, place)
            dsse.check_subject(payload, digest, place)
            proof = msgspec.structs.replace(proof, envelope=(envelope, payload))
        return _with_archive(archive, proof)
    except LichenError as error:
        return msgspec.structs.replace(proof, broken=error)


def proven_folder(archive: Archive, manifest: Manifest, files: Mapping[str, bytes]) -> Proof:
    """What the folder of a pack proves of itself: `archive` is what it builds, `files` are what lies in it."""
    proof = proven(archive, manifest)
    data, place = files.get(folder.FILE), f"{archive.name}/{folder.FILE}"
    if data is None:
        return proof
    try:
        signature = folder.read_source_signature(data, place)
    except Invalid as error:
        return msgspec.structs.replace(proof, broken=error)
    digest = folder.digest_of(files)
    if signature.digest != digest.hex():
        message = "Its signature does not count: it was made for other files."
        error = Invalid(message, code="pack_signature_invalid", place=place, next_step=_SIGN)
        return msgspec.structs.replace(proof, broken=error)
    signed = (digest, archived.decoded(signature.sig) or b"")
    return msgspec.structs.replace(proof, folder_key=signature.key_id.lower(), folder_signed=signed)


def _with_archive(archive: Archive, proof: Proof) -> Proof:
    try:
        sbom = read_sbom(archive)
    except Invalid as error:
        if error.code != "pack_sbom_missing":
            raise
        if archived.SIGNATURE in archive:
            raise Invalid(
                "Its signature covers a bill of materials that is not there.",
                code="pack_signature_invalid",
                place=archive.name,
                next_step=_SIGN,
            ) from None
        return msgspec.structs.replace(proof, lacks_sbom=True)
    proof = msgspec.structs.replace(proof, differs=tuple(differences(archive, sbom)))
    signature = archived.read_signature(archive)
    if signature is None:
        return proof
    if archived.CHAIN not in archive:
        message = "Its signature has no certificate beside it."
        raise Invalid(message, code="pack_chain_invalid", place=archive.name, next_step=_SIGN)
    chain = read_chain(archive.read(archived.CHAIN), f"{archive.name}!/{archived.CHAIN}")
    archived.check(archive, sbom, signature, chain.key)
    return msgspec.structs.replace(proof, chain=chain)


def judged(proof: Proof, ring: Ring, at: datetime) -> Verdict:
    """What an environment makes of a pack."""
    errors, warnings = list(_always(proof, ring, at)), list(_files(proof))
    found = _signer(proof, ring, at)
    if isinstance(found, LichenError):
        warnings.append(found)
        key, subject = ("", "") if proof.chain is None else (fingerprint(proof.chain.key), proof.chain.subject)
        found = Verdict(False, key=key, subject=subject)
    if not ring.is_for_development:
        errors, warnings = [*errors, *warnings], []
    return msgspec.structs.replace(found, is_ok=not errors, errors=tuple(errors), warnings=tuple(warnings))


def _always(proof: Proof, ring: Ring, at: datetime) -> Iterator[LichenError]:
    """What is refused everywhere: signatures that do not hold, and what was denied."""
    if proof.broken is not None:
        yield proof.broken
    names = {proof.digest, f"sha256:{proof.digest}"}
    for each in () if proof.chain is None else proof.chain.certificates:
        names |= _names(each.public_key())
    if proof.envelope is not None:
        names |= {each.keyid.lower() for each in proof.envelope[0].signatures}
    if proof.folder_key:
        names.add(proof.folder_key)
    if names & ring.denied:
        step = "Take another version of the pack, or one that somebody else signed."
        yield Denied(
            "Lichen was told never to load it, or what its signer signs.",
            code="pack_denied",
            place=proof.name,
            next_step=step,
        )
    yield from _in_manifest(proof, ring, at)


def _names(key: object) -> set[str]:
    return {fingerprint(key), key_id(key)} if isinstance(key, PublicKey) else set()


def _in_manifest(proof: Proof, ring: Ring, at: datetime) -> Iterator[LichenError]:
    """Signatures in the manifest that claim to be of a key we know and are not."""
    known = _keys(ring, at)
    for each in () if proof.manifest is None else proof.manifest.signatures:
        key = known.get(each.key_id.lower())
        if key is not None and proof.manifest is not None and not signedmanifest.signs(proof.manifest, each, key[1]):
            yield Invalid(
                f"The signature in its manifest is not that of {key[0].name}, as it says.",
                code="pack_signature_invalid",
                place=f"{proof.name}!/manifest.cbor",
                next_step=_SIGN,
            )


def _files(proof: Proof) -> Iterator[LichenError]:
    """Files that are not as the bill of materials says."""
    if proof.lacks_sbom:
        step = "Build the pack anew, with `lichen pack build`."
        yield Invalid("It has no bill of materials.", code="pack_sbom_missing", place=proof.name, next_step=step)
    for each in proof.differs[:16]:
        yield Invalid(
            f"A file {_SAID[each.what]}.",
            code="pack_sbom_differs",
            place=f"{proof.name}!/{each.path}",
            next_step="Fetch the pack again; if that does not help, let whoever made it build it anew.",
        )


def _signer(proof: Proof, ring: Ring, at: datetime) -> Verdict | LichenError:
    """Who vouches for all of a pack's files, or why nobody does."""
    if proof.chain is not None:
        return _by_chain(proof, proof.chain, ring, at)
    known = {id: root for id, root in _keys(ring, at).items() if len(id) == 32}
    if proof.envelope is not None:
        envelope, payload = proof.envelope
        signed = dsse.signer(envelope, payload, {id: key for id, (_, key) in known.items()})
        if signed is not None:
            return Verdict(True, "statement", known[signed][0].name, signed)
        return _unknown(proof.name)
    if proof.folder_signed is not None:
        return _by_folder(proof, proof.folder_signed, known)
    message = "Nobody signed it."
    if proof.manifest is not None and proof.manifest.signatures:
        message = "Only its manifest is signed, which says nothing of its files."
    return Denied(message, code="pack_unsigned", place=proof.name, next_step=_SIGN)


def _by_folder(
    proof: Proof, signed: tuple[bytes, bytes], known: dict[str, tuple[Root, PublicKey]]
) -> Verdict | LichenError:
    found = known.get(proof.folder_key)
    if found is None:
        return _unknown(proof.name)
    if not is_signed(*signed, found[1]):
        message = "Its signature does not count: it is not the key's."
        return Invalid(message, code="pack_signature_invalid", place=proof.name, next_step=_SIGN)
    return Verdict(True, "folder", found[0].name, proof.folder_key)


def _by_chain(proof: Proof, chain: Chain, ring: Ring, at: datetime) -> Verdict | LichenError:
    if chain.is_for_development:
        message = "It was signed by a tool, for the machine it ran on."
        return Denied(message, code="pack_signed_for_development", place=proof.name, next_step=_SIGN)
    wrong = wrong_time(chain, at)
    if wrong is not None:
        message = "The certificate of its signer does not count any more." if wrong == "expired" else (
            "The certificate of its signer does not count yet."
        )  # fmt: skip
        return Denied(message, code="pack_signature_expired", place=proof.name, next_step=_SIGN)
    signed = fingerprint(chain.key)
    for root in _counting(ring, at):
        is_key = root.key is not None and fingerprint(root.key) == signed
        if is_key or (root.certificate is not None and root_of(chain, (root.certificate,)) is not None):
            if root.certificate is not None and at > root.certificate.not_valid_after_utc:
                continue
            return Verdict(True, "archive", root.name, signed, chain.subject)
    return _unknown(proof.name)


def _unknown(name: str) -> LichenError:
    message = "Its signer is nobody who is trusted here."
    return Denied(message, code="pack_signer_unknown", place=name, next_step=_TRUST)


def _counting(ring: Ring, at: datetime) -> Iterator[Root]:
    return (root for root in ring.roots if root.until is None or at <= root.until)


def _keys(ring: Ring, at: datetime) -> dict[str, tuple[Root, PublicKey]]:
    """The keys that count, by every name that a signature may give them."""
    found: dict[str, tuple[Root, PublicKey]] = {}
    for root in _counting(ring, at):
        if root.key is not None:
            found |= dict.fromkeys((key_id(root.key), fingerprint(root.key), root.name.lower()), (root, root.key))
    return found
