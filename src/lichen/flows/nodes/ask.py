"""Nodes that wait for a person: `slots`, `questions` and `qa.process`, `session.wait`, `session.handover`,
`approval.call`."""

from __future__ import annotations

from typing import Any, Final, cast

from lichen.core.ports.handover import ROLE, handover, reply_in
from lichen.core.ports.plan import WaitRequest
from lichen.core.speech.which import which
from lichen.flows.ir import Branch, Custom, Routing
from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.slots import Question, Unclear, answered, found, questions_of
from lichen.flows.nodes.steps import Done, Failed, Heard, Kind, Step, Visit, Wait
from lichen.flows.text.reach import MISSING
from lichen.flows.text.rendering import written

WAIT_EXPIRES_S: Final = 86_400.0  # of a wait that says nothing else
WAIT_S_MAX: Final = 366 * 86_400.0
ASKS_MAX: Final = 3  # of one question
_EXPIRED: Final = ("wait_expired", "timeout", "on_timeout", "error", "failed", "on_error")
_SKIP: Final = ("skip", "-", "none", "weiter")
NOBODY: Final = Failed("nobody_to_ask", "The run has no session, so there is nobody to ask.")


def expires_s(visit: Visit) -> float:
    """How long a wait of the node stays open: its timeout, or `timeout_s` of its payload; at most WAIT_S_MAX."""
    given = visit.fields().get("timeout_s", visit.fields().get("timeout"))
    if visit.node.timeout_s is not None:
        return visit.node.timeout_s
    if isinstance(given, bool) or not isinstance(given, (int, float)) or given <= 0:
        return WAIT_EXPIRES_S
    return float(min(given, WAIT_S_MAX))


def ended(heard: Heard) -> Failed:
    """What a wait means that nobody answered."""
    if heard.outcome == "expired":
        return Failed("wait_expired", "Nobody answered in time.", "timeout")
    return Failed("wait_cancelled", "The question was withdrawn.", "cancelled")


# -- questions ---------------------------------------------------------------------------------------------------


def _fill(visit: Visit) -> Step:
    """Looks for everything in what was said, then asks for what is missing, one thing at a time."""
    local, frame = visit.frame.local, visit.frame
    local["values"] = {}
    heard = "\n".join(text for text in (text_of(frame.entry), visit.later()) if text)
    for slot in visit.slots:
        value = found(slot, heard, visit.language)
        if value is not MISSING and not isinstance(value, Unclear):
            frame.slots[slot.name] = value
    for question in questions_of(visit.payload, visit.slots):
        name = question.slot.name
        value = found(question.slot, heard, visit.language) if question.is_searched else MISSING
        value = frame.slots.get(name, MISSING) if question.is_searched and value is MISSING else value
        _keep(visit, name, value)
    welcome = str(visit.fields().get("welcome") or "")
    if welcome and not questions_of(visit.payload, visit.slots):
        return Done({"text": welcome}, says=(welcome,))
    return _ask(visit)


def _keep(visit: Visit, name: str, value: Any) -> None:
    """Keeps what was found. A number that could be two is not known, and asked about."""
    values, unclear = visit.frame.local["values"], visit.frame.local.setdefault("unclear", {})
    unclear.pop(name, None)
    if isinstance(value, Unclear):
        values.pop(name, None)
        unclear[name] = list(value.options)
    elif value is not MISSING:
        values[name] = value


def _ask(visit: Visit) -> Step:
    """The next question, or what is known when there is none."""
    local = visit.frame.local
    values = cast("dict[str, Any]", local["values"])
    question = next((q for q in questions_of(visit.payload, visit.slots) if q.slot.name not in values), None)
    if question is None:
        visit.frame.slots.update(values)
        return Done(values)
    if not visit.has_session:
        return NOBODY
    name = question.slot.name
    local["asks"] = local.get("asks", 0) + 1 if local.get("asked") == name else 1
    asks = visit.fields().get("attempts")
    if local["asks"] > (asks if isinstance(asks, int) and asks > 0 else ASKS_MAX):
        return Failed("slot_not_understood", f"{name} was asked for too often.")
    welcome = "" if "asked" in local else str(visit.fields().get("welcome", ""))
    local["asked"] = name
    options = cast("list[str]", local.get("unclear", {}).get(name, []))
    prompt = which(options, visit.language) if options else question.prompt
    schema = _schema(options or list(question.slot.enum_values))
    text = f"{welcome}\n{prompt}".strip()
    return Wait(WaitRequest("clarification", text, expires_s=expires_s(visit), answer_schema=schema))


