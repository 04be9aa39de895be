"""The obligations `deliver` and `doubt`: a durable message leaves through its channel, in order, under its own id; and
where a delivery was cut off, it is settled what becomes of it before it may go again."""

from __future__ import annotations

import re
from typing import Any, Final, assert_never

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import Unsent
from lichen.core.speech import saying
from lichen.core.words import faults
from lichen.core.words.content import RETENTION, Content
from lichen.core.words.errors import ContentErased, LichenError
from lichen.core.words.ids import MessageId, root_run, run_stream
from lichen.engine.act import SessionAct
from lichen.engine.acts.owned import owned
from lichen.engine.answers.expected import Expected
from lichen.engine.answers.steps import replies_to, steps_of
from lichen.engine.pace.held import Held
from lichen.engine.ports import Channel, Delivery, Outbound, Platform, Services, traits_of
from lichen.engine.sends.failures import metadata_of

WARNINGS_MAX: Final = 16
ANSWERED_RECORDS: Final = 64  # how far back the message is looked for that is answered
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}")
_Ended = e.DeliverySettled | e.DeliveryDoubted


async def deliver(act: SessionAct, message: MessageId) -> None:
    """Performs `deliver`: one attempt, recorded before it is made and after."""
    out = act.mailbox.outbox[message]
    act.note(e.Draft(e.DeliveryAttempted(message, out.attempt)))
    await act.journal.durable(session=act.mailbox.id)
    await owned(act.services)
    faults.hit("deliver.before")
    delivery = await _send(act, out)
    faults.hit("deliver.after")
    _note(act, out, await _ended(act, out, delivery), delivery.warnings)


async def doubt(act: SessionAct, message: MessageId) -> None:
    """Performs `doubt`: an attempt that a process began and did not end is settled."""
    out = act.mailbox.outbox[message]
    _note(act, out, await _unsure(act, out, Delivery("unknown", "interrupted", retry_after_s=0.0)))


def _note(act: SessionAct, out: Unsent, ended: _Ended, warnings: tuple[str, ...] = ()) -> None:
    """Notes how an attempt ended, and of what is there what was shown with less."""
    is_there = isinstance(ended, e.DeliverySettled) and ended.outcome == "delivered"
    codes = msgspec.json.encode([each for each in warnings[:WARNINGS_MAX] if _CODE.fullmatch(each)])
    kept = (Content("warnings", RETENTION, codes),) if is_there and codes != b"[]" else ()
    if out.message in act.journal.mailbox(act.mailbox.id).outbox:
        act.note(e.Draft(ended, kept))
    _watch(act, out, ended)


def _watch(act: SessionAct, out: Unsent, ended: _Ended) -> None:
    """Has whoever watches see that a message waits, and why; or that it waits no more."""
    scope, mailbox, held = act.journal.scope, act.mailbox, act.services.held
    is_over = ended.outcome != "retry" if isinstance(ended, e.DeliverySettled) else ended.decision != "repeat"
    if is_over or not ended.due_us:
        held.let_go(scope, mailbox.id)
        return
    since_us = act.journal.log.event(act.stream, out.n).ts_us
    behind = len(act.journal.mailbox(mailbox.id).outbox) - 1
    held.keep(scope, mailbox.id, Held(mailbox.channel, ended.code, since_us, ended.due_us, behind))


async def _send(act: SessionAct, out: Unsent) -> Delivery:
    channel = _channel(act)
    if channel is None:
        return Delivery("retry", "channel_unknown")
    try:
        message = _outbound(act, out)
    except ContentErased:
        return Delivery("failed", "content_erased")
    try:
        return await channel.send(act.journal.scope, message)
    except LichenError as error:  # refused before it left
        return Delivery("retry", error.code)
    except Exception as error:  # noqa: BLE001 - a channel may raise anything, also once the message is there
        return Delivery("unknown", f"exception_{type(error).__name__}")


def _channel(act: SessionAct) -> Channel | None:
    return act.services.channels.get(act.mailbox.channel)


def _outbound(act: SessionAct, out: Unsent) -> Outbound:
    """What is sent, and where to. Raises ContentErased."""
    mailbox, contents = act.mailbox, act.contents(out.n)
    return Outbound(
        out.message,
        mailbox.id,
        out.kind,
        saying.read(contents),
        act.journal.log.event(act.stream, out.n).ts_us,
        b"" if mailbox.address_n is None else act.contents(mailbox.address_n)["address"],
        _answered(act, out),
        suggestions=msgspec.json.decode(contents.get("suggestions", b"[]"), type=tuple[str, ...]),
        schema=_asked(act, out),
        language=mailbox.language,
        metadata=metadata_of(contents),
    )


