"""What the runtime says to customers: in a language that the tenant speaks, the customer's own where it can be."""

from __future__ import annotations

import re

import pytest

from lichen.core.speech.local import words
from lichen.core.speech.translations import CUT_OFF
from lichen.core.speech.wording import BUILT_IN, Texts, Wording, cut_off, tags

BOTH = Wording(("en", "de"))


@pytest.mark.req("LIC-30.1")
@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_de", "en"),
        ("fr", "en"),
        ("fr-CH, de;q=0.8, en;q=0.9", "en"),
        ("fr-CH, de;q=0.9, en;q=0.8", "de"),
        ("de;q=0, en", "en"),
        ("", "en"),
        ("*", "en"),
        ("<script>", "en"),
        ("x" * 300 + ",de", "en"),
    ],
)
def test_of_the_languages_a_tenant_speaks_the_one_that_is_wanted_most_is_chosen(wanted: str, chosen: str) -> None:
    assert BOTH.chosen(wanted) == chosen


def test_a_tag_that_nobody_could_mean_is_left_out() -> None:
    assert tags("de;q=2, en;q=x, fr-") == ()


@pytest.mark.req("LIC-30.1")
def test_the_first_language_of_a_tenant_is_spoken_to_whoever_wants_none_of_them() -> None:
    german = Wording(("de", "en"))
    assert german.of(german.chosen("fr")) == BUILT_IN["de"]
    assert german.of("") == BUILT_IN["de"]
    assert german.of("en") == BUILT_IN["en"]
    assert Wording(("cs",)).of("cs") == Texts(), "a language without words of its own has the English ones"


@pytest.mark.req("LIC-30.1")
def test_every_text_is_there_in_every_built_in_language() -> None:
    english = BUILT_IN["en"]
    for language, texts in BUILT_IN.items():
        for name in Texts.__struct_fields__:
            is_same = (language, name) == ("es", "no") or language == "en"  # a no is a no in Spanish as well
            assert is_same or getattr(texts, name) != getattr(english, name), (language, name)


@pytest.mark.req("GRE-83.1")
def test_the_runtime_speaks_six_languages_each_with_every_text_and_every_placeholder() -> None:
    assert set(BUILT_IN) == {"en", "de", "ja", "zh", "es", "fr"} == set(CUT_OFF)
    for language, texts in BUILT_IN.items():
        for name in Texts.__struct_fields__:
            said, english = getattr(texts, name), getattr(BUILT_IN["en"], name)
            assert said.strip() == said, (language, name)
            assert sorted(re.findall(r"{\w*}", said)) == sorted(re.findall(r"{\w*}", english)), (language, name)
    assert len({cut_off(language) for language in BUILT_IN}) == 6


@pytest.mark.req("GRE-83.1")
@pytest.mark.parametrize(
    ("language", "day", "yes", "none"),
    [
        ("en", "7 March 2026", "yes", "none"),
        ("de", "7. März 2026", "ja", "keine"),
        ("ja", "2026年3月7日", "はい", "なし"),
        ("zh", "2026年3月7日", "是", "无"),
        ("es", "7 de marzo de 2026", "sí", "ninguno"),
        ("fr", "7 mars 2026", "oui", "aucun"),
    ],
)
def test_values_are_written_as_people_of_each_language_write_them(language: str, day: str, yes: str, none: str) -> None:
    assert words("2026-03-07", language, ("date",)) == day
    assert (words(True, language), words([], language)) == (yes, none)
