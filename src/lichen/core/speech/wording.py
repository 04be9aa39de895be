"""What the runtime itself says to customers, in the languages a tenant speaks, and how a session's is chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

import msgspec

DEFAULT: Final = "en"
WANTED_CHARS_MAX: Final = 256
_TAG = re.compile(r"([A-Za-z]{2,3})(?:-[A-Za-z0-9]{1,8})*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_RANK = re.compile(r"q=(0(?:\.[0-9]{1,3})?|1(?:\.0{1,3})?)")


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


GERMAN: Final = Texts(
    checking="Das muss ich zuerst von einer Kollegin oder einem Kollegen prüfen lassen. Sie hören hier von mir.",
    unknown="Ich konnte nicht feststellen, ob das geklappt hat. Jemand aus dem Team prüft es; Sie müssen nichts tun.",
    failed="Entschuldigung, bei uns ist etwas schiefgegangen. Bitte versuchen Sie es später noch einmal.",
    cancelled="Dieser Vorgang wurde beendet.",
    rejected="Ich bin noch mit Ihrer letzten Nachricht beschäftigt. Bitte warten Sie auf meine Antwort.",
    withheld="Entschuldigung, das darf ich hier nicht beantworten.",
    unclear="Entschuldigung, das kann ich nicht als Antwort nehmen. Bitte versuchen Sie es noch einmal.",
    denied="Das ist nicht erlaubt.",
    approval="Dem muss zuerst ein Mensch zustimmen.",
    in_doubt="Wie derselbe Vorgang vorher ausging, wird noch geprüft.",
    busy="Im Moment ist zu viel los. Bitte versuchen Sie es noch einmal.",
    asked_already="Es ist schon jemand aus dem Team gefragt. Die Antwort kommt hier.",
    attended="Jetzt ist jemand aus dem Team für Sie da und liest, was Sie schreiben.",
    returned="Sie sprechen jetzt wieder mit dem Assistenten.",
    unattended="Leider konnte Ihnen niemand aus dem Team rechtzeitig antworten. Sie sprechen jetzt wieder mit dem "
    "Assistenten.",
    without_person="Ohne Mitarbeiter weiter",
    stopped="Entschuldigung, im Moment kann ich nicht helfen: Wir haben das gerade angehalten. "
    "Bitte versuchen Sie es später noch einmal.",
    asked_by="Der fremde Dienst {asker} fragt: {question}",
    model_busy="Ich kann gerade nicht antworten. Bitte versuchen Sie es gleich noch einmal.",
    model_broken="Ich kann im Moment nicht antworten. Jemand aus dem Team muss sich das ansehen.",
    model_too_long="Dieses Gespräch ist für mich zu lang geworden. Bitte beginnen Sie ein neues.",
    model_refused="Dabei kann ich nicht helfen.",
    model_budget="Ich kann vorerst nicht mehr antworten: Ein Budget ist aufgebraucht.",
)
BUILT_IN: Final[Mapping[str, Texts]] = {DEFAULT: Texts(), "de": GERMAN}


_MODEL: Final[Mapping[str, str]] = {
    "model_auth": "model_broken",
    "model_key_missing": "model_broken",
    "model_key_elsewhere": "model_broken",
    "secret_refused": "model_broken",
    "model_request_invalid": "model_broken",
    "model_unasked": "model_broken",
    "reply_cut": "model_broken",
    "model_unpriced": "model_broken",
    "model_rate_limited": "model_busy",
    "model_budget_busy": "model_busy",
    "model_overloaded": "model_busy",
    "model_unavailable": "model_busy",
    "model_timed_out": "model_busy",
    "model_malformed": "model_busy",
    "model_context_too_long": "model_too_long",
    "model_refused": "model_refused",
    "model_budget_exceeded": "model_budget",
}


def public_text(texts: Texts, code: str) -> str:
    """What a customer is told of a run that failed with `code`: what follows from a model's failure, or that something
    went wrong. What went wrong in detail only operators read."""
    return getattr(texts, _MODEL.get(code, "failed"))


_CUT_OFF: Final[Mapping[str, str]] = {
    DEFAULT: "I had to stop before this was done. Please try again later.",
    "de": "Ich musste aufhören, bevor das fertig war. Bitte versuchen Sie es später noch einmal.",
}


def cut_off(language: str) -> str:
    """What a planner answers that reached a limit and has nothing to say: in this language, if it is known."""
    return _CUT_OFF.get(language, _CUT_OFF[DEFAULT])


class Greeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What customers see before they say anything, and what they are offered to say."""

    text: str = ""
    suggestions: tuple[str, ...] = ()


@runtime_checkable
class Greeter(Protocol):
    """A planner that knows how conversations with it begin."""

    def welcome(self, language: str) -> Greeting:
        """The greeting in a language, or in its own where it has none in that one."""
        ...


class Wording(msgspec.Struct, frozen=True):
    """The languages of a tenant, the first of which is spoken to whoever wants none of them, and its words in each."""

    languages: tuple[str, ...] = (DEFAULT,)
    texts: Mapping[str, Texts] = msgspec.field(default_factory=lambda: BUILT_IN)

    def chosen(self, wanted: str) -> str:
        """The language for somebody who wants `wanted`: a tag (`de-AT`), or a list as Accept-Language has it."""
        spoken = (tag for tag in tags(wanted) if tag in self.languages)
        return next(spoken, self.languages[0])

    def of(self, language: str) -> Texts:
        """The words in a language; without a language, or in one that has none, those of the default."""
        for name in (language, self.languages[0], DEFAULT):
            if name in self.texts:
                return self.texts[name]
        return Texts()


def is_language(text: str) -> bool:
    """Whether this is how a language is written here: two or three lower-case letters."""
    return _LANGUAGE.fullmatch(text) is not None


def tags(wanted: str) -> tuple[str, ...]:
    """The languages somebody wants, best first, as primary subtags in lower case. What cannot be read is left out."""
    ranked: list[tuple[float, str]] = []
    for part in wanted[:WANTED_CHARS_MAX].split(","):
        tag, _, rank = (piece.strip() for piece in part.partition(";"))
        found, weight = _TAG.fullmatch(tag), _RANK.fullmatch(rank)
        if found is not None and (weight is not None or not rank):
            ranked.append((-float(weight[1]) if weight else -1.0, found[1].lower()))
    return tuple(dict.fromkeys(tag for weight, tag in sorted(ranked, key=lambda each: each[0]) if weight))
