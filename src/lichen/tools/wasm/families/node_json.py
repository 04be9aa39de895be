"""greentic:component/node@0.4.0 and 0.5.0: JSON texts in and out, the context beside them.

Source: greentic:component@0.4.0 and 0.5.0, interface node. A host may call `invoke` without `on-start`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.tools.wasm.documents.answers import COMPONENT_ERROR, answered, failure, halves
from lichen.tools.wasm.documents.contexts import exec_context, payload_json
from lichen.tools.wasm.documents.descriptions import described
from lichen.tools.wasm.documents.trees import items, refused, text_or_tree, tree
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation
from lichen.tools.wasm.values.canonical import Case

EVENTS_MAX: Final = 10_000


class NodeJson:
    """Implements `Family` for one of its versions."""

    def __init__(self, version: str) -> None:
        self.name: Final = f"node@{version}"
        self._interface: Final = f"greentic:component/node@{version}"

    def fits(self, exports: Exports) -> str | None:
        """The node, where it can be asked something."""
        offered = exports.interfaces.get(self._interface, ())
        return self._interface if {"invoke", "invoke-stream"} & set(offered) else None

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """What `get-manifest` says, where there is one."""
        offered = exports.interfaces[self._interface]
        if "get-manifest" not in offered:
            return Described("", members=offered)
        return described(tree(_text(instance.call(self._interface, "get-manifest")), "Its manifest"), members=offered)

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What `invoke` answers, or what the events of `invoke-stream` come to."""
        context, given = exec_context(asked.context), payload_json(asked)
        if not instance.has(self._interface, "invoke"):
            return _streamed(instance.call(self._interface, "invoke-stream", context, asked.operation, given))
        is_good, said = halves(instance.call(self._interface, "invoke", context, asked.operation, given))
        return answered(text_or_tree(_text(said))) if is_good else Answered(failure=failure(said, COMPONENT_ERROR))


def _streamed(events: Any) -> Answered:
    """The data of a stream as one list, a single piece as itself; an error ends it."""
    found: list[Any] = []
    for event in items(events):
        match event:
            case Case("data", payload):
                found.append(text_or_tree(_text(payload)))
            case Case("error", message):
                return Answered(found, failure(message, COMPONENT_ERROR))
            case Case("done"):
                break
            case _:
                continue
    return answered(found[0] if len(found) == 1 else found, _count(found))


def _count(found: list[Any]) -> Mapping[str, Any]:
    if len(found) > EVENTS_MAX:
        raise refused("Its answer", f"has more than {EVENTS_MAX} pieces")
    return {"pieces": len(found)}


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise refused("Its answer", "is no text")
    return said
