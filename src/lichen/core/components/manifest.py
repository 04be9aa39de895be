"""What a component says of itself in `component.manifest.json`, or in the CBOR of a pack.

Source: greentic-component, component.manifest.schema.json (v1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.components.capabilities import NOTHING, Capabilities, capabilities_of
from lichen.core.words.errors import Invalid

OPERATIONS_MAX: Final = 256
TEXT_CHARS_MAX: Final = 4_000
ANYTHING: Final[Mapping[str, Any]] = {}


class Operation(msgspec.Struct, frozen=True):
    """One thing that a component can be asked, with JSON Schemas of what it takes and gives."""

    name: str
    input_schema: Mapping[str, Any] = ANYTHING
    output_schema: Mapping[str, Any] = ANYTHING
    summary: str = ""


class ComponentManifest(msgspec.Struct, frozen=True):
    """A manifest. `hashes` are those it gives of its artefacts; limits are wishes, which never widen ours."""

    id: str
    version: str = ""
    name: str = ""
    world: str = ""
    supports: tuple[str, ...] = ()
    capabilities: Capabilities = NOTHING
    operations: tuple[Operation, ...] = ()
    default_operation: str = ""
    config_schema: Mapping[str, Any] | None = None
    hashes: Mapping[str, str] = {}
    memory_mib: int | None = None
    time_s: float | None = None


def manifest_of(tree: object, place: str | None = None) -> ComponentManifest:
    """The manifest that a JSON or CBOR tree is. Unknown keys are other tools' business.

    Raises Invalid (`component_manifest_invalid`).
    """
    said = _table(tree)
    id = said.get("id")
    if not isinstance(id, str) or not 0 < len(id) <= TEXT_CHARS_MAX:
        raise _invalid("It has no `id`.", place)
    operations = said.get("operations", [])
    if not isinstance(operations, list) or len(cast("list[Any]", operations)) > OPERATIONS_MAX:
        raise _invalid(f"`operations` is no list of at most {OPERATIONS_MAX}.", place)
    limits = _table(said.get("limits"))
    return ComponentManifest(
        id=id,
        version=_text(said.get("version")),
        name=_text(said.get("name")) or id,
        world=_text(said.get("world")),
        supports=tuple(each for each in cast("list[Any]", said.get("supports") or []) if isinstance(each, str)),
        capabilities=capabilities_of(said.get("capabilities")),
        operations=tuple(_operation(each, place) for each in cast("list[object]", operations)),
        default_operation=_text(said.get("default_operation")),
        config_schema=_table(said.get("config_schema")) or None,
        hashes={key: value for key, value in _table(said.get("hashes")).items() if isinstance(value, str)},
        memory_mib=_whole(limits.get("memory_mb")),
        time_s=None if (ms := _whole(limits.get("wall_time_ms"))) is None else ms / 1000,
    )


def _operation(said: object, place: str | None) -> Operation:
    if isinstance(said, str):
        return Operation(said)
    table = _table(said)
    name = table.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= TEXT_CHARS_MAX:
        raise _invalid("An operation has no `name`.", place)
    return Operation(
        name, _table(table.get("input_schema")), _table(table.get("output_schema")), _text(table.get("summary"))
    )


def _text(said: object) -> str:
    return said[:TEXT_CHARS_MAX] if isinstance(said, str) else ""


def _whole(said: object) -> int | None:
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else None


def _table(said: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", said) if isinstance(said, dict) else {}


def _invalid(message: str, place: str | None) -> Invalid:
    return Invalid(
        f"This is no manifest of a component. {message}",
        code="component_manifest_invalid",
        next_step="Build the component again, or correct component.manifest.json.",
        place=place,
    )
