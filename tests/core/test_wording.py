"""What the runtime says to customers: in a language that the tenant speaks, the customer's own where it can be."""

from __future__ import annotations

import pytest

from lichen.core.speech.wording import BUILT_IN, Texts, Wording, tags

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
            assert language == "en" or getattr(texts, name) != getattr(english, name), (language, name)
