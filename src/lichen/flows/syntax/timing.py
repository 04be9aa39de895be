"""When a node is done at all, how long it may take, and how often it is tried: `when`, `timeout`, `retry`.

greentic-flow accepts these keys as any object and does nothing with them. Here they are executed, so they have shapes:

    when: response.total > 50                  or  {condition: ...}
    timeout: 2.5                               seconds, or {seconds: 2.5} or {ms: 2500}
    retry: {attempts: 3, backoff_ms: 200, on: [unavailable]}

`max_attempts` is another word for `attempts` (all tries, the first among them), `backoff_s` is `backoff_ms` in
seconds, and `on` may be one code. A shape that is none of these is refused: a guard that is not understood must not
be ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.flows.ir import NodeRetry
from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report

ATTEMPTS_MAX: Final = 20
BACKOFF_S_MAX: Final = 3_600.0
TIMEOUT_S_MAX: Final = 86_400.0

_RETRY_KEYS: Final = frozenset(("attempts", "max_attempts", "backoff_ms", "backoff_s", "on"))


def when_of(node_id: str, value: Any, document: Document, report: Report) -> str | None:
    """The condition under which a node does anything, None for always."""
    if value is None:
        return None
    if isinstance(value, dict) and list(known := cast(dict[str, Any], value)) == ["condition"]:
        value = known["condition"]
    if isinstance(value, str) and value.strip():
        return value
    message = f"`when` of node {node_id!r} is no condition."
    step = "Write `when: response.total > 50`, or {condition: ...}."
    report.error("Schema", "when_invalid", message, at=document.at("nodes", node_id, "when"), next_step=step)
    return None


def timeout_of(node_id: str, value: Any, document: Document, report: Report) -> float | None:
    """How long a node may take, in seconds."""
    if value is None:
        return None
    if isinstance(value, dict):
        known = cast(dict[str, Any], value)
        value = (
            _milliseconds(known["ms"]) if list(known) == ["ms"] else known.get("seconds") if len(known) == 1 else None
        )
    seconds = _number(value)
    if seconds is not None and 0 < seconds <= TIMEOUT_S_MAX:
        return seconds
    message = f"`timeout` of node {node_id!r} is no time between 0 and {TIMEOUT_S_MAX:.0f} seconds."
    step = "Write seconds, or {seconds: 2.5} or {ms: 2500}."
    report.error("Schema", "timeout_invalid", message, at=document.at("nodes", node_id, "timeout"), next_step=step)
    return None


def retry_of(node_id: str, value: Any, document: Document, report: Report) -> NodeRetry:
    """How often a node is tried, once when nothing is said."""
    if value is None:
        return NodeRetry()
    found = _retry(cast(Mapping[str, Any], value))
    if found is not None:
        return found
    message = f"`retry` of node {node_id!r} cannot be read: 1 to {ATTEMPTS_MAX} attempts, at most an hour between them."
    step = "Write {attempts: 3, backoff_ms: 200, on: [unavailable]}."
    report.error("Schema", "retry_invalid", message, at=document.at("nodes", node_id, "retry"), next_step=step)
    return NodeRetry()


def _retry(value: Mapping[str, Any]) -> NodeRetry | None:
    attempts = value.get("attempts", value.get("max_attempts"))
    backoff_s = _milliseconds(value["backoff_ms"]) if "backoff_ms" in value else value.get("backoff_s", 0.1)
    on: Any = value.get("on", [])
    codes: Any = [on] if isinstance(on, str) else on
    pause = _number(backoff_s)
    readable = (
        set(value) <= _RETRY_KEYS
        and isinstance(codes, list)
        and all(isinstance(code, str) for code in cast(list[Any], codes))
    )
    counted = isinstance(attempts, int) and not isinstance(attempts, bool) and 1 <= attempts <= ATTEMPTS_MAX
    if not (readable and counted) or pause is None or not 0 <= pause <= BACKOFF_S_MAX:
        return None
    return NodeRetry(cast(int, attempts), pause, tuple(cast(list[str], codes)))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _milliseconds(value: Any) -> float | None:
    number = _number(value)
    return None if number is None else number / 1000
