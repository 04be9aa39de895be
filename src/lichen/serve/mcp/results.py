"""What a call of an agent brings back: words for whoever reads them, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp_types import CallToolResult, TextContent

from lichen.core.words.errors import Conflict, LichenError
from lichen.core.words.ids import RunId
from lichen.core.words.wait import ABOUT_EFFECTS
from lichen.runtime.views.run import Outcome

STATUSES: Final = ("completed", "waiting", "running", "failed", "cancelled", "refused")
OVER: Final = ("completed", "failed", "cancelled")
STATUS_OF: Final[Mapping[str, str]] = {
    "answered": "completed",
    "asked": "waiting",
    "released": "waiting",
    "handed": "waiting",
    "failed": "failed",
    "cancelled": "cancelled",
    "refused": "refused",
}
"""What the result of a call says where its reply has this outcome."""

_WAIT: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "kind": {"type": "string"}},
    "required": ["id", "kind"],
}


def output_schema(answers: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the structured content of a result looks like; `value` is the answer of an agent that has typed ones."""
    properties: dict[str, Any] = {
        "status": {"type": "string", "enum": list(STATUSES)},
        "text": {"type": "string", "description": "What the agent said."},
        "run": {"type": "string", "description": "The run, for run_result; empty where none was started."},
        "waits": {"type": "array", "items": dict(_WAIT), "description": "What it waits for."},
    }
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": ["status", "text", "run"]}
    if answers is not None:
        inner = dict(answers)
        schema |= {"$defs": inner.pop("$defs")} if "$defs" in inner else {}
        properties["value"] = inner
    return schema


def result(
    status: str, text: str, outcome: Outcome | None, *, run: str = "", has_value: bool = False
) -> CallToolResult:
    """A result of a run that stands like this."""
    told: dict[str, Any] = {"status": status, "text": text, "run": run}
    lines = [text] if text else []
    if outcome is not None:
        waits = [{"id": id, "kind": kind} for id, kind in zip(outcome.waits, outcome.waits_for, strict=True)]
        told |= {"waits": waits} if waits else {}
        told |= {"value": outcome.value} if has_value and outcome.status == "completed" else {}
        lines += _announced(outcome)
    if status == "running":
        lines.append(f"It still runs: `run_result` with run {run} tells what came of it." if run else "It still runs.")
    is_error = status in ("failed", "cancelled", "refused")
    return CallToolResult(content=[_words("\n\n".join(lines) or status)], structured_content=told, is_error=is_error)


def _announced(outcome: Outcome) -> list[str]:
    """What is told of decisions that are never made here."""
    held = [id for id, kind in zip(outcome.waits, outcome.waits_for, strict=True) if kind in ABOUT_EFFECTS]
    if not held:
        return []
    where = " and ".join(f"`lichen approvals show {id}`" for id in held)
    told = f"This needs approval by somebody else, who signs in for it: {where}, or the console's page of approvals."
    return [f"{told} It cannot be given here. `run_result` with run {outcome.id} tells what came of it."]


def as_at_first(text: str, outcome: Outcome | None, status: str) -> tuple[str, str]:
    """What whoever asked first was told, or would be by now, where a wait ended since.

    Raises Conflict (`outcome_unknown`) where it is held up by an effect of which nobody knows.
    """
    if outcome is None or status != "waiting":
        return status, text
    if "reconcile" in outcome.waits_for:
        raise _unknown(outcome.id)
    return (outcome.status, outcome.answer or text) if outcome.status in OVER else (status, text)


def _unknown(run: RunId) -> Conflict:
    step = f"A person has to say what happened: `lichen approvals list` names what {run} waits for."
    return Conflict("Nobody knows whether an effect of it happened.", code="outcome_unknown", next_step=step)


def failed(error: LichenError) -> CallToolResult:
    """A result that says why nothing was done, and what helps."""
    told = {"error": {"code": error.code, "kind": error.kind, "message": error.message, "next_step": error.next_step}}
    return CallToolResult(
        content=[_words(f"{error.message} {error.next_step}")], structured_content=told, is_error=True
    )


def said(text: str, structured: Mapping[str, Any] | None = None) -> CallToolResult:
    """A result that is a text, and perhaps JSON."""
    return CallToolResult(content=[_words(text)], structured_content=None if structured is None else dict(structured))


def _words(text: str) -> TextContent:
    return TextContent(type="text", text=text)
