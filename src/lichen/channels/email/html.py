"""The words of an HTML mail that a person sees: no scripts, no styles, nothing hidden, and no quoted history.

It is read once from left to right, in time that grows with its length alone, whatever a stranger writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final, NamedTuple

CHARACTERS_MAX: Final = 512 * 1024  # that are read
DEPTH_MAX: Final = 200

_TOKEN: Final = re.compile(r"<!--.*?(?:-->|\Z)|<(/?)([A-Za-z][A-Za-z0-9:-]{0,31})([^<>]*)>|<[!?][^<>]*>", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"""([a-z-]{1,32})\s{0,8}=\s{0,8}("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
_HIDDEN: Final = re.compile(
    r"display:none|visibility:hidden|font-size:0(?![.\d])|opacity:0(?![.\d])|mso-hide:all|max-height:0(?![.\d])"
)
_QUOTES: Final = ("gmail_quote", "gmail_signature", "yahoo_quoted", "moz-cite-prefix", "moz-signature", "divrplyfwdmsg",
                  "appendonsend", "mail-editor-reference-message-container", "protonmail_quote")  # fmt: skip
_RAW: Final = frozenset({"script", "style", "title", "head", "template", "noscript", "svg", "math", "select"})
_VOID: Final = frozenset({"br", "hr", "img", "input", "meta", "link", "base", "col", "area", "wbr", "source"})
_BLOCKS: Final = frozenset(
    {"p", "div", "tr", "li", "ul", "ol", "table", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "section"}
)
_APART: Final = frozenset({"p", "ul", "ol", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"})
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")


class _Tag(NamedTuple):
    name: str
    is_end: bool
    attributes: dict[str, str]


def words_of(html: str, *, with_quotes: bool = False) -> str:
    """The words of a page, links with their addresses. Quoted mails and signatures, by the marks of the usual programs,
    stand in it only `with_quotes`."""
    reader = _Reader(with_quotes=with_quotes)
    for token in _tokens(html[:CHARACTERS_MAX]):
        if isinstance(token, str):
            reader.words(token)
        else:
            reader.tag(token)
    return reader.text()


def _tokens(html: str) -> Iterator[str | _Tag]:
    at = 0
    for found in _TOKEN.finditer(html):
        if found.start() > at:
            yield html[at : found.start()]
        at = found.end()
        if found[2]:
            yield _Tag(found[2].lower(), found[1] == "/", _attributes(found[3]))
    if at < len(html):
        yield html[at:]


def _attributes(said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(said[:4_096]):
        found.setdefault(name.lower(), unescape(value.strip("\"'")))
    if re.search(r"(?:^|\s)hidden(?:\s|/|$)", said[:4_096], re.IGNORECASE):
        found.setdefault("hidden", "")
    return found


class _Reader:
    """What was read so far."""

    def __init__(self, *, with_quotes: bool) -> None:
        self._parts: list[str] = []
        self._skipped: list[str] = []  # open elements of what is left out, the outermost first
        self._links: list[tuple[str, int]] = []
        self._with_quotes = with_quotes
        self._pre = 0

    def words(self, text: str) -> None:
        if self._skipped:
            return
        said = unescape(text).replace("\xa0", " ")
        self._parts.append(said if self._pre else _SPACES.sub(" ", said))

    def tag(self, tag: _Tag) -> None:
        if self._skipped:
            self._skip(tag)
        elif not tag.is_end and self._is_left_out(tag):
            if tag.name not in _VOID:
                self._skipped.append(tag.name)
        else:
            self._show(tag)

    def _skip(self, tag: _Tag) -> None:
        """Goes on to the end of what is left out: elements of its own name may stand in it."""
        if tag.name != self._skipped[0]:
            return
        if tag.is_end:
            self._skipped.pop()
        elif tag.name not in _RAW and len(self._skipped) < DEPTH_MAX:
            self._skipped.append(tag.name)

    def _is_left_out(self, tag: _Tag) -> bool:
        style = tag.attributes.get("style", "").lower().replace(" ", "")
        if tag.name in _RAW or "hidden" in tag.attributes or _HIDDEN.search(style):
            return True
        if self._with_quotes:
            return False
        marks = f"{tag.attributes.get('class', '')} {tag.attributes.get('id', '')}".lower()
        is_cited = tag.name == "blockquote" and tag.attributes.get("type", "").lower() == "cite"
        return is_cited or any(mark in marks for mark in _QUOTES)

    def _show(self, tag: _Tag) -> None:
        match tag.name:
            case "br":
                self._parts.append("\n")
            case "hr":
                self._parts.append("\n\n")
            case "img":
                self._parts.append(_SPACES.sub(" ", tag.attributes.get("alt", "")))
            case "a":
                self._link(tag)
            case "td" | "th" if not tag.is_end:
                self._parts.append(" ")
            case name if name in _BLOCKS:
                self._pre += (-1 if tag.is_end else 1) * (name == "pre")
                self._pre = max(self._pre, 0)
                self._parts.append("\x00\x00" if name in _APART else "\x00")
                if name == "li" and not tag.is_end:
                    self._parts.append("- ")
            case _:
                pass

    def _link(self, tag: _Tag) -> None:
        if not tag.is_end:
            self._links = [*self._links[-DEPTH_MAX:], (tag.attributes.get("href", ""), len(self._parts))]
        elif self._links:
            href, at = self._links.pop()
            label = "".join(self._parts[at:]).strip()
            is_shown = href.lower().startswith(("https://", "http://")) and href.rstrip("/") != label.rstrip("/")
            if is_shown and label:
                self._parts.append(f" ({href[:2_048]})")

    def text(self) -> str:
        """All of it: a block begins a line, a paragraph stands by itself."""
        text = "".join(self._parts)
        text = re.sub(r"[ \n]*\x00[\x00 \n]*", lambda found: "\n\n" if found[0].count("\x00") > 2 else "\n", text)
        lines = [line.strip(" ") for line in text.split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
