"""What an agent asks while it is called: put to the person at the client, and what they say taken as their words.

Only what the person themself is asked is put to them, a clarification or a confirmation. A decision about somebody's
request is never made here.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult

from lichen.core.words.errors import Denied, Expired
from lichen.core.words.ids import SessionId
from lichen.runtime.operations.talk.session import Asked
from lichen.serve.mcp.visit import Visit

ANSWER: Final = "answer"
STATE_S: Final = 24 * 3_600
STATE_CHARS_MAX: Final = 4_096
ANSWER_CHARS_MAX: Final = 8_000
FIELDS_MAX: Final = 20
KINDS: Final = ("clarification", "confirmation")
"""The kinds of waits that the person at the client answers."""

_PLAIN: Final = frozenset(("string", "integer", "number", "boolean"))
_KEPT: Final = frozenset(
    ("type", "title", "description", "enum", "minLength", "maxLength", "minimum", "maximum", "format", "default")
)


class Answer(NamedTuple):
    """What somebody said to a question: words, and the fields of the form that they filled in."""

    text: str
    data: Mapping[str, Any] | None = None


def form(asked: Asked) -> dict[str, Any]:
    """The form for an answer, in the few words that clients draw: flat, of plain values."""
    if asked.kind == "confirmation":
        return _of_one({"type": "string", "enum": ["yes", "no"]})
    schema = asked.answer_schema
    if _is_flat(schema):
        properties = {name: _kept(cast("dict[str, Any]", field)) for name, field in schema["properties"].items()}
        return {"type": "object", "properties": properties, "required": list(schema.get("required", ()))}
    if schema.get("type") in _PLAIN or _choices(schema):
        return _of_one({"type": "string", **_kept(schema)})
    return _of_one({"type": "string", "maxLength": ANSWER_CHARS_MAX})


def _of_one(field: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {ANSWER: {"title": "Your answer", **field}}, "required": [ANSWER]}


def _is_flat(schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict):
        return False
    fields = list(cast("dict[str, Any]", properties).values())
    return 0 < len(fields) <= FIELDS_MAX and all(map(_is_plain, fields))


def _is_plain(field: Any) -> bool:
    return isinstance(field, dict) and cast("dict[str, Any]", field).get("type") in _PLAIN


def _choices(schema: Mapping[str, Any]) -> bool:
    members = schema.get("enum")
    return isinstance(members, list) and all(isinstance(each, str) for each in cast("list[Any]", members))


def _kept(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name in _KEPT}


def answer_of(asked: Asked, given: ElicitResult) -> Answer | None:
    """What was said; None where nobody wanted to say anything."""
    if given.action == "decline" and asked.kind == "confirmation":
        return Answer("no")
    content = given.content
    if given.action != "accept" or not content:
        return None
    value = content.get(ANSWER)
    if set(content) == {ANSWER} and isinstance(value, str):
        return Answer(value) if value.strip() else None
    data = value if set(content) == {ANSWER} else dict(content)
    text = str(data).lower() if isinstance(data, (int, bool)) else msgspec.json.encode({ANSWER: data}).decode()
    return Answer(text, {"value": data})


# -- a question that is asked again with its answer ----------------------------------------------------------------


class State(msgspec.Struct, frozen=True, array_like=True):
    """Which question was put to whom: what a client brings back with the answer. `by` is the caller, key included."""

    log: str
    by: str
    agent: str
    session: SessionId
    wait: str
    until_us: int


def required(visit: Visit, agent: str, session: SessionId, asked: Asked, text: str) -> InputRequiredResult:
    """A question that whoever called answers with their next call."""
    until_us = visit.runtime.engine.services.clock() + STATE_S * 1_000_000
    state = State(visit.scope.log_id(), _by(visit), agent, session, asked.id, until_us)
    question = ElicitRequest(params=ElicitRequestFormParams(message=text, requested_schema=form(asked)))
    return InputRequiredResult(input_requests={ANSWER: question}, request_state=_signed(visit, state))


def _by(visit: Visit) -> str:
    return f"{visit.actor.kind}/{visit.actor.id}/{visit.actor.auth}"


def _signed(visit: Visit, state: State) -> str:
    body = msgspec.json.encode(state)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (body, _mac(visit, body)))


def _mac(visit: Visit, body: bytes) -> bytes:
    secret = visit.runtime.log(visit.scope).digest(b"mcp/state/1")
    return hmac.digest(secret, body, "sha256")


def state_of(visit: Visit, text: str, agent: str) -> State:
    """The question that a state stands for. Raises Denied (`state_invalid`) for one that we did not give to this
    caller for this agent, Expired (`state_expired`)."""
    try:
        body, mac = (_decoded(part) for part in text[:STATE_CHARS_MAX].split("."))
    except ValueError:
        raise _foreign() from None
    if not hmac.compare_digest(mac, _mac(visit, body)):
        raise _foreign()
    state = msgspec.json.decode(body, type=State)
    if (state.log, state.by, state.agent) != (visit.scope.log_id(), _by(visit), agent):
        raise _foreign()
    if state.until_us <= visit.runtime.engine.services.clock():
        raise Expired(
            "The question was put too long ago.", code="state_expired", next_step="Call the agent again from the start."
        )
    return state


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError from None


def _foreign() -> Denied:
    return Denied(
        "This is no question that was put to this caller.",
        code="state_invalid",
        next_step="Call the agent again from the start.",
    )
