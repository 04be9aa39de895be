"""A message as Telegram takes it: HTML in pieces, a keyboard below the last, pictures, files.

Source: Telegram Bot API, "Available methods" and "Formatting options".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from lichen.channels.cards.capabilities import capabilities_of
from lichen.channels.cards.showing import Shown, shown
from lichen.channels.cards.splitting import size
from lichen.channels.telegram.choices import data_of
from lichen.core.speech.saying import Attachment
from lichen.engine.ports import Outbound

CAPABILITIES: Final = capabilities_of("telegram")
CAPTION_MAX: Final = 1_024
ROW_MAX, ROW_CHARACTERS_MAX = 3, 40
ALBUM_MAX: Final = 10
HTML: Final = {"parse_mode": "HTML"}
METHODS: Final = {"image": ("sendPhoto", "photo"), "video": ("sendVideo", "video"), "audio": ("sendAudio", "audio")}

Json = dict[str, Any]


def rendered(message: Outbound) -> list[Json]:
    """The calls, in order, each with its `method`."""
    said = shown(message.saying, CAPABILITIES, suggestions=message.suggestions, schema=message.schema)
    keyboard = _keyboard(said, message)
    return [*_words(said, keyboard), *map(_file, message.saying.attachments)]


def _words(said: Shown, keyboard: Json) -> Iterator[Json]:
    """The text in pieces, the last of them with the keyboard; one picture bears it as its caption if it fits."""
    pieces = list(said.pieces(CAPABILITIES)) or ["…"]
    if len(said.pictures) == 1:
        picture = said.pictures[0].url
        if len(pieces) == 1 and size(pieces[0], CAPABILITIES.unit) <= CAPTION_MAX:
            yield {"method": "sendPhoto", "photo": picture, "caption": pieces[0], **HTML, **keyboard}
            return
        yield {"method": "sendPhoto", "photo": picture}
    for at in range(0, len(said.pictures) if len(said.pictures) > 1 else 0, ALBUM_MAX):
        yield _album([each.url for each in said.pictures[at : at + ALBUM_MAX]])
    for piece in pieces[:-1]:
        yield _text(piece)
    yield {**_text(pieces[-1]), **keyboard}


def _text(piece: str) -> Json:
    return {"method": "sendMessage", "text": piece, **HTML, "link_preview_options": {"is_disabled": True}}


def _album(urls: Sequence[str]) -> Json:
    if len(urls) == 1:
        return {"method": "sendPhoto", "photo": urls[0]}
    return {"method": "sendMediaGroup", "media": [{"type": "photo", "media": url} for url in urls]}


def _keyboard(said: Shown, message: Outbound) -> Json:
    """Buttons in rows, as many beside each other as have room."""
    buttons: list[Json] = [
        {"text": each.title, "callback_data": data_of(each, n, message)} for n, each in enumerate(said.choices, 1)
    ]
    buttons += [{"text": each.title, "url": each.url} for each in said.links]
    if not buttons:
        return {}
    rows: list[list[Json]] = [[]]
    for button in buttons:
        wide = sum(len(each["text"]) for each in rows[-1]) + len(button["text"])
        if rows[-1] and (len(rows[-1]) == ROW_MAX or wide > ROW_CHARACTERS_MAX):
            rows.append([])
        rows[-1].append(button)
    return {"reply_markup": {"inline_keyboard": rows}}


def _file(file: Attachment) -> Json:
    method, field = METHODS.get(file.content_type.partition("/")[0], ("sendDocument", "document"))
    named = {"caption": file.name} if file.name else {}
    return {"method": method, field: file.url, **named}
