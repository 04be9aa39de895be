"""How a call ends, or begins again: what came of an attempt becomes records."""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.run import Call
from lichen.core.ports.call import Artifact, NotDone, Outcome, Produced, produced
from lichen.core.words.content import RETENTION, Content
from lichen.core.words.failure import Failure
from lichen.core.words.label import EMPTY, Label, join, without
from lichen.engine.act import CallAct
from lichen.engine.brief.hints import result_hint
from lichen.engine.brief.terms import terms_of
from lichen.engine.journal.labels import label_of
from lichen.engine.sends.failures import sealed, told


def end(
    act: CallAct,
    finished: e.CallFinished,
    *,
    reason: str = "",
    result: bytes = b"",
    beside: tuple[moves.Part, ...] = (),
    audit: bytes = b"",
    label: Label = EMPTY,
    failure: Failure | None = None,
) -> None:
    """Ends the call, if it is not over: a cancel, a limit or an answer may have closed it meanwhile."""
    state = act.look()
    if finished.call not in state.calls:
        return
    if finished.outcome in ("denied", "failed") and goes_on(state.calls[finished.call]):
        act.note(e.Draft(e.CallProgressed(finished.call, finished.attempt, "in_doubt", finished.code)))
        return
    parts = [("result", result), ("reason", reason.encode()), *beside, *sealed(failure)]
    contents = moves.as_contents(parts, state.subject)
    if audit:
        contents = (*contents, Content("audit", RETENTION, audit))
    if act.withheld:
        finished = msgspec.structs.replace(finished, withheld=act.withheld)
    act.say(moves.finish_call(state, finished, contents, label=label))
    act.journal.seat(act.stream).arguments.pop(finished.call, None)


def goes_on(call: Call) -> bool:
    """Whether what it began goes on while its tool waits for an answer, so that it is not over because we say so."""
    return call.goes_on and call.effects == "once"


def succeed(act: CallAct, said: bytes | Produced, *, duration_us: int = 0, code: str = "") -> None:
    """Ends the call with a result, and what the tool gave beside it."""
    call, made = act.call, produced(said)
    finished = e.CallFinished(call.id, call.attempt, "ok", code, duration_us=duration_us)
    label = label_of(act.services, act.journal.scope, act.look(), call, "ok")
    label = join(label, without(made.label, call.declassified))
    result = _redacted(made.result, call.redact)
    beside = (("artifacts", _without(made.artifacts, call.redact)), ("hint", result_hint(act, result)))
    end(act, finished, result=result, beside=beside, audit=_audit(act), label=label)


def _redacted(data: bytes, fields: tuple[str, ...]) -> bytes:
    if not fields:
        return data
    value = msgspec.json.decode(data)
    if isinstance(value, dict):
        value = {k: "[redacted]" if k in fields else v for k, v in value.items()}  # type: ignore[misc]
    return msgspec.json.encode(value)


def _without(artifacts: bytes, fields: tuple[str, ...]) -> bytes:
    """The artifacts, with the fields that policy hides in results hidden in them as well."""
    if not artifacts or not fields:
        return artifacts
    kept = [
        msgspec.structs.replace(each, data=msgspec.json.decode(_redacted(msgspec.json.encode(each.data), fields)))
        for each in msgspec.json.decode(artifacts, type=list[Artifact])
    ]
    return msgspec.json.encode(kept)


def _audit(act: CallAct) -> bytes:
    if not act.tool.spec.audit:
        return b""
    fields = act.arguments.fields
    return msgspec.json.encode({name: fields.get(name) for name in act.tool.spec.audit})


def break_off(act: CallAct, outcome: Outcome, code: str, error: Exception) -> None:
    """What becomes of a call that broke off. Only of a `once` call can nobody say whether it happened."""
    call = act.look_again()
    if call is None or call.phase not in ("running", "ready"):
        return
    failure = told(act, f"{call.id} {call.tool}", code, error)
    label = label_of(act.services, act.journal.scope, act.state, call)
    if call.effects == "once":
        _progress(act, e.CallProgressed(call.id, call.attempt, "in_doubt", code), failure)
        return
    terms = terms_of(act)
    if terms.retries_all and terms.may_retry(call.attempt, code):
        due_us = act.services.clock() + terms.pause_us(call.attempt)
        _progress(act, e.CallProgressed(call.id, call.attempt, "retry", code, due_us), failure)
        return
    end(act, e.CallFinished(call.id, call.attempt, outcome, code), failure=failure, label=label)


def do_not(act: CallAct, error: NotDone) -> None:
    """What becomes of a call that certainly did not happen: it is tried again, as its terms say, or failed."""
    call, terms = act.call, terms_of(act)
    may_retry = error.retryable and terms.may_retry(call.attempt, error.code, error.foreign_code)
    current = act.look().calls.get(call.id)
    failure = told(act, f"{call.id} {call.tool}", error.code, error)
    if may_retry and current is not None and current.phase in ("running", "ready"):
        due_us = act.services.clock() + max(terms.pause_us(call.attempt), int(error.pause_s * 1e6))
        _progress(act, e.CallProgressed(call.id, call.attempt, "retry", error.code, due_us), failure)
        return
    finished = e.CallFinished(call.id, call.attempt, "failed", error.code)
    label = label_of(act.services, act.journal.scope, act.state, call)
    issues = msgspec.json.encode(error.issues) if error.issues else b""
    beside = (("issues", issues), ("recovery", error.recovery.encode()), ("foreign_code", error.foreign_code.encode()))
    end(act, finished, reason=error.message, beside=beside, failure=failure, label=label)


def _progress(act: CallAct, progressed: e.CallProgressed, failure: Failure) -> None:
    contents = moves.as_contents(sealed(failure), act.state.subject)
    if act.withheld:
        progressed = msgspec.structs.replace(progressed, withheld=act.withheld)
    act.note(e.Draft(progressed, contents, label_of(act.services, act.journal.scope, act.state, act.call)))
