"""Tells when the shop is open: on the day that is asked for, else all of them."""

import json
import re

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

HOURS = {0: (9, 18), 1: (9, 18), 2: (9, 18), 3: (9, 20), 4: (9, 18), 5: (10, 16)}
DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
}
OPEN = {
    "en": "On {day} we are open from {begin} to {end}.",
    "de": "Am {day} haben wir von {begin} bis {end} Uhr geöffnet.",
}
SHUT = {"en": "On {day} we are closed.", "de": "Am {day} haben wir geschlossen."}
ALL = {
    "en": "We are open from 9 to 18, on Thursday to 20, on Saturday from 10 to 16, and closed on Sunday.",
    "de": "Wir haben von 9 bis 18 Uhr geöffnet, am Donnerstag bis 20, am Samstag von 10 bis 16, am Sonntag nicht.",
}


class Failed(Exception):
    """A failure with a code that flows can route by."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def tell(given: dict) -> dict:
    """A sentence about the day that `text` names, in `language`; English for a language that has none."""
    text = given.get("text")
    if not isinstance(text, str):
        raise Failed("input_invalid", "`text` has to be a text.")
    language = given.get("language") if given.get("language") in DAYS else "en"
    day = day_in(text)
    if day is None:
        return {"text": ALL[language]}
    name = DAYS[language][day]
    if day not in HOURS:
        return {"text": SHUT[language].format(day=name)}
    begin, end = HOURS[day]
    return {"text": OPEN[language].format(day=name, begin=begin, end=end)}


def day_in(text: str) -> int | None:
    """The number of the first day of the week that a text names, in any language."""
    words = re.findall(r"\w+", text.lower())
    known = {name.lower(): day for names in DAYS.values() for day, name in enumerate(names)}
    return next((known[word] for word in words if word in known), None)


OPERATIONS = {"tell": tell}


def answer(op: str, text: str) -> str:
    """The JSON that an operation answers. Raises Failed."""
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Failed("input_invalid", "It has to be asked with a JSON object.")
    if op not in OPERATIONS:
        raise Failed("operation_unknown", "There is `tell`.")
    return json.dumps(OPERATIONS[op](given), separators=(",", ":"))


class Node(exports.Node):
    """What wit/component.wit wants of this component."""

    def get_manifest(self) -> str:
        operations = [{"name": name} for name in OPERATIONS]
        return json.dumps({"id": "shop.hours", "version": "1.0.0", "operations": operations})

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
