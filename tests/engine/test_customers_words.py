"""What customers say that decides something: yes, no, and that they want no person, in each language of the runtime."""

from __future__ import annotations

from typing import Literal

import pytest

from lichen.core.speech.wording import BUILT_IN
from lichen.engine.answers.confirming import said
from lichen.engine.answers.leaving import leaves


@pytest.mark.req("GRE-83.2")
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes, please!", "confirmed"),
        ("Ja, gerne.", "confirmed"),
        ("はい、お願いします。", "confirmed"),
        ("ＯＫ", "confirmed"),
        ("好的！", "confirmed"),
        ("¡Sí, por favor!", "confirmed"),
        ("Si\u0301", "confirmed"),
        ("Oui, s’il vous plaît.", "confirmed"),
        ("No, thanks.", "declined"),
        ("Nein, danke.", "declined"),
        ("いいえ。", "declined"),
        ("不用了，", "declined"),
        ("No, gracias.", "declined"),
        ("Non, merci !", "declined"),
        ("結構です", None),
        ("大丈夫です", None),
        ("好像不行", None),
        ("sí pero mañana", None),
        ("oui mais pas tout", None),
        ("para", None),
        ("merci", None),
    ],
)
def test_yes_and_no_are_understood_in_each_language_and_what_could_be_either_is_not(
    text: str, answer: Literal["confirmed", "declined"] | None
) -> None:
    assert said(text) == answer


@pytest.mark.req("GRE-83.2")
@pytest.mark.parametrize("language", sorted(BUILT_IN))
def test_the_words_on_the_button_and_a_way_back_to_the_bot_are_understood_in_each_language(language: str) -> None:
    back = {
        "en": "Back to the bot, please",
        "de": "Zurück zum Bot!",
        "ja": "ボットに戻してください。",
        "zh": "回到机器人！",
        "es": "Volver al bot.",
        "fr": "Retour à l’assistant",
    }
    texts = BUILT_IN[language]
    assert leaves(texts.without_person, "")
    assert leaves(back[language].removesuffix(", please"), texts.without_person)
    assert not leaves(f"{back[language]} 1042", texts.without_person)
