"""greentic:component/node@0.6.0: CBOR in an envelope. Some export only `invoke`; some describe themselves elsewhere.

Source: greentic:component@0.6.0, interfaces node and component-descriptor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.core.words.errors import Invalid
from lichen.tools.wasm.documents.answers import COMPONENT_ERROR, answered, document, failure, halves
from lichen.tools.wasm.documents.contexts import STEP, payload_of, tenant_context
from lichen.tools.wasm.documents.descriptions import described
from lichen.tools.wasm.documents.trees import cbor, items, refused, table, tree
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation
from lichen.tools.wasm.values.canonical import Case

NODE: Final = "greentic:component/node@0.6.0"
DESCRIPTOR: Final = "greentic:component/component-descriptor@0.6.0"


class NodeCbor:
    """Implements `Family`."""

    name = "node@0.6.0"

    def fits(self, exports: Exports) -> str | None:
        """The node, where it can be asked something."""
        return NODE if "invoke" in exports.interfaces.get(NODE, ()) else None

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """What it says as a record, or as CBOR of the descriptor beside it; nothing where it does neither."""
        members = exports.interfaces[NODE]
        if instance.has(NODE, "describe"):
            return described(_typed(instance.call(NODE, "describe")), members=members)
        if instance.has(DESCRIPTOR, "describe"):
            said = document(instance.call(DESCRIPTOR, "describe"), "Its description")
            return described(said, members=(*members, *exports.interfaces[DESCRIPTOR]))
        return Described("", members=members)

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What `invoke` answers."""
        is_good, said = halves(instance.call(NODE, "invoke", asked.operation, _envelope(asked)))
        if not is_good:
            return Answered(failure=failure(said, COMPONENT_ERROR))
        fields = table(said)
        output, told = document(fields.get("output-cbor", b"")), _told(fields.get("output-metadata-cbor"))
        if fields.get("ok") is not False:
            return answered(output, told)
        found = answered(output, told)
        return (
            found if found.failure else Answered(output, failure(table(output).get("error", output), COMPONENT_ERROR))
        )


def _envelope(asked: Invocation) -> Mapping[str, Any]:
    context = asked.context
    return {
        "ctx": tenant_context(context),
        "flow-id": context.flow,
        "step-id": context.node or STEP,
        "component-id": str(asked.metadata.get("component", "")),
        "attempt": context.attempt,
        "payload-cbor": cbor(payload_of(asked)),
        "metadata-cbor": cbor(dict(asked.metadata)) if asked.metadata else None,
    }


def _told(said: Any) -> Mapping[str, Any]:
    """What it says beside its answer; what cannot be read is left out, for the answer stands without it."""
    try:
        return table(document(said)) if isinstance(said, bytes) else {}
    except Invalid:
        return {}


def _typed(said: Any) -> Mapping[str, Any]:
    """The record of a description as the tree that others send."""
    fields = table(said)
    if not isinstance(fields.get("ops"), list):
        raise refused("Its description", "has no operations")
    return {
        "name": fields.get("name"),
        "version": fields.get("version"),
        "summary": fields.get("summary"),
        "host_capabilities": fields.get("capabilities"),
        "operations": [_operation(table(each)) for each in items(fields["ops"])],
    }


def _operation(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "name": fields.get("name"),
        "summary": fields.get("summary") or "",
        "input_schema": _schema(table(fields.get("input"))),
        "output_schema": _schema(table(fields.get("output"))),
    }


def _schema(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that stands in the description itself; one that stands elsewhere is not fetched."""
    match fields.get("schema"):
        case Case("inline-cbor", bytes(inline)):
            return table(tree(inline, "Its description"))
        case _:
            return {}
