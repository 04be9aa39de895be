"""Lines for people about a call: the templates of its tool, filled in with its arguments and its result."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.speech.template import Reference, Template, parse, pick
from lichen.core.words.errors import LichenError
from lichen.engine.act import CallAct
from lichen.engine.brief.evidence import evidence_of
from lichen.gate.label.labels import arguments_of, endorse

HINT_CHARS_MAX: Final = 240
VALUE_CHARS_MAX: Final = 80  # of an argument in a line for customers
CUSTOMER: Final = "customer:"


def call_hint(spec: ToolSpec, arguments: Mapping[str, Any]) -> bytes:
    """What people are told of a call that begins, empty where its tool has no words for it."""
    return _filled(spec.call_hint, arguments) if spec.call_hint else b""


def customer_hint(act: CallAct) -> str:
    """What the customer is told of their call while it is made. Empty where its tool has no words for it, or they name
    an argument that the customer did not say: they may not be one for them to see."""
    spec, arguments = act.tool.spec, act.arguments.fields
    names = {reference.name for reference in _template(spec.call_hint).references}
    if names:
        own = [said for said in evidence_of(act) if said.source == f"{CUSTOMER}{act.subject}"]
        declared = arguments_of(spec.input_schema)
        said = endorse(declared, {name: arguments[name] for name in names if name in arguments}, own).endorsed
        if not all(said.get(name, False) for name in names):
            return ""

    def lookup(reference: Reference) -> object:
        value = pick(arguments, (reference.name, *reference.path))
        return _one_line(value) if isinstance(value, str) else value

    return (_template(spec.call_hint).render(lookup) or "")[:HINT_CHARS_MAX]


def _one_line(text: str) -> str:
    """Words as they may stand inside a line: nothing in them breaks it, turns it around or makes it long."""
    plain = "".join(char if unicodedata.category(char)[0] not in "CZ" else " " for char in text)
    words = " ".join(plain.split())
    return words if len(words) <= VALUE_CHARS_MAX else f"{words[: VALUE_CHARS_MAX - 1]}…"


def result_hint(act: CallAct, result: bytes) -> bytes:
    """What people are told of a call that ended well, empty where its tool has no words for it."""
    try:
        spec, arguments = act.tool.spec, act.arguments.fields
    except LichenError:  # its tool is gone, or its words are
        return b""
    if not spec.result_hint:
        return b""
    return _filled(spec.result_hint, {**arguments, "result": msgspec.json.decode(result)})


def _filled(text: str, values: Mapping[str, Any]) -> bytes:
    def lookup(reference: Reference) -> object:
        return pick(values, (reference.name, *reference.path))

    return (_template(text).render(lookup) or "")[:HINT_CHARS_MAX].encode()


@lru_cache(256)
def _template(text: str) -> Template:
    return parse(text)
