"""What went wrong at a server, as a tool says it: what certainly was not done, and what nobody knows.

An error that the server answered is an answer: the call was not carried out. A connection that broke after a call was
sent says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lichen.core.ports.call import Issue, NotDone
from lichen.core.words.errors import LichenError, Unavailable

if TYPE_CHECKING:
    from mcp import MCPError

METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
CONNECTION_CLOSED: Final = -32000
REQUEST_TIMEOUT: Final = -32001
TEXT_CHARS_MAX: Final = 2_000
SCHEMA_CHARS_MAX: Final = 8_000  # a larger one is told with the tool alone


class ServerGone(Exception):
    """The connection broke while a call was under way: what became of it is not known."""


def not_done(error: MCPError, *, example: str, schema: str = "") -> NotDone:
    """The server refused the call. Of arguments it does not take, an example and their schema say what it would."""
    text = shown(error.message)
    match error.code:
        case code if code == INVALID_PARAMS:
            told = f"The server says: {text} Arguments that fit its schema: {example}"
            told += f" The schema: {schema}" if 0 < len(schema) <= SCHEMA_CHARS_MAX else ""
            issue = Issue("", "invalid_format", told)
            return NotDone(text, code="invalid_call", retryable=False, issues=(issue,), recovery="correct_call")
        case code if code == METHOD_NOT_FOUND:
            return NotDone(text, code="invalid_call", retryable=False, recovery="replan")
        case _:
            return NotDone(text, code="server_error", retryable=False, recovery="finish")


def unavailable(server: str, why: str) -> NotDone:
    """The server could not be reached, so nothing was asked of it."""
    return NotDone(f"The server {server} cannot be reached: {why}", code="unavailable", recovery="replan")


UNASKED: Final = frozenset(("credential_refused", "delegation_refused", "server_unproved", "sign_in_needed"))


def unasked(error: LichenError) -> NotDone | None:
    """Nothing was asked of the server, for we are nobody there, or it is not whom we mean; None for any other error."""
    if error.code not in UNASKED:
        return None
    told = f"{error.message} Nothing was asked of it. {error.next_step}"
    return NotDone(shown(told), code=error.code, retryable=False, recovery="finish")


def lease_lost(server: str, why: str) -> Unavailable:
    """Whoever executed the call does not answer for it any more: what came of it is asked of them by its id."""
    step = f"Look at the registry {server}; the call is not made again by itself."
    return Unavailable(f"Whoever held the call is gone: {shown(why)}", code="lease_lost", place=server, next_step=step)


def refused(text: str) -> NotDone:
    """The tool itself says that it did not do it."""
    return NotDone(shown(text), code="domain_rejection", retryable=False, recovery="replan")


def shown(text: str) -> str:
    """As much of a stranger's words as is shown."""
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}…"
