"""Packages as an installer leaves them: a module, and a folder that says which parts it declares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def install(
    folder: Path, package: str, version: str, group: str, parts: Mapping[str, str], modules: Mapping[str, str] = {}
) -> Path:
    """Lays a package into `folder`, which belongs on the path: `parts` are names with their `module:name`."""
    own = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    own.mkdir(parents=True)
    (own / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    declared = "".join(f"{name} = {reference}\n" for name, reference in parts.items())
    (own / "entry_points.txt").write_text(f"[{group}]\n{declared}")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a folder first on the path for the length of a test."""
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
