"""Functions that stand in no interface, and commands: each is an operation of its name.

Source: the `run`, `tool-invoke` and `emit`, `validate`, `example-answers` of components in use; wasi:cli/run@0.2.
"""

from __future__ import annotations

from typing import Any, Final

from lichen.core.components.manifest import ANYTHING, Operation
from lichen.core.words.errors import Invalid
from lichen.tools.wasm.documents.answers import COMPONENT_ERROR, answered, document, failure, halves
from lichen.tools.wasm.documents.contexts import payload_json
from lichen.tools.wasm.documents.trees import json, refused, table, text_or_tree
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation, Trapped

BARE: Final = ""
COMMAND: Final = "wasi:cli/run@0.2."
_KNOWN: Final = ("run", "tool-invoke", "emit", "validate", "example-answers")


class Bare:
    """Implements `Family` for functions of no interface; a command is asked by `wasi:cli/run`."""

    name = "bare"

    def fits(self, exports: Exports) -> str | None:
        """The first that is known, or the command."""
        offered = exports.interfaces.get(BARE, ())
        found = next((each for each in _KNOWN if each in offered), None)
        return found or next((each for each in exports.interfaces if each.startswith(COMMAND)), None)

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """Its functions: they say nothing of themselves."""
        found = [each for each in _KNOWN if instance.has(BARE, each)]
        if any(each.startswith(COMMAND) for each in exports.interfaces) and "run" not in found:
            found.append("run")
        return Described("", operations=tuple(Operation(each, ANYTHING) for each in found), members=tuple(found))

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What the function answers to what it takes: nothing, a text of JSON, or its operation and that."""
        if asked.operation not in _KNOWN:
            raise refused("It", "has no such function")
        if not instance.has(BARE, asked.operation):
            return _commanded(instance, exports)
        is_good, said = halves(instance.call(BARE, asked.operation, *_arguments(asked, exports)))
        return answered(_told(said)) if is_good else Answered(failure=failure(_told(said), COMPONENT_ERROR))


def _arguments(asked: Invocation, exports: Exports) -> tuple[str, ...]:
    """As many texts as the function takes: none, what it is asked, or the name of a tool before that."""
    match exports.takes(BARE, asked.operation):
        case 0:
            return ()
        case 1:
            return (payload_json(asked),)
        case 2:
            given = table(asked.payload)
            return str(given.get("tool", given.get("operation", ""))), json(given.get("arguments", given))
        case _:
            raise refused("It", f"takes more in `{asked.operation}` than anybody has said")


def _commanded(instance: Instance, exports: Exports) -> Answered:
    """What a command comes to: it takes nothing, and writes what it has to say to the log of the call."""
    where = next((each for each in exports.interfaces if each.startswith(COMMAND)), None)
    if where is None:
        raise refused("It", "has no such function")
    try:
        is_good, _ = halves(instance.call(where, "run"))
    except Trapped as trapped:
        if trapped.kind != "exit":
            raise
        is_good = trapped.detail == "status 0"
    return Answered({"ok": True}) if is_good else Answered(failure=failure("The command failed.", COMPONENT_ERROR))


def _told(said: Any) -> Any:
    if isinstance(said, str):
        return text_or_tree(said)
    if not isinstance(said, bytes):
        return said
    try:
        return document(said)
    except Invalid:
        return said.decode(errors="replace")
