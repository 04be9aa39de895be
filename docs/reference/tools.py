"""What `@tool` takes, and what a tool is told about its call."""

from __future__ import annotations

import inspect
import re
import typing

import msgspec

from docs.reference.markdown import code, prose, table
from lichen.core.ports.call import CallMeta
from lichen.tools.python import tool as read

_ITEM = re.compile(r"^- ((?:`\w+`(?:, )?)+): (.*?)(?=^- |\Z|\n\n)", re.MULTILINE | re.DOTALL)

CALL: dict[str, str] = {
    "scope": "Tenant and environment.",
    "actor": "The agent; the person it acts for is `actor.subject`.",
    "run": "The run.",
    "call": "The call in it.",
    "session": "The conversation, if there is one.",
    "idempotency_key": "The same on every attempt: hand it to the other system.",
    "attempt": "Which attempt this is, from 1.",
    "timeout_s": "What is left for this attempt.",
    "attributes": "What the run was begun with: `home` is the data directory, `language` the customer's.",
    "turn": "The turn of the conversation.",
    "secrets": "Those that the function asks for, by name; a parameter takes one more plainly.",
    "answer": "What came of the question that the tool asked with `NeedsAnswer`.",
    "beside": "Where it runs in the loop: `ask(model, request)` asks a model, `tell(done, total)` says how far it is.",
    "subject": "Whose words the run holds, as a pseudonym; empty where it holds nobody's.",
    "language": "The conversation's language; empty for the tenant's own.",
    "label": "Of what the run has read: its `sources`, and in `is_tainted` whether a stranger's words are among it.",
}


def options() -> str:
    """What `@tool` takes, from its signature and its docstring."""
    signature = inspect.signature(typing.get_overloads(read.tool)[1])
    said = {name: _text(text) for names, text in _ITEM.findall(prose(read.tool)) for name in re.findall(r"\w+", names)}
    if missing := set(signature.parameters) ^ set(said):
        raise ValueError(f"the docstring of tool says nothing of {missing}")
    lines = ((code(name), _default(p.default), said[name]) for name, p in signature.parameters.items())
    return table(("option", "default", "what it says"), lines)


def call() -> str:
    """What a keyword-only parameter annotated `CallMeta` holds."""
    fields = [field.name for field in msgspec.structs.fields(CallMeta)]
    if set(fields) != set(CALL):
        raise ValueError(f"say what {set(fields) ^ set(CALL)} of CallMeta means in docs/reference/tools.py")
    return table(("field", "what it says"), ((code(name), CALL[name]) for name in fields))


def _default(value: object) -> str:
    return code(repr(value)) if isinstance(value, (str, int, float)) else ""


def _text(text: str) -> str:
    return " ".join(text.split())
