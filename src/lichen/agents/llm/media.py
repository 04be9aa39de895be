"""What came with a message beside its words, as a model takes it: pictures, PDF documents and sound."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import msgspec

from lichen.agents.llm.window import Turn
from lichen.core.ports.model import MEDIA_BYTES_MAX, Media, MediaKind, ModelMessage, ModelRequest
from lichen.core.ports.plan import Message
from lichen.core.speech.attached import FILES_MAX, place_of, unshown
from lichen.core.speech.filetypes import UNKNOWN

MEDIA_MAX: Final = FILES_MAX  # of one message; what is over is named in words
RECALLED_BYTES_MAX: Final = 4 * 1024 * 1024  # of earlier turns in one request

_DATA_URL = re.compile(r"data:([a-z0-9.+-]+/[a-z0-9.+-]+)((?:;[^;,]*)*),", re.IGNORECASE)
_KINDS: Final[dict[str, MediaKind]] = {
    "image/png": "image",
    "image/jpeg": "image",
    "image/gif": "image",
    "image/webp": "image",
    "application/pdf": "document",
    "audio/wav": "audio",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
    "audio/ogg": "audio",
    "audio/webm": "audio",
}


def heard(message: Message) -> tuple[str, tuple[Media, ...]]:
    """The words of a message and what came with it: attachments that refer to a file in the log, which is not read
    yet, or whose `contentUrl` is a `data:` URL.

    What no model takes, or is too much, is named at the end of the words instead.
    """
    attachments = _attachments(message.data)
    if not attachments:
        return message.text, ()
    read = [_read(each) for each in attachments]
    media = [each for each in read if each is not None]
    left = [each for each, made in zip(attachments, read, strict=True) if made is None]
    names = list(map(_left_out, left))
    if len(media) > MEDIA_MAX:
        names.append(f"[{len(media) - MEDIA_MAX} more attachments are left out]")
    return "\n".join([_words(message), *names]).strip(), tuple(media[:MEDIA_MAX])


async def opened(request: ModelRequest, file: Callable[[str], Awaitable[bytes]]) -> ModelRequest:
    """The request with the bytes of all files that it refers to, each read once. Raises as `file` does."""
    found: dict[str, bytes] = {}
    for each in (each for message in request.messages for each in message.media):
        if each.reference and not each.data and each.reference not in found:
            found[each.reference] = await file(each.reference)
    if not found:
        return request
    return msgspec.structs.replace(request, messages=tuple([_filled(message, found) for message in request.messages]))


def _filled(message: ModelMessage, found: dict[str, bytes]) -> ModelMessage:
    media = [
        msgspec.structs.replace(each, data=found[each.reference]) if each.reference in found else each
        for each in message.media
    ]
    return msgspec.structs.replace(message, media=tuple(media)) if media else message


def recalled(turns: Sequence[Turn], most: int) -> tuple[Turn, ...]:
    """Earlier turns with the newest attachments in them, so many at most and of so many bytes together; the others are
    named in words."""
    room, bytes_left, newest = most, RECALLED_BYTES_MAX, list[Turn]()
    for turn in reversed(turns):
        said: list[ModelMessage] = []
        for message in reversed(turn.messages):
            kept: list[Media] = []
            for each in reversed(message.media):
                if room and each.size_bytes <= bytes_left:
                    room, bytes_left = room - 1, bytes_left - each.size_bytes
                    kept.append(each)
                else:
                    room = 0  # nothing older than one that does not fit
            said.append(_without(message, tuple(reversed(kept))))
        newest.append(turn._replace(messages=tuple(reversed(said))))
    return tuple(reversed(newest))


def _without(message: ModelMessage, kept: tuple[Media, ...]) -> ModelMessage:
    """A message with these of its attachments, the newest of them, and the others in words."""
    if len(kept) == len(message.media):
        return message
    gone = message.media[: len(message.media) - len(kept)]
    names = [f"[Not shown any more: {', '.join(filter(None, (each.name, each.media_type)))}]" for each in gone]
    return msgspec.structs.replace(message, text="\n".join([message.text, *names]).strip(), media=kept)


def _attachments(data: Any) -> list[dict[str, Any]]:
    """The attachments that a channel, or whoever started a run, put beside the words."""
    found = cast("dict[str, Any]", data).get("attachments") if isinstance(data, dict) else None
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", each) for each in listed if isinstance(each, dict) and "contentUrl" in each]


def _read(attachment: dict[str, Any]) -> Media | None:
    """One attachment: a file of the log by its reference, or the bytes of a `data:` URL; None where it is of no kind
    that models take."""
    url = attachment["contentUrl"]
    if not isinstance(url, str):
        return None
    if place_of(url) is not None:
        return _referred(attachment, url)
    found = _DATA_URL.match(url) if len(url) <= MEDIA_BYTES_MAX * 4 // 3 + 200 else None
    kind = _KINDS.get(found[1].lower()) if found is not None else None
    if found is None or kind is None or ";base64" not in found[2].lower():
        return None
    try:
        data = base64.b64decode(url[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Media(kind, found[1].lower(), data) if 0 < len(data) <= MEDIA_BYTES_MAX else None


def _referred(attachment: dict[str, Any], url: str) -> Media | None:
    media_type, size = attachment.get("contentType"), attachment.get("size")
    kind = _KINDS.get(media_type) if isinstance(media_type, str) else None
    if kind is None or not isinstance(size, int):
        return None
    name = attachment.get("name")
    return Media(kind, str(media_type), b"", name if isinstance(name, str) else "", url, size)


def _words(message: Message) -> str:
    """The words of a message, without the bytes where the data is all there was to say."""
    data = cast("dict[str, Any]", message.data)
    if message.text != msgspec.json.encode(data).decode():
        return message.text
    rest = {name: value for name, value in data.items() if name != "attachments"}
    return msgspec.json.encode(rest).decode() if rest else ""


def _left_out(attachment: dict[str, Any]) -> str:
    """What is told of an attachment that no model takes."""
    url, size = attachment["contentUrl"], attachment.get("size")
    if isinstance(url, str) and place_of(url) is not None and isinstance(size, int):
        return unshown(str(attachment.get("name", "")), str(attachment.get("contentType", UNKNOWN)), size)
    return f"[An attachment that cannot be read: {_named(attachment)}]"


def _named(attachment: dict[str, Any]) -> str:
    """An attachment in a few words of whoever sent it."""
    said = [attachment.get("name"), attachment.get("contentType")]
    return ", ".join(each[:100] for each in said if isinstance(each, str)) or "without a name"
