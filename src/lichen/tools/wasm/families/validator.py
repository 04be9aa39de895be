"""greentic:pack-validate/validator@0.1.0: whether a pack is one for it, and what it has to say of it.

Source: greentic:pack-validate@0.1.0.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.core.components.manifest import Operation
from lichen.tools.wasm.documents.contexts import payload_of
from lichen.tools.wasm.documents.trees import json, refused, table
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation

VALIDATOR: Final = "greentic:pack-validate/validator@0.1.0"
DIAGNOSTICS_MAX: Final = 1_000
CHARS_MAX: Final = 2_000
_FIELDS: Final = ("severity", "code", "message", "path", "hint")
_PACK: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "manifest_cbor": {"type": "string", "contentEncoding": "base64"},
        "sbom_json": {},
        "file_index": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["manifest_cbor"],
}


class Validator:
    """Implements `Family`."""

    name = "validator@0.1.0"

    def fits(self, exports: Exports) -> str | None:
        """The validator, where it validates."""
        return VALIDATOR if "validate" in exports.interfaces.get(VALIDATOR, ()) else None

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """Its functions: it says nothing of itself."""
        members = exports.interfaces[VALIDATOR]
        return Described("", operations=tuple(Operation(name, _PACK) for name in members), members=members)

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """`{applies}` or `{diagnostics}`. One without `applies` is for every pack."""
        pack = _pack(table(payload_of(asked)))
        match asked.operation:
            case "applies" if not instance.has(VALIDATOR, "applies"):
                return Answered({"applies": True})
            case "applies":
                return Answered({"applies": instance.call(VALIDATOR, "applies", pack) is True})
            case "validate":
                return Answered({"diagnostics": _diagnostics(instance.call(VALIDATOR, "validate", pack))})
            case _:
                raise refused("It", "has no such function")


def _pack(given: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        manifest = base64.b64decode(str(given.get("manifest_cbor", "")), validate=True)
    except binascii.Error:
        raise refused("The manifest given to it", "is no base64") from None
    sbom: Any = given.get("sbom_json")
    names: Any = given.get("file_index")
    return {
        "manifest-cbor": manifest,
        "sbom-json": sbom if isinstance(sbom, str) else json({} if sbom is None else sbom),
        "file-index": [str(each) for each in cast("list[Any]", names)] if isinstance(names, list) else [],
    }


def _diagnostics(said: Any) -> list[Mapping[str, str | None]]:
    if not isinstance(said, list) or len(cast("list[Any]", said)) > DIAGNOSTICS_MAX:
        raise refused("Its answer", f"is no list of at most {DIAGNOSTICS_MAX} diagnostics")
    return [{name: _short(table(each).get(name)) for name in _FIELDS} for each in cast("list[Any]", said)]


def _short(said: object) -> str | None:
    return said[:CHARS_MAX] if isinstance(said, str) else None
