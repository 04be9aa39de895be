"""The families whose interfaces cross CBOR blobs: the runtime of 0.6.0 (`run`), and 0.6.1 (`invoke`).

Source: greentic:component@0.6.0, interfaces component-descriptor, -schema, -runtime, -qa and -i18n; 0.6.1, interfaces
descriptor, runtime, qa and component-i18n. Members are looked for; none is taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from msgspec.structs import replace

from lichen.tools.wasm.documents.answers import COMPONENT_ERROR, answered, document, failure, halves
from lichen.tools.wasm.documents.contexts import payload_of
from lichen.tools.wasm.documents.descriptions import described, operation
from lichen.tools.wasm.documents.trees import cbor, refused, table
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation

RUN: Final = "run"
_WHAT: Final = "Its description"
_NO_STATE: Final = cbor({})


class Blobs:
    """Implements `Family` for one version: where it describes itself, where it is asked, where else it can be."""

    def __init__(self, name: str, version: str, parts: tuple[str, ...]) -> None:
        self.name: Final = name
        described, runtime, *others = (f"greentic:component/{each}@{version}" for each in parts)
        self._descriptor: Final = described
        self._runtime: Final = runtime
        self._others: Final = others
        self._schemas: Final = f"greentic:component/component-schema@{version}"

    def fits(self, exports: Exports) -> str | None:
        """Where it is asked; else where it describes itself, which is all that some do."""
        for each in (self._runtime, self._descriptor):
            if exports.interfaces.get(each):
                return each
        return None

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """What it says of itself, with the schemas that stand beside where it has one operation."""
        members = self._members(exports)
        usual = (RUN,) if instance.has(self._runtime, RUN) else ()
        if not instance.has(self._descriptor, "describe"):
            return described({}, members=members, usual=usual)
        said = document(instance.call(self._descriptor, "describe"), _WHAT)
        found = described(said, members=members, usual=usual)
        if not found.name and instance.has(self._descriptor, "get-component-info"):
            info = described(document(instance.call(self._descriptor, "get-component-info"), _WHAT))
            found = replace(found, name=info.name, version=found.version or info.version)
        if [each.name for each in found.operations] == [RUN] and not found.operations[0].input_schema:
            found = replace(found, operations=(operation({"name": RUN, **self._schemas_of(instance)}),))
        return found

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What `invoke` answers, or `run`, which is told its operation in what it is given."""
        if instance.has(self._runtime, "invoke"):
            said = instance.call(self._runtime, "invoke", asked.operation, cbor(payload_of(asked)))
            return _answered(said)
        if not instance.has(self._runtime, RUN):
            raise refused("It", "describes itself, and can be asked nothing")
        ran = table(instance.call(self._runtime, RUN, cbor(_named(asked)), _NO_STATE))
        state = ran.get("new-state")
        told = {"new_state": document(state, "Its state")} if state and state != _NO_STATE else {}
        return _answered(ran.get("output"), told)

    def _schemas_of(self, instance: Instance) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for name, function in (("input_schema", "input-schema"), ("output_schema", "output-schema")):
            if instance.has(self._schemas, function):
                found[name] = document(instance.call(self._schemas, function), _WHAT)
        return found

    def _members(self, exports: Exports) -> tuple[str, ...]:
        where = (self._descriptor, self._runtime, *self._others)
        return tuple(name for each in where for name in exports.interfaces.get(each, ()))


def _answered(said: Any, told: Mapping[str, Any] | None = None) -> Answered:
    is_good, held = halves(said)
    if not is_good:
        return Answered(failure=failure(document(held) if isinstance(held, bytes) else held, COMPONENT_ERROR))
    return answered(document(held), told)


def _named(asked: Invocation) -> Any:
    given = payload_of(asked)
    if asked.operation == RUN or not isinstance(given, dict) or "operation" in given:
        return cast("Any", given)
    return {"operation": asked.operation, **cast("dict[str, Any]", given)}
