"""Templates: values keep their type, texts are joined, and what a value contains stays text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from lichen.flows.text.reach import Path, reach
from lichen.flows.text.rendering import RENDERED_CHARS_MAX, RenderError
from lichen.flows.text.template import TemplateError, parse_template


class Values(NamedTuple):
    tree: Mapping[str, Any]

    def get(self, path: Path) -> Any:
        return reach(self.tree, path)


TREE = {
    "n": 3,
    "f": 2.0,
    "t": True,
    "nil": None,
    "o": {"a": [1, {"b": "x"}], "unit price": 7},
    "evil": "{{n}} ${inputs.n}",
    "inputs": {"q": 1},
    "ask": {"output": {"y": "z"}},
    "empty": "",
}


def value(text: str, *, strict: bool = False) -> Any:
    return parse_template(text).value(Values(TREE), strict=strict)


@pytest.mark.req("GRE-11.1")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{n}}", 3),
        ("{{ o.a }}", [1, {"b": "x"}]),
        ("{{{t}}}", True),
        ("{{nil}}", None),
        ("{{o.a[1].b}}", "x"),
        ("{{o.a.1.b}}", "x"),
        ('{{o["unit price"]}}', 7),
        ("{{o['unit price']}}", 7),
    ],
)
def test_a_lone_reference_is_the_value_itself(text: str, expected: Any) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.req("GRE-11.2")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        (" {{n}}", " 3"),
        ("{{f}} and {{t}}", "2 and true"),
        ("[{{nil}}]", "[]"),
        ("{{o.a}}!", '[1,{"b":"x"}]!'),
        ("<b>{{o.a[1].b}}</b> & co", "<b>x</b> & co"),
        ("a {{! a remark }}b", "a b"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
    ],
)
def test_a_text_with_references_is_joined_without_escaping(text: str, expected: str) -> None:
    assert value(text) == expected


@pytest.mark.req("GRE-11.3")
def test_a_missing_value_is_empty_or_in_strict_mode_an_error() -> None:
    assert (value("{{gone.x}}"), value("a{{gone}}b")) == ("", "ab")
    for text in ("{{gone.x}}", "a{{gone}}b"):
        with pytest.raises(RenderError) as missing:
            value(text, strict=True)
        assert missing.value.code == "value_missing"
    assert value('{{default gone "none"}}', strict=True) == "none"


@pytest.mark.req("GRE-11.4")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{json o.a}}", '[1,{"b":"x"}]'),
        ("{{json gone}}", "null"),
        ('{{default empty "x y"}}', "x y"),
        ("{{default n 5}}", 3),
        ('{{ifEq n 3 "three" "other"}}', "three"),
        ('{{ifEq n "4" "four" "other"}}', "other"),
        ('{{ifEq n 4 "four"}}', ""),
        ("{{#ifEq n 3}}three{{else}}other {{n}}{{/ifEq}}", "three"),
        ("{{#ifEq n 4}}four{{else}}other {{n}}{{/ifEq}}", "other 3"),
        ("{{#if t}}a{{#unless nil}}b{{/unless}}{{/if}}c", "abc"),
        ("{{#if gone}}a{{/if}}", ""),
    ],
)
def test_helpers_and_blocks_choose_and_encode(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.req("GRE-12.3")
def test_references_of_schema_version_one_are_read() -> None:
    assert value("${inputs.q}") == 1
    assert value("q=${inputs.q} y=${ask.output.y}") == "q=1 y=z"
    assert value("costs ${5} or ${price}") == "costs ${5} or ${price}"


@pytest.mark.req("GRE-11.5")
def test_what_a_value_contains_is_never_read_as_a_template() -> None:
    assert value("{{evil}}") == TREE["evil"]
    assert value("say {{evil}}") == f"say {TREE['evil']}"


@pytest.mark.req("GRE-11.6")
@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("ab {{n", 3),
        ("{{}}", 0),
        ("x {{n m}}", 2),
        ("x {{1}}", 2),
        ("{{#each o p}}{{/each}}", 0),
        ("x{{#if n}}y", 1),
        ("x{{/if}}", 1),
        ("{{#if n}}{{/unless}}", 0),
        ("{{else}}", 0),
        ("{{a..b}}", 0),
    ],
)
def test_what_is_no_template_is_refused_at_its_place(text: str, offset: int) -> None:
    with pytest.raises(TemplateError) as refused:
        parse_template(text)
    assert refused.value.offset == offset


@pytest.mark.req("GRE-11.7")
def test_what_a_template_gives_is_bounded() -> None:
    values = Values({"long": "x" * (RENDERED_CHARS_MAX // 2 + 1)})
    with pytest.raises(RenderError) as refused:
        parse_template("{{long}}{{long}}").text(values)
    assert refused.value.code == "text_too_large"
    with pytest.raises(TemplateError):
        parse_template("{{#if n}}" * 20 + "{{/if}}" * 20)


ITEMS = {"items": [{"n": 1, "name": "a"}, {"n": 2, "name": "{{b}}"}], "name": "outer", "o": {"x": 1, "y": [2]}, "e": []}


@pytest.mark.req("GRE-11.10")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{#each items}}{{@index}}:{{name}} {{this.n}};{{/each}}", "0:a 1;1:{{b}} 2;"),
        ("{{#each items}}{{n}}{{#unless @last}}, {{/unless}}{{/each}}", "1, 2"),
        ("{{#each o}}{{@key}}={{this}} {{/each}}", "x=1 y=[2] "),
        ("{{#each e}}x{{else}}none{{/each}}", "none"),
        ("{{#each name}}x{{else}}none{{/each}}", "none"),
        ("{{#items}}{{name}}{{o.x}} {{/items}}", "a1 {{b}}1 "),
        ("{{#o.y}}{{this}}{{name}}{{/o.y}}", "2outer"),
        ("{{#with o}}{{x}} {{name}}{{/with}}", "1 outer"),
        ("{{#gone}}x{{else}}no{{/gone}}{{#e}}y{{/e}}", "no"),
        ("{{#each items}}{{#each o}}{{@key}}{{/each}}{{@index}} {{/each}}", "xy0 xy1 "),
    ],
)
def test_blocks_go_round_lists_and_look_into_objects(text: str, expected: str) -> None:
    assert parse_template(text).value(Values(ITEMS)) == expected


@pytest.mark.req("GRE-11.10")
def test_blocks_within_blocks_end_however_long_the_lists_are() -> None:
    many = Values({"a": list(range(3_000))})
    with pytest.raises(RenderError) as refused:
        parse_template("{{#each a}}{{#each a}}{{#each a}}{{/each}}{{/each}}{{/each}}").value(many)
    assert refused.value.code == "text_too_large"
