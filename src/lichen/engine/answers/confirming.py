"""Whether an answer in a chat says yes or no. What is neither decides nothing: the question is asked again."""

from __future__ import annotations

import re
from typing import Final, Literal

_YES: Final = frozenset(
    ("yes", "y", "yep", "yeah", "sure", "ok", "okay", "confirm", "confirmed", "agreed", "correct", "go ahead", "do it",
     "yes please", "yes do it", "yes confirm", "of course", "please do", "ja", "j", "jo", "jawohl", "klar", "gerne",
     "genau", "richtig", "einverstanden", "bestätigt", "bestätige", "ich bestätige", "ja bitte", "ja gerne", "ja klar",
     "mach das", "machen sie das", "in ordnung", "natürlich", "passt")
)  # fmt: skip
_NO: Final = frozenset(
    ("no", "n", "nope", "nah", "cancel", "stop", "no thanks", "no thank you", "do not", "don't", "never mind",
     "not now", "nein", "nö", "nee", "ne", "abbrechen", "abbruch", "stopp", "nein danke", "lieber nicht", "nicht",
     "doch nicht", "auf keinen fall", "lass es", "lassen sie es")
)  # fmt: skip
_AROUND: Final = re.compile(r"[\s.,!;:]+")


def said(text: str) -> Literal["confirmed", "declined"] | None:
    """`confirmed` or `declined` for words that say nothing else, in English or German; None for all others."""
    words = _AROUND.sub(" ", text.casefold().replace("’", "'")).strip()
    return "confirmed" if words in _YES else "declined" if words in _NO else None
