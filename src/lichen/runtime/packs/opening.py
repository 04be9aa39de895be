"""A pack that a project names, opened: it is the one that is pinned, it holds, and it is trusted everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from lichen.core.components.terms import Allowed
from lichen.core.words.errors import Denied, Invalid, LichenError
from lichen.core.words.scope import Scope
from lichen.packs.building.building import build
from lichen.packs.building.folder import read_folder
from lichen.packs.building.texts import flow_texts
from lichen.packs.container.archive import Archive, opened, opened_file
from lichen.packs.manifests.extensions import contents_of
from lichen.packs.manifests.reading import read_manifest
from lichen.packs.manifests.words import Component, Manifest
from lichen.packs.proofs.ring import ring_of
from lichen.packs.proofs.trust import Proof, judged, proven, proven_folder
from lichen.runtime.packs.naming import Came, came, is_far, lies_at
from lichen.settings.file import Settings
from lichen.settings.packs.table import PackFile

STATEMENT_BYTES_MAX: Final = 256 * 1024


class PackedComponent(msgspec.Struct, frozen=True):
    """A component that lies in a pack: what the pack says of it, and its bytes."""

    said: Component
    data: bytes


class Opened(msgspec.Struct, frozen=True):
    """A pack that may be loaded: its folder, which is nowhere on the disk, what lies in it by path, and its `data` as a
    file. `has_policies` where those that it carries are in force, in `tenants`, or in all; `tools` are what operations
    of its flows are called in the project."""

    root: Path
    manifest: Manifest
    digest: str
    flows: dict[str, bytes]
    agents: tuple[str, ...]
    files: dict[str, bytes]
    warnings: tuple[LichenError, ...] = ()
    components: tuple[PackedComponent, ...] = ()
    allow: Allowed = Allowed()
    policies: dict[str, bytes] = {}
    tenants: tuple[str, ...] = ()
    has_policies: bool = False
    tools: Mapping[str, str] = {}
    data: bytes = b""

    @property
    def said(self) -> PackFile:
        """What the project says of it."""
        return PackFile(
            str(self.root), allow=self.allow, tools=self.tools, policies=self.has_policies, tenants=self.tenants
        )


def open_pack(
    settings: Settings, said: PackFile, *, at: datetime | None = None, scopes: Sequence[Scope] = ()
) -> Opened:
    """A pack of a project. Raises NotFound, Invalid or Denied (`pack_…`): it loads in all of these environments, which
    are all of the project's if none is named, or not at all."""
    path = lies_at(settings, said)
    found = came(settings, said.file) if is_far(said.file) else None
    archive, manifest, proof = _proven(settings, path, said) if found is None else _of_registry(settings, found, said)
    if said.digest and said.digest != f"sha256:{proof.digest}":
        message = f"It is another pack than the one that is pinned: its digest is sha256:{proof.digest}."
        step = "Put that digest in lichen.toml, if this is the pack you mean."
        raise Denied(message, code="pack_digest_differs", place=str(path), next_step=step)
    now = at or datetime.now(UTC)  # noqa: TID251 - whether a certificate counts depends on today, as a TLS client's does
    late = () if found is None or found.warning is None else (found.warning,)
    warnings = (*late, *_judged(settings, proof, now, scopes or settings.scopes))
    return _as_said(_taken_apart(archive, manifest, proof.digest, path, warnings), said)


def taken_apart(data: bytes, path: Path, said: PackFile) -> Opened:
    """A pack that was proven before, from its bytes, as if it lay at a path. Raises Invalid (`pack_…`)."""
    archive = opened(path.name, data)
    digest = hashlib.sha256(data).hexdigest()
    return _as_said(_taken_apart(archive, read_manifest(archive), digest, path, ()), said)


def _as_said(pack: Opened, said: PackFile) -> Opened:
    """The pack with what the project says of it."""
    return msgspec.structs.replace(
        pack, allow=said.allow, tools=said.tools, has_policies=said.policies, tenants=said.tenants
    )


def _proven(settings: Settings, path: Path, said: PackFile) -> tuple[Archive, Manifest, Proof]:
    if path.is_dir():
        folder = read_folder(path)
        archive = opened(path.name, build(folder).data)
        manifest = read_manifest(archive)
        return archive, manifest, proven_folder(archive, manifest, folder.files)
    archive = opened_file(path)
    manifest = read_manifest(archive)
    statement = _statement(settings.root / said.statement) if said.statement else None
    return archive, manifest, proven(archive, manifest, statement=statement)


def _of_registry(settings: Settings, found: Came, said: PackFile) -> tuple[Archive, Manifest, Proof]:
    """What came from a registry, which is nobody's word for it."""
    archive = opened(str(found.reference), found.data)
    manifest = read_manifest(archive)
    statement = _statement(settings.root / said.statement) if said.statement else None
    return archive, manifest, proven(archive, manifest, statement=statement)


def _statement(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(STATEMENT_BYTES_MAX + 1)
    except OSError:
        step = "Correct `statement`, or leave it out."
        raise Invalid(
            "There is no such file.", code="pack_statement_invalid", place=str(path), next_step=step
        ) from None


def _judged(settings: Settings, proof: Proof, at: datetime, scopes: Sequence[Scope]) -> Iterator[LichenError]:
    """What is to be known of a pack that every environment takes. Raises for the first that does not."""
    told: set[str] = set()
    for scope in scopes:
        verdict = judged(proof, ring_of(settings, scope), at)
        for error in verdict.errors:
            error.message = f"It may not be loaded in {scope.tenant}/{scope.env}: {error.message}"
            raise error
        for warning in verdict.warnings:
            if warning.code not in told:
                told.add(warning.code)
                yield warning


def _taken_apart(
    archive: Archive, manifest: Manifest, digest: str, path: Path, warnings: tuple[LichenError, ...]
) -> Opened:
    root = path.with_name(f"{path.name}!")
    contents = contents_of(manifest)
    files = (*contents.agents, *contents.prompts, *contents.knowledge, *contents.assets)
    return Opened(
        root,
        manifest,
        digest,
        {str(root / each.path): each.text for each in flow_texts(archive, manifest)},
        tuple(str(root / name) for name in contents.agents),
        {str(root / name): archive.read(name) for name in files},
        warnings,
        tuple(PackedComponent(each, archive.read(each.file)) for each in manifest.components if each.file in archive),
        policies={name: archive.read(name) for name in contents.policies},
        data=archive.data,
    )
