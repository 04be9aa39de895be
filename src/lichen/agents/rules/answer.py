"""What a person answered to a question, as words."""

from __future__ import annotations

from typing import Any, cast

import msgspec

_BODY = msgspec.json.Decoder()


def answer_text(body: bytes) -> str:
    """The words of a wait's answer: of a JSON string itself, of an object its `text` or `answer`, else the JSON."""
    try:
        value: Any = _BODY.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        value = fields.get("text", fields.get("answer"))
    return value if isinstance(value, str) else body.decode("utf-8", "replace")
