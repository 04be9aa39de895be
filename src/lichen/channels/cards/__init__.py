"""What is said, as each platform can show it: cards read into plain blocks, text with markup, forms, numbered lists.

Others take `plan` and `Capabilities` for cards, `marked` and `split` for texts, `card_of` for forms.
"""

from lichen.channels.cards.capabilities import Capabilities, capabilities_of
from lichen.channels.cards.forms import card_of
from lichen.channels.cards.planning import Plan, plan
from lichen.channels.cards.showing import Choice, Shown, choices_of, pressed_as, shown
from lichen.channels.cards.splitting import split
from lichen.channels.cards.text import marked

__all__ = [
    "Capabilities",
    "Choice",
    "Plan",
    "Shown",
    "capabilities_of",
    "card_of",
    "choices_of",
    "marked",
    "plan",
    "pressed_as",
    "shown",
    "split",
]
