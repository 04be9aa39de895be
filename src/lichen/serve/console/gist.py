"""What a record says, in a few words that hold nothing a stranger wrote."""

from __future__ import annotations

from typing import Any

from lichen.runtime.records import RecordView

_FIELDS = (
    "agent", "step", "attempt", "reason", "call", "message", "disposition", "turn", "kind", "name", "outcome",
    "timer", "limit", "epoch", "code",
)  # fmt: skip


def gist(record: RecordView) -> str:
    """The few fields of a record's control that tell what it is about."""
    control = record.control
    match record.type:
        case "planned":
            return _planned(control)
        case "decided":
            by = f" by {', '.join(control['policies'])}" if control["policies"] else ""
            return f"{control['call']} {control['verdict']}{by}"
        case "wait_opened":
            by = " or ".join(control["may_answer"]) or "the runtime"
            return f"{control['wait']} {control['kind']} by {by}"
        case "wait_closed":
            return f"{control['wait']} {control['outcome']}"
        case "call_started":
            child = f", child run {control['child']}" if control["child"] else ""
            return f"{control['call']} attempt {control['attempt']}{child}"
        case "call_progressed":
            return f"{control['call']} attempt {control['attempt']} {control['what']} {control['code']}".rstrip()
        case "call_finished":
            return f"{control['call']} {control['outcome']} {control['code']}".rstrip()
        case "owned":
            return f"epoch {control['epoch']}: another process took over"
        case _:
            given = ((name, control.get(name)) for name in _FIELDS)
            return " ".join(f"{name} {value}" for name, value in given if value not in (None, "", 0))


def _planned(control: Any) -> str:
    if control["error"]:
        return f"no plan: {control['error']}"
    calls = ", ".join(f"{call['id']} {call['tool']}" for call in control["calls"])
    parts = [f"calls {calls}" if calls else "", "answers" if control["has_answer"] else ""]
    parts += ["asks" if control["waits"] else "", "says" if control["says"] else ""]
    return ", ".join(part for part in parts if part) or "nothing yet"
