"""The obligation `deliver`: a durable message leaves through its channel, in order, under its own id."""

from __future__ import annotations

from lichen.core import events as e
from lichen.core import faults
from lichen.core.ids import MessageId, SessionId, session_stream
from lichen.core.mailbox import MailboxState, Outbound
from lichen.engine.journal import Journal
from lichen.engine.ports import Delivery, Services
from lichen.log.erasures import Erased


async def deliver(services: Services, journal: Journal, session: SessionId, message: MessageId) -> None:
    """Performs `deliver`: one attempt, recorded before it is made and after."""
    mailbox = journal.mailbox(session)
    out = mailbox.outbox[message]
    stream = session_stream(session)
    journal.append({stream: (e.Draft(e.DeliveryAttempted(message, out.attempt)),)})
    await journal.log.durable_stream(stream)
    faults.hit("deliver.before")
    delivery = await _send(services, journal, mailbox, out)
    faults.hit("deliver.after")
    if message in journal.mailbox(session).outbox:
        settled = _settled(services, out, delivery)
        journal.append({stream: (e.Draft(settled),)})


async def _send(services: Services, journal: Journal, mailbox: MailboxState, out: Outbound) -> Delivery:
    channel = services.channels.get(mailbox.channel)
    if channel is None:
        return Delivery("retry", "channel_unknown")
    try:
        text = journal.log.contents(session_stream(mailbox.id), out.n)["text"].decode()
    except Erased:
        return Delivery("failed", "content_erased")
    try:
        return await channel.send(journal.scope, mailbox.id, out.message, text)
    except Exception as error:  # noqa: BLE001 - a channel may raise anything; the message goes again
        return Delivery("retry", f"exception_{type(error).__name__}")


def _settled(services: Services, out: Outbound, delivery: Delivery) -> e.DeliverySettled:
    options = services.options
    if delivery.outcome != "retry":
        return e.DeliverySettled(out.message, out.attempt, delivery.outcome, delivery.code)
    if out.attempt >= options.delivery_attempts_max:
        return e.DeliverySettled(out.message, out.attempt, "failed", delivery.code)
    pause_s = delivery.retry_after_s or options.delivery_backoff_s * 2 ** (out.attempt - 1)
    due_us = services.clock() + int(pause_s * 1e6)
    return e.DeliverySettled(out.message, out.attempt, "retry", delivery.code, due_us)
