"""Whether an answer in a chat says yes or no. What is neither decides nothing: the question is asked again."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

_YES: Final = frozenset(
    ("yes", "y", "yep", "yeah", "sure", "ok", "okay", "confirm", "confirmed", "agreed", "correct", "go ahead", "do it",
     "yes please", "yes do it", "yes confirm", "of course", "please do", "ja", "j", "jo", "jawohl", "klar", "gerne",
     "genau", "richtig", "einverstanden", "bestätigt", "bestätige", "ich bestätige", "ja bitte", "ja gerne", "ja klar",
     "mach das", "machen sie das", "in ordnung", "natürlich", "passt",
     "はい", "うん", "ええ", "了解", "了解です", "了解しました", "承知しました",
     "お願いします", "はい お願いします", "はいお願いします", "確認しました",
     "是", "是的", "好", "好的", "对", "对的", "可以", "行", "确认", "同意", "没问题", "当然",
     "sí", "si", "claro", "claro que sí", "vale", "de acuerdo", "confirmo", "lo confirmo", "correcto", "adelante",
     "por supuesto", "sí por favor", "sí gracias", "hágalo", "hazlo",
     "oui", "ouais", "d'accord", "bien sûr", "je confirme", "confirmé", "c'est bon", "c'est correct", "allez-y",
     "vas-y", "oui merci", "oui s'il vous plaît", "oui s'il te plaît", "entendu")
)  # fmt: skip
_NO: Final = frozenset(
    ("no", "n", "nope", "nah", "cancel", "stop", "no thanks", "no thank you", "do not", "don't", "never mind",
     "not now", "nein", "nö", "nee", "ne", "abbrechen", "abbruch", "stopp", "nein danke", "lieber nicht", "nicht",
     "doch nicht", "auf keinen fall", "lass es", "lassen sie es",
     "いいえ", "いや", "やめて", "やめてください", "やめます", "キャンセル", "キャンセルします",
     "キャンセルしてください", "中止",
     "不", "不是", "不要", "不用", "不用了", "不行", "否", "取消", "算了", "不同意",
     "no gracias", "cancelar", "cancela", "cancele", "mejor no", "no quiero", "ahora no", "no lo haga", "no lo hagas",
     "detener", "de ninguna manera",
     "non", "non merci", "annuler", "annule", "annulez", "pas maintenant", "surtout pas", "arrêter", "arrêtez",
     "laissez tomber", "laisse tomber")
)  # fmt: skip
_AROUND: Final = re.compile(r"[\s.,!;:¡、。，！；：]+")


def said(text: str) -> Literal["confirmed", "declined"] | None:
    """`confirmed` or `declined` for words that say nothing else, in a language that the runtime speaks; None for all
    others."""
    words = _AROUND.sub(" ", unicodedata.normalize("NFKC", text).casefold().replace("’", "'")).strip()
    return "confirmed" if words in _YES else "declined" if words in _NO else None
