"""Texts in each platform's markup, and in pieces that it takes."""

from __future__ import annotations

import re
import sys
from html import unescape
from html.parser import HTMLParser
from types import FrameType
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lichen.channels.cards import marked, split
from lichen.channels.cards.capabilities import Dialect, Unit
from lichen.channels.cards.splitting import LEAST, size
from lichen.channels.cards.writing import APART
from lichen.testing.doors.channel_conformance import HOSTILE

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
UNITS: tuple[Unit, ...] = get_args(Unit)
TEXT = """# Your *order*

It is **on _its_ way** ~~not~~: `ref_7*`, [track](https://e.com/x_y?a=1&b=2), [no](javascript:alert(1)) <script>

- one
- two
  1. inner
  2. second
- three

> said
> so

```py
x = "`<a>"
```

| a | b |
|---|---|
| 1 | 2 |
"""
ALPHABET = st.text(st.sampled_from("ab *_~`<>&[]()!#|\\-+=1. \n\t:/@{}ß日\U0001f44b"), max_size=60)


@pytest.mark.req("GRE-63.4")
def test_markdown_is_said_in_each_platforms_markup() -> None:
    slack, telegram, whatsapp, plain = (
        marked(TEXT, "markdown", each) for each in ("mrkdwn", "html", "whatsapp", "plain")
    )
    assert slack.startswith("*Your* *_order_*\n\nIt is *on* *_its_* *way* ~not~: `ref_7*`, ")
    assert "<https://e.com/x_y?a=1&amp;b=2|track>" in slack
    assert "It is <b>on </b><b><i>its</i></b><b> way</b> <s>not</s>: <code>ref_7*</code>" in telegram
    assert '<a href="https://e.com/x_y?a=1&amp;b=2">track</a>' in telegram
    assert "&lt;script&gt;" in telegram
    assert '<pre>x = "`&lt;a&gt;"</pre>' in telegram
    assert "<blockquote>said\nso</blockquote>" in telegram
    assert "*on* *_its_* *way* ~not~: `ref_7*`, track (https://e.com/x_y?a=1&b=2)" in whatsapp
    assert plain.startswith("Your order\n\nIt is on its way not: ref_7*, track (https://e.com/x_y?a=1&b=2), ")
    assert "• one\n• two\n   1. inner\n   2. second\n• three\n\n> said\n> so" in plain
    assert "a | b\n1 | 2" in plain


@pytest.mark.req("GRE-63.4")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_link_leads_to_the_web_or_a_mailbox_alone(dialect: Dialect) -> None:
    text = "[a](javascript:alert(1)) [b](data:text/html,x) ![c](file:///etc) <vbscript:x> [d](JAVASCRIPT:x)"
    said = marked(f"{text} [e](mailto:a@e.com)", "markdown", dialect)
    link = {"html": 'href="', "mrkdwn": "<", "markdown": r"(?<!\\)\]\(<?|(?<!\\)<"}.get(dialect, "(?!)")
    for scheme in ("javascript", "data", "file", "vbscript"):
        assert not re.search(f"({link}){scheme}:", said, re.IGNORECASE)
    assert "mailto:a@e.com" in said


