"""The obligation `deliver`: a durable message leaves through its channel, in order, under its own id."""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import Unsent
from lichen.core.speech import saying
from lichen.core.words import faults
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import MessageId
from lichen.engine.act import SessionAct
from lichen.engine.ports import Delivery, Outbound, Services


async def deliver(act: SessionAct, message: MessageId) -> None:
    """Performs `deliver`: one attempt, recorded before it is made and after."""
    out = act.mailbox.outbox[message]
    act.note(e.Draft(e.DeliveryAttempted(message, out.attempt)))
    await act.journal.durable(session=act.mailbox.id)
    faults.hit("deliver.before")
    delivery = await _send(act, out)
    faults.hit("deliver.after")
    if message in act.journal.mailbox(act.mailbox.id).outbox:
        act.note(e.Draft(_settled(act.services, out, delivery)))


async def _send(act: SessionAct, out: Unsent) -> Delivery:
    channel = act.services.channels.get(act.mailbox.channel)
    if channel is None:
        return Delivery("retry", "channel_unknown")
    try:
        message = _outbound(act, out)
    except ContentErased:
        return Delivery("failed", "content_erased")
    try:
        return await channel.send(act.journal.scope, message)
    except Exception as error:  # noqa: BLE001 - a channel may raise anything; the message goes again
        return Delivery("retry", f"exception_{type(error).__name__}")


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
        suggestions=msgspec.json.decode(contents.get("suggestions", b"[]"), type=tuple[str, ...]),
    )


def _settled(services: Services, out: Unsent, delivery: Delivery) -> e.DeliverySettled:
    options = services.options
    if delivery.outcome != "retry":
        return e.DeliverySettled(out.message, out.attempt, delivery.outcome, delivery.code)
    if out.attempt >= options.delivery_attempts_max:
        return e.DeliverySettled(out.message, out.attempt, "failed", delivery.code)
    pause_s = delivery.retry_after_s or options.delivery_backoff_s * 2 ** (out.attempt - 1)
    due_us = services.clock() + int(pause_s * 1e6)
    return e.DeliverySettled(out.message, out.attempt, "retry", delivery.code, due_us)
