"""What each platform shows of a message, from what is known of the platforms."""

from __future__ import annotations

from typing import Final

from docs.reference.markdown import table
from lichen.channels.cards.capabilities import ALL, Capabilities, Dialect, capabilities_of, kinds
from lichen.channels.cards.planning import tier_of

MARKUP: Final[dict[Dialect, str]] = {
    "plain": "none",
    "markdown": "CommonMark",
    "mrkdwn": "mrkdwn",
    "html": "HTML",
    "whatsapp": "WhatsApp's",
}
UNITS: Final = {"characters": "characters", "bytes": "bytes", "utf16": "UTF-16 units"}


def shown() -> str:
    """The table of platforms."""
    head = ("Channel", "Tier", "Cards", "Markup", "Longest text", "Buttons beside a text", "Pictures of a card")
    return table(head, [_row(kind, capabilities_of(kind)) for kind in kinds()])


def _row(kind: str, found: Capabilities) -> tuple[str, ...]:
    longest = f"{found.text_max:,} {UNITS[found.unit]}" if found.text_max else "any"
    cards = f"up to {found.card_version}" if found.cards else "as text and buttons"
    pictures = "shown" if found.images else "left out"
    buttons = "all" if found.choices_max >= ALL else str(found.choices_max or "none")
    return (kind, tier_of(found), cards, MARKUP[found.markup], longest, buttons, pictures)