def _answered(act: SessionAct, out: Unsent) -> str | None:
    """What the platform calls the message that this one answers: the last that its run has of the customer. Looked for
    close before it; None where there is none, it has no such name, or it was erased."""
    control = act.journal.log.event(act.stream, out.n).control
    if not isinstance(control, e.MessageQueued) or control.run is None:
        return None
    root, taken = root_run(control.run), frozenset[MessageId]()
    for n in range(out.n - 1, max(-1, out.n - 1 - ANSWERED_RECORDS), -1):
        match act.journal.log.event(act.stream, n).control:
            case e.TurnOpened(run=run, messages=messages) if run == root:
                taken = frozenset(messages)
            case e.MessageReceived() as c if c.message in taken or (c.run is not None and root_run(c.run) == root):
                return _origin(act, n)
            case _:
                pass
    return None


def _origin(act: SessionAct, n: int) -> str | None:
    try:
        return act.contents(n).get("id", b"").decode() or None
    except ContentErased:
        return None


def _asked(act: SessionAct, out: Unsent) -> dict[str, Any]:
    """What a question asks for, of a form in steps the field that is asked for; nothing where words will do, or its run
    asks no more."""
    control = act.journal.log.event(act.stream, out.n).control
    if not isinstance(control, e.MessageQueued) or control.kind != "question":
        return {}
    of_run = (each for each in reversed(act.mailbox.questions) if root_run(each.run) == control.run)
    question = next(of_run, None)
    if question is None:
        return {}
    wait = act.journal.run(question.run).waits.get(question.wait)
    if wait is None:
        return {}
    contents = act.journal.log.contents(run_stream(question.run), wait.n)
    schema = msgspec.json.decode(contents.get("schema", b"{}"), type=dict[str, Any])
    steps = steps_of(act.services, act.journal, act.mailbox, Expected(wait.kind, schema))
    if steps is None:
        return schema
    at = steps.progress(replies_to(act.journal, act.mailbox, question)).at
    return {} if at is None else dict(steps.field(at))


# -- how an attempt ended ----------------------------------------------------------------------------------------


async def _ended(act: SessionAct, out: Unsent, delivery: Delivery) -> _Ended:
    match delivery.outcome:
        case "delivered" | "failed":
            return e.DeliverySettled(out.message, out.attempt, delivery.outcome, delivery.code)
        case "retry":
            return _again(act.services, out, delivery)
        case "unknown":
            return await _unsure(act, out, delivery)
        case _:
            assert_never(delivery.outcome)


def _again(services: Services, out: Unsent, delivery: Delivery) -> e.DeliverySettled:
    options = services.options
    if out.attempt >= options.delivery_attempts_max:
        return e.DeliverySettled(out.message, out.attempt, "failed", delivery.code)
    return e.DeliverySettled(out.message, out.attempt, "retry", delivery.code, _due_us(services, out, delivery))


def _due_us(services: Services, out: Unsent, delivery: Delivery) -> int:
    """When the next attempt is made: when the platform says, else later and later; 0 for at once."""
    pause_s = delivery.retry_after_s
    if pause_s == 0.0:
        return 0
    pause_s = pause_s or services.options.delivery_backoff_s * 2 ** (out.attempt - 1)
    return services.clock() + int(pause_s * 1e6)


async def _unsure(act: SessionAct, out: Unsent, delivery: Delivery) -> _Ended:
    """What becomes of a message of which it is not known whether it is there."""
    scope, channel, services = act.journal.scope, _channel(act), act.services
    traits = traits_of(channel, scope)
    if traits.repeats == "same":
        return _again(services, out, delivery)
    has = await _has(act, channel, out) if traits.repeats == "asks" else None
    if has is not None:
        settled = e.DeliverySettled(out.message, out.attempt, "delivered", delivery.code)
        return settled if has else _again(services, out, delivery)
    if traits.in_doubt == "hold" or out.attempt >= services.options.delivery_attempts_max:
        return e.DeliveryDoubted(out.message, out.attempt, "hold", delivery.code)
    return e.DeliveryDoubted(out.message, out.attempt, "repeat", delivery.code, _due_us(services, out, delivery))


async def _has(act: SessionAct, channel: Channel | None, out: Unsent) -> bool | None:
    """Whether the platform has a message; None where it does not say."""
    if not isinstance(channel, Platform):
        return None
    try:
        return await channel.has(act.journal.scope, _outbound(act, out))
    except Exception:  # noqa: BLE001 - a channel may raise anything, and so may erased contents; then nobody knows
        return None
