"""A text as paragraphs of words with looks, read from CommonMark or taken as it is, and in a platform's markup.

What was said plainly is never markup anywhere: what would be is escaped, or, where nothing can be escaped, kept apart
by a zero-width space. Links lead to http, https and mailto alone. HTML in CommonMark is text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from lichen.channels.cards.blocks import Run, Words
from lichen.channels.cards.capabilities import Dialect
from lichen.channels.cards.reading import address
from lichen.channels.cards.writing import Para, Span, write
from lichen.core.speech.saying import Format

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MARKDOWN_CHARACTERS_MAX: Final = 16 * 1024
BRACKETS_MAX: Final = 1_000
_BULLET: Final = "• "


def marked(text: str, style: Format, dialect: Dialect) -> str:
    """A text in a platform's markup."""
    return write(paras_of(text, style), dialect)


def paras_of(text: str, style: Format) -> tuple[Para, ...]:
    """A text as paragraphs: one that is plain is one paragraph."""
    if style == "plain" or not _is_readable(text):
        return (Para((Span(text),)),) if text else ()
    return tuple(_Reader(_parser().parse(text)).paras())


def _is_readable(text: str) -> bool:
    """Whether a text is read as markup: reading takes longer than what it adds where it is larger than that."""
    return len(text) <= MARKDOWN_CHARACTERS_MAX and text.count("[") <= BRACKETS_MAX


def paras_of_words(words: Words) -> tuple[Para, ...]:
    """The text of a card as paragraphs."""
    if words.runs:
        paras: tuple[Para, ...] = (Para(tuple(map(_span, words.runs))),)
    else:
        paras = paras_of(words.text, "markdown")
    if not words.is_heading:
        return paras
    return tuple([msgspec.structs.replace(para, kind="heading") if para.kind == "text" else para for para in paras])


def _span(run: Run) -> Span:
    return Span(run.text, run.bold, run.italic, run.strike, href=run.href)


@cache
def _parser() -> MarkdownIt:
    """The reader of CommonMark, made when something is marked up: a process that shows nothing has no use for it."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: bool(address(url))  # another link stays the text that it is
    return parser


class _Reader:
    """One reading of a text's tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._lists: list[int | None] = []  # of each list that is open the number of its next item; None for bullets
        self._marker = ""  # of an item whose first paragraph is still to come
        self._quotes = 0
        self._follows = False  # the next paragraph stands right under the last: both are of one list, or one table

    def paras(self) -> Iterator[Para]:
        """The paragraphs of the text."""
        kind: Literal["text", "heading"] = "text"
        cells: list[Span] = []
        before = ""
        for token in self._tokens:
            match token.type:
                case "heading_open":
                    kind = "heading"
                case "heading_close":
                    kind = "text"
                case "fence" | "code_block":
                    yield self._para((Span(token.content, code=True),), "code")
                case "hr":
                    yield Para((), "rule")
                case "th_open" | "td_open" if cells:
                    cells.append(Span(" | "))
                case "tr_close":
                    yield self._para(tuple(cells), "text")
                    cells, self._follows = [], True
                case "table_close":
                    self._follows = False
                case "inline" if before in ("th_open", "td_open"):
                    cells += _spans(token.children or [])
                case "inline":
                    yield self._para(tuple(_spans(token.children or [])), kind)
                case _:
                    self._container(token)
            before = token.type

    def _container(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._follows = self._follows and bool(self._lists)
            case "list_item_open":
                self._begin_item()
            case "blockquote_open":
                self._quotes += 1
            case "blockquote_close":
                self._quotes -= 1
            case _:
                pass

    def _begin_item(self) -> None:
        number = self._lists[-1]
        self._marker = _BULLET if number is None else f"{number}. "
        if number is not None:
            self._lists[-1] = number + 1

    def _para(self, spans: tuple[Span, ...], kind: Literal["text", "heading", "code"]) -> Para:
        indent = "   " * max(len(self._lists) - 1, 0)
        prefix = indent + self._marker if self._marker else indent + " " * 2 * bool(self._lists)
        inner = indent + " " * 2 * bool(self._lists)
        is_tight = self._follows and (bool(self._marker) or not self._lists)
        self._marker, self._follows = "", bool(self._lists)
        return Para(spans, kind, prefix, inner, self._quotes, is_tight)


def _spans(tokens: list[Token]) -> Iterator[Span]:
    """The words of a paragraph."""
    bold = italic = strike = 0
    href = ""
    for token in tokens:
        match token.type:
            case "strong_open" | "strong_close":
                bold += token.nesting
            case "em_open" | "em_close":
                italic += token.nesting
            case "s_open" | "s_close":
                strike += token.nesting
            case "link_open":
                href = str(token.attrs.get("href", ""))
            case "link_close":
                href = ""
            case "softbreak" | "hardbreak":
                yield Span("\n", bool(bold), bool(italic), bool(strike), href=href)
            case "image":
                yield Span(token.content or "…", bool(bold), bool(italic), href=href or str(token.attrs.get("src", "")))
            case _:
                yield Span(token.content, bool(bold), bool(italic), bool(strike), token.type == "code_inline", href)
