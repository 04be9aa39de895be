"""The obligation `deliver`: a durable message leaves through its channel, in order, under its own id."""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState, Unsent
from lichen.core.speech import saying
from lichen.core.words import faults
from lichen.core.words.ids import MessageId, SessionId, session_stream
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Delivery, Outbound, Services
from lichen.log.keys.erasures import Erased


async def deliver(services: Services, journal: Journal, session: SessionId, message: MessageId) -> None:
    """Performs `deliver`: one attempt, recorded before it is made and after."""
    mailbox = journal.mailbox(session)
    out = mailbox.outbox[message]
    stream = session_stream(session)
    journal.append({stream: (e.Draft(e.DeliveryAttempted(message, out.attempt)),)})
    await journal.durable(session=session)
    faults.hit("deliver.before")
    delivery = await _send(services, journal, mailbox, out)
    faults.hit("deliver.after")
    if message in journal.mailbox(session).outbox:
        settled = _settled(services, out, delivery)
        journal.append({stream: (e.Draft(settled),)})


async def _send(services: Services, journal: Journal, mailbox: MailboxState, out: Unsent) -> Delivery:
    channel = services.channels.get(mailbox.channel)
    if channel is None:
        return Delivery("retry", "channel_unknown")
    try:
        message = _outbound(journal, mailbox, out)
    except Erased:
        return Delivery("failed", "content_erased")
    try:
        return await channel.send(journal.scope, message)
    except Exception as error:  # noqa: BLE001 - a channel may raise anything; the message goes again
        return Delivery("retry", f"exception_{type(error).__name__}")


def _outbound(journal: Journal, mailbox: MailboxState, out: Unsent) -> Outbound:
    """What is sent, and where to. Raises Erased."""
    stream = session_stream(mailbox.id)
    contents = journal.log.contents(stream, out.n)
    return Outbound(
        out.message,
        mailbox.id,
        out.kind,
        saying.read(contents),
        journal.log.event(stream, out.n).ts_us,
        b"" if mailbox.address_n is None else journal.log.contents(stream, mailbox.address_n)["address"],
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
