"""All that is wrong with a bundle: its documents, whether they agree with each other and with what is there, its packs.

What upstream's `greentic-bundle doctor` checks, lock against manifest, is among it; the rest is ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from lichen.core.words.errors import Invalid, LichenError
from lichen.gate.access.parsing import parse
from lichen.packs.bundles.opening import Bundle
from lichen.packs.bundles.packs import file_of, is_remote, packs_in
from lichen.packs.bundles.reading import ROOT, Documents, place_of, read_documents
from lichen.packs.bundles.words import FORMAT, MANIFEST
from lichen.packs.checking.doctor import examined as examined_pack

_BUILD: Final = "Build the bundle anew, with `lichen bundle build`."


def examined(bundle: Bundle) -> tuple[LichenError, ...]:
    """Everything that is wrong with it, in the order of its documents."""
    documents = read_documents(bundle)
    found: list[LichenError] = [*documents.errors]
    found += _manifest(bundle, documents)
    found += _lock(bundle, documents)
    found += _references(bundle, documents)
    found += _rules(bundle)
    found += _secrets(bundle, documents)
    found += _packs(bundle)
    return tuple(found)


def _manifest(bundle: Bundle, documents: Documents) -> Iterator[Invalid]:
    """A manifest of another format or another bundle, or one that lists what is not there."""
    said, root, place = documents.manifest, documents.root, place_of(bundle, MANIFEST)
    if said is None:
        return
    if said.format_version != FORMAT:
        message = f"It is of format {said.format_version}; {FORMAT} is what is read here."
        yield Invalid(message, code="bundle_format", place=f"{place}#/format_version", next_step=_BUILD)
    if root is not None:
        same = {
            "bundle_id": (said.bundle_id, root.bundle_id),
            "bundle_name": (said.bundle_name, root.bundle_name),
            "requested_mode": (said.requested_mode, root.mode),
            "app_packs": (tuple(sorted(said.app_packs)), root.packs),
            "extension_providers": (tuple(sorted(said.extension_providers)), tuple(sorted(root.extension_providers))),
        }
        for name, (here, there) in same.items():
            if here != there:
                message = f"It says otherwise than {ROOT}."
                yield Invalid(message, code="bundle_manifest_differs", place=f"{place}#/{name}", next_step=_BUILD)
    for name in ("generated_resolved_files", "generated_setup_files"):
        for i, path in enumerate(getattr(said, name)):
            if path not in bundle:
                message = "It lists a file that is not there."
                yield Invalid(message, code="bundle_file_missing", place=f"{place}#/{name}/{i}", next_step=_BUILD)


def _lock(bundle: Bundle, documents: Documents) -> Iterator[Invalid]:
    """A lock that does not fit the manifest, and packs that are others than were locked."""
    lock, manifest, place = documents.lock, documents.manifest, place_of(bundle, documents.lock_path)
    if lock is None:
        return
    if manifest is not None:
        same = {
            "bundle_id": (lock.bundle_id, manifest.bundle_id),
            "requested_mode": (lock.requested_mode, manifest.requested_mode),
            "app_packs": (tuple(each.reference for each in lock.app_packs), manifest.app_packs),
            "extension_providers": (
                tuple(each.reference for each in lock.extension_providers),
                manifest.extension_providers,
            ),
            "catalogs": (tuple(each.requested_ref for each in lock.catalogs), manifest.catalogs),
            "setup_state_files": (lock.setup_state_files, manifest.generated_setup_files),
        }
        for name, (here, there) in same.items():
            if here != there:
                message = "The lock does not match the manifest."
                yield Invalid(message, code="bundle_lock_differs", place=f"{place}#/{name}", next_step=_BUILD)
    for name in ("app_packs", "extension_providers"):
        for i, each in enumerate(getattr(lock, name)):
            path = file_of(bundle, each.reference)
            if path and each.digest and _digest(bundle, path) != each.digest:
                message = f"{path} is another pack than the one that was locked."
                step = "Put back the one that was locked, or build the bundle anew."
                at = f"{place}#/{name}/{i}/digest"
                yield Invalid(message, code="bundle_pack_differs", place=at, next_step=step)


def _digest(bundle: Bundle, path: str) -> str:
    return f"sha256:{hashlib.sha256(bundle.read(path)).hexdigest()}"


def _references(bundle: Bundle, documents: Documents) -> Iterator[Invalid]:
    """Packs that `bundle.yaml` names and that are not there."""
    root, marked = documents.root, documents.marked
    if root is None or marked is None:
        return
    named = [(("app_packs", i), each) for i, each in enumerate(root.app_packs)]
    named += [(("app_pack_mappings", i), each.reference) for i, each in enumerate(root.app_pack_mappings)]
    for steps, reference in named:
        if not file_of(bundle, reference):
            message = f"The pack {reference} is not in the bundle."
            step = "Put its file into packs/, or correct the reference."
            if is_remote(reference):
                step = "Fetch it into packs/ first: a bundle that is served fetches nothing."
            yield Invalid(message, code="bundle_pack_missing", place=marked.place(*steps), next_step=step)


def _rules(bundle: Bundle) -> Iterator[Invalid]:
    """What is wrong with the rules of tenants and teams."""
    for path in bundle:
        if path.endswith(".gmap"):
            yield from parse(bundle.read(path), path, path=place_of(bundle, path)).errors


def _secrets(bundle: Bundle, documents: Documents) -> Iterator[Invalid]:
    """Answers that are secrets, in a file that is to be passed on."""
    if not bundle.name.endswith(".gtbundle"):
        return
    for path, setup in documents.setups.items():
        secret = {each.id for each in setup.form.questions if each.secret}
        for key in sorted((*setup.secret_values, *(secret & set(setup.normalized_answers)))):
            message = f"It carries the secret {key!r} for all to read."
            step = "Build it anew with `lichen bundle build`, which leaves secrets out, and change the secret."
            yield Invalid(message, code="bundle_secret", place=place_of(bundle, path), next_step=step)


def _packs(bundle: Bundle) -> Iterator[LichenError]:
    """What is wrong with the packs in it, by the codes of `lichen pack doctor`."""
    for path in packs_in(bundle):
        for each in examined_pack(path, bundle.read(path)):
            if each.severity == "error":
                inside = each.path.removeprefix(path).removeprefix("!/")
                at = f"{place_of(bundle, path)}!/{inside}" if inside else place_of(bundle, path)
                message = f"{each.code}: {each.message}"
                yield Invalid(message, code="bundle_pack_broken", place=at, next_step=each.hint or _BUILD)
