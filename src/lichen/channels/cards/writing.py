"""Paragraphs of words with looks, and how each platform's markup writes them.

Sources: Slack "Formatting text for app surfaces"; Telegram Bot API "HTML style"; WhatsApp "How to format your
messages"; CommonMark 0.31.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, Literal, assert_never

import msgspec

from lichen.channels.cards.capabilities import Dialect

APART: Final = "\u200b"
"""Stands before a character that would be markup where nothing can be escaped."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """Words of one look."""

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    href: str = ""


class Para(msgspec.Struct, frozen=True):
    """Lines that belong together. `prefix` begins the first of them, `indent` the others; `quotes` is how deep a
    quotation it is. `is_tight`: it follows the one before without an empty line."""

    spans: tuple[Span, ...]
    kind: Literal["text", "heading", "code", "rule"] = "text"
    prefix: str = ""
    indent: str = ""
    quotes: int = 0
    is_tight: bool = False


def write(paras: Sequence[Para], dialect: Dialect) -> str:
    """The paragraphs in a platform's markup."""
    parts: list[str] = []
    for para in paras:
        if parts:
            parts.append(_between(para, dialect))
        parts.append(_para(para, dialect))
    return "".join(parts)


def _between(para: Para, dialect: Dialect) -> str:
    if not para.is_tight:
        return "\n\n"
    return "  \n" if dialect == "markdown" and not para.prefix else "\n"


def _para(para: Para, dialect: Dialect) -> str:
    match para.kind:
        case "rule":
            return "---" if dialect == "markdown" else "———"
        case "code":
            return _code_block("".join(span.text for span in para.spans), dialect)
        case "heading":
            bold = tuple([msgspec.structs.replace(span, bold=not span.code) for span in para.spans])
            text = _spans(bold, dialect)
        case "text":
            text = _spans(para.spans, dialect)
        case _:
            assert_never(para.kind)
    return _placed(para, text, dialect)


def _placed(para: Para, text: str, dialect: Dialect) -> str:
    """The text behind its bullet, in its quotation."""
    if para.prefix or para.indent:
        prefix = para.prefix.replace("•", "-") if dialect == "markdown" else para.prefix
        text = prefix + text.replace("\n", f"\n{para.indent}")
    if not para.quotes:
        return text
    if dialect == "html":
        return f"<blockquote>{text}</blockquote>"
    return "\n".join("> " * para.quotes + line for line in text.split("\n"))


def _code_block(text: str, dialect: Dialect) -> str:
    text = text.rstrip("\n")
    match dialect:
        case "plain":
            return text
        case "html":
            return f"<pre>{escape(text, quote=False)}</pre>"
        case "mrkdwn":
            return f"```\n{_slack(text).replace('```', '``' + APART + '`')}\n```"
        case "whatsapp":
            return f"```{text.replace('```', '``' + APART + '`')}```"
        case "markdown":
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
            return f"{fence}\n{text}\n{fence}"
        case _:
            assert_never(dialect)


def _spans(spans: Sequence[Span], dialect: Dialect) -> str:
    merged = _merged(spans)
    return "".join(_span(span, dialect) for span in (_indented(merged) if dialect == "markdown" else merged))


def _indented(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans with spaces that begin a line as such that CommonMark keeps."""
    begins = True
    for span in spans:
        pattern = _LEADING if begins else _LEADING_AFTER
        yield span if span.code else msgspec.structs.replace(span, text=pattern.sub(_kept, span.text))
        begins = span.text.endswith("\n")


def _kept(spaces: re.Match[str]) -> str:
    return "\u00a0" * len(spaces[0].expandtabs(4))


def _merged(spans: Sequence[Span]) -> list[Span]:
    """The spans, those of one look after each other as one."""
    found: list[Span] = []
    for span in spans:
        if found and msgspec.structs.replace(span, text="") == msgspec.structs.replace(found[-1], text=""):
            found[-1] = msgspec.structs.replace(span, text=found[-1].text + span.text)
        elif span.text:
            found.append(span)
    return found


def _span(span: Span, dialect: Dialect) -> str:
    match dialect:
        case "plain":
            return _with_address(span, span.text)
        case "html":
            return _html(span)
        case "mrkdwn":
            text = f"`{_slack(span.text).replace('`', APART)}`" if span.code else _kept_apart(_slack(span.text))
            text = _wrapped(text, span, bold="*", italic="_", strike="~")
            return f"<{_slack(span.href).replace('|', '%7C')}|{text}>" if span.href else text
        case "whatsapp":
            text = f"`{span.text.replace('`', APART)}`" if span.code else _kept_apart(span.text)
            return _with_address(span, _wrapped(text, span, bold="*", italic="_", strike="~"))
        case "markdown":
            text = _code_span(span.text) if span.code else _escaped(span.text)
            text = _wrapped(text, span, bold="**", italic="_", strike="~~")
            return f"[{text}](<{span.href.replace('<', '%3C').replace('>', '%3E')}>)" if span.href else text
        case _:
            assert_never(dialect)


def _with_address(span: Span, text: str) -> str:
    if not span.href or span.href in (span.text, f"mailto:{span.text}"):
        return text
    return f"{text} ({span.href})"


def _html(span: Span) -> str:
    text = escape(span.text, quote=False)
    for tag, holds in (("code", span.code), ("s", span.strike), ("i", span.italic), ("b", span.bold)):
        text = f"<{tag}>{text}</{tag}>" if holds else text
    return f'<a href="{escape(span.href)}">{text}</a>' if span.href else text


def _wrapped(text: str, span: Span, *, bold: str, italic: str, strike: str) -> str:
    """The text between its marks, each line by itself, spaces outside: between marks and spaces there is no markup."""
    if not (span.bold or span.italic or span.strike):
        return text
    marks = (strike if span.strike else "") + (bold if span.bold else "") + (italic if span.italic else "")
    closing = (italic if span.italic else "") + (bold if span.bold else "") + (strike if span.strike else "")
    return "\n".join(_line_wrapped(line, marks, closing) for line in text.split("\n"))


def _line_wrapped(line: str, marks: str, closing: str) -> str:
    inner = line.strip()
    if not inner:
        return line
    start = len(line) - len(line.lstrip())
    return line[:start] + marks + inner + closing + line[start + len(inner) :]


def _slack(text: str) -> str:
    """Slack's three escapes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_MARK: Final = re.compile(r"(?<!\w)[*_~`]|[*_~`](?!\w)|(?m:^)(?=[>-]|&gt;)")


def _kept_apart(text: str) -> str:
    """The text with a zero-width space before whatever would be markup. Within a word nothing is."""
    return _MARK.sub(lambda found: APART + found[0], text)


_LEADING: Final = re.compile(r"(?m)^[ \t]+(?=\S)")
_LEADING_AFTER: Final = re.compile(r"(?<=\n)[ \t]+(?=\S)")
_SPECIAL: Final = re.compile(r"[\\`*_~\[\]<>&|!#]|(?m:^)\s*(?:[-+=](?=[\s-]|=|$)|\d+[.)](?=\s|$))")


def _escaped(text: str) -> str:
    """The text with a backslash before whatever CommonMark would read, and line breaks kept."""
    return _SPECIAL.sub(_with_backslash, text).replace("\n", "  \n")


def _with_backslash(found: re.Match[str]) -> str:
    return found[0][:-1] + "\\" + found[0][-1]


def _code_span(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
