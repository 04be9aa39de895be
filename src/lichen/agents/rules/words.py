"""The same rules in another language: what stands instead of the words of intents, slots and calls.

Only words are given again; which calls are made, on which conditions, is the same in every language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from lichen.agents.rules.rules import Answer, Call, Endings, Intent, Outcomes, Slot
from lichen.core.words.errors import Invalid

S = TypeVar("S", bound=msgspec.Struct)


class SlotWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a slot is asked for and found in this language. What is left out is as it was."""

    ask: str = ""
    ask_again: str = ""
    pattern: str = ""
    choices: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict[str, Sequence[str]])


class IntentWords(Endings, frozen=True, forbid_unknown_fields=True):
    """How an intent is recognized and answered in this language; `answers` are texts in the order of its own."""

    phrases: Sequence[str] = ()
    patterns: Sequence[str] = ()
    examples: Sequence[str] = ()
    slots: Mapping[str, SlotWords] = msgspec.field(default_factory=dict[str, SlotWords])
    calls: Mapping[str, Outcomes] = msgspec.field(default_factory=dict[str, Outcomes])
    answers: Sequence[str] = ()
    answer: str = ""
    handover: str = ""


class Words(Endings, frozen=True, forbid_unknown_fields=True):
    """Everything said in one language. Intents that are left out are as they were."""

    greeting: str = ""
    fallback: str = ""
    suggestions: Sequence[str] = ()
    intents: Mapping[str, IntentWords] = msgspec.field(default_factory=dict[str, IntentWords])


ENDINGS: Mapping[str, Endings] = {
    "de": Endings(
        on_denied="Das darf ich nicht.",
        on_failed="Das hat nicht geklappt.",
        on_cancelled="Das wurde angehalten.",
        on_timed_out="Das hat zu lange gedauert. Bitte versuchen Sie es später noch einmal.",
        on_unknown="Ich konnte nicht feststellen, ob das geklappt hat. Jemand aus dem Team prüft es.",
        on_expired="Ich habe nichts mehr von Ihnen gehört und das hier beendet. Schreiben Sie jederzeit wieder.",
        on_gave_up="Entschuldigung, das habe ich nicht verstanden. Bitte wenden Sie sich an einen Menschen.",
        on_limit="Ich konnte das nicht zu Ende bringen. Bitte versuchen Sie es später noch einmal.",
        on_incomplete="Dafür fehlen mir noch Angaben.",
    ),
    "ja": Endings(
        on_denied="それは許可されていません。",
        on_failed="うまくいきませんでした。",
        on_cancelled="処理は中止されました。",
        on_timed_out="時間がかかりすぎました。しばらくしてからもう一度お試しください。",
        on_unknown="完了したかどうか確認できませんでした。担当者が確認しています。",
        on_expired="お返事がなかったため、この件を終了しました。いつでもまたお書きください。",
        on_gave_up="申し訳ありません。理解できませんでした。担当者にお問い合わせください。",
        on_limit="最後まで完了できませんでした。しばらくしてからもう一度お試しください。",
        on_incomplete="必要な情報がまだ足りません。",
    ),
    "zh": Endings(
        on_denied="我不能这样做。",
        on_failed="没有成功。",
        on_cancelled="操作已停止。",
        on_timed_out="花费的时间太长了，请稍后再试。",
        on_unknown="我无法确认是否成功，同事正在核实。",
        on_expired="没有收到您的回复，我已结束此事。欢迎随时再次联系。",
        on_gave_up="抱歉，我没有理解。请联系工作人员。",
        on_limit="我没能完成，请稍后再试。",
        on_incomplete="还缺少一些信息。",
    ),
    "es": Endings(
        on_denied="No tengo permiso para hacer eso.",
        on_failed="No ha funcionado.",
        on_cancelled="Se ha detenido.",
        on_timed_out="Ha tardado demasiado. Inténtelo de nuevo más tarde.",
        on_unknown="No he podido confirmar si se ha realizado. Alguien del equipo lo está comprobando.",
        on_expired="No he vuelto a saber de usted y lo he dado por terminado. Escriba cuando quiera.",
        on_gave_up="Lo siento, no lo he entendido. Diríjase a una persona, por favor.",
        on_limit="No he podido terminarlo. Inténtelo de nuevo más tarde.",
        on_incomplete="Todavía me faltan datos para eso.",
    ),
    "fr": Endings(
        on_denied="Je n'ai pas le droit de faire cela.",
        on_failed="Cela n'a pas fonctionné.",
        on_cancelled="Cela a été arrêté.",
        on_timed_out="Cela a pris trop de temps. Veuillez réessayer plus tard.",
        on_unknown="Je n'ai pas pu confirmer que cela a abouti. Quelqu'un de l'équipe vérifie.",
        on_expired="Sans nouvelles de votre part, j'ai mis fin à cette demande. Écrivez-nous quand vous voulez.",
        on_gave_up="Désolé, je n'ai pas compris. Veuillez vous adresser à une personne.",
        on_limit="Je n'ai pas pu terminer. Veuillez réessayer plus tard.",
        on_incomplete="Il me manque encore des informations.",
    ),
}
"""What a rule planner says in a language where nobody said it."""


