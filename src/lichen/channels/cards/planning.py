"""What of a card a platform shows: as it is, in part, or as words; and what was lost on the way.

Tiers and warnings are those of Greentic's planner. Unlike there, a `<` that begins no tag is kept.
Source: greentic-messaging-providers, render planner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from lichen.channels.cards.blocks import Action, Block, Buttons, Facts, Picture, Words
from lichen.channels.cards.capabilities import Capabilities
from lichen.channels.cards.reading import read
from lichen.core.speech.saying import Saying

Tier = Literal["A", "B", "D"]
Downgrade = Literal[
    "adaptive_card_downsampled",
    "unsupported_elements_removed",
    "text_sanitized",
    "text_truncated",
    "payload_truncated",
]
_TAG: Final = re.compile(r"<[A-Za-z/!?][^<>]*>")
_MARKERS: Final = re.compile(r"\*\*|__|~~|`")
_ELLIPSIS: Final = "…"


class Plan(msgspec.Struct, frozen=True):
    """What is shown of a message.

    Of tier `A` its card as it is, of `B` the card but for what the platform leaves out, of `D` its `blocks`, as the
    platform can show them. `summary` is the card in words, for where nothing else is shown.
    """

    tier: Tier
    blocks: tuple[Block, ...] = ()
    summary: str = ""
    warnings: tuple[Downgrade, ...] = ()


def plan(saying: Saying, capabilities: Capabilities) -> Plan:
    """What a platform with these capabilities shows of a message."""
    if saying.card is None:
        return Plan("D", (Words(saying.text),), saying.text)
    return plan_of(saying.card, capabilities, default=saying.text)


def plan_of(card: Mapping[str, Any], capabilities: Capabilities, *, default: str = "") -> Plan:
    """What it shows of a card, whose summary is the default where the card has no words."""
    found, tier = read(card), tier_of(capabilities)
    whole = _whole(found.blocks, capabilities) or default
    clean = _sanitized(whole, capabilities)
    short = _shortened(clean, capabilities.text_max)
    small = _smaller(short, capabilities.payload_bytes_max)
    is_less = tier == "B" and _lacks(found.blocks, capabilities)
    is_unread = tier != "A" and (bool(found.dropped) or found.is_cut)
    told: tuple[tuple[Downgrade, bool], ...] = (
        ("text_sanitized", clean != whole),
        ("text_truncated", short != clean),
        ("payload_truncated", small != short),
        ("unsupported_elements_removed", is_less or is_unread),
        ("adaptive_card_downsampled", tier == "D"),
    )
    return Plan(tier, found.blocks, small, tuple([name for name, holds in told if holds]))


def tier_of(capabilities: Capabilities) -> Tier:
    """How much of a card a platform can show."""
    if not capabilities.cards:
        return "D"
    return "A" if capabilities.buttons and capabilities.images else "B"


def _lacks(blocks: tuple[Block, ...], capabilities: Capabilities) -> bool:
    has_buttons = any(isinstance(each, Buttons) for each in blocks)
    has_images = any(isinstance(each, Picture) for each in blocks)
    return (has_buttons and not capabilities.buttons) or (has_images and not capabilities.images)


# -- the card in words -------------------------------------------------------------------------------------------


def _whole(blocks: tuple[Block, ...], capabilities: Capabilities) -> str:
    """The first heading, the other words with facts as `K: V`, and where there are no buttons what they would say."""
    title = next((each for each in blocks if isinstance(each, Words) and each.is_heading), None)
    lines = [line for each in blocks if each is not title for line in _lines(each)]
    labels = () if capabilities.buttons else _labels(blocks)
    parts = ("" if title is None else title.text, "\n".join(lines), " | ".join(labels))
    return "\n\n".join(filter(None, parts))


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Words(text=text):
            yield text
        case Facts(facts=facts):
            yield from (f"{fact.title}: {fact.value}" for fact in facts)
        case _:
            return


def _labels(blocks: tuple[Block, ...]) -> Iterator[str]:
    for block in blocks:
        for action in block.actions if isinstance(block, Buttons) else ():
            yield label(action)


def label(action: Action) -> str:
    """A button in words, a link with its address."""
    return f"[{action.title}]({action.url})" if action.url else action.title


def _sanitized(text: str, capabilities: Capabilities) -> str:
    text = text if capabilities.html else _TAG.sub("", text)
    # WhatsApp's own marks are single: doubled ones, and those of code, are no marks there, and not words either.
    return text if capabilities.markup in ("markdown", "mrkdwn", "html") else _MARKERS.sub("", text)


def _shortened(text: str, characters_max: int) -> str:
    if not characters_max or len(text) <= characters_max:
        return text
    return text[: characters_max - 1] + _ELLIPSIS


def _smaller(text: str, bytes_max: int) -> str:
    data = text.encode()
    if not bytes_max or len(data) <= bytes_max:
        return text
    return data[: max(bytes_max - len(_ELLIPSIS.encode()), 0)].decode(errors="ignore") + _ELLIPSIS
