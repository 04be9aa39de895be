"""Adaptive Cards read into blocks, and what of them is planned for a platform."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.channels.cards.blocks import Card, Facts, Input, Picture, Words, actions_of, fields_of
from lichen.channels.cards.capabilities import Capabilities, capabilities_of, kinds
from lichen.channels.cards.planning import plan, plan_of
from lichen.channels.cards.reading import DEPTH_MAX, ELEMENTS_MAX, read
from lichen.channels.cards.showing import choice_in, choices_of, shown
from lichen.core.speech.form import form_of
from lichen.core.speech.saying import Saying
from tests.channels.cards.shown import CARDS, saying

VECTOR = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [
        {"type": "TextBlock", "text": "Title", "weight": "Bolder", "size": "Large"},
        {"type": "TextBlock", "text": "Body *text* <x> & y"},
        {"type": "FactSet", "facts": [{"title": "K", "value": "V"}]},
        {"type": "Image", "url": "https://e.com/i.png"},
        {"type": "Input.Text", "id": "name"},
    ],
    "actions": [
        {"type": "Action.Submit", "title": "Go", "data": {"a": 1}},
        {"type": "Action.OpenUrl", "title": "Open", "url": "https://e.com"},
    ],
}
SHORT = Capabilities(text_max=10)
SMALL = Capabilities(payload_bytes_max=10)


def card(*body: Any, **more: Any) -> dict[str, Any]:
    return {"type": "AdaptiveCard", "version": "1.5", "body": list(body), **more}


def text(words: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": words}


@pytest.mark.req("GRE-63.1")
@pytest.mark.parametrize(
    ("kind", "tier", "summary", "warnings"),
    [
        (
            "slack",
            "D",
            "Title\n\nBody *text*  & y\nK: V\n\nGo | [Open](https://e.com)",
            ("text_sanitized", "adaptive_card_downsampled"),
        ),
        (
            "whatsapp",
            "D",
            "Title\n\nBody *text*  & y\nK: V\n\nGo | [Open](https://e.com)",
            ("text_sanitized", "adaptive_card_downsampled"),
        ),
        (
            "telegram",
            "D",
            "Title\n\nBody *text* <x> & y\nK: V\n\nGo | [Open](https://e.com)",
            ("adaptive_card_downsampled",),
        ),
        ("teams", "A", "Title\n\nBody *text* <x> & y\nK: V", ()),
        ("webchat", "A", "Title\n\nBody *text* <x> & y\nK: V", ()),
        (
            "webex",
            "B",
            "Title\n\nBody *text* <x> & y\nK: V\n\nGo | [Open](https://e.com)",
            ("unsupported_elements_removed",),
        ),
    ],
)
def test_the_plan_of_a_card_is_that_of_the_reference(
    kind: str, tier: str, summary: str, warnings: tuple[str, ...]
) -> None:
    found = plan_of(VECTOR, capabilities_of(kind))
    assert (found.tier, found.summary, found.warnings) == (tier, summary, warnings)


@pytest.mark.req("GRE-63.1")
def test_a_summary_that_is_too_long_is_shortened_and_that_is_said() -> None:
    assert plan_of(card(text("word " * 9)), SHORT).summary == "word word…"
    assert plan_of(card(text("word " * 9)), SHORT).warnings == ("text_truncated", "adaptive_card_downsampled")
    short = plan_of(card(text("grüß" * 9)), SMALL)
    assert (short.summary, len(short.summary.encode())) == ("grüßg…", 10)
    assert short.warnings == ("payload_truncated", "adaptive_card_downsampled")


@pytest.mark.req("GRE-63.1")
def test_what_is_less_than_something_is_no_tag() -> None:
    assert plan_of(card(text("1 < 2 and <b>3</b> > 2")), SHORT.__class__()).summary == "1 < 2 and 3 > 2"


def test_words_alone_are_planned_as_they_are() -> None:
    found = plan(Saying("Hello <b>"), capabilities_of("slack"))
    assert (found.tier, found.summary, found.warnings) == ("D", "Hello <b>", ())


def test_a_card_without_words_is_said_as_its_message_says_it() -> None:
    assert plan(Saying("Pick one.", card()), capabilities_of("slack")).summary == "Pick one."


@pytest.mark.req("GRE-63.3")
def test_containers_and_columns_are_what_stands_in_them_in_order() -> None:
    column = {"type": "Column", "items": [text("b"), {"type": "Container", "items": [text("c")]}]}
    blocks = read(card(text("a"), {"type": "ColumnSet", "columns": [column, {"items": [text("d")]}]})).blocks
    assert [each.text for each in blocks if isinstance(each, Words)] == ["a", "b", "c"]


@pytest.mark.req("GRE-63.3")
def test_an_unknown_element_gives_way_to_its_fallback() -> None:
    within = {"type": "Hologram", "fallback": {"type": "Chart", "fallback": text("as words")}}
    found = read(card(within, {"type": "Gauge", "fallback": "drop"}, {"type": "Rating"}))
    assert found == Card((Words("as words"),), ("Rating",))
    assert "unsupported_elements_removed" in plan_of(card({"type": "Rating"}), capabilities_of("slack")).warnings
    action = {"type": "Action.Fly", "title": "x", "fallback": {"type": "Action.Submit", "title": "Go", "data": 7}}
    assert [each.data for each in actions_of(read(card(actions=[action])).blocks)] == [7]


@pytest.mark.req("GRE-63.3")
def test_every_kind_of_input_is_read_with_what_bounds_it() -> None:
    fields = {each.id: each for each in fields_of(read(saying("inputs").card or {}).blocks)}
    assert [each.kind for each in fields.values()] == ["text", "number", "date", "time", "toggle", "choice", "choices"]
    assert (fields["street"].required, fields["street"].most, fields["street"].error) == (
        True,
        80,
        "A street is needed",
    )
    assert (fields["floor"].least, fields["floor"].most) == (0, 40)
    assert (fields["gift"].label, fields["gift"].on, fields["gift"].off) == ("It is a gift", "yes", "no")
    assert [(each.title, each.value) for each in fields["size"].choices] == [("Small", "S"), ("Medium", "M")]


@pytest.mark.req("GRE-63.3")
def test_what_a_button_sends_is_kept_whatever_it_is() -> None:
    data = [None, 7, "x", ["y"], {"deep": {"er": [1]}}]
    actions = [{"type": "Action.Submit", "title": f"Button {i}", "data": each} for i, each in enumerate(data)]
    assert [each.data for each in actions_of(read(card(actions=actions)).blocks)] == data
    execute = {"type": "Action.Execute", "title": "Do", "verb": "do", "data": {"a": 1}}
    (found,) = actions_of(read(card(actions=[execute])).blocks)
    assert (found.kind, found.verb, found.data) == ("execute", "do", {"a": 1})


@pytest.mark.req("GRE-63.3")
def test_what_a_button_would_show_is_shown_where_nothing_can_be_shown_later() -> None:
    blocks = read(saying("showcard").card or {}).blocks
    assert "Details" in [each.text for each in blocks if isinstance(each, Words)]
    assert [each.title for each in choices_of(saying("showcard"))] == ["Monday", "Tuesday", "Cancel it"]
    assert "Hidden for good" not in str(read(saying("premium").card or {}))


@pytest.mark.req("GRE-63.3")
def test_a_card_leads_to_no_address_that_runs_something() -> None:
    links = ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://e.com/ x", "JaVaScRiPt:x"]
    actions = [{"type": "Action.OpenUrl", "title": "x", "url": each} for each in links]
    images = [{"type": "Image", "url": each} for each in links]
    assert read(card(*images, actions=actions)) == Card()


@pytest.mark.req("GRE-63.3")
def test_a_card_is_read_no_deeper_and_no_longer_than_anybody_would_read_it() -> None:
    deep: dict[str, Any] = text("bottom")
    for _ in range(5 * DEPTH_MAX):
        deep = {"type": "Container", "items": [deep]}
    assert read(card(deep)) == Card((), (), is_cut=True)
    long = read(card(*[text(str(i)) for i in range(2 * ELEMENTS_MAX)]))
    assert (len(long.blocks), long.is_cut) == (ELEMENTS_MAX, True)
    shows: dict[str, Any] = card(text("bottom"))
    for _ in range(5 * DEPTH_MAX):
        shows = card(actions=[{"type": "Action.ShowCard", "title": "more", "card": shows}])
    assert read(shows).is_cut
    fallback: dict[str, Any] = text("bottom")
    for _ in range(200):
        fallback = {"type": "X", "fallback": fallback}
    assert read(card(fallback)).is_cut


NAMES = st.sampled_from(
    ["type", "text", "body", "items", "actions", "facts", "title", "url", "card", "columns", "inlines", "fallback",
     "images", "choices", "rows", "cells", "id", "targetElements", "selectAction", "isVisible", "sources"]
)  # fmt: skip
TYPES = st.sampled_from(
    ["TextBlock", "RichTextBlock", "FactSet", "Image", "ImageSet", "Media", "ActionSet", "Table", "Container",
     "ColumnSet", "Column", "Input.Text", "Input.ChoiceSet", "Input.Toggle", "Action.Submit", "Action.ShowCard",
     "Action.OpenUrl", "Action.ToggleVisibility", "Unknown", "", None, 7, [], "TextRun", "https://e.com"]
)  # fmt: skip
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    TYPES | st.booleans(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(NAMES, each, max_size=5),
    max_leaves=40,
)


@pytest.mark.req("GRE-63.3")
@given(st.dictionaries(NAMES, ANYTHING, max_size=6))
def test_whatever_stands_in_a_card_it_is_read_and_shown(found: dict[str, Any]) -> None:
    for kind in kinds():
        capabilities = capabilities_of(kind)
        assert isinstance(plan_of(found, capabilities).summary, str)
        pieces = shown(Saying("Words.", found), capabilities).pieces(capabilities)
        assert all(pieces)


def test_the_blocks_of_the_nine_are_of_every_sort() -> None:
    sorts = {type(each) for name in CARDS for each in read(saying(name).card or {}).blocks}
    assert {Words, Facts, Picture, Input} <= sorts
    assert msgspec.json.encode([read(saying(name).card or {}) for name in CARDS])


def test_a_form_is_made_of_what_a_person_can_fill_in() -> None:
    schema = {
        "type": "object",
        "title": "Delivery",
        "required": ["size"],
        "properties": {
            "size": {"enum": ["S", "M"], "title": "Size"},
            "count": {"type": "integer", "minimum": 1},
            "how_far": {"oneOf": [{"const": 1, "title": "Near"}, {"const": 2}]},
            "day": {"type": "string", "format": "date"},
            "gift": {"type": "boolean"},
            "extras": {"type": "array", "items": {"enum": ["card", 7]}},
        },
    }
    form = form_of(schema, "de")
    assert form is not None
    assert [each.kind for each in form.fields] == ["choice", "integer", "choice", "date", "toggle", "choices"]
    assert (form.title, form.submit, form.fields[2].label) == ("Delivery", "Absenden", "How far")
    assert [each.title for each in form.fields[2].choices] == ["Near", "2"]
    assert (form.fields[0].required, form.fields[1].required, form.fields[1].least) == (True, False, 1)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string"},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "object"}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}},
        {"type": "object", "properties": {str(i): {"type": "string"} for i in range(51)}},
    ],
)
def test_what_nobody_can_fill_in_is_no_form(schema: dict[str, Any]) -> None:
    assert form_of(schema) is None


TITLES = st.lists(st.text(st.sampled_from("ab Ä日2.(*_<&"), min_size=1, max_size=6), min_size=1, max_size=9)
BARE = Capabilities()


@pytest.mark.req("GRE-63.11")
@given(TITLES, st.integers(0, 4), st.integers(1, 12))
def test_what_a_card_lists_as_n_is_what_n_means(titles: list[str], suggested: int, n: int) -> None:
    buttons = [{"type": "Action.Submit", "title": each, "data": {"i": i}} for i, each in enumerate(titles)]
    said, more = Saying("Pick.", card(text("Which?"), actions=buttons)), tuple(f"more {i}" for i in range(suggested))
    (shown_text,) = shown(said, BARE, suggestions=more).pieces(BARE)
    choices = choices_of(said, more)
    listed = [line for line in shown_text.split("\n") if line.startswith(f"{n}. ")]
    found = choice_in(str(n), said, more)
    if listed:
        assert found == choices[n - 1]
        assert listed == [f"{n}. {' '.join(choices[n - 1].title.split())}"]
    else:
        assert found is None or found.title.strip(" .(") == str(n)
    for each in choices:
        assert choice_in(each.title, said, more) is not None


@pytest.mark.req("GRE-63.10")
def test_choices_are_buttons_as_long_as_there_are_enough() -> None:
    said = Saying("Which size?")
    some = shown(said, Capabilities(choices_max=3), suggestions=("S", "M", "L"))
    assert ([each.title for each in some.choices], some.listed) == (["S", "M", "L"], False)
    few = shown(said, Capabilities(choices_max=2), suggestions=("S", "M", "L"))
    assert (few.choices, few.pieces(BARE)) == ((), ("Which size?\n\n1. S\n2. M\n3. L",))
    numbers = shown(said, BARE, suggestions=("2 items", "10 items"))
    assert numbers.pieces(BARE) == ("Which size?\n\n• 2 items\n• 10 items",)
    many = shown(said, BARE, schema={"enum": [f"Size {i}" for i in "abcdefghijk"]})
    assert "\n11. Size k" in many.pieces(BARE)[0]
