"""Which file starts a folder, and which folder of the disk a bundle is.

Source: `resolve_demo_paths` and `resolve_bundle_config_path` of greentic-start.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from lichen.core.words.errors import NotFound

ROOT: Final = "bundle.yaml"
_DEMO: Final = "greentic.demo.yaml"
_OPERATOR: Final = "greentic.operator.yaml"
_NESTED: Final = "demo/demo.yaml"
SUFFIXES: Final = (".yaml", ".yml")
UNPACKED: Final = "bundles"  # in the data directory


def started_here(folder: Path) -> Path | None:
    """The file that starts a working directory, as upstream looks for it, and then as in a bundle; None for none."""
    for name in (_NESTED, _OPERATOR):
        if (folder / name).is_file():
            return folder / name
    return started_by(folder)


def started_by(folder: Path) -> Path | None:
    """The file that starts a bundle's folder; None for none."""
    for name in (_DEMO, _OPERATOR, _NESTED):
        if (folder / name).is_file():
            return folder / name
    is_normal = (folder / "bundle-manifest.json").exists() or (folder / "resolved").is_dir()
    is_normal = is_normal or (folder / "tenants").is_dir()
    return folder / ROOT if is_normal and (folder / ROOT).is_file() else None


def root_of(file: Path) -> Path:
    """The folder of which a file that starts it tells: above `demo/` where the packs lie there."""
    above = file.parent.parent
    is_nested = file.parent.name == "demo" and file.name == "demo.yaml"
    return above if is_nested and (above / "packs").is_dir() and not (file.parent / "packs").is_dir() else file.parent


def is_of_bundle(path: Path, root: Path, bundle: str, home: Path) -> bool:
    """Whether a path leads, links followed, into the bundle that a project names; `bundle` is empty for none.

    Raises NotFound (`bundle_missing`).
    """
    return bool(bundle) and path.resolve().is_relative_to(folder_of(root / bundle, home).resolve())


def folder_of(bundle: Path, home: Path) -> Path:
    """Where the files of a bundle are: in it, or where its SquashFS file was unpacked, in the data directory.

    Raises NotFound (`bundle_missing`, `bundle_unopened`).
    """
    if bundle.is_dir():
        return bundle
    try:
        with bundle.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        step = "Correct `bundle` of [lichen], or --bundle."
        raise NotFound("There is no such bundle.", code="bundle_missing", place=str(bundle), next_step=step) from None
    return home / UNPACKED / digest
