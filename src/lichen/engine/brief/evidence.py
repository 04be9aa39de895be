"""What accepted sources said in a run: the customer's own words, and record fields of tools. Nobody else's words
endorse: an operator's way to agree is an approval.

The gate endorses an argument that equals one of these values, whatever a model claims. A tool of our own vouches for
what it gives only where everything it was asked with was vouched for: else it could be asked to write what a stranger
said anew. Fields that it declares as records count whatever it was asked, unless they repeat what nobody vouched for.
What was found is kept while the run is driven, and each look goes on from the last one.
"""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import Message
from lichen.core.ports.policy import Evidence
from lichen.core.words.ids import CallId, session_stream
from lichen.engine.act import Act
from lichen.engine.brief.history import customers_words
from lichen.engine.journal.attributes import attributes_of
from lichen.engine.journal.seat import Asked, Known
from lichen.gate.label.evidence import evidence_from_form, evidence_from_json, evidence_from_text, notations
from lichen.gate.label.labels import arguments_of, is_vouched

EVIDENCE_MAX = 256  # the latest are kept
FOREIGN_MAX = 64 * 1024  # notations of what nobody vouched for; beyond, no tool of the run vouches for anything
CUSTOMER = "customer_"  # how pseudonyms of customers begin
_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])


def evidence_of(act: Act) -> tuple[Evidence, ...]:
    """Everything an argument of this run's calls may be matched against, oldest first."""
    seat = act.journal.seat(act.stream)
    known = seat.evidence
    if known is None:
        known = seat.evidence = Known(found=_earlier(act))
    for event in act.journal.events(act.stream, known.n):
        if said := _said(act, known, event):
            known.found = (*known.found, *said)[-EVIDENCE_MAX:]
        known.n = event.n + 1
    return known.found


def _earlier(act: Act) -> tuple[Evidence, ...]:
    """What the customer said in the session before this run. While the session is in memory each message is looked
    through once."""
    session, seat = act.state.session, None
    if session is not None:
        seat = act.journal.seated(session_stream(session))
    known = {} if seat is None else seat.spoken
    found = {n: (known.get(n) if text else None) or _words(act, text) for n, text in customers_words(act)}
    if seat is not None:
        seat.spoken = found
    return tuple(found.values())


def _words(act: Act, text: str) -> Evidence:
    return evidence_from_text(_customer(act), text, language=_language(act))


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
            known.planned.update({call.id: Asked(call.tool, event.n, known.found) for call in calls})
            known.unweighed.extend(call.id for call in calls)
            return ()
        case e.CallFinished(outcome="ok", call=call) if call in known.planned:
            return _recorded(act, known, call, _part(act, event, "result", b"{}"))
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


def _recorded(act: Act, known: Known, call: CallId, result: bytes) -> tuple[Evidence, ...]:
    """What a tool vouches for. What an agent answers is a model's word and endorses nothing."""
    asked = known.planned[call]
    tool = _tool(act, asked)
    if tool is None or tool.spec.agent is not None:
        return ()
    _weigh(act, known)
    is_all = tool.spec.origin == "records" and call in known.vouched
    if len(known.foreign) > FOREIGN_MAX or not (is_all or tool.spec.record_fields):
        return ()
    fields = None if is_all else tool.spec.record_fields
    source = f"tool:{tool.spec.name}"
    said = evidence_from_json(source, result, fields, given=_given(act, call, asked), known=known.foreign)
    return (said,) if said.values else ()


def _weigh(act: Act, known: Known) -> None:
    """Notes of each call planned so far whether all of its arguments are vouched for, by what was said before it."""
    for call in known.unweighed:
        asked = known.planned[call]
        tool, given = _tool(act, asked), _given(act, call, asked)
        declared = None if tool is None else arguments_of(tool.spec.input_schema)
        if declared is not None and is_vouched(declared, msgspec.json.decode(given), asked.before):
            known.vouched.add(call)
        elif len(known.foreign) <= FOREIGN_MAX:
            known.foreign |= notations(given)
    known.unweighed.clear()


def _tool(act: Act, asked: Asked) -> Tool | None:
    return act.agent.tools.get(asked.tool) if act.agent is not None else None


def _given(act: Act, call: CallId, asked: Asked) -> bytes:
    return act.contents(asked.n).get(f"{call}/args", b"{}")
