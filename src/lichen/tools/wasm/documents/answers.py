"""What came of a question, told from the tree of an answer or the error of an ABI.

`{ok: false, error}` is a failure, and so is `{error}` without a `result`. A text `outcome` and a `greentic_control`
are for the flow that asked: they stay in the payload, and stand in the metadata.

Source: greentic-runner, component.exec (result mapping).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.core.words.errors import Invalid
from lichen.tools.wasm.documents.trees import refused, table, tree
from lichen.tools.wasm.port import Answered, Reported
from lichen.tools.wasm.values.canonical import Case, Err, Ok

CODE_CHARS_MAX: Final = 128
MESSAGE_CHARS_MAX: Final = 4_000
BACKOFF_MS_MAX: Final = 86_400_000
MCP_TOOL_ERROR: Final = "MCP_TOOL_ERROR"
COMPONENT_ERROR: Final = "component_error"
_ACTIONS: Final = frozenset(("jump", "respond"))


def answered(said: Any, metadata: Mapping[str, Any] | None = None) -> Answered:
    """What a tree says, whether it is a failure, and what of it is meant for a flow."""
    fields, told = table(said), dict(metadata or {})
    if fields.get("ok") is False:
        return Answered(said, failure(fields.get("error", fields), COMPONENT_ERROR, said), told)
    error = fields.get("error")
    if error and "result" not in fields and (len(fields) == 1 or table(error).keys() & {"code", "message"}):
        return Answered(said, failure(error, MCP_TOOL_ERROR, said), told)
    if isinstance(outcome := fields.get("outcome"), str) and 0 < len(outcome) <= CODE_CHARS_MAX:
        told["outcome"] = outcome
    if isinstance(table(fields.get("elicitation")).get("message"), str):  # as the adapter of a router says it
        told["elicit"] = table(fields["elicitation"])
    control = table(fields.get("greentic_control"))
    if control.get("v") == 1 and control.get("action") in _ACTIONS:
        told["greentic_control"] = control
    return Answered(said, None, told)


def failure(said: Any, usual: str, details: Any = None) -> Reported:
    """The failure that an error is: a text, a node-error, or an object with a code and a message."""
    fields = table(said)
    code, message = fields.get("code", fields.get("kind")), fields.get("message", said)
    backoff = fields.get("backoff-ms", fields.get("backoff_ms"))
    is_wait = isinstance(backoff, int) and not isinstance(backoff, bool) and backoff >= 0
    return Reported(
        code=code[:CODE_CHARS_MAX] if isinstance(code, str) and code else usual,
        message=message[:MESSAGE_CHARS_MAX] if isinstance(message, str) else "",
        retryable=fields.get("retryable") is True,
        backoff_ms=min(backoff, BACKOFF_MS_MAX) if is_wait else None,
        details=_details(fields["details"]) if fields.get("details") is not None else details,
    )


def halves(said: Any) -> tuple[bool, Any]:
    """Whether a `result`, or a variant of `ok` and `err`, is the good half, and what it holds; all else is good."""
    match said:
        case Ok(value):
            return True, value
        case Err(value):
            return False, value
        case Case("ok" | "err" as tag, payload):
            return tag == "ok", payload
        case _:
            return True, said


def document(said: Any, what: str = "Its answer") -> Any:
    """The tree of an answer that is bytes or a text. Raises Invalid (`component_invalid`)."""
    if not isinstance(said, str | bytes):
        raise refused(what, "is neither a text nor bytes")
    return tree(said, what) if said else None


def _details(said: Any) -> Any:
    try:
        return document(said) if isinstance(said, str | bytes) else said
    except Invalid:
        return said if isinstance(said, str) else None