class _Tags(HTMLParser):
    """The tags of a text, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.req("GRE-63.5")
@given(ALPHABET | st.sampled_from(HOSTILE))
def test_what_was_said_plainly_is_never_markup(text: str) -> None:
    assert marked(text, "plain", "plain") == text
    html = _Tags(marked(text, "plain", "html"))
    assert (html.words, html.seen) == (text, set())
    slack = marked(text, "plain", "mrkdwn")
    assert unescape(slack).replace(APART, "") == text
    assert not re.search(r"<[@#!h]|(?<![\w\u200b])[*_~`]\S", slack)
    whatsapp = marked(text, "plain", "whatsapp")
    assert whatsapp.replace(APART, "") == text
    assert not re.search(r"(?<![\w\u200b])[*_~`]\S", whatsapp)


@pytest.mark.req("GRE-63.5")
@given(ALPHABET | st.sampled_from(HOSTILE))
def test_what_was_said_plainly_is_words_where_markdown_is_read(text: str) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = reader.parse(marked(text, "plain", "markdown"))
    assert {each.type for each in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    inline = [child for each in tokens for child in each.children or []]
    assert {each.type for each in inline} <= {"text", "text_special", "softbreak", "hardbreak"}
    words = "".join(each.content or "\n" for each in inline)
    assert "".join(words.split()) == "".join(text.split())


@pytest.mark.req("GRE-63.4")
@given(ALPHABET)
def test_any_markdown_is_written_whole(text: str) -> None:
    html = _Tags(marked(text, "markdown", "html"))
    assert not html.open
    assert html.seen <= {"b", "i", "s", "code", "pre", "blockquote", "a"}
    for dialect in DIALECTS:
        marked(text, "markdown", dialect)


@pytest.mark.req("GRE-63.6")
@settings(max_examples=60)
@given(
    st.text(st.sampled_from("ab.\n <&*_ ß日\U0001f44b\u0301"), max_size=600),
    st.sampled_from(UNITS),
    st.integers(LEAST, 200),
)
def test_a_long_text_is_said_whole_in_pieces_that_are_short_enough(text: str, unit: Unit, longest: int) -> None:
    for dialect in DIALECTS:
        pieces = split(text, "plain", dialect, longest=longest, unit=unit)
        assert all(0 < size(each, unit) <= longest for each in pieces)
        if dialect in ("plain", "html"):
            assert "".join(map(unescape, pieces)) == text


@pytest.mark.req("GRE-63.6")
def test_a_text_is_cut_between_paragraphs_then_words_and_no_sign_is_cut_in_two() -> None:
    paragraphs = "first " * 9 + "\n\n" + "second " * 9
    assert split(paragraphs, "plain", "plain", longest=80) == ("first " * 9 + "\n\n", "second " * 9)
    words = split("word " * 40, "plain", "plain", longest=66)
    assert {each.strip().split(" ")[0] for each in words} == {"word"}
    assert all(each.endswith("word ") for each in words)
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert {each.count("\u200d") for each in split(family * 40, "plain", "plain", longest=64)} == {24, 8}


@pytest.mark.req("GRE-63.6")
@pytest.mark.parametrize("unit", UNITS)
def test_markup_is_closed_before_a_cut_and_opened_after_it(unit: Unit) -> None:
    text = "**" + "bold words " * 30 + "_and these_ " * 10 + "end**"
    pieces = split(text, "markdown", "html", longest=100, unit=unit)
    assert len(pieces) > 3
    for each in pieces:
        found = _Tags(each)
        assert (found.open, "b" in found.seen) == ([], True)
    slack = split(text, "markdown", "mrkdwn", longest=100, unit=unit)
    assert all(each.strip().startswith("*") and each.strip().endswith("*") for each in slack)


@pytest.mark.req("GRE-63.6")
def test_units_are_counted_as_platforms_count() -> None:
    assert [size("ß\U0001f44b", each) for each in UNITS] == [2, 6, 3]
    assert split("x" * 20_000, "plain", "plain", longest=4_096) == ("x" * 4_096,) * 4 + ("x" * 3_616,)
    assert split("x" * 20_000, "plain", "plain", longest=0) == ("x" * 20_000,)
    assert split("", "plain", "html", longest=100) == ()


@pytest.mark.req("GRE-63.4")
@pytest.mark.parametrize("mark", ["*", "[", "`", "> ", "![", "_a*b", "<", "1. ", "~~a", "|a", "\\", "[a](b", "*_"])
def test_no_text_takes_long_to_read(mark: str) -> None:
    short, long = (_calls((mark * size)[:size]) for size in (1_000, 8_000))
    assert long <= 16 * short + 100_000, "reading takes about as much longer as the text is"
    assert _calls((mark * 40_000)[:40_000]) <= long + 100_000


def _calls(text: str) -> int:
    """How many functions are called to read a text."""
    called = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        marked(text, "markdown", "html")
    finally:
        sys.setprofile(None)
    return called
