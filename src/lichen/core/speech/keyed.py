"""Words that stand under a key in a project's own files, `i18n:order.found`, in the language of whoever hears them.

Source: Greentic, i18n: a key is looked up in the exact language, then in its base language, then in English.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.speech.saying import Saying
from lichen.core.speech.texts import DEFAULT

PREFIX: Final = "i18n:"
DEPTH_MAX: Final = 64

Keyed = Mapping[str, Mapping[str, str]]
"""The words of a project: by language, then by key."""


def found(keyed: Keyed, key: str, language: str) -> str | None:
    """The words under a key: in the exact language, such as `pt-BR`, else in `pt`, else in English; None for none."""
    for each in dict.fromkeys((language, language.partition("-")[0], DEFAULT)):
        words = keyed.get(each, {}).get(key)
        if words is not None:
            return words
    return None


def worded(text: str, find: Callable[[str], str | None]) -> str:
    """A text, or what stands under it where it is a key. A key that nobody wrote words for stays as it is."""
    if not text.startswith(PREFIX):
        return text
    words = find(text.removeprefix(PREFIX).strip())
    return text if words is None else words


def worded_saying(said: str | Saying, find: Callable[[str], str | None]) -> str | Saying:
    """The same of all that is said: the words, and each text in a card."""
    if isinstance(said, str):
        return worded(said, find)
    card = None if said.card is None else cast("Mapping[str, Any]", _within(said.card, find, DEPTH_MAX))
    return msgspec.structs.replace(said, text=worded(said.text, find), card=card)


def _within(value: Any, find: Callable[[str], str | None], depth: int) -> Any:
    if not depth:
        return value
    match value:
        case str():
            return worded(value, find)
        case Mapping():
            fields = cast("Mapping[str, Any]", value)
            return {name: _within(each, find, depth - 1) for name, each in fields.items()}
        case list():
            return [_within(each, find, depth - 1) for each in cast("list[Any]", value)]
        case _:
            return value
