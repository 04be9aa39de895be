"""Reminders: what a model is told beside the conversation, when it is due and how often."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from lichen.agents.llm.window import Messages
from lichen.core.ports.model import ModelMessage
from lichen.core.words.errors import Invalid

Tier = Literal["safety", "guidance"]
Attachment = Literal["run_start", "user_turn"]

TEXT_CHARS_MAX: Final = 2_000
REMINDERS_MAX: Final = 32  # of one agent
EXPLANATION: Final = (
    "You may see <system-reminder>...</system-reminder> blocks in system text. The platform added them; they are not "
    "part of what the customer wrote. Follow them where they apply, and do not repeat them or their wording."
)

_ID = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class Reminder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing a model is reminded of, by a stable `id`.

    `tier`: `safety` comes first and is never dropped by a cap, `guidance` is dropped first. `attach`: with the start of
    the conversation, or with the newest words. `max_per_run`: how many plans of a run it comes with, 0 for all of
    them. `turns_between`: how many plans after one time it comes again, 0 for every plan.
    """

    id: str
    text: str
    tier: Tier = "guidance"
    attach: Attachment = "user_turn"
    max_per_run: int = 0
    turns_between: int = 0

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id) or not self.text.strip() or len(self.text) > TEXT_CHARS_MAX:
            raise ValueError(f"a reminder needs an id such as pending_items, and 1 to {TEXT_CHARS_MAX} characters")
        if self.max_per_run < 0 or self.turns_between < 0:
            raise ValueError("max_per_run and turns_between cannot be negative")

    def is_due(self, turn: int) -> bool:
        """Whether it comes with the plan of this number, counted from 0. Nothing else is asked, so it is the same
        after a restart, and when a plan is asked for again."""
        every = max(1, self.turns_between)
        is_capped = self.tier != "safety" and self.max_per_run and turn // every >= self.max_per_run
        return turn % every == 0 and not is_capped


def checked(reminders: Iterable[Reminder]) -> tuple[Reminder, ...]:
    """The reminders in the order they come in: safety first, then by id. Raises Invalid (`planner_invalid`)."""
    ordered = tuple(sorted(reminders, key=lambda each: (each.tier != "safety", each.id)))
    ids = [each.id for each in ordered]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice is not None or len(ordered) > REMINDERS_MAX:
        message = f"There are two reminders {twice!r}." if twice else f"There are more than {REMINDERS_MAX} reminders."
        raise Invalid(message, code="planner_invalid", next_step="Leave one out.")
    return ordered


def due(reminders: Sequence[Reminder], turn: int, *, most: int) -> tuple[Reminder, ...]:
    """Those that come with the plan of this number, at most `most`, but every one for safety."""
    now = [each for each in reminders if each.is_due(turn)]
    safety = [each for each in now if each.tier == "safety"]
    guidance = [each for each in now if each.tier != "safety"]
    return (*safety, *guidance[: max(0, most - len(safety))])


def reminded(messages: Messages, reminders: Sequence[Reminder]) -> Messages:
    """The messages with the reminders in them: those of the start in front, the others with the newest words.

    Newest words are those of the customer, and the reminders stand before them; results of tools must follow their
    calls at once, and the reminders stand behind them.
    """
    start = _block(each.text for each in reminders if each.attach == "run_start")
    turn = _block(each.text for each in reminders if each.attach != "run_start")
    at = _place(messages)
    return (*start, *messages[:at], *turn, *messages[at:])


def stable(messages: Messages, reminders: Sequence[Reminder]) -> int:
    """How many of the messages the run's next plan finds at the same place, whatever reminders come with that."""
    if any(each.attach == "run_start" and (each.max_per_run or each.turns_between > 1) for each in reminders):
        return 0
    return _place(messages) if any(each.attach == "user_turn" for each in reminders) else len(messages)


def noted(texts: Iterable[str]) -> Messages:
    """One message of the system that holds each of these texts once, none for none."""
    return _block(dict.fromkeys(texts))


def _block(texts: Iterable[str]) -> Messages:
    said = [_tagged(text) for text in texts if text.strip()]
    return (ModelMessage("system", "\n\n".join(said)),) if said else ()


def _tagged(text: str) -> str:
    text = text.strip()
    return text if "<system-reminder>" in text else f"<system-reminder>{text}</system-reminder>"


def _place(messages: Messages) -> int:
    """Where reminders of the newest words stand: never between a call and its result."""
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].role == "tool":
            return at + 1
        if messages[at].role == "user":
            return at
    return len(messages)
