"""Blocks and paragraphs as JSON for a page of ours that draws them: words stay words, and only links are links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

import msgspec

from lichen.channels.cards.blocks import Action, Block, Buttons, Divider, Facts, Input, Media, Picture, Words
from lichen.channels.cards.text import paras_of_words
from lichen.channels.cards.writing import Para, Span

Json = dict[str, Any]
_EMPTY: Final[tuple[Any, ...]] = ("", (), [])


def drawn(blocks: Sequence[Block]) -> list[Json]:
    """The blocks, each with its `type`."""
    return [each for block in blocks for each in _block(block)]


def drawn_text(paras: Sequence[Para]) -> list[Json]:
    """Paragraphs: `kind`, `prefix`, `quotes`, and `spans` with their looks."""
    return [
        _without({"kind": each.kind, "prefix": each.prefix, "quotes": each.quotes, "spans": [*map(_span, each.spans)]})
        for each in paras
    ]


def _span(span: Span) -> Json:
    return _without(msgspec.structs.asdict(span))


def _block(block: Block) -> Iterator[Json]:
    match block:
        case Words(is_heading=is_heading):
            yield {"type": "words", "heading": is_heading, "paras": drawn_text(paras_of_words(block))}
        case Facts(facts=facts):
            yield {"type": "facts", "facts": [[each.title, each.value] for each in facts]}
        case Picture(url=url, alt=alt):
            yield {"type": "picture", "url": url, "alt": alt}
        case Media(url=url, alt=alt):
            yield {"type": "picture", "url": url, "alt": alt or url}
        case Input(field=field):
            choices = [[each.title, each.value] for each in field.choices]
            yield {"type": "input", **_without(msgspec.structs.asdict(field)), "choices": choices}
        case Divider():
            yield {"type": "divider"}
        case Buttons(actions=actions):
            yield {"type": "buttons", "actions": [_action(each) for each in actions if each.kind != "toggle"]}
        case _:
            assert_never(block)


def _action(action: Action) -> Json:
    return _without(
        {
            "kind": action.kind,
            "title": action.title,
            "data": action.data,
            "url": action.url,
            "blocks": drawn(action.blocks),
        }
    )


def _without(value: Json) -> Json:
    """What says something: no False, and nothing that is empty."""
    return {name: each for name, each in value.items() if each is not None and each is not False and each not in _EMPTY}
