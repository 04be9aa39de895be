"""What a server asks for before it goes on, as a question of the run's; and what was said to it, as the server is told.

The question is the server's, and says so. What is secret is not asked for in a form: whoever types a password there has
given it to a stranger. An address is shown, and never opened by us.

Source: Model Context Protocol, revisions 2025-11-25 and 2026-07-28, elicitation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from lichen.core.ports.call import GivenAnswer, NeedsAnswer, NotDone
from lichen.core.remote.server import Server
from lichen.tools.arguments.forms import filled, form_question, shortened

if TYPE_CHECKING:
    from mcp.types import ElicitRequestParams, ElicitResult

URL_CHARS_MAX: Final = 2_000
DONE: Final = "done"


def question_of(server: Server, params: ElicitRequestParams, *, state: bytes, goes_on: bool) -> NeedsAnswer:
    """The question as the run asks it. Raises NotDone for what is not asked here."""
    if params.mode not in server.asks:
        raise _refused("asks_not_allowed", f"The server asks by {params.mode}, which lichen.toml does not let it.")
    if params.mode == "url":
        text, schema = _address(params.message, params.url)
        return NeedsAnswer(text, schema, state=state, asker=server.name, goes_on=goes_on)
    return form_question(server.name, params.message, params.requested_schema, state=state, goes_on=goes_on)


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
            return ElicitResult(action="accept", content=filled(params.requested_schema, said))


def _address(message: str, url: str) -> tuple[str, Mapping[str, Any]]:
    """An address that somebody may open themselves. Its host is said apart, so that a long one hides nothing."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise _refused("question_invalid", "The server asks to open an address that is not https.")
    if len(url) > URL_CHARS_MAX or not parts.hostname or parts.username is not None or not url.isascii():
        raise _refused("question_invalid", "The server asks to open an address that could be taken for another one.")
    text = f"{shortened(message)}\n{url}\n({parts.hostname})"
    return text, {"type": "object", "properties": {DONE: {"type": "boolean"}}, "required": [DONE]}


def _refused(code: str, message: str) -> NotDone:
    return NotDone(message, code=code, retryable=False, recovery="replan")
