"""What accepted sources said in a run: the customer's own words, and record fields of tools. Nobody else's words
endorse: an operator's way to agree is an approval.

The gate endorses an argument that equals one of these values, whatever a model claims. What was found is kept while the
run is driven, and each look goes on from the last one.
"""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.plan import Message
from lichen.core.ports.policy import Evidence
from lichen.core.words.ids import ToolName
from lichen.engine.act import Act
from lichen.engine.brief.history import customers_words
from lichen.engine.journal.attributes import attributes_of
from lichen.engine.journal.seat import Known
from lichen.gate.label.evidence import evidence_from_form, evidence_from_json, evidence_from_text

EVIDENCE_MAX = 256  # the latest are kept
CUSTOMER = "customer_"  # how pseudonyms of customers begin
_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])


def evidence_of(act: Act) -> tuple[Evidence, ...]:
    """Everything an argument of this run's calls may be matched against, oldest first."""
    seat = act.journal.seat(act.stream)
    known = seat.evidence
    if known is None:
        known = seat.evidence = Known(found=_earlier(act))
    for event in act.journal.events(act.stream, known.n):
        known.found = (*known.found, *_said(act, known, event))[-EVIDENCE_MAX:]
    known.n = act.state.n
    return known.found


def _earlier(act: Act) -> tuple[Evidence, ...]:
    """What the customer said in the session before this run."""
    language = _language(act)
    return tuple(evidence_from_text(_customer(act), text, language=language) for text in customers_words(act))


def _customer(act: Act) -> str:
    return f"customer:{act.subject}"


def _said(act: Act, known: Known, event: e.Event) -> tuple[Evidence, ...]:
    match event.control:
        case e.RunStarted() | e.Signal(kind="input"):
            spoken = _MESSAGES.decode(_part(act, event, "input", b"[]"))
            return tuple(found for m in spoken if m.role == "customer" for found in _of(act, m))
        case e.WaitClosed(outcome="answered", by=by) if by == act.subject and by.startswith(CUSTOMER):
            body = msgspec.json.decode(_part(act, event, "body", b"{}"))
            return _of(act, Message("customer", str(body.get("text", "")), data=body))
        case e.Planned(calls=calls):
            known.planned.update({call.id: (call.tool, event.n) for call in calls})
            return ()
        case e.CallFinished(outcome="ok", call=call) if call in known.planned:
            name, n = known.planned[call]
            given = act.contents(n).get(f"{call}/args", b"{}")
            return _recorded(act, name, _part(act, event, "result", b"{}"), given)
        case _:
            return ()


def _of(act: Act, message: Message) -> tuple[Evidence, ...]:
    """What a message says in its words, and in the fields that came with them."""
    source, language = _customer(act), _language(act)
    words = evidence_from_text(source, message.text, language=language)
    return (words,) if message.data is None else (words, evidence_from_form(source, message.data, language=language))


def _language(act: Act) -> str:
    """The language in which planners of this run read numbers, too."""
    return attributes_of(act.journal, act.state).get("language", "")


def _part(act: Act, event: e.Event, part: str, default: bytes) -> bytes:
    return act.contents(event.n).get(part, default)


def _recorded(act: Act, name: ToolName, result: bytes, given: bytes) -> tuple[Evidence, ...]:
    """The record fields of a tool's result, but for what it was given. What an agent answers is a model's word and
    endorses nothing."""
    tool = act.agent.tools.get(name) if act.agent is not None else None
    if tool is None or tool.spec.agent is not None:
        return ()
    fields = None if tool.spec.origin == "records" else tool.spec.record_fields
    said = evidence_from_json(f"tool:{tool.spec.name}", result, fields, given=given)
    return (said,) if said.values else ()
