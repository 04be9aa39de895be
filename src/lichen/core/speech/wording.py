"""What the runtime itself says to customers, in the languages a tenant speaks, and how a session's is chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

import msgspec

from lichen.core.speech.texts import DEFAULT as DEFAULT
from lichen.core.speech.texts import Texts as Texts
from lichen.core.speech.translations import CUT_OFF, TRANSLATED
from lichen.core.speech.translations import GERMAN as GERMAN

WANTED_CHARS_MAX: Final = 256
_TAG = re.compile(r"([A-Za-z]{2,3})(?:-[A-Za-z0-9]{1,8})*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_RANK = re.compile(r"q=(0(?:\.[0-9]{1,3})?|1(?:\.0{1,3})?)")


BUILT_IN: Final[Mapping[str, Texts]] = TRANSLATED
"""What the runtime says, by language."""


_MODEL: Final[Mapping[str, str]] = {
    "access_forbidden": "denied",
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
    """What a customer is told of a run that failed with `code`: that it may not be, what follows from a model's
    failure, or that something went wrong. What went wrong in detail only operators read."""
    return getattr(texts, _MODEL.get(code, "failed"))


def cut_off(language: str) -> str:
    """What a planner answers that reached a limit and has nothing to say: in this language, if it is known."""
    return CUT_OFF.get(language, CUT_OFF[DEFAULT])


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
    """The languages of a tenant, the first of which is spoken to whoever wants none of them, and its words in each.

    `keyed` are the project's own, by language and key."""

    languages: tuple[str, ...] = (DEFAULT,)
    texts: Mapping[str, Texts] = msgspec.field(default_factory=lambda: BUILT_IN)
    keyed: Mapping[str, Mapping[str, str]] = {}

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
