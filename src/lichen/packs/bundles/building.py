"""A bundle's folder as one file: its documents written anew from what is there, without secrets, always the same.

Source: `write_normalized_build_dir` of greentic-bundle, whose secrets of setup are left out as there.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.words.errors import Invalid
from lichen.packs.bundles.opening import Bundle
from lichen.packs.bundles.packs import file_of
from lichen.packs.bundles.reading import ROOT, Documents, is_setup, read_documents
from lichen.packs.bundles.resolving import resolved
from lichen.packs.bundles.words import (
    FORMAT,
    LOCK,
    MANIFEST,
    WORKSPACE_LOCK,
    Lock,
    Manifest,
    PackLock,
    Resolved,
    Target,
)
from lichen.packs.squash.writing import squashed
from lichen.settings.bundles.reading import read_words

FOLDERS: Final = ("packs/", "providers/", "tenants/", "resolved/", "assets/", "i18n/", "catalogs/", "agents/")
_KEPT: Final = (ROOT, "greentic.demo.yaml", "greentic.operator.yaml", "greentic.yaml")


class Built(NamedTuple):
    """A bundle as one file, what it says of itself, and the files of the folder that did not go into it."""

    data: bytes
    manifest: Manifest
    files: tuple[str, ...]
    left: tuple[str, ...]


def built(bundle: Bundle, name: str) -> Built:
    """The bundle of a folder. Raises the first mistake of its documents, Invalid (`bundle_…`)."""
    documents = read_documents(bundle)
    if documents.errors:
        raise documents.errors[0]
    if documents.root is None:
        message, step = f"There is no {ROOT}.", "Begin one with `lichen bundle new FOLDER`."
        raise Invalid(message, code="bundle_unrooted", place=bundle.name, next_step=step)
    files = {path: bundle.read(path) for path in bundle if path in _KEPT or path.startswith(FOLDERS)}
    files |= {path: _without_secrets(bundle, path) for path in bundle if is_setup(path)}
    targets = resolved(bundle, documents.root)
    files |= targets
    made = {path: _read_again(path, data) for path, data in targets.items()}
    manifest = _manifest(documents, dict(sorted({**documents.resolved, **made}.items())))
    files[MANIFEST] = _written(manifest)
    files[LOCK] = _written(_lock(bundle, documents, manifest))
    left = (path for path in bundle if path not in files and path != WORKSPACE_LOCK)
    return Built(squashed(name, files), manifest, tuple(sorted(files)), tuple(left))


def _read_again(path: str, data: bytes) -> Resolved:
    said = read_words(path, data, Resolved).words
    assert said is not None, "what is written here can be read"
    return said


def _manifest(documents: Documents, targets: dict[str, Resolved]) -> Manifest:
    root = documents.root
    assert root is not None, "a bundle that is built has its root"
    return Manifest(
        FORMAT,
        root.bundle_id,
        root.bundle_name,
        root.mode,
        root.locale,
        ".gtbundle",
        generated_resolved_files=tuple(targets),
        generated_setup_files=tuple(sorted(documents.setups)),
        app_packs=root.packs,
        extension_providers=tuple(sorted(set(root.extension_providers))),
        catalogs=tuple(sorted(set(root.remote_catalogs))),
        hooks=tuple(sorted(set(root.hooks))),
        subscriptions=tuple(sorted(set(root.subscriptions))),
        capabilities=tuple(sorted(set(root.capabilities))),
        resolved_targets=tuple(_target(path, each) for path, each in targets.items()),
    )


def _target(path: str, said: Resolved) -> Target:
    source = said.policy.source
    return Target(
        path,
        said.tenant,
        said.policy.default,
        source.tenant_gmap,
        team=said.team,
        team_gmap=source.team_gmap,
        app_pack_policies=said.app_packs,
    )


def _lock(bundle: Bundle, documents: Documents, manifest: Manifest) -> Lock:
    """The lock: as it was, with what it is held to, and the digests of the packs that are there."""
    before = documents.lock
    return Lock(
        schema_version=1,
        bundle_id=manifest.bundle_id,
        requested_mode=manifest.requested_mode,
        execution=before.execution if before else "execute",
        cache_policy=before.cache_policy if before else "workspace-local",
        tool_version=before.tool_version if before else version("lichen"),
        build_format_version=before.build_format_version if before else "bundle-lock-v1",
        workspace_root=ROOT,
        lock_file=WORKSPACE_LOCK,
        catalogs=before.catalogs if before else (),
        app_packs=_locked(bundle, manifest.app_packs),
        extension_providers=_locked(bundle, manifest.extension_providers),
        setup_state_files=manifest.generated_setup_files,
        env_id=before.env_id if before else None,
    )


def _locked(bundle: Bundle, references: tuple[str, ...]) -> tuple[PackLock, ...]:
    found: list[PackLock] = []
    for reference in references:
        path = file_of(bundle, reference)
        digest = f"sha256:{hashlib.sha256(bundle.read(path)).hexdigest()}" if path else None
        found.append(PackLock(reference, digest))
    return tuple(found)


def _without_secrets(bundle: Bundle, path: str) -> bytes:
    """The answers that set a provider up, without those that are secrets."""
    data = bundle.read(path)
    value: dict[str, Any] = json.loads(data)
    form: Any = value.get("form", {})
    secret = {each.get("id") for each in form.get("questions", []) if each.get("secret")}
    answers: Any = value.get("normalized_answers", {})
    if "secret_values" not in value and not secret & set(answers):
        return data
    value.pop("secret_values", None)
    value["normalized_answers"] = {key: each for key, each in answers.items() if key not in secret}
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _written(document: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
