"""Providers of messaging and events: `schema-core-api`, which speaks JSON in bytes, and the doors of their webhooks.

Source: greentic:provider-schema-core@1.0.0 and its forerunner provider-core@1.0.0; provider:common@0.0.2, interfaces
ingress and subscriptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.core.components.manifest import Operation
from lichen.tools.wasm.documents.answers import COMPONENT_ERROR, answered, document, failure, halves
from lichen.tools.wasm.documents.contexts import payload_json, payload_of
from lichen.tools.wasm.documents.descriptions import described
from lichen.tools.wasm.documents.trees import json, refused, table, text_or_tree
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation

CORES: Final = (
    "greentic:provider-schema-core/schema-core-api@1.0.0",
    "provider:schema-core/schema-core-api@1.0.0",
    "greentic:provider-core/schema-core-api@1.0.0",
)
INGRESS: Final = "provider:common/ingress@0.0.2"
SUBSCRIPTIONS: Final = "provider:common/subscriptions@0.0.2"
_TEXTS: Final = {"type": ["object", "array", "string", "null"]}
_DOORS: Final[Mapping[str, tuple[str, tuple[str, str]]]] = {
    "handle-webhook": (INGRESS, ("headers", "body")),
    "sync-subscriptions": (SUBSCRIPTIONS, ("config", "state")),
}


class SchemaCore:
    """Implements `Family` for providers of schemas."""

    name = "schema-core-api@1.0.0"

    def fits(self, exports: Exports) -> str | None:
        """The interface, under whichever package it stands."""
        return next((each for each in CORES if "invoke" in exports.interfaces.get(each, ())), None)

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """What `describe` says."""
        where = self._where(exports)
        members = exports.interfaces[where]
        if "describe" not in members:
            return Described("", members=members)
        return described(_json(instance.call(where, "describe"), "Its description"), members=members)

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What `invoke` answers; what can be asked by a function of its own is."""
        where = self._where(exports)
        match asked.operation:
            case "healthcheck" if instance.has(where, "healthcheck"):
                said = instance.call(where, "healthcheck")
            case "validate-config" | "validate_config" if instance.has(where, "validate-config"):
                config = asked.config if asked.config is not None else asked.payload
                said = instance.call(where, "validate-config", json(config).encode())
            case operation:
                said = instance.call(where, "invoke", operation, payload_json(asked).encode())
        is_good, held = halves(said)
        return answered(_json(held, "Its answer")) if is_good else Answered(failure=failure(held, COMPONENT_ERROR))

    def _where(self, exports: Exports) -> str:
        found = self.fits(exports)
        assert found is not None, "a component is asked by a family that it is of"
        return found


class Ingress:
    """Implements `Family` for the doors of webhooks."""

    name = "ingress@0.0.2"

    def fits(self, exports: Exports) -> str | None:
        """The door of webhooks, or that of subscriptions."""
        return next((where for name, (where, _) in _DOORS.items() if name in exports.interfaces.get(where, ())), None)

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """Its doors: it says nothing of itself."""
        found = [
            Operation(name, {"type": "object", "properties": dict.fromkeys(fields, _TEXTS), "required": list(fields)})
            for name, (where, fields) in _DOORS.items()
            if instance.has(where, name)
        ]
        return Described("", operations=tuple(found), members=tuple(each.name for each in found))

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What a door answers to two documents, each JSON or a text as it is."""
        door = _DOORS.get(asked.operation)
        if door is None:
            raise refused("It", "has no such door")
        where, fields = door
        given = table(payload_of(asked))
        said = instance.call(where, asked.operation, *(_text(given.get(name)) for name in fields))
        is_good, held = halves(said)
        return (
            answered(text_or_tree(held)) if is_good else Answered(failure=failure(text_or_tree(held), COMPONENT_ERROR))
        )


def _json(said: Any, what: str) -> Any:
    """The JSON that bytes are; a bare number or text of it would be read as CBOR."""
    try:
        return document(said.decode() if isinstance(said, bytes) else said, what)
    except UnicodeDecodeError:
        raise refused(what, "is no JSON") from None


def _text(said: Any) -> str:
    return said if isinstance(said, str) else json({} if said is None else said)
