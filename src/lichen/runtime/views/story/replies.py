"""Replies that wait to leave: why each does, until when, and what a person can do about it."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState, Unsent
from lichen.core.words.ids import MessageId, RunId, SessionId, session_stream
from lichen.engine.pace.held import RESTARTED
from lichen.log.log import Log

BEHIND: Final = "behind"
"""The code of a message that goes after an earlier one of its conversation."""

_DOCTOR: Final = "`lichen channel doctor` names what is missing, and what mends it."
_OTHER: Final = ("Its channel could not send it.", "`lichen channel doctor` asks the platform.")
_NOTHING: Final = "Nothing has to be done: it is tried again by itself."
REASONS: Final = {
    BEHIND: ("An earlier message of the conversation goes first.", "See what that one waits for."),
    "channel_secret_missing": ("A secret of its channel is not there.", _DOCTOR),
    "channel_secret_apart": ("The process that sends has no secrets of the log.", "Refer to it as env:VARIABLE."),
    "secret_refused": (
        "Policy keeps a secret from its channel.",
        "Take back the forbid on secret.use for it; `lichen channel doctor` names the secret.",
    ),
    "secret_store_unavailable": ("The store of its channel's secret does not answer.", _DOCTOR),
    "platform_resting": ("Its platform failed again and again, and is left alone.", _OTHER[1]),
    "platform_busy": ("Its platform takes no more for now.", _NOTHING),
    "platform_unreachable": ("Its platform cannot be reached.", _OTHER[1]),
    "credentials_refused": (
        "Its platform does not take the channel's credentials.",
        "Give it others: `lichen channel update`.",
    ),
    "channel_unknown": (
        "There is no such channel any more.",
        "Declare it again: `lichen channel list` shows those there are.",
    ),
    RESTARTED: ("It waited when the runtime was started, and is tried when it is due.", _NOTHING),
    "plugin_broken": ("The package that brings its channel does not work.", "Run `lichen doctor`."),
    "cut_off": ("It was cut off, and goes again.", _NOTHING),
    "interrupted": ("It was cut off, and goes again.", _NOTHING),
}


class WaitingReply(msgspec.Struct, frozen=True):
    """A message to a customer that was not delivered yet. `code` and `reason` say why, `next_step` what helps;
    `until_us` is when it is tried again, None while that is not known. `attempts` were made."""

    message: MessageId
    session: SessionId
    channel: str
    run: RunId | None
    kind: str
    code: str
    reason: str
    next_step: str
    attempts: int
    queued_at_us: int
    until_us: int | None


def waiting_replies(log: Log, mailbox: MailboxState, run: RunId | None = None) -> tuple[WaitingReply, ...]:
    """Those of a session whose messages are pushed, or of a run of it. What was never tried, or is on its way for the
    first time, does not wait."""
    if mailbox.delivery != "push" or not mailbox.outbox:
        return ()
    first = next(iter(mailbox.outbox.values()))
    code = _code(log, mailbox, first)
    if not code:
        return ()
    each = (_waiting(log, mailbox, out, code if out is first else BEHIND) for out in mailbox.outbox.values())
    return tuple(one for one in each if run is None or one.run == run)


def reason_of(code: str) -> tuple[str, str]:
    """Why a message waits with this code, and what helps."""
    return REASONS.get(code, _OTHER)


def _waiting(log: Log, mailbox: MailboxState, out: Unsent, code: str) -> WaitingReply:
    record = log.record(session_stream(mailbox.id), out.n)
    queued = record.control
    assert isinstance(queued, e.MessageQueued), "what goes out was put there"
    reason, next_step = reason_of(code)
    return WaitingReply(
        out.message,
        mailbox.id,
        mailbox.channel,
        queued.run,
        out.kind,
        code,
        reason,
        next_step,
        out.attempt if out.is_backing_off else out.attempt - 1,
        record.ts_us,
        mailbox.timers.get(f"deliver/{out.message}/{out.attempt + 1}"),
    )


def _code(log: Log, mailbox: MailboxState, out: Unsent) -> str:
    """Why its last attempt did not get there; empty while none ended so."""
    stream = session_stream(mailbox.id)
    for attempt in (out.attempt, out.attempt - 1):  # it is counted on once the next one is due
        for key in (f"delivery_settled/{out.message}/{attempt}", f"delivery_doubted/{out.message}/{attempt}"):
            n = log.find(stream, key)
            control = None if n is None else log.event(stream, n).control
            if isinstance(control, e.DeliverySettled | e.DeliveryDoubted):
                return control.code or "unknown"
    return ""
