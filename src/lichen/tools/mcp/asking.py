"""What a server asks for before it goes on, as a question of the run's; and what was said to it, as the server is told.

The question is the server's, and says so. What is secret is not asked for in a form: whoever types a password there has
given it to a stranger. An address is shown, and never opened by us.

Source: Model Context Protocol, revisions 2025-11-25 and 2026-07-28, elicitation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from lichen.core.ports.call import GivenAnswer, NeedsAnswer, NotDone
from lichen.core.remote.server import Server
from lichen.tools.arguments.schema import flaw

if TYPE_CHECKING:
    from mcp.types import ElicitRequestParams, ElicitResult

FIELDS_MAX: Final = 20
SCHEMA_BYTES_MAX: Final = 16 * 1024
MESSAGE_CHARS_MAX: Final = 1_500
URL_CHARS_MAX: Final = 2_000
DONE: Final = "done"
SECRET: Final = re.compile(
    r"pass\W?(word|phrase|code|wort)|passwd|secret|api\W?_?key|private\W?_?key|credential|access\W?_?token|auth\W?_?token|"
    r"bearer|\botp\b|one.?time.?(code|pass)|\bpin\b|\bcvv|\bcvc|credit.?card|card.?number|social.?security|\bssn\b|"
    r"kennwort|geheim|kreditkarte",
    re.IGNORECASE,
)
_TYPES: Final = ("string", "number", "integer", "boolean", "array")


def question_of(server: Server, params: ElicitRequestParams, *, state: bytes, goes_on: bool) -> NeedsAnswer:
    """The question as the run asks it. Raises NotDone for what is not asked here."""
    if params.mode not in server.asks:
        raise _refused("asks_not_allowed", f"The server asks by {params.mode}, which lichen.toml does not let it.")
    if params.mode == "url":
        text, schema = _address(params.message, params.url)
    else:
        schema = _form(params.requested_schema)
        text = _shown(params.message, schema)
    return NeedsAnswer(text, schema, state=state, asker=server.name, goes_on=goes_on)


def result_of(answer: GivenAnswer, params: ElicitRequestParams) -> ElicitResult:
    """What the server is told. Of a form it hears the fields that it named, each of which fits."""
    from mcp.types import ElicitResult

    match answer.outcome:
        case "declined":
            return ElicitResult(action="decline")
        case "expired":
            return ElicitResult(action="cancel")
        case "answered":
            said: dict[str, Any] = msgspec.json.decode(answer.data)
            if params.mode == "url":
                return ElicitResult(action="accept" if said.get(DONE) is True else "decline")
            return ElicitResult(action="accept", content=_with_defaults(params.requested_schema, said))


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


def _with_defaults(said: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = said.get("properties", {})
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    return {**defaults, **{name: value for name, value in given.items() if name in fields}}


def _shown(message: str, schema: Mapping[str, Any]) -> str:
    """The server's words, and the fields where there are several."""
    fields: Mapping[str, Mapping[str, Any]] = schema["properties"]
    text = _cut(message)
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


def _address(message: str, url: str) -> tuple[str, Mapping[str, Any]]:
    """An address that somebody may open themselves. Its host is said apart, so that a long one hides nothing."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise _refused("question_invalid", "The server asks to open an address that is not https.")
    if len(url) > URL_CHARS_MAX or not parts.hostname or parts.username is not None or not url.isascii():
        raise _refused("question_invalid", "The server asks to open an address that could be taken for another one.")
    text = f"{_cut(message)}\n{url}\n({parts.hostname})"
    return text, {"type": "object", "properties": {DONE: {"type": "boolean"}}, "required": [DONE]}


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARS_MAX else f"{message[:MESSAGE_CHARS_MAX]}…"


def _refused(code: str, message: str) -> NotDone:
    return NotDone(message, code=code, retryable=False, recovery="replan")