def translated(intents: Sequence[Intent], words: Words, *, at: str) -> list[Intent]:
    """The intents in these words. Raises Invalid (`rule_invalid`), its place below `at`, for one that is not there."""
    _known("intent", words.intents, [intent.name for intent in intents], f"{at}/intents")
    return [_intent(intent, words.intents.get(intent.name), f"{at}/intents/{intent.name}") for intent in intents]


def endings(own: S, general: Outcomes) -> S:
    """`own` with the endings of `general` where it has none."""
    given = {name: getattr(general, name) for name in general.__struct_fields__ if name.startswith("on_")}
    return msgspec.structs.replace(own, **{name: text for name, text in given.items() if not getattr(own, name)})


def _intent(intent: Intent, words: IntentWords | None, at: str) -> Intent:
    if words is None:
        return intent
    _known("slot", words.slots, [slot.name for slot in intent.slots], f"{at}/slots")
    _known("call", words.calls, [call.called for call in intent.calls], f"{at}/calls")
    if len(words.answers) not in (0, len(intent.answers)):
        raise _wrong(f"there are {len(words.answers)} answers instead of {len(intent.answers)}", f"{at}/answers")
    own = _said(words, ("phrases", "patterns", "answer", "handover"))
    if "phrases" in own or "patterns" in own:
        own |= {"phrases": words.phrases, "patterns": words.patterns, "examples": words.examples}
    answers = [Answer(text, given.when) for text, given in zip(words.answers, intent.answers, strict=False)]
    changed = {
        **own,
        **_endings(intent, words),
        "slots": [_slot(slot, words.slots.get(slot.name)) for slot in intent.slots],
        "calls": [_call(call, words.calls.get(call.called)) for call in intent.calls],
        "answers": answers or intent.answers,
    }
    return msgspec.structs.replace(intent, **changed)


def _slot(slot: Slot, words: SlotWords | None) -> Slot:
    return slot if words is None else msgspec.structs.replace(slot, **_said(words, words.__struct_fields__))


def _call(call: Call, words: Outcomes | None) -> Call:
    return call if words is None else msgspec.structs.replace(call, **_endings(call, words))


def _endings(before: Outcomes, words: Outcomes) -> dict[str, object]:
    """The endings that the words give, and of `on_code` those codes."""
    said = _said(words, [name for name in words.__struct_fields__ if name.startswith("on_")])
    return {**said, "on_code": {**before.on_code, **words.on_code}}


def _said(words: msgspec.Struct, names: Sequence[str]) -> dict[str, object]:
    return {name: getattr(words, name) for name in names if getattr(words, name)}


def _known(what: str, given: Mapping[str, object], names: Sequence[str], at: str) -> None:
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise _wrong(f"there is no {what} {unknown!r}, only {', '.join(names) or 'none'}", f"{at}/{unknown}")


def _wrong(why: str, at: str) -> Invalid:
    step = "Correct the words at the place named."
    return Invalid(f"In the words of a language: {why}.", code="rule_invalid", next_step=step, place=at)
