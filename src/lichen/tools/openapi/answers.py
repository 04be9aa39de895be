"""What an answer means: a result, a call that was not carried out, or one of which nobody knows.

A status of 4xx is the server's word that it did nothing. After 3xx and 5xx, and without an answer, that is sure only of
an operation that does nothing anyway. Source: RFC 9110, section 15; RFC 9457.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.call import RESULT_BYTES_MAX, Issue, NotDone
from lichen.tools.egress.reach import Response

DEPTH_MAX: Final = 64
TEXT_CHARS_MAX: Final = 2_000
LONG_BYTES: Final = 16 * 1024  # checked beside the loop
ACTED: Final[Mapping[str, Any]] = {"type": "object"}
_JSON: Final = re.compile(r"application/json|[a-z0-9.+-]+/[a-z0-9.+-]+\+json")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")


class Malformed(Exception):
    """The answer is not what the document promises."""


class InDoubt(Exception):
    """The server does not say whether it carried out the call."""


async def result_of(response: Response, schema: Mapping[str, Any] | None, *, acts: bool) -> bytes:
    """The result, as JSON. `schema` is what it has to fit, `acts` whether the operation changes anything.

    Raises NotDone, InDoubt, Malformed.
    """
    if not 200 <= response.status < 300:
        raise failure(response, acts=acts)
    found = _value(response)
    if found is None:
        if acts:  # it was carried out, whatever it says of it
            return msgspec.json.encode({"status": response.status})
        raise NotDone("The answer cannot be used.", code="answer_unreadable", retryable=False, recovery="replan")
    if schema is not None:
        await _check(schema, found)
    data = msgspec.json.encode(found)
    if len(data) > RESULT_BYTES_MAX:
        raise Malformed("The answer is longer than a result may be.")
    return data


def _value(response: Response) -> Any:
    """What stands in an answer; None where that cannot be used."""
    if response.body is None:
        return None
    if not response.body.strip():
        return {"status": response.status}
    if _JSON.fullmatch(response.media):
        try:
            value = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        return value if value is not None and not _is_too_deep(value) else None
    if response.media.startswith("text/"):
        try:
            return {"text": response.body.decode()}
        except UnicodeDecodeError:
            return None
    return None


async def _check(schema: Mapping[str, Any], value: Any) -> None:
    from lichen.tools.arguments import bounded  # no process needs it to start

    is_long = len(msgspec.json.encode(value)) > LONG_BYTES
    problem = await asyncio.to_thread(bounded.misfit, schema, value) if is_long else bounded.misfit(schema, value)
    if problem is not None:
        raise Malformed(f"{problem.place or '/'}: {problem.message}")


def failure(response: Response, *, acts: bool) -> Exception:
    """What a status that is no success means."""
    status, text = response.status, _text(response)
    if status >= 500 or status < 400:
        if acts:
            return InDoubt(f"The API answered with status {status}.")
        code = "api_failed" if status >= 500 else "api_redirects"
        return NotDone(f"Status {status}. {text}".strip(), code=code, retryable=status >= 500, recovery="replan")
    said = f"The API answered with status {status}. {text}".strip()
    match status:
        case 400 | 422:
            issue = Issue("", "invalid_format", said)
            return NotDone(said, code="invalid_call", retryable=False, issues=(issue,), recovery="correct_call")
        case 401 | 403 | 407:
            return NotDone(said, code="api_refuses", retryable=False, recovery="finish")
        case 404 | 410:
            return NotDone(said, code="not_found", retryable=False, recovery="replan")
        case 408 | 425 | 429:
            return NotDone(said, code="api_busy", recovery="replan")
        case 409 | 412 | 428:
            return NotDone(said, code="conflict", retryable=False, recovery="replan")
        case _:
            return NotDone(said, code="domain_rejection", retryable=False, recovery="replan")


def _text(response: Response) -> str:
    """What the API says went wrong, bounded; its own word for it where it says so in a way that is usual."""
    found = _value(response)
    if isinstance(found, dict):
        said = cast("dict[str, Any]", found)
        inner = said.get("error")
        holders = (said, cast("dict[str, Any]", inner)) if isinstance(inner, dict) else (said,)
        for holder in holders:
            for key in ("detail", "message", "error_description", "title", "text", "error"):
                if isinstance(text := holder.get(key), str) and text:
                    return _shown(text)
    return "" if found is None else _shown(msgspec.json.encode(found).decode())


def _shown(text: str) -> str:
    said = _UNPRINTABLE.sub(" ", text)
    return said if len(said) <= TEXT_CHARS_MAX else f"{said[:TEXT_CHARS_MAX]}…"


def _is_too_deep(value: Any) -> bool:
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > DEPTH_MAX:
            return True
        inner: Any = ()
        if isinstance(part, dict):
            inner = cast("dict[str, Any]", part).values()
        elif isinstance(part, list):
            inner = cast("list[Any]", part)
        waiting += [(each, depth + 1) for each in inner if isinstance(each, dict | list)]
    return False
