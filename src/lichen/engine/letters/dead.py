"""Dead letters: what a platform brought, proven, and cannot be taken as it is stands in the log until a person settles
it. What is brought again is the same letter."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict, NotFound, Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Actor
from lichen.engine.intake.request import Request
from lichen.engine.journal.journal import Journal
from lichen.log.projections.outbox import LetterRow

LETTERS_MAX: Final = 10_000  # open ones of one log


class Letter(msgspec.Struct, frozen=True):
    """What could not be taken. `same` is what it has in common with itself when it is brought again; `data` is what
    it was, as whoever replays it reads it; `reason` is our own sentence."""

    channel: str
    same: str
    code: str
    reason: str
    data: bytes
    conversation: str = ""
    sender: Actor | None = None


async def put(journal: Journal, letter: Letter) -> None:
    """Keeps a letter; returns once it is durable. Of somebody who was erased nothing is kept.

    Raises Unavailable (`letters_full`) where as many lie there as may.
    """
    log = journal.log
    token = log.digest(f"{letter.channel}|{letter.same}".encode()).hex()
    if log.find(TENANT_STREAM, f"dead_lettered/{token}") is None:
        subject = "" if letter.sender is None else log.name(letter.sender)
        if subject and journal.is_erased(subject):
            return
        if len(log.letters()) >= LETTERS_MAX:
            raise Unavailable(
                "As many dead letters lie here as may.",
                code="letters_full",
                next_step="Settle some: `lichen letters list`.",
            )
        journal.append({TENANT_STREAM: (_draft(journal, letter, token, subject),)})
    await log.durable_stream(TENANT_STREAM)


def _draft(journal: Journal, letter: Letter, token: str, subject: str) -> e.Draft:
    conversation = letter.conversation and journal.log.digest(letter.conversation.encode()).hex()
    control = e.DeadLettered(letter.channel, token, letter.code, conversation, subject)
    parts = (("letter", letter.data), ("reason", letter.reason.encode()))
    return e.Draft(control, moves.as_contents(parts, subject or RETENTION))


def open_letter(journal: Journal, n: int) -> LetterRow:
    """A letter that nobody settled. Raises NotFound (`letter_unknown`), Conflict (`letter_settled`)."""
    found = journal.log.letters().get(n)
    if found is not None:
        return found
    if journal.log.find(TENANT_STREAM, f"letter_settled/{n}") is not None:
        raise settled_before()
    raise unknown()


async def settle(request: Request, n: int, decision: Literal["replayed", "dropped"]) -> None:
    """Puts a letter away; returns once that is durable. Raises as `open_letter`: of two people one was first."""
    open_letter(request.journal, n)
    settled = e.LetterSettled(n, decision, request.by, request.ruling)
    request.append({TENANT_STREAM: (e.Draft(settled),)})
    await request.journal.log.durable_stream(TENANT_STREAM)


def unknown() -> NotFound:
    """That there is no such letter."""
    return NotFound("There is no such letter here.", code="letter_unknown", next_step="Run `lichen letters list`.")


def settled_before() -> Conflict:
    """That somebody was first."""
    step = "Nothing is left to do: `lichen letters list` shows what is open."
    return Conflict("This letter is settled already.", code="letter_settled", next_step=step)
