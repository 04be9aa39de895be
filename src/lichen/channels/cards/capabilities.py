"""What each platform can show: the facts by which cards, texts and choices are made smaller for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

Dialect = Literal["plain", "markdown", "mrkdwn", "html", "whatsapp"]
"""How a platform writes markup: not at all, CommonMark, Slack's, the HTML of Telegram, WhatsApp's."""

Unit = Literal["characters", "bytes", "utf16"]


class Capabilities(msgspec.Struct, frozen=True):
    """What a platform can show.

    `cards`, with `buttons` and `images` in them, decide the tier. `markup` and `html` say what stands in the summary of
    a card as it was written. `text_max` is the longest text, counted in `unit`, and `payload_bytes_max` its bytes.
    `choices_max` is how many buttons there are beside a text: more are a numbered list. `card_version` is the newest
    Adaptive Card that is shown.
    """

    cards: bool = False
    buttons: bool = False
    images: bool = False
    html: bool = False
    markup: Dialect = "plain"
    text_max: int = 0
    unit: Unit = "characters"
    payload_bytes_max: int = 0
    choices_max: int = 0
    card_version: str = ""


ALL: Final = 1_000  # choices: more are never offered
NOTHING: Final = Capabilities()
"""What a platform can show of which nothing is known: words."""

_OF: Final[Mapping[str, Capabilities]] = {
    "webchat": Capabilities(
        cards=True, buttons=True, images=True, html=True, markup="markdown", choices_max=ALL, card_version="1.6"
    ),
    "teams": Capabilities(
        cards=True,
        buttons=True,
        images=True,
        html=True,
        markup="markdown",
        text_max=28_000,
        unit="utf16",
        choices_max=6,
        card_version="1.5",
    ),
    "webex": Capabilities(
        cards=True,
        images=True,
        html=True,
        markup="markdown",
        text_max=7_439,
        unit="bytes",
        choices_max=20,
        card_version="1.3",
    ),
    "slack": Capabilities(images=True, markup="mrkdwn", text_max=3_000, choices_max=ALL),
    "telegram": Capabilities(images=True, html=True, markup="html", text_max=4_096, unit="utf16", choices_max=24),
    "whatsapp": Capabilities(images=True, markup="whatsapp", text_max=4_096, choices_max=10),
    "mattermost": Capabilities(images=True, markup="markdown", text_max=16_383, choices_max=5),
    "email": Capabilities(images=True, html=True, markup="html"),
    "dummy": NOTHING,
}


def capabilities_of(kind: str) -> Capabilities:
    """What a platform can show, by the kind of its channel; words alone where nothing is known of it."""
    return _OF.get(kind, NOTHING)


def kinds() -> tuple[str, ...]:
    """The kinds of which something is known."""
    return tuple(_OF)
