"""Every text that the runtime itself says to customers, with its English words."""

from __future__ import annotations

from typing import Final

import msgspec

DEFAULT: Final = "en"


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The runtime's own words, in one language."""

    checking: str = "I have to check this with a colleague first. I will come back to you here."
    unknown: str = "I could not confirm whether this went through. A colleague is checking; you need not do anything."
    failed: str = "Sorry, something went wrong on our side. Please try again later."
    cancelled: str = "This request was stopped."
    rejected: str = "I am still working on your last message. Please wait for my answer."
    withheld: str = "Sorry, I may not answer that here."
    unclear: str = "Sorry, I cannot take that as the answer. Please try again."
    denied: str = "This is not allowed."
    approval: str = "A person has to agree to this first."
    in_doubt: str = "The outcome of the same request before is still being checked."
    busy: str = "There is too much going on at the moment. Please try again."
    asked_already: str = "Somebody has been asked already. They will answer you here."
    attended: str = "A colleague is here now and reads what you write."
    returned: str = "You are talking to the assistant again."
    unattended: str = "Sorry, none of us could answer you in time. You are talking to the assistant again."
    without_person: str = "Go on without a person"
    stopped: str = "Sorry, I cannot help you just now: we have paused this for the moment. Please try again later."
    asked_by: str = "The outside service {asker} asks: {question}"
    model_busy: str = "I cannot answer just now. Please try again in a moment."
    model_broken: str = "I cannot answer at the moment. Somebody has to look at this."
    model_too_long: str = "This conversation has become too long for me. Please start a new one."
    model_refused: str = "I cannot help with that."
    model_budget: str = "I cannot answer any more for now: a budget is used up."
    step: str = "{n} of {total} · {label}"
    steps: str = "You can write “back” or “cancel” at any time."
    optional: str = "Write “skip” to leave this out."
    back: str = "back"
    cancel: str = "cancel"
    skip: str = "skip"
    yes: str = "Yes"
    no: str = "No"
    write_one: str = "Please choose one of these."
    write_some: str = "Please choose from these; put commas between several."
    write_number: str = "Please write a number."
    write_date: str = "Please write a date, such as 2026-05-31."
    write_time: str = "Please write a time, such as 14:30."
    write_yes_no: str = "Please answer yes or no."
