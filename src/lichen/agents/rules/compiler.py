"""Makes a rulebook from a rule table, or says which intent, slot or call of it is wrong, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

from lichen.agents.rules.phrase import any_of, phrase
from lichen.agents.rules.rulebook import AnswerRule, Argument, CallRule, Condition, Ends, IntentRule, Rulebook, SlotRule
from lichen.agents.rules.rules import Answer, Call, Endings, Intent, Outcomes, Slot, When
from lichen.agents.rules.slots import finder
from lichen.core.patterns.pattern import PatternError, compiled
from lichen.core.speech.template import Reference, Template, TemplateError, parse
from lichen.core.words.errors import Invalid

INTENTS_MAX = 256
SLOTS_MAX = 16
CALLS_MAX = 16
PATTERNS_MAX = 64
_RESERVED = ("result", "reason", "code", "limit")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_ENDING_NAMES = frozenset(("reason", "code", "limit"))

T = TypeVar("T")


class Opening(NamedTuple):
    """What is said to an empty message, and to one that states no intent; both are plain texts."""

    greeting: str
    fallback: str


def rulebook(
    intents: Sequence[Intent], general: Endings, opening: Opening, *, language: str = "en", at: str = ""
) -> Rulebook:
    """The rulebook of these intents in one language; `general` says what intents leave open. `at` is the place of that
    language's words, where its intents go by their names.

    Raises Invalid (`rule_invalid`) with the JSON pointer of the first thing that is wrong.
    """
    _bounded("intents", intents, INTENTS_MAX, "")
    _unique("intent", [intent.name for intent in intents], "/intents")
    places = [f"{at}/intents/{intent.name if at else i}" for i, intent in enumerate(intents)]
    made = [_Rules(place, intent, language).compile() for place, intent in zip(places, intents, strict=True)]
    ordered = sorted(made, key=lambda intent: -intent.rule.priority)
    root = _Place(at, "the rules")
    ends = _ends(root, general, _ENDING_NAMES)
    for key, text in (("greeting", opening.greeting), ("fallback", opening.fallback)):
        if root.template(text, f"/{key}", ()).references or (key == "fallback" and not text):
            root.refuse(f"{key} must be a text without references", f"/{key}")
    book = Rulebook(ordered, {i.rule.name: i for i in ordered}, ends, *opening)
    _prove_examples(intents, book, places)
    return book


def _prove_examples(intents: Sequence[Intent], book: Rulebook, places: Sequence[str]) -> None:
    for intent, pointer in zip(intents, places, strict=True):
        for j, example in enumerate(intent.examples):
            won = book.match(example)
            if won is None or won.rule.name != intent.name:
                winner = "no intent" if won is None else f"intent {won.rule.name!r}"
                place = _Place(pointer, f"intent {intent.name!r}")
                place.refuse(f"its example is taken by {winner}", f"/examples/{j}")


class _Place:
    """A part of the table: its JSON pointer and its name in an error."""

    def __init__(self, pointer: str, name: str) -> None:
        self.pointer = pointer
        self.name = name

    def wrong(self, why: str, at: str = "") -> Invalid:
        place = f"{self.pointer}{at}" or "/"
        step = "Correct the rule at the place named."
        return Invalid(f"In {self.name}: {why}.", code="rule_invalid", next_step=step, place=place)

    def refuse(self, why: str, at: str = "") -> NoReturn:
        raise self.wrong(why, at)

    def template(self, text: str, at: str, names: Collection[str]) -> Template:
        """The template in `text`, which may refer to `names` only."""
        try:
            template = parse(text)
        except TemplateError as error:
            self.refuse(f"a text is no template: {error}", at)
        for reference in template.references:
            self.known(reference, at, names)
        return template

    def known(self, reference: Reference, at: str, names: Collection[str]) -> None:
        if reference.name not in names:
            known = ", ".join(sorted(names)) or "nothing"
            self.refuse(f"{reference.name!r} cannot be referred to here, only {known}", at)

    def pattern(self, make: Callable[[], T], at: str) -> T:
        """What `make` makes; a PatternError becomes Invalid."""
        try:
            return make()
        except PatternError as error:
            self.refuse(f"a pattern cannot be used: {error}", at)

    def check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            self.refuse("a name must be lower-case letters, digits and underscores, at most 64", "/name")


class _Rules(_Place):
    """One intent on its way into the rulebook."""

    def __init__(self, pointer: str, intent: Intent, language: str) -> None:
        super().__init__(pointer, f"intent {intent.name!r}")
        self.intent = intent
        self.language = language
        self.slots = {slot.name: slot for slot in intent.slots}
        self.calls = [call.called for call in intent.calls]

    def compile(self) -> IntentRule:
        """The intent, checked."""
        self._check()
        slots = {slot.name: self._slot(i, slot) for i, slot in enumerate(self.intent.slots)}
        calls = [self._call(i, call) for i, call in enumerate(self.intent.calls)]
        answers = [self._answer(i, answer) for i, answer in enumerate(self.intent.answers)]
        if self.intent.answer:
            answers.append(AnswerRule(self.template(self.intent.answer, "/answer", self._names()), ()))
        ends = _ends(self, self.intent, {*self._names(), *_ENDING_NAMES})
        told = self.template(self.intent.handover, "/handover", self._names()) if self.intent.handover else None
        said = answers if told is None else [*answers, AnswerRule(told, ())]
        kept = _kept(calls, said, ends, (*self.calls, "result"))
        return IntentRule(self.intent, self._words(), slots, calls, answers, ends, kept, told, self.language)

    def _check(self) -> None:
        self.check_name(self.intent.name)
        _bounded("slots", self.intent.slots, SLOTS_MAX, self.pointer)
        _bounded("calls", self.intent.calls, CALLS_MAX, self.pointer)
        _bounded("patterns", [*self.intent.phrases, *self.intent.patterns], PATTERNS_MAX, self.pointer)
        _unique("slot", [slot.name for slot in self.intent.slots], f"{self.pointer}/slots")
        _unique("slot or call", [*self.slots, *self.calls, *_RESERVED], f"{self.pointer}/calls")
        if not (self.intent.phrases or self.intent.patterns):
            self.refuse("it needs phrases or patterns to be recognized by")
        if not (self.intent.answer or self.intent.answers or self.intent.handover):
            self.refuse("it needs an answer")
        early = [call.early for call in self.intent.calls]
        if early != sorted(early, reverse=True):
            self.refuse("its early calls must come before the others", "/calls")

    def _names(self, calls_before: int | None = None) -> set[str]:
        """What a text may refer to when that many calls are done; all of them by default."""
        calls = self.calls[:calls_before]
        return {*self.slots, *calls, *(("result",) if calls else ())}

    def _words(self) -> re.Pattern[str]:
        intent = self.intent
        made = [self.pattern(partial(phrase, text), f"/phrases/{i}") for i, text in enumerate(intent.phrases)]
        for i, text in enumerate(intent.patterns):
            made.append(self.pattern(partial(compiled, text), f"/patterns/{i}").pattern)
        return self.pattern(partial(any_of, made), "/patterns")

    def _slot(self, i: int, slot: Slot) -> SlotRule:
        place = _Place(f"{self.pointer}/slots/{i}", f"intent {self.intent.name!r}, slot {slot.name!r}")
        place.check_name(slot.name)
        at = "/choices" if slot.kind == "choice" else "/pattern"
        if slot.pattern and slot.kind == "choice":
            place.refuse("a choice has choices, not a pattern", "/pattern")
        if (slot.choices and slot.kind != "choice") or (slot.currency and slot.kind != "money"):
            place.refuse(f"choices and currency do not belong to a slot of kind {slot.kind}", "/kind")
        if slot.currency and not _CURRENCY.fullmatch(slot.currency):
            place.refuse("a currency is an ISO 4217 code such as EUR", "/currency")
        if not slot.ask and not slot.optional:
            place.refuse("it needs a question in `ask`, or optional = true", "/ask")
        found = place.pattern(partial(finder, slot), at)
        earlier = [s.name for s in self.intent.slots[:i] if not s.optional]
        ask = place.template(slot.ask, "/ask", earlier)
        again = place.template(slot.ask_again, "/ask_again", earlier) if slot.ask_again else ask
        return SlotRule(slot, found, ask, again)

    def _call(self, i: int, call: Call) -> CallRule:
        name = self.calls[i]
        place = _Place(f"{self.pointer}/calls/{i}", f"intent {self.intent.name!r}, call {name!r}")
        place.check_name(name)
        names = set(self._names(i)) - (self.slots.keys() if call.early else set())  # nothing is known yet
        args = {key: _argument(place, value, f"/args/{key}", names) for key, value in call.args.items()}
        conditions = _conditions(place, call.when, names)
        optional = frozenset(slot.name for slot in self.intent.slots if slot.optional)
        return CallRule(call, name, args, optional, conditions, _ends(place, call, {*names, *_ENDING_NAMES}))

    def _answer(self, i: int, answer: Answer) -> AnswerRule:
        place = _Place(f"{self.pointer}/answers/{i}", self.name)
        text = place.template(answer.text, "/text", self._names())
        return AnswerRule(text, _conditions(place, answer.when, self._names()))


def _ends(place: _Place, outcomes: Outcomes, names: Collection[str]) -> Ends:
    """The endings that are given, as templates."""
    made: dict[str, Template] = {}
    for field in outcomes.__struct_fields__:
        if field.startswith("on_") and field != "on_code" and (text := getattr(outcomes, field)):
            made[field.removeprefix("on_")] = place.template(text, f"/{field}", names)
    return made | {f"code:{c}": place.template(t, f"/on_code/{c}", names) for c, t in outcomes.on_code.items()}


def _conditions(place: _Place, when: When | Sequence[When], names: Collection[str]) -> Sequence[Condition]:
    found: list[Condition] = []
    for one in [when] if isinstance(when, When) else when:
        template = place.template("{" + one.value + "}", "/when", names)
        if len(template.references) != 1 or template.references[0].filter:
            place.refuse("a condition's value is a slot or a field of a result, like lookup.status", "/when")
        if one == When(one.value):
            place.refuse("a condition needs a test such as equals", "/when")
        found.append(Condition(template.references[0], one))
    return found


def _argument(place: _Place, value: Any, at: str, names: Collection[str]) -> Argument:
    match value:
        case str():
            return place.template(value, at, names)
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {key: _argument(place, item, f"{at}/{key}", names) for key, item in items}
        case list() | tuple():
            return [_argument(place, v, f"{at}/{i}", names) for i, v in enumerate(cast("Sequence[Any]", value))]
        case bool() | int() | float() | None:
            return value
        case _:
            raise place.wrong("an argument must be JSON", at)


def _kept(
    calls: Sequence[CallRule], answers: Sequence[AnswerRule], ends: Ends, heads: Sequence[str]
) -> Mapping[str, Reference]:
    """Every reference into a result, by its key."""
    found = [r for call in calls for value in call.args.values() for r in _references(value)]
    found += [r for call in calls for end in call.ends.values() for r in end.references]
    found += [r for answer in answers for r in answer.text.references]
    found += [c.reference for rule in (*calls, *answers) for c in rule.conditions]
    found += [r for end in ends.values() for r in end.references]
    return {r.key: r for r in found if r.name in heads}


def _references(value: Argument) -> list[Reference]:
    match value:
        case Template():
            return list(value.references)
        case dict():
            return [r for item in value.values() for r in _references(item)]
        case list():
            return [r for item in value for r in _references(item)]
        case _:
            return []


def _bounded(what: str, values: Sequence[object], most: int, pointer: str) -> None:
    if len(values) > most:
        _Place(pointer, "the rules").refuse(f"there are {len(values)} {what}, at most {most} are allowed")


def _unique(what: str, names: Sequence[str], pointer: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        _Place(pointer, "the rules").refuse(f"the {what} name {twice!r} is taken twice or reserved")
