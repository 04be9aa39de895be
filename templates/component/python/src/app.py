"""Keeps totals by name: `add` adds to one, `total` reads one."""

import json
import re

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.node import (
    ExecCtx,
    InvokeResult,
    InvokeResult_Err,
    InvokeResult_Ok,
    LifecycleStatus,
    NodeError,
    StreamEvent,
    StreamEvent_Data,
    StreamEvent_Done,
    StreamEvent_Error,
)
from wit_world.imports import state_store

NAME = re.compile(r"[a-z0-9-]{1,64}")
STEP_MAX = 1_000  # what may be added at once, where the configuration does not say it


class Failed(Exception):
    """A failure with a code that flows can route by."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def add(given: dict) -> dict:
    """Adds `amount`, which is 1 where it is not said, and tells the new total."""
    name, amount = name_of(given), given.get("amount", 1)
    step_max = (given.get("config") or {}).get("step_max", STEP_MAX)
    if not is_whole(amount) or amount < 1:
        raise Failed("input_invalid", "`amount` has to be a whole number from 1.")
    amount = int(amount)
    if amount > step_max:
        raise Failed("amount_too_large", f"At most {step_max} may be added at once.")
    total = kept(name) + amount
    keep(name, total)
    return {"name": name, "total": total}


def total(given: dict) -> dict:
    """Tells a total; one that nothing was added to is 0."""
    name = name_of(given)
    return {"name": name, "total": kept(name)}


OPERATIONS = {"add": add, "total": total}


def name_of(given: dict) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Failed("input_invalid", "`name` has to be 1 to 64 of a-z, 0-9 and -.")
    return name


def is_whole(value: object) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def kept(name: str) -> int:
    try:
        return int(state_store.read(name))  # what is kept is digits
    except Err as error:
        if error.value.code == "not-found":
            return 0
        raise Failed("state_unavailable", error.value.message) from None


def keep(name: str, total: int) -> None:
    try:
        state_store.write(name, str(total).encode())
    except Err as error:
        raise Failed("state_unavailable", error.value.message) from None


def answer(op: str, text: str) -> str:
    """The JSON that an operation answers. Raises Failed."""
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Failed("input_invalid", "It has to be asked with a JSON object.")
    if op not in OPERATIONS:
        raise Failed("operation_unknown", "There are `add` and `total`.")
    return json.dumps(OPERATIONS[op](given), separators=(",", ":"))


class Node(exports.Node):
    """What wit/component.wit wants of this component."""

    def get_manifest(self) -> str:
        operations = [{"name": name} for name in OPERATIONS]
        return json.dumps({"id": "{name}", "version": "0.1.0", "operations": operations})

    def on_start(self, ctx: ExecCtx) -> LifecycleStatus:
        return LifecycleStatus.OK

    def on_stop(self, ctx: ExecCtx, reason: str) -> LifecycleStatus:
        return LifecycleStatus.OK

    def invoke(self, ctx: ExecCtx, op: str, input: str) -> InvokeResult:
        try:
            return InvokeResult_Ok(answer(op, input))
        except Failed as failed:
            return InvokeResult_Err(NodeError(failed.code, str(failed), False, None, None))

    def invoke_stream(self, ctx: ExecCtx, op: str, input: str) -> list[StreamEvent]:
        try:
            return [StreamEvent_Data(answer(op, input)), StreamEvent_Done()]
        except Failed as failed:
            return [StreamEvent_Error(str(failed))]
