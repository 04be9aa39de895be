"""Nine cards, as every kind of channel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.channels.cards.blocks import actions_of, fields_of
from lichen.channels.cards.capabilities import kinds
from lichen.channels.cards.reading import read
from lichen.core.speech.saying import check
from tests.channels.cards.shown import CARDS, HERE, goldens, planned, saying


@pytest.mark.req("GRE-63.2")
@pytest.mark.parametrize(
    ("path", "text"), [pytest.param(*each, id=str(each[0].relative_to(HERE))) for each in goldens()]
)
def test_a_card_is_shown_as_it_was(path: Path, text: str) -> None:
    assert text == path.read_text(), "read the difference, then `python -m tests.channels.cards.shown`"


@pytest.mark.parametrize("name", CARDS)
def test_each_of_the_nine_may_be_said(name: str) -> None:
    check(saying(name))


@pytest.mark.req("GRE-63.2")
@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("name", CARDS)
def test_nothing_that_a_card_offers_is_lost_where_no_card_is_shown(name: str, kind: str) -> None:
    found = planned(name)[kind]
    if found["tier"] != "D":
        return
    text = "".join(found["text"])
    blocks = read(saying(name).card or {}).blocks
    for action in actions_of(blocks):
        if action.kind in ("submit", "execute"):
            assert (action.title, action.data) in found["buttons"] or f". {action.title}" in text
        if action.kind == "open":
            assert (action.title, action.url) in found["links"] or action.url in text.replace("&amp;", "&")
    for field in fields_of(blocks):
        assert field.label in text
