"""A form in which a stranger asks somebody something: as a question of a run's, and what was said to it.

What is secret is not asked for in a form: whoever types a password there has given it to a stranger.

Source: Model Context Protocol, revisions 2025-11-25 and 2026-07-28, elicitation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.call import NeedsAnswer, NotDone
from lichen.tools.arguments.schema import flaw

FIELDS_MAX: Final = 20
SCHEMA_BYTES_MAX: Final = 16 * 1024
MESSAGE_CHARS_MAX: Final = 1_500
SECRET: Final = re.compile(
    r"pass\W?(word|phrase|code|wort)|passwd|secret|api\W?_?key|private\W?_?key|credential|access\W?_?token|auth\W?_?token|"
    r"bearer|\botp\b|one.?time.?(code|pass)|\bpin\b|\bcvv|\bcvc|credit.?card|card.?number|social.?security|\bssn\b|"
    r"kennwort|geheim|kreditkarte",
    re.IGNORECASE,
)
_TYPES: Final = ("string", "number", "integer", "boolean", "array")


def form_question(
    asker: str, message: str, schema: Mapping[str, Any], *, state: bytes, goes_on: bool = False
) -> NeedsAnswer:
    """The question of a form as the run asks it. Raises NotDone for what is not asked here."""
    form = _form(schema)
    return NeedsAnswer(_shown(message, form), form, state=state, asker=asker, goes_on=goes_on)


def _form(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a form: an object of plain fields, none of which is for a secret."""
    fields = cast("dict[str, Any]", said.get("properties")) if isinstance(said.get("properties"), dict) else {}
    if said.get("type") != "object" or not 0 < len(fields) <= FIELDS_MAX:
        raise _refused("question_invalid", "The server asks with a form that is none.")
    for name, field in fields.items():
        if not isinstance(field, dict) or cast("dict[str, Any]", field).get("type") not in _TYPES:
            raise _refused("question_invalid", "The server asks with a form of more than plain fields.")
        told = cast("dict[str, Any]", field)
        words = " ".join(str(each) for each in (name, told.get("title", ""), told.get("description", "")))
        if SECRET.search(words) or told.get("format") == "password":
            raise _refused("asks_for_secret", "The server asks for a secret in a form, which is not put to anybody.")
    schema = {"type": "object", "properties": fields, "required": _required(said, fields)}
    if len(msgspec.json.encode(schema)) > SCHEMA_BYTES_MAX or flaw(schema) is not None:
        raise _refused("question_invalid", "The server asks with a form that cannot be checked.")
    return schema


def _required(said: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    """The fields without which there is no answer; one with a default may be left out."""
    named: Any = said.get("required") or []
    names = cast("list[Any]", named) if isinstance(named, list) else []
    return [name for name in names if name in fields and "default" not in fields[name]]


def filled(said: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was said to a form, of the fields that it named, and the defaults of the others."""
    fields: dict[str, Any] = said.get("properties", {})
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    return {**defaults, **{name: value for name, value in given.items() if name in fields}}


def _shown(message: str, schema: Mapping[str, Any]) -> str:
    """The server's words, and the fields where there are several."""
    fields: Mapping[str, Mapping[str, Any]] = schema["properties"]
    text = shortened(message)
    if SECRET.search(text):
        raise _refused("asks_for_secret", "The server asks for a secret in a form, which is not put to anybody.")
    if len(fields) == 1:
        return text
    return "\n".join((text, *(_line(name, field) for name, field in fields.items())))


def _line(name: str, field: Mapping[str, Any]) -> str:
    title, about = str(field.get("title") or name)[:80], str(field.get("description") or "")[:160]
    options: Any = field.get("enum")
    choices = f" ({', '.join(map(str, cast('list[Any]', options)[:20]))[:200]})" if isinstance(options, list) else ""
    return f"{title}: {about}{choices}".rstrip().rstrip(":") + ("" if about or choices else ":")


def shortened(message: str) -> str:
    """As much of a stranger's words as is shown."""
    return message if len(message) <= MESSAGE_CHARS_MAX else f"{message[:MESSAGE_CHARS_MAX]}…"


def _refused(code: str, message: str) -> NotDone:
    return NotDone(message, code=code, retryable=False, recovery="replan")
