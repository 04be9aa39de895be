"""Whether a customer whose conversation a person has wants to go on without them. Anything else they write is the
person's to read."""

from __future__ import annotations

import re
from typing import Final

_LEAVING: Final = frozenset(
    ("go on without a person", "go on without you", "continue without a person", "continue without an agent",
     "without a person", "no person please", "i do not need a person", "i don't need a person any more",
     "i do not need a person any more", "i don't need a person", "back to the bot", "back to the assistant",
     "talk to the bot", "talk to the assistant", "let me talk to the bot", "let me talk to the assistant",
     "ohne mitarbeiter weiter", "weiter ohne mitarbeiter", "ohne menschen weiter", "weiter ohne menschen",
     "ohne mensch weiter", "weiter ohne mensch", "weiter ohne person", "ohne person weiter", "doch keinen menschen",
     "ich brauche keinen menschen mehr", "ich brauche keinen menschen", "ich brauche niemanden mehr",
     "zurück zum bot", "zurück zum assistenten", "mit dem bot weiter", "mit dem assistenten weiter")
)  # fmt: skip
_AROUND: Final = re.compile(r"[\s.,!;:]+")


def leaves(text: str, offered: str) -> bool:
    """Whether the words say that and nothing else, in English or German, or are those of the button that was
    `offered`."""
    said = _plain(text)
    return said in _LEAVING or (bool(said) and said == _plain(offered))


def _plain(text: str) -> str:
    return _AROUND.sub(" ", text.casefold().replace("’", "'")).strip()
