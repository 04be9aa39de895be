"""A planner that follows rules: no model, no cost, and the same answer to the same words every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from lichen.agents import document
from lichen.agents.rules.compiler import Opening, rulebook
from lichen.agents.rules.dialogue import Dialogue
from lichen.agents.rules.rulebook import Rulebook
from lichen.agents.rules.rules import Endings, Intent
from lichen.agents.rules.words import ENDINGS, Words, endings, translated
from lichen.core.ports.plan import Plan, PlanInput, PlannerKind
from lichen.core.speech.wording import DEFAULT, Greeting, is_language
from lichen.core.words.errors import Invalid

DAY_S = 86_400.0


class RulePlanner(Endings, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True, eq=False):
    """Recognizes intents, asks for what is missing, makes the calls and fills the answer in.

    `greeting` answers an empty message, `fallback` one that states no intent; both are plain texts. A slot is asked
    for at most `asks_max` times; a question stays open for `ask_expires_s` seconds (None: for good). The `on_` texts
    hold where intents and calls say nothing; they may refer to `reason`, `code` and `limit`.

    All of it is in `language`; `languages` has the words of others. A customer is spoken to in the language of their
    session, or in the one that their words were recognized in. `suggestions` are shown with the greeting.

    Raises Invalid (`rule_invalid`) naming intent, slot or call, with the JSON pointer as its place.
    """

    intents: Sequence[Intent]
    fallback: str
    greeting: str = ""
    suggestions: Sequence[str] = ()
    language: str = DEFAULT
    languages: Mapping[str, Words] = msgspec.field(default_factory=dict[str, Words])
    asks_max: int = 3
    ask_expires_s: float | None = DAY_S
    on_denied: str = "I am not allowed to do that."
    on_failed: str = "That did not work."
    on_cancelled: str = "That was stopped."
    on_timed_out: str = "That took too long. Please try again later."
    on_unknown: str = "I could not confirm whether that went through. A colleague is checking it."
    on_expired: str = "I did not hear from you, so I closed this. Please write again whenever you like."
    on_gave_up: str = "I am sorry, I did not understand. Please contact a colleague."
    on_limit: str = "I could not finish this. Please try again later."
    on_incomplete: str = "I do not have all the information I need for that."

    def __post_init__(self) -> None:
        if self.asks_max < 1 or (self.ask_expires_s is not None and self.ask_expires_s <= 0):
            place = "/asks_max" if self.asks_max < 1 else "/ask_expires_s"
            raise Invalid("A question must be asked once and stay open for a while.", code="rule_invalid", place=place)
        _ = self._books, self._digest  # made here: wrong rules are refused where they are written

    @classmethod
    def from_mapping(cls, rules: Mapping[str, object]) -> RulePlanner:
        """The planner that `rules`, a parsed TOML or JSON table, describes. Unknown keys are refused.

        Raises Invalid (`rule_invalid`) with the JSON pointer of the first thing that is wrong.
        """
        return document.read(rules, cls, code="rule_invalid")

    @property
    def kind(self) -> PlannerKind:
        """`rules`: a rule table decides."""
        return "rules"

    @property
    def pure(self) -> bool:
        """True: a plan depends on the input alone."""
        return True

    @property
    def digest(self) -> str:
        """Identifies the rules, however they were written."""
        return self._digest

    @cached_property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools that the rules call, sorted."""
        return tuple(sorted({call.tool for intent in self.intents for call in intent.calls}))

    async def plan(self, input: PlanInput) -> Plan:
        """A question, a call or the answer. Never raises for anything a customer wrote."""
        dialogue = Dialogue(self._books, input, asks_max=self.asks_max, ask_expires_s=self.ask_expires_s)
        return await dialogue.plan()

    def welcome(self, language: str) -> Greeting:
        """The greeting and the suggestions in a language, else in its own."""
        words = self.languages.get(language)
        if words is None or not words.greeting:
            return Greeting(self.greeting, tuple(self.suggestions))
        return Greeting(words.greeting, tuple(words.suggestions))

    @cached_property
    def _digest(self) -> str:
        rules = msgspec.to_builtins(self)
        if self.ask_expires_s is not None:
            rules["ask_expires_s"] = float(self.ask_expires_s)  # 60 and 60.0 are the same rule
        return document.digest("rules/1", rules)

    @cached_property
    def _books(self) -> Mapping[str, Rulebook]:
        """The rules in every language, its own first."""
        opening = Opening(self.greeting, self.fallback)
        books = {self.language: rulebook(self.intents, self, opening, language=self.language)}
        for language, words in self.languages.items():
            at = f"/languages/{language}"
            if language in books or not is_language(language):
                step = "Write two or three lower-case letters, each language once: [rules.languages.de]."
                message = f"{language!r} is not a further language."
                raise Invalid(message, code="rule_invalid", next_step=step, place=at)
            general = endings(endings(words, ENDINGS.get(language, Endings())), self)
            opening = Opening(words.greeting, words.fallback or self.fallback)
            intents = translated(self.intents, words, at=at)
            books[language] = rulebook(intents, general, opening, language=language, at=at)
        return books

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RulePlanner) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)
