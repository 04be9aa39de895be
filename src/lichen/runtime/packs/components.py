"""The components of a pack as tools: what they may is what the pack says of them, and the project grants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from lichen.core.components.manifest import ComponentManifest, manifest_of
from lichen.core.components.terms import ComponentTerms
from lichen.core.ports.call import Tool
from lichen.packs.manifests.words import Component
from lichen.runtime.given.components import awaiting, compiling
from lichen.runtime.packs.opening import Opened
from lichen.tools.wasm.families.table import FAMILIES
from lichen.tools.wasm.loading import loaded

_WORD: Final = re.compile(r"[a-z0-9]+")


def component_tools_of(pack: Opened, home: Path) -> Iterator[Tool]:
    """The operations of a pack's components as tools. `ai.greentic.echo` gives `greentic.echo.run`: the flows of the
    pack find it so.

    Raises Invalid and NotFound as `loaded`.
    """
    for each in pack.components:
        terms = ComponentTerms(_name(each.said.id), allow=pack.allow)
        place = str(pack.root / each.said.file)
        made = loaded(
            each.data,
            terms,
            FAMILIES,
            place=place,
            manifest=_manifest(each.said, place),
            compiling=compiling(home),
            awaits=awaiting(home),
        )
        yield from made.tools


def _name(id: str) -> str:
    """The first part, or the first two, of the names of a component's tools."""
    words = [word if word[0].isalpha() else f"n{word}" for word in _WORD.findall(id.lower())]
    return ".".join(words[-2:])


def _manifest(said: Component, place: str) -> ComponentManifest | None:
    """What the manifest of the pack says; None where it says nothing, and the component is asked itself."""
    if said.capabilities is None and not said.operations:
        return None
    operations: list[dict[str, Any]] = [
        {"name": each.name, "input_schema": _schema(each.input_schema), "output_schema": _schema(each.output_schema)}
        for each in said.operations
    ]
    tree = {"id": said.id, "version": said.version, "world": said.world, "operations": operations}
    return manifest_of({**tree, "capabilities": said.capabilities or {}, "config_schema": said.config_schema}, place)


def _schema(value: Any) -> Any:
    return cast("Any", value) if isinstance(value, dict) else {}
