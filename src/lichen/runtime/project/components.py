"""The components that a project names: read from their files, with the manifests beside them, as tools."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from lichen.core.components.manifest import ComponentManifest, manifest_of
from lichen.core.components.terms import ComponentTerms
from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.runtime.given.components import compiling
from lichen.runtime.packs.naming import came
from lichen.settings.components.table import ComponentTable
from lichen.settings.file import Settings
from lichen.tools.wasm.families.table import FAMILIES
from lichen.tools.wasm.loading import FILE_BYTES_MAX, loaded

MANIFEST: Final = "component.manifest.json"
MANIFEST_BYTES_MAX: Final = 4 * 1024 * 1024


def component_tools(path: Path, terms: ComponentTerms, home: Path) -> tuple[Tool, ...]:
    """The operations of a component as tools. Its compiled code is taken from the data directory if that is ours.

    Raises Invalid and NotFound as `loaded`, Invalid (`component_missing`, `component_manifest_invalid`).
    """
    data = _read(path, FILE_BYTES_MAX)
    return loaded(data, terms, FAMILIES, place=str(path), manifest=_manifest(path), compiling=compiling(home)).tools


def far_component_tools(settings: Settings, table: ComponentTable) -> tuple[Tool, ...]:
    """The operations of a component that lies in a registry. Raises as `component_tools`, and LichenError (`oci_…`,
    `pack_unreachable`)."""
    found = came(settings, table.file, is_component=True)
    place = str(found.reference)
    return loaded(found.data, table.terms, FAMILIES, place=place, compiling=compiling(settings.home)).tools


def _manifest(path: Path) -> ComponentManifest | None:
    """The manifest of a component: `NAME.manifest.json` beside `NAME.wasm`, or else `component.manifest.json`."""
    for beside in (path.with_suffix(".manifest.json"), path.with_name(MANIFEST)):
        if beside.is_file():
            try:
                return manifest_of(msgspec.json.decode(_read(beside, MANIFEST_BYTES_MAX)), str(beside))
            except (msgspec.DecodeError, RecursionError):
                step = "Write JSON into it, or remove it."
                raise Invalid(
                    "This is no JSON.", code="component_manifest_invalid", next_step=step, place=str(beside)
                ) from None
    return None


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        step = "Name a file that is there, from where lichen.toml lies."
        message = f"The component cannot be read: {error.strerror}."
        raise Invalid(message, code="component_missing", next_step=step, place=str(path)) from None
    if len(data) > bytes_max:
        step = "Name another file."
        raise Invalid(f"It has more than {bytes_max} bytes.", code="component_invalid", next_step=step, place=str(path))
    return data
