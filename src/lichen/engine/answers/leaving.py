"""Whether a customer whose conversation a person has wants to go on without them. Anything else they write is the
person's to read."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LEAVING: Final = frozenset(
    ("go on without a person", "go on without you", "continue without a person", "continue without an agent",
     "without a person", "no person please", "i do not need a person", "i don't need a person any more",
     "i do not need a person any more", "i don't need a person", "back to the bot", "back to the assistant",
     "talk to the bot", "talk to the assistant", "let me talk to the bot", "let me talk to the assistant",
     "ohne mitarbeiter weiter", "weiter ohne mitarbeiter", "ohne menschen weiter", "weiter ohne menschen",
     "ohne mensch weiter", "weiter ohne mensch", "weiter ohne person", "ohne person weiter", "doch keinen menschen",
     "ich brauche keinen menschen mehr", "ich brauche keinen menschen", "ich brauche niemanden mehr",
     "zurück zum bot", "zurück zum assistenten", "mit dem bot weiter", "mit dem assistenten weiter",
     "担当者なしで続ける", "担当者なしで続けます", "ボットに戻る", "ボットに戻してください", "アシスタントに戻る",
     "アシスタントに戻してください", "担当者は必要ありません", "担当者はもう必要ありません",
     "不需要人工 继续", "不需要人工", "不需要人工了", "不用人工", "不用人工了", "回到机器人", "返回机器人",
     "回到助手", "返回助手",
     "continuar sin una persona", "seguir sin una persona", "sin una persona", "volver al bot", "volver al asistente",
     "hablar con el bot", "hablar con el asistente", "no necesito a una persona", "ya no necesito a una persona",
     "ya no necesito a nadie",
     "continuer sans conseiller", "sans conseiller", "continuer sans personne", "retour au bot", "revenir au bot",
     "retour à l'assistant", "revenir à l'assistant", "parler au bot", "parler à l'assistant",
     "je n'ai pas besoin d'une personne", "je n'ai plus besoin d'une personne", "je n'ai plus besoin d'un conseiller")
)  # fmt: skip
_AROUND: Final = re.compile(r"[\s.,!;:¡、。，！；：]+")


def leaves(text: str, offered: str) -> bool:
    """Whether the words say that and nothing else, in a language that the runtime speaks, or are those of the button
    that was `offered`."""
    said = _plain(text)
    return said in _LEAVING or (bool(said) and said == _plain(offered))


def _plain(text: str) -> str:
    return _AROUND.sub(" ", unicodedata.normalize("NFKC", text).casefold().replace("’", "'")).strip()
