"""The sentence that says a typed answer: what it may name, and how values are written in a language."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from lichen.core.speech.local import marks, money, words
from lichen.core.speech.spoken import REFERENCES_MAX, Spoken, spoken
from lichen.core.words.errors import Invalid
from lichen.tools.arguments.answer import SchemaAnswer, TypedAnswer

SYMBOLS = json.loads((Path(__file__).parent / "cldr_numbers.json").read_text())["symbols"]


class Kind(Enum):
    FULL = "full"
    PART = "part"


class Line(BaseModel):
    name: str
    cents: int


class Refund(BaseModel):
    order_id: str
    amount: int
    share: float = 0.5
    exact: Decimal = Decimal("0.25")
    kind: Kind = Kind.FULL
    is_late: bool = False
    due: date = date(2026, 3, 5)
    made: datetime = datetime.fromisoformat("2026-11-27T14:30:59Z")
    tags: list[str] = []
    note: str | None = None
    first: Line
    lines: list[Line] = []
    later: dict[str, int] = {}


KIND = TypedAnswer(Refund)
VALUE = KIND.decode(b'{"order_id":"1042","amount":1234550,"first":{"name":"cup","cents":5}}')


def said(text: str, *, language: str = "en", value: bytes = VALUE) -> str:
    return spoken(text, KIND.schema, has_defaults=True).text(value, [language])


def refused(text: Any, schema: Any = KIND.schema, *, has_defaults: bool = True) -> Invalid:
    with pytest.raises(Invalid) as caught:
        spoken(text, schema, has_defaults=has_defaults)
    assert caught.value.code == "agent_invalid"
    return caught.value


@pytest.mark.req("GOA-61.15")
@pytest.mark.parametrize(
    ("template", "en", "de"),
    [
        ("{order_id}: {amount|money}", "1042: 12,345.50", "1042: 12.345,50"),
        ("{amount} {share} {exact}", "1234550 0.5 0.25", "1234550 0,5 0,25"),
        ("{due}", "5 March 2026", "5. März 2026"),
        ("{made}", "27 November 2026, 14:30 UTC", "27. November 2026, 14:30 UTC"),
        ("{is_late}, {tags}, {tags|count}", "no, none, 0", "nein, keine, 0"),
        ("{kind} {first.name} {first.cents|money} {{x}}", "full cup 0.05 {x}", "full cup 0,05 {x}"),
        ("{answer.order_id}", "1042", "1042"),
    ],
)
def test_a_sentence_says_the_fields_as_the_language_writes_them(template: str, en: str, de: str) -> None:
    assert (said(template), said(template, language="de")) == (en, de)


@pytest.mark.req("GOA-61.15")
def test_what_an_answer_holds_is_never_read_as_a_template() -> None:
    value = VALUE.replace(b'"1042"', b'"{amount}"')
    assert said("{order_id}", value=value) == "{amount}"


@pytest.mark.req("GOA-61.15")
def test_marks_are_those_of_cldr_in_every_language() -> None:
    for language, (point, group) in SYMBOLS.items():
        assert marks(language) == (group, point), language
        assert money(-123456789, language) == f"-1{group}234{group}567{point}89"
    assert (marks("xx"), money(123456, "xx")) == (("", "."), "1234.56")


@pytest.mark.req("GOA-61.15")
def test_a_date_in_a_language_whose_months_are_not_known_stays_as_it_is_and_no_date_does() -> None:
    assert words("2026-03-05", "pl", {"date"}) == "2026-03-05"
    assert words("2026-13-05", "en", {"date"}) == "2026-13-05"
    assert words("soon", "en", {"date-time"}) == "soon"
    assert words("2026-03-05T08:00:00+02:00", "en", {"date-time"}) == "5 March 2026, 08:00 UTC+0200"


@pytest.mark.req("GOA-61.15")
def test_each_language_has_its_sentence_and_others_read_the_tenants_then_the_english_one() -> None:
    both = spoken({"de": "{share} zurück", "en": "{share} back"}, KIND.schema, has_defaults=True)
    assert [both.text(VALUE, languages) for languages in (["de"], ["fr", "de"], ["fr"])] == [
        "0,5 zurück",
        "0,5 zurück",
        "0.5 back",
    ]
    german = spoken({"de": "{share} zurück"}, KIND.schema, has_defaults=True)
    assert german.text(VALUE, ["fr"]) == "0,5 zurück"


@pytest.mark.req("GOA-61.16")
@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{order}", "no field of the answer, whose fields are order_id"),
        ("{order_id.x}", "no field"),
        ("{first.price}", "no field of the answer, whose fields are name, cents"),
        ("{note}", "may be null"),
        ("{first}", "may be an object"),
        ("{lines}", "more than words can say"),
        ("{lines.0.name}", "need not be there"),
        ("{later}", "may be an object"),
        ("{later.x}", "no field"),
        ("{share|money}", "'money' is for integer values"),
        ("{order_id|count}", "'count' is for array values"),
        ("{answer}", "may be an object"),
        ("{order_id", "starts no reference"),
        (" ", "says nothing"),
        ("{order_id}" * (REFERENCES_MAX + 1), "names more than"),
    ],
)
def test_a_sentence_that_not_every_answer_can_fill_is_refused(template: str, why: str) -> None:
    error = refused(template)
    assert why in error.message
    assert error.place == "/say"


@pytest.mark.req("GOA-61.16")
def test_a_refusal_names_the_language_of_the_sentence() -> None:
    assert refused({"en": "{order_id}", "de": "{nummer}"}).place == "/say/de"
    assert refused({"deutsch": "x"}).place == "/say/deutsch"
    assert refused({}).place == "/say"


@pytest.mark.req("GOA-61.16")
def test_a_field_with_a_default_is_there_only_where_defaults_are_filled_in() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "integer"}}}
    assert "need not be there" in refused("{a}", schema, has_defaults=False).message
    assert spoken("{a}", schema, has_defaults=True).text(b'{"a":"y"}', ["en"]) == "y"
    for name in ("a", "b"):
        refused(f"{{{name}}}", SchemaAnswer(schema).schema, has_defaults=False)


class Gone(BaseModel):
    why: str
    at: int


class Here(BaseModel):
    why: str
    left: list[int]


@pytest.mark.req("GOA-61.16")
def test_of_alternatives_each_must_have_what_is_named() -> None:
    either = TypedAnswer(Gone | Here)
    assert spoken("{why}", either.schema, has_defaults=True).text(b'{"why":"x","at":1}', ["en"]) == "x"
    assert "no field" in refused("{at}", either.schema).message


@pytest.mark.req("GOA-61.15")
@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [(int, b"7", "7"), (Literal["calm", "angry"], b'"calm"', "calm"), (list[float], b"[1.5,2.0]", "1,5, 2")],
)
def test_an_answer_that_is_no_object_is_said_whole(kind: Any, value: bytes, text: str) -> None:
    sentence = spoken("{answer}.", TypedAnswer(kind).schema, has_defaults=True)
    assert sentence.text(value, ["de"]) == f"{text}."


@pytest.mark.req("GOA-61.16")
def test_what_a_schema_leaves_open_and_words_cannot_say_is_no_answer() -> None:
    open_schema: Spoken = spoken("{answer}", {}, has_defaults=False)
    assert open_schema.text(b'"x"', ["en"]) == "x"
    with pytest.raises(Invalid) as caught:
        open_schema.text(b'{"a":1}', ["en"])
    assert (caught.value.code, caught.value.place) == ("answer_invalid", "/answer")
