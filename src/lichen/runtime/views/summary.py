"""What a record says, in a few words that hold nothing a stranger wrote."""

from __future__ import annotations

from typing import TypeAlias, assert_never, cast

from lichen.core.deciders import events as e

Recorded: TypeAlias = e.RunControl | e.MailboxControl | e.TenantControl
"""The control of any record there is."""


def typed(control: e.Control) -> Recorded:
    """A control as one of all there are, so that a `match` on it can be seen to be whole."""
    assert type(control) is e.TYPES[control.type]
    return cast(Recorded, control)


def summary_of(control: Recorded) -> str:
    """The few fields of a record's control that tell what it is about."""
    match control:
        case e.RunStarted() | e.PlanStarted() | e.Planned() | e.RunFinished() | e.LimitReached() | e.Signal():
            return _of_run(control)
        case e.Decided() | e.CallStarted() | e.CallProgressed() | e.CallFinished() | e.CallAsked():
            return _of_call(control)
        case e.WaitOpened():
            return f"{control.wait} {control.kind} by {' or '.join(control.may_answer) or 'the runtime'}"
        case e.WaitClosed():
            return f"{control.wait} {control.outcome}"
        case e.Owned():
            return f"epoch {control.epoch}: another process took over"
        case e.TimerFired():
            return control.timer
        case e.MailboxOpened():
            return f"agent {control.agent} by {control.channel}"
        case e.HandoverAttended():
            return f"{control.wait} of {control.run}, {control.read} records read"
        case e.MailboxClosed():
            return control.code or "closed"
        case e.MessageReceived() | e.MessageQueued() | e.DeliveryAttempted() | e.DeliverySettled():
            return _of_message(control)
        case e.DeliveryDoubted() | e.DeliveryResolved():
            return f"{control.message} attempt {control.attempt} {control.decision}"
        case e.DeadLettered():
            return f"{control.channel} {control.code}"
        case e.LetterSettled():
            return f"{control.letter} {control.decision}"
        case e.TurnOpened():
            return f"{control.turn} with {_count(len(control.messages), 'message')}, run {control.run}"
        case e.TurnClosed():
            return f"{control.turn} {control.outcome}"
        case e.Declassified():
            return f"without {', '.join(control.sources)}"
        case e.Refused():
            return _refused(control)
        case e.LogOpened():
            return f"version {control.version}, format {control.format_v}"
        case e.Changed():
            return f"{control.kind} {control.name or control.digest[:8]}".rstrip()
        case e.Erased():
            counts = ((control.sessions, "session"), (control.runs, "run"), (control.records, "record"))
            return f"{control.subject}: {', '.join(_count(number, noun) for number, noun in counts)}"
        case e.Accessed():
            return control.what
        case e.Pinned():
            return f"{control.kind} {control.name} {control.digest[:8]}"
        case e.Submitted():
            return f"{control.kind} {control.name} {control.digest[:8]}"
        case e.Reviewed():
            return f"{control.kind} {control.name} {control.verdict}"
        case e.SecretUsed():
            return control.name + (
                f" for {control.call}" if control.call else f" to {control.host}" if control.host else ""
            )
        case e.Ticked():
            return f"{control.schedule} {control.stage} {control.code}".rstrip()
        case e.Leased():
            return f"epoch {control.epoch} by {control.holder}"
        case _:
            assert_never(control)


def _of_run(
    control: e.RunStarted | e.PlanStarted | e.Planned | e.RunFinished | e.LimitReached | e.Signal,
) -> str:
    match control:
        case e.RunStarted():
            turn = f", turn {control.turn}" if control.turn else ""
            return f"agent {control.agent}{turn}" + (f", child of {control.parent.run}" if control.parent else "")
        case e.PlanStarted():
            return f"step {control.step}, attempt {control.attempt}, {control.reason}"
        case e.Planned():
            return _planned(control)
        case e.RunFinished():
            return f"{control.outcome} {control.code}".rstrip()
        case e.LimitReached():
            return control.limit.replace("_", " ")
        case e.Signal():
            return f"{control.kind} {control.code}".rstrip()
        case _:
            assert_never(control)


def _planned(control: e.Planned) -> str:
    calls = ", ".join(f"{call.id} {call.tool}" for call in control.calls)
    if calls or control.has_answer:
        return calls or "answers"
    return control.error or ("asks" if control.waits else "says something" if control.says else "goes on")


def _of_call(control: e.Decided | e.CallStarted | e.CallProgressed | e.CallFinished | e.CallAsked) -> str:
    match control:
        case e.Decided():
            return f"{control.call} {control.verdict}{_by(control.policies)}"
        case e.CallStarted():
            return f"{control.call} attempt {control.attempt}" + (f", run {control.child}" if control.child else "")
        case e.CallProgressed():
            what = control.what.replace("_", " ")
            return f"{control.call} attempt {control.attempt} {what} {control.code}".rstrip()
        case e.CallFinished():
            return f"{control.call} {control.outcome} {control.code}".rstrip()
        case e.CallAsked(asked=asked):
            ended = "" if asked is None else f", {asked.outcome}"
            return f"{control.call} asks {control.model}{ended}"
        case _:
            assert_never(control)


def _of_message(
    control: e.MessageReceived | e.MessageQueued | e.DeliveryAttempted | e.DeliverySettled,
) -> str:
    match control:
        case e.MessageReceived():
            whose = "" if control.role == "customer" else f" of the {control.role}"
            return f"{control.message}{whose} {control.disposition}"
        case e.MessageQueued():
            return f"{control.message} {control.kind}"
        case e.DeliveryAttempted():
            return f"{control.message} attempt {control.attempt}"
        case e.DeliverySettled():
            return f"{control.message} attempt {control.attempt} {control.outcome} {control.code}".rstrip()
        case _:
            assert_never(control)


def _refused(control: e.Refused) -> str:
    times = f", {control.count} times" if control.count > 1 else ""
    if not control.action:
        return f"more than a log takes{times}"
    return f"{control.action} {control.verdict}{_by(control.policies)}{times}"


def _by(policies: tuple[str, ...]) -> str:
    return f" by {', '.join(policies)}" if policies else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
