"""The slots a flow declares: what must be known before it goes on. Source: greentic-flow, `slot_schema`.

Customers' words are searched with their patterns, so a pattern that a text could keep busy is refused here.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from lichen.core.patterns.pattern import PatternError, compiled
from lichen.flows.ir import Slot
from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report
from lichen.flows.text.reach import fields_of

PATTERN_CHARS_MAX: Final = 512
SLOTS_MAX: Final = 100


def slots_of(document: Document, report: Report) -> tuple[Slot, ...]:
    """The slots of a document that passed the schema.

    Notes names that stand twice (`slot_duplicate`), patterns that are wrong, too long or could be slow
    (`slot_pattern`), and defaults that do not fit their slot (`slot_default`).
    """
    declared = cast(list[dict[str, Any]], document.value.get("slot_schema") or [])
    if len(declared) > SLOTS_MAX:
        message = f"A flow has at most {SLOTS_MAX} slots."
        _refuse(report, document, "slot_too_many", message, (SLOTS_MAX,), "Split the flow.")
    seen: dict[str, int] = {}
    slots: list[Slot] = []
    for number, entry in enumerate(declared[:SLOTS_MAX]):
        slot = Slot(
            entry["name"],
            entry["slot_type"],
            entry.get("pattern"),
            entry.get("required", False),
            tuple(entry.get("enum_values", ())),
            entry.get("default_value"),
        )
        if (first := seen.setdefault(slot.name, number)) != number:
            line = document.at("slot_schema", first, "name").line
            message = f"The slot {slot.name!r} is declared here and in line {line}."
            _refuse(report, document, "slot_duplicate", message, (number, "name"), "Give each slot its own name.")
        _check(slot, number, document, report)
        slots.append(slot)
    return tuple(slots)


def _check(slot: Slot, number: int, document: Document, report: Report) -> None:
    if problem := _pattern_problem(slot.pattern):
        message = f"The pattern of slot {slot.name!r} {problem}."
        _refuse(report, document, "slot_pattern", message, (number, "pattern"), "Correct the regular expression.")
    elif slot.default_value is not None and not _fits(slot):
        message = f"The default of slot {slot.name!r} is no {slot.slot_type} that the slot accepts."
        _refuse(report, document, "slot_default", message, (number, "default_value"), "Give a default that fits.")


def check_questions(node_id: str, operation: str, payload: Any, document: Document, report: Report) -> None:
    """Notes patterns of a node's own questions that cannot be used (`question_pattern`).

    One with a template in it is known only when it is filled in.
    """
    for key in ("fields", "questions"):
        entries = fields_of(payload).get(key)
        for number, entry in enumerate(cast(list[Any], entries) if isinstance(entries, list) else ()):
            pattern = fields_of(entry).get("pattern")
            problem = _pattern_problem(pattern) if isinstance(pattern, str) and "{{" not in pattern else None
            if problem is not None:
                at = document.at("nodes", node_id, operation, key, number, "pattern")
                message = f"The pattern of question {number + 1} of node {node_id!r} {problem}."
                step = "Correct the regular expression."
                report.error("Schema", "question_pattern", message, at=at, next_step=step)


def _pattern_problem(pattern: str | None) -> str | None:
    if pattern is None:
        return None
    if len(pattern) > PATTERN_CHARS_MAX:
        return f"is longer than {PATTERN_CHARS_MAX} characters"
    try:
        compiled(pattern)
    except PatternError as error:
        return f"cannot be used: {error}"
    return None


def _fits(slot: Slot) -> bool:
    text = str(slot.default_value)
    match slot.slot_type:
        case "enum":
            return text in slot.enum_values
        case "boolean":
            return text.lower() in ("true", "false", "yes", "no")
        case "number":
            return re.fullmatch(r"[-+]?\d+(\.\d+)?", text) is not None
        case _:
            return True


def _refuse(
    report: Report, document: Document, code: str, message: str, steps: tuple[str | int, ...], next_step: str
) -> None:
    report.error("Schema", code, message, at=document.at("slot_schema", *steps), next_step=next_step)
