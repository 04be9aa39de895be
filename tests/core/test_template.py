from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.speech.template import SHOWN_CHARS_MAX, TEMPLATE_CHARS_MAX, Reference, TemplateError, parse, pick

DATA: dict[str, Any] = {
    "order": {
        "id": 1042,
        "open": True,
        "total": 8050,
        "items": ["cup", "pot"],
        "lines": [{"sku": "a-1"}],
        "price": 2.5,
    },
    "name": "Ada {order.id}",
    "nothing": None,
    "huge": 10**5000,
    "closed": False,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def lookup(reference: Reference) -> object:
    return pick(DATA, (reference.name, *reference.path))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Order {order.id}: {order.total|money}", "Order 1042: 80.50"),
        ("{order.items} ({order.items|count})", "cup, pot (2)"),
        ("{order.lines.0.sku}", "a-1"),
        ("{order.open} {closed} {order.price}", "yes no 2.5"),
        ("{{order}} costs }}{{", "{order} costs }{"),
        ("", ""),
    ],
)
def test_a_template_shows_what_its_references_stand_for(text: str, shown: str) -> None:
    assert parse(text).render(lookup) == shown


@pytest.mark.parametrize(
    "text",
    [
        "{order}",
        "{name|count}",
        "{order.items.2}",
        "{huge}",
        "{huge|money}",
        "{order.open|money}",
        "{order.lines}",
        "{nothing}",
        "{nobody}",
        "{order.id.x}",
        "{order.items.9}",
        "{name|money}",
    ],
)
def test_a_template_with_nothing_to_show_shows_nothing_at_all(text: str) -> None:
    assert parse(f"Here: {text}").render(lookup) is None


def test_a_value_is_never_read_as_a_template() -> None:
    assert parse("Dear {name}").render(lookup) == "Dear Ada {order.id}"


@pytest.mark.parametrize(
    "text",
    ["{", "}", "{}", "{ name }", "{name!r}", "{name:>10}", "{name.__class__.}", "{Name}", "{name|}", "{name|upper}",
     "{0}", "{a{b}}", "{name[0]}", "x" * (TEMPLATE_CHARS_MAX + 1)],
)  # fmt: skip
def test_what_is_no_reference_is_refused_when_the_template_is_parsed(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text)


def test_a_reference_reads_fields_and_never_attributes() -> None:
    assert parse("{name.__class__}").render(lookup) is None
    assert parse("{order.items.__len__}").render(lookup) is None


def test_a_lone_reference_gives_an_argument_its_type() -> None:
    assert parse("{order.id}").fill(lookup) == 1042
    assert parse("{order.items}").fill(lookup) == ["cup", "pot"]
    assert parse("#{order.id}").fill(lookup) == "#1042"
    assert parse("{order.total|money}").fill(lookup) == "80.50"


def test_a_long_value_is_cut_where_it_is_shown() -> None:
    text = parse("{long}").render(lambda _: "x" * 100_000)
    assert text is not None
    assert len(text) == SHOWN_CHARS_MAX
    assert text.endswith("…")


@given(st.text(alphabet="{}abc.|_0!: ", max_size=30), JSON)
def test_rendering_never_fails_whatever_a_reference_stands_for(text: str, value: object) -> None:
    try:
        template = parse(text)
    except TemplateError:
        return
    assert template.render(lambda _: value) is None or isinstance(template.render(lambda _: value), str)
