"""A message as posts of Mattermost: Markdown that pings nobody, pictures by their addresses, buttons below the last.

Sources: Mattermost, "Format messages", "Interactive messages".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from lichen.channels.cards.capabilities import capabilities_of
from lichen.channels.cards.showing import Choice, Shown, shown
from lichen.channels.cards.writing import APART, Para, Span, write
from lichen.engine.ports import Outbound

CAPABILITIES: Final = capabilities_of("mattermost")
LISTED: Final = replace(CAPABILITIES, choices_max=0)
_MENTION: Final = re.compile(r"@(?=\w)")

Json = dict[str, Any]


def rendered(message: Outbound, *, has_buttons: bool) -> list[Json]:
    """What is posted, in this order; without buttons what may be chosen is a list."""
    capabilities = CAPABILITIES if has_buttons else LISTED
    said = shown(message.saying, capabilities, suggestions=message.suggestions, schema=message.schema)
    paras = (*said.paras, *_links(said), *_files(message))
    pictures = [f"![{_alt(each.alt)}](<{each.url}>)" for each in said.pictures if each.url.startswith("https://")]
    pieces = Shown(tuple(map(_quiet, paras))).pieces(CAPABILITIES) or ("…",)
    posts: list[Json] = [{"message": each} for each in ("\n".join(pictures), *pieces) if each]
    if said.choices:
        actions = [_action(n, each) for n, each in enumerate(said.choices)]
        posts[-1]["props"] = {"attachments": [{"actions": actions}]}
    return posts


def _links(said: Shown) -> Iterator[Para]:
    for each in said.links:
        yield Para((Span(each.title, href=each.url),), is_tight=True)


def _files(message: Outbound) -> Iterator[Para]:
    for each in message.saying.attachments:
        yield Para((Span(each.name or each.url, href=each.url),))


def _action(n: int, choice: Choice) -> Json:
    """A button; the channel adds where it is brought to, and its mark."""
    data = {} if choice.data is None else {"data": choice.data}
    return {"id": f"choice{n}", "type": "button", "name": choice.title, "context": {"text": choice.title, **data}}


def _alt(words: str) -> str:
    return write((Para((Span(" ".join(words.split())),)),), "markdown") if words else ""


def _quiet(para: Para) -> Para:
    """A paragraph with a zero-width space in whatever would ping people; addresses stay as they are."""
    spans = [each if each.code else replace(each, text=_MENTION.sub(f"@{APART}", each.text)) for each in para.spans]
    return replace(para, spans=tuple(spans))
