"""What got stuck on its way in or out, as whoever settles it reads it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lichen.core.words.ids import SessionId

Stage = Literal["ingress", "egress"]
LetterState = Literal["dead", "failed", "in_doubt"]


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that got stuck. `dead`: a message came and could not be taken; `failed`: one could not be delivered;
    `in_doubt`: nobody knows whether it was.

    `code` says why. `conversation` is the session that a message is of, and the digest of a conversation that none was
    taken of. `text` is what it says, None for whoever may not read it. `summary` is what happened, in a line.
    """

    id: str
    stage: Stage
    state: LetterState
    channel: str
    code: str
    conversation: str
    at_us: int
    attempts: int
    text: str | None
    summary: str = ""


class LetterError(msgspec.Struct, frozen=True):
    """Why a message got stuck, and where."""

    code: str
    message: str
    stage: Stage


class LetterDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One of them as a record of a dead letter queue: what it is, the subjects it would be found and tried again under,
    and `envelope`, what came or was to go, empty for whoever may not read it, as is `text`, what it says. `ts` is the
    time in RFC 3339, `session` the conversation that a message was to go to, `summary` what happened, in a line."""

    id: str
    tenant: str
    stage: Stage
    platform: str
    msg_id: str
    retries: int
    ts: str
    error: LetterError
    envelope: dict[str, Any]
    state: LetterState
    subject: str
    replay_subject: str
    at_us: int = 0
    session: SessionId | None = None
    text: str | None = None
    summary: str = ""


def letter_line(state: LetterState, channel: str, code: str) -> str:
    """What happened to a message, in a line."""
    match state:
        case "dead":
            what = "came in and could not be taken"
        case "failed":
            what = "could not be delivered"
        case "in_doubt":
            what = "went out, and nobody knows whether it is there"
    return f"{channel}: {what} ({code or 'no reason given'})"
