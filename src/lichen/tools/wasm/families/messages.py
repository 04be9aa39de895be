"""Components that answer messages: `execute: func(message) -> outcome`, the world of the platform's own documents.

A message is `{id, content, sender, timestamp}`, an outcome `{success, data, error}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.core.components.manifest import Operation
from lichen.core.words.errors import Invalid
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation, Reported

BARE: Final = ""
EXECUTE: Final = "execute"
TAKES: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["content"],
    "additionalProperties": False,
    "properties": {
        "content": {"type": "string", "description": "What is said to the component."},
        "timestamp": {"type": "integer", "minimum": 0, "description": "When it was said, in Unix milliseconds."},
    },
}
GIVES: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": ["string", "null"]}},
}


class Messages:
    """Implements `Family`."""

    name = "execute"

    def fits(self, exports: Exports) -> str | None:
        """The bare function `execute`."""
        return BARE if EXECUTE in exports.interfaces.get(BARE, ()) else None

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """One operation: such components say nothing of themselves."""
        return Described("component", operations=(Operation(EXECUTE, TAKES, GIVES, "Answers a message."),))

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """The data of a success; what a component says of its failure is a failure that it reports."""
        said: Mapping[str, Any] = asked.payload
        message = {
            "id": asked.context.correlation,
            "content": said.get("content", ""),
            "sender": asked.context.user or asked.context.session,
            "timestamp": said.get("timestamp", 0),
        }
        match instance.call(BARE, EXECUTE, message):
            case {"success": True, "data": data}:
                return Answered({"data": data})
            case {"success": False, "error": error}:
                return Answered(failure=Reported("failed", cast("str | None", error) or ""))
            case _:
                step = "Build it for the world that its documents describe."
                raise Invalid("The component's answer is no outcome.", code="component_invalid", next_step=step)
