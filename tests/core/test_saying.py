"""What may be said, and that a record says it again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.speech import saying
from lichen.core.speech.saying import ATTACHMENTS_MAX, CARD_BYTES_MAX, Attachment, Format, Saying, check
from lichen.core.words.errors import Invalid

CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "42 EUR"}]}
PICTURE = Attachment("image/png", "https://shop.example/a.png", "a.png")


@pytest.mark.req("LIC-16.14")
@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Saying("", card=CARD), "saying_invalid"),
        (Saying("  ", attachments=(PICTURE,)), "saying_invalid"),
        (Saying("x", card={"type": "HeroCard"}), "saying_invalid"),
        (Saying("x", card={**CARD, "body": [object()]}), "saying_invalid"),
        (Saying("x", card={**CARD, "fallbackText": "x" * CARD_BYTES_MAX}), "saying_too_large"),
        (Saying("x", attachments=(PICTURE,) * (ATTACHMENTS_MAX + 1)), "saying_too_large"),
        (Saying("x", attachments=(Attachment("image/png", "https://e.example/" + "x" * 2_048),)), "saying_too_large"),
        (Saying("x", attachments=(Attachment("image/png", "http://shop.example/a.png"),)), "saying_invalid"),
        (Saying("x", attachments=(Attachment("image/png", "javascript:alert(1)"),)), "saying_invalid"),
        (Saying("x", attachments=(Attachment("image/png", "data:text/html,x"),)), "saying_invalid"),
        (Saying("x", attachments=(Attachment("image/png", "https://[x"),)), "saying_invalid"),
        (Saying("x", attachments=(Attachment("png", "https://shop.example/a.png"),)), "saying_invalid"),
        ("x" * (256 * 1024 + 1), "saying_too_large"),
    ],
)
def test_what_no_channel_could_show_is_refused(said: str | Saying, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(said)
    assert refused.value.code == code


@pytest.mark.parametrize("said", ["", "hello", Saying("hello", card=CARD, attachments=(PICTURE,))])
def test_words_alone_or_with_a_card_and_files_may_be_said(said: str | Saying) -> None:
    check(said)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda each: st.lists(each, max_size=3)
)


@pytest.mark.req("LIC-16.14")
@given(
    text=st.text(min_size=1),
    card=st.none() | st.dictionaries(st.text(), JSON),
    names=st.lists(st.text(), max_size=3),
    part=st.sampled_from(["text", "answer", "say/3"]),
    style=st.sampled_from(["plain", "markdown"]),
)
def test_contents_say_again_what_was_said(
    text: str, card: dict[str, Any] | None, names: list[str], part: str, style: Format
) -> None:
    said = Saying(text, card, tuple(Attachment("image/png", "https://e.example/a", name) for name in names), style)
    found = {name: data for name, data in saying.parts(said, part) if data}
    assert saying.read(found, part) == said
    words = {part, saying.beside(part, "format")}
    assert all(msgspec.json.decode(data) is not None for name, data in found.items() if name not in words)


@pytest.mark.req("GRE-63.4")
def test_a_text_is_plain_or_markdown_and_nothing_else() -> None:
    unknown: Any = "html"
    with pytest.raises(Invalid) as refused:
        check(Saying("x", format=unknown))
    assert refused.value.code == "saying_invalid"
    assert [name for name, data in saying.parts(Saying("x"), "text") if data] == ["text"]
    assert dict(saying.parts(Saying("*x*", format="markdown"), "answer"))["answer/format"] == b"markdown"