def _schema(choices: list[str]) -> dict[str, Any]:
    """Words, or the fields of a form. Choices are examples only, since words may hold more than the choice."""
    return {"type": ["string", "object"], **({"examples": choices} if choices else {})}


def _answered(visit: Visit, heard: Heard) -> Step:
    if heard.outcome != "answered":
        return ended(heard)
    values = cast("dict[str, Any]", visit.frame.local["values"])
    questions = {q.slot.name: q for q in questions_of(visit.payload, visit.slots)}
    asked = questions.get(visit.frame.local.get("asked", ""))
    sent = {name: value for name, value in heard.body.items() if name != "text"}  # the fields of a form
    given = {name: sent[name] for name in questions if name in sent}
    for name, question in questions.items():
        text, is_asked = written(given.get(name, heard.text)), question is asked or name in given
        value = _value(question, text, visit.language, is_asked=is_asked)
        if value is not MISSING and (question is asked or name not in values):
            _keep(visit, name, value)
    return _ask(visit)


def _value(question: Question, text: str, language: str, *, is_asked: bool) -> Any:
    slot = question.slot
    if not is_asked:
        return found(slot, text, language) if question.is_searched else MISSING
    if not slot.required and text.strip().casefold() in _SKIP:
        return slot.default_value
    return answered(question, text, language)


# -- waits -------------------------------------------------------------------------------------------------------


def _wait(visit: Visit) -> Step:
    """Waits for the next message; one that came while the flow was busy is taken at once."""
    later = visit.later()
    if later:
        return Done({"text": later})
    if not visit.has_session:
        return NOBODY
    prompt = str(visit.fields().get("prompt") or text_of(visit.payload))
    return Wait(WaitRequest("clarification", prompt, expires_s=expires_s(visit)))


def _waited(visit: Visit, heard: Heard) -> Step:
    return Done(dict(heard.body)) if heard.outcome == "answered" else ended(heard)


def _approval(visit: Visit) -> Step:
    """Asks an operator, who sees the node's payload. The customer is told `public`, and may go on talking."""
    fields = visit.fields()
    role = str(fields.pop("role", "operator"))
    public = str(fields.pop("public", ""))
    asked = {"flow": visit.frame.flow, "node": visit.node.id, **(fields or {"text": text_of(visit.payload)})}
    return Wait(WaitRequest("approval", public, (role,), expires_s(visit), operator=asked))


def _approved(visit: Visit, heard: Heard) -> Step:
    match heard.outcome:
        case "approved":
            return Done({**heard.body, "outcome": "approved"}, status="approved")
        case "denied":
            return Failed("approval_denied", str(heard.body.get("note", "")), "denied")
        case "expired":
            return Failed("approval_expired", "Nobody decided in time.", "timeout")
        case _:
            return ended(heard)


def _hand_over(visit: Visit) -> Step:
    """Asks for a person, who sees `text` or else what the flow was told. The customer reads `public`."""
    if not visit.has_session:
        return NOBODY
    fields = visit.fields()
    said = str(fields.get("text") or text_of(visit.frame.entry))
    return Wait(handover(said, told=str(fields.get("public", "")), role=_role(visit), expires_s=expires_s(visit)))


def _returned(visit: Visit, heard: Heard) -> Step:
    """What the person wrote last is the node's text; the customer has it. How it ended is its status: `returned`,
    `closed`, `declined`, or `expired`, which fails the node only where a route says what happens then."""
    match heard.outcome:
        case "answered":
            reply = reply_in(heard.body)
            status = "closed" if reply.is_closed else "returned"
            return Done({"text": reply.text, "outcome": status}, status)
        case "expired" if not _names(visit.node.routing, _EXPIRED):
            return Done({"text": "", "outcome": "expired"}, "expired")
        case "declined":
            return Done({"text": "", "outcome": "declined"}, "declined")
        case _:
            return ended(heard)


def _names(routing: Routing, statuses: tuple[str, ...]) -> bool:
    """Whether a route is about one of these."""
    match routing:
        case Branch(on_status, _):
            return any(status in on_status for status in statuses)
        case Custom(routes):
            return any(route.status in statuses for route in routes)
        case _:
            return False


def _role(visit: Visit) -> str:
    return str(visit.fields().get("role", ROLE))


HANDOVER = Kind(_hand_over, heard=_returned, is_silent=True)
QUESTIONS = Kind(_fill, heard=_answered, is_silent=True)
WAIT = Kind(_wait, heard=_waited, is_silent=True)
APPROVAL = Kind(_approval, heard=_approved, is_silent=True)
