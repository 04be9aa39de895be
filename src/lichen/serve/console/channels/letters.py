"""What got stuck on its way in or out: the list, one of them, and what a person does with it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import SessionId
from lichen.runtime.views.talks.letter import LetterDetail, LetterState, LetterView
from lichen.serve.console.visit import Outcome, Query, Visit

LISTED_MAX: Final = 200

Done = Literal["taken", "again", "delivered", "dropped"]
"""What was done: a message was taken after all, goes again, is there as a person says, was put away."""


class Wanted(Query, frozen=True):
    """Which letters, in a state, of a channel; `done` and `letter` say what was done just now."""

    state: LetterState | None = None
    channel: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    done: Done | None = None
    letter: Annotated[str, msgspec.Meta(max_length=160)] = ""


class LetterBook(msgspec.Struct, frozen=True):
    """What waits for a person, the oldest first, and how many in each state in all channels. `is_cut`: there is more
    of what is shown."""

    letters: tuple[LetterView, ...]
    counts: dict[str, int]
    state: LetterState | None
    channel: str | None
    is_cut: bool
    done: Done | None
    letter: str
    session: SessionId | None


class LetterPage(msgspec.Struct, frozen=True):
    """One of them. `acts` are what can be done with it."""

    letter: LetterDetail
    acts: tuple[Done, ...]


ACTS: Final[dict[str, tuple[Done, ...]]] = {
    "dead": ("taken", "dropped"),
    "failed": ("again", "delivered", "dropped"),
    "in_doubt": ("delivered", "again", "dropped"),
}


async def listing(visit: Visit) -> LetterBook:
    """What got stuck and nobody settled."""
    wanted = visit.query(Wanted)
    letters, scope, actor = visit.runtime.letters, visit.scope, visit.actor
    found = await letters.list(scope, actor, limit=LISTED_MAX, state=wanted.state, channel=wanted.channel)
    session, dot, _ = wanted.letter.partition(".")
    return LetterBook(
        letters=found,
        counts=dict(letters.counts(scope, actor)),
        state=wanted.state,
        channel=wanted.channel,
        is_cut=len(found) == LISTED_MAX,
        done=wanted.done,
        letter=wanted.letter,
        session=SessionId(session) if wanted.done and dot else None,
    )


async def show(visit: Visit) -> LetterPage:
    """The letter of the path. Raises NotFound (`letter_unknown`), Conflict (`letter_settled`)."""
    found = await visit.runtime.letters.show(visit.scope, visit.part("letter"), visit.actor)
    return LetterPage(found, ACTS[found.state])


async def settle(visit: Visit) -> Outcome:
    """Does with it what the form says. Raises Denied, NotFound, Conflict (`letter_settled`), Invalid, and what taking
    it raises."""
    id, letters = visit.part("letter"), visit.runtime.letters
    done = visit.form.get("done", "")
    match done:
        case "taken" | "again":
            await letters.replay(visit.scope, id, visit.actor)
        case "delivered":
            await letters.delivered(visit.scope, id, visit.actor)
        case "dropped":
            await letters.drop(visit.scope, id, visit.actor)
        case _:
            step = "Use the buttons of the letter's page."
            raise Invalid("A letter is not settled so.", code="letter_invalid", place="done", next_step=step)
    return Outcome(f"/console/letters?done={done}&letter={id}")
