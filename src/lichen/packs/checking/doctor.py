"""All that is wrong with a pack: its container, manifest, files, flows, lock, extensions and signature, one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from blake3 import blake3

from lichen.core.words.errors import LichenError
from lichen.flows.read.load import decoded as text_of
from lichen.flows.read.load import parse
from lichen.flows.syntax.findings import Finding, FlowInvalid
from lichen.packs.building.texts import flow_texts
from lichen.packs.checking.diagnostic import Diagnostic, Severity
from lichen.packs.checking.structure import manifest_errors
from lichen.packs.container.archive import Archive, opened
from lichen.packs.manifests.cbor import canonical, decoded
from lichen.packs.manifests.extensions import CONTENTS, contents_of, flaws
from lichen.packs.manifests.reading import FILE, read_manifest
from lichen.packs.manifests.words import Component, Manifest
from lichen.packs.proofs import archived, lock
from lichen.packs.proofs.chain import read_chain
from lichen.packs.proofs.sbom import Difference, differences, read_sbom

_REBUILD: Final = "Build the pack anew, with `lichen pack build`."
_FETCH: Final = "Fetch the pack again; if that does not help, let whoever made it build it anew."
_DIFFERS: Final[dict[Difference, tuple[str, str]]] = {
    "missing": ("PACK_SBOM_DANGLING_PATH", "It is listed and not there."),
    "unlisted": ("PACK_SBOM_UNLISTED_FILE", "It is there and not listed."),
    "size": ("PACK_SBOM_MISMATCH", "It has another size than listed."),
    "hash": ("PACK_SBOM_MISMATCH", "It has another hash than listed."),
    "twice": ("PACK_SBOM_MISMATCH", "It is listed twice."),
}


def examined(name: str, data: bytes, *, strict: bool = False) -> tuple[Diagnostic, ...]:
    """All that is wrong with a pack, errors first. `strict`: an extension of an unknown kind is an error."""
    try:
        archive = opened(name, data)
        found = list(_archive(archive, "error" if strict else "warn"))
    except LichenError as error:
        found = [_told("PACK_CONTAINER_INVALID", error)]
    return ordered(found)


def ordered(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """What was found, errors first."""
    order: dict[Severity, int] = {"error": 0, "warn": 1, "info": 2}
    return tuple(sorted(found, key=lambda each: order[each.severity]))


def _archive(archive: Archive, unknown: Severity) -> Iterator[Diagnostic]:
    yield from _sbom(archive)
    yield from _signature(archive)
    if FILE not in archive:
        yield Diagnostic("error", "PACK_MISSING_MANIFEST_CBOR", f"There is no {FILE}.", FILE, _REBUILD)
        return
    try:
        value: Any = decoded(archive.read(FILE), FILE).value
    except LichenError as error:
        yield _told("PACK_MANIFEST_INVALID", error)
        return
    found = list(manifest_errors(cast("dict[str, Any]", value) if isinstance(value, dict) else {}))
    yield from found
    try:
        manifest = read_manifest(archive)
    except LichenError as error:
        if not any(each.severity == "error" for each in found):  # else that is said already, in better words
            yield _told("PACK_MANIFEST_INVALID", error)
        return
    yield from _files(archive, manifest)
    yield from _flows(archive, manifest)
    yield from _lock(archive, manifest)
    for flaw in flaws(manifest):
        is_unknown = flaw.kind == "unknown"
        code = "PACK_EXTENSION_UNKNOWN" if is_unknown else "PACK_EXTENSION_INVALID"
        yield Diagnostic(unknown if is_unknown else "error", code, flaw.message, f"{FILE}#{flaw.pointer}", _REBUILD)


def _sbom(archive: Archive) -> Iterator[Diagnostic]:
    try:
        sbom = read_sbom(archive)
        for each in differences(archive, sbom):
            code, message = _DIFFERS[each.what]
            yield Diagnostic("error", code, message, each.path, _FETCH)
    except LichenError as error:
        is_missing = error.code == "pack_sbom_missing"
        yield _told("PACK_SBOM_MISSING" if is_missing else "PACK_SBOM_INVALID", error)


def _signature(archive: Archive) -> Iterator[Diagnostic]:
    try:
        signature = archived.read_signature(archive)
        if signature is None:
            hint = "Sign it, with `lichen pack sign`."
            yield Diagnostic("info", "PACK_UNSIGNED", "Nobody signed it.", archived.SIGNATURE, hint)
            return
        chain = read_chain(archive.read(archived.CHAIN), archived.CHAIN)
        archived.check(archive, read_sbom(archive), signature, chain.key)
        if chain.is_for_development:
            message = "It was signed by a tool, for the machine it ran on."
            hint = "Sign it with a key of yours, with `lichen pack sign`."
            yield Diagnostic("warn", "PACK_SIGNATURE_DEVELOPMENT", message, archived.CHAIN, hint)
    except LichenError as error:
        yield _told("PACK_SIGNATURE_INVALID", error)


def _files(archive: Archive, manifest: Manifest) -> Iterator[Diagnostic]:
    """Files that the manifest names: there, and what it vouches for."""
    contents = contents_of(manifest)
    carried = (*contents.flows.values(), *contents.agents, *contents.policies, *contents.prompts, *contents.knowledge)
    named = [each.file for each in manifest.flows if each.file]
    if manifest.model == "meta":
        named += [each.file for each in manifest.components]
    named += [each.manifest_file for each in manifest.components if manifest.model == "meta" and each.manifest_file]
    for path in (*named, *carried, *contents.assets):
        if path not in archive:
            message = "The manifest names it, and it is not there."
            yield Diagnostic("error", "PACK_MISSING_FILE", message, path, _REBUILD)
    vouched = [(each.hashed, each.hash) for each in manifest.flows if each.hashed]
    vouched += [(each.file, each.hash) for each in manifest.components if each.hash]
    for path, digest in vouched:
        if path in archive and blake3(archive.read(path)).hexdigest() != digest:
            message = "It is another file than the manifest vouches for."
            yield Diagnostic("error", "PACK_FILE_HASH_MISMATCH", message, path, _FETCH)
    for each in manifest.components:
        if each.file in archive and not archive.read(each.file).startswith(b"\0asm"):
            yield Diagnostic("error", "PACK_COMPONENT_DOCTOR_NOT_WASM", "It is no WebAssembly.", each.file, _REBUILD)


def _flows(archive: Archive, manifest: Manifest) -> Iterator[Diagnostic]:
    texts = iter(flow_texts(archive, manifest))
    while True:
        try:
            each = next(texts, None)
        except LichenError:  # it is not there, which was said
            return
        if each is None:
            return
        try:
            loaded = parse(text_of(each.text, each.path), each.path)
        except FlowInvalid as error:
            yield from _findings(error.findings)
            continue
        yield from _findings(loaded.warnings)
        if loaded.flow.id != each.flow.id:
            message = f"The flow is called {loaded.flow.id!r} in itself."
            yield Diagnostic("error", "PACK_FLOW_ID_MISMATCH", message, each.path, _REBUILD)


def _findings(findings: Iterable[Finding]) -> Iterator[Diagnostic]:
    for each in findings:
        severity: Severity = "error" if each.severity == "error" else "warn"
        code = "PACK_FLOW_DOCTOR_ERROR" if severity == "error" else "PACK_FLOW_DOCTOR_WARNING"
        message = f"{each.code}: {each.message} (line {each.line})"
        yield Diagnostic(severity, code, message, f"{each.path}#{each.pointer}", each.next_step)


# -- the lock --------------------------------------------------------------------------------------------------------


def _lock(archive: Archive, manifest: Manifest) -> Iterator[Diagnostic]:
    try:
        held = lock.read_lock(archive)
    except LichenError as error:
        yield _told("PACK_LOCK_INVALID", error)
        return
    if held is None:
        if manifest.components and manifest.model == "pack-v1":
            message = "There are components and no lock."
            yield Diagnostic("warn", "PACK_LOCK_MISSING", message, lock.FILE, _REBUILD)
        return
    known = {each.id: each for each in manifest.components}
    for name, each in held.components.items():
        path = known[name].file if name in known else f"components/{name}.wasm"
        if path not in archive:
            is_away = each.ref is not None and name not in known
            message = "The lock has it, and its file is not there."
            severity: Severity = "warn" if is_away else "error"
            yield Diagnostic(severity, "PACK_LOCK_COMPONENT_WASM_MISSING", message, path, _REBUILD)
            continue
        yield from _locked(archive, each, path)
        if name in known:
            yield from _operations(manifest, known[name], each)


def _locked(archive: Archive, each: lock.Locked, path: str) -> Iterator[Diagnostic]:
    digest = hashlib.sha256(archive.read(path)).hexdigest()
    if each.resolved_digest != f"sha256:{digest}":
        message = "It is another file than was locked."
        yield Diagnostic("error", "PACK_LOCK_COMPONENT_DIGEST_MISMATCH", message, path, _REBUILD)
        return
    said = f"{path.removesuffix('.wasm')}.describe.cbor"
    if said not in archive:  # nothing says how it describes itself but the component, which is not run here
        return
    try:
        described = hashlib.sha256(canonical(decoded(archive.read(said), said).value)).hexdigest()
    except LichenError as error:
        yield _told("PACK_LOCK_DESCRIBE_HASH_MISMATCH", error)
        return
    if each.describe_hash != described:
        message = "It describes itself otherwise than was locked."
        yield Diagnostic("error", "PACK_LOCK_DESCRIBE_HASH_MISMATCH", message, said, _REBUILD)


def _operations(manifest: Manifest, component: Component, each: lock.Locked) -> Iterator[Diagnostic]:
    """Operations that the lock lacks, has too many, or has with other schemas.

    Others hash schemas in a form that a manifest does not hold: of a pack that is not ours a difference is only odd.
    """
    severity: Severity = "error" if manifest.extension(CONTENTS) is not None else "warn"
    held = {one.operation_id: one.schema_hash for one in each.operations}
    there = {one.name: one for one in component.operations}
    at = f"{lock.FILE}#/components/{component.id}/operations"
    for name in sorted(there.keys() - held.keys()):
        yield Diagnostic(severity, "PACK_LOCK_OPERATION_MISSING", f"The lock has no {name!r}.", at, _REBUILD)
    for name in sorted(held.keys() - there.keys()):
        message = f"The component has no {name!r}."
        yield Diagnostic(severity, "PACK_LOCK_OPERATION_STALE", message, at, _REBUILD)
    for name in sorted(held.keys() & there.keys()):
        if lock.schema_hash(there[name], component.config_schema) != held[name]:
            message = f"What {name!r} takes or gives is not what was locked."
            yield Diagnostic(severity, "PACK_LOCK_SCHEMA_HASH_LOCK_MISMATCH", message, at, _REBUILD)


def _told(code: str, error: LichenError) -> Diagnostic:
    return Diagnostic("error", code, f"{error.code}: {error.message}", error.place or "", error.next_step)
