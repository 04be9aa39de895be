"""What Telegram brings: messages and pressed buttons, read where we depend on them.

Source: Telegram Bot API, "Getting updates".
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from lichen.channels.activities import decode
from lichen.channels.cards.showing import is_pressed
from lichen.channels.port import Arrival, FileRef, Inbound
from lichen.channels.telegram.choices import chosen
from lichen.core.words.scope import Customer

FILE_ID_MAX: Final = 256
Int = Annotated[int, msgspec.Meta(ge=-(2**52), le=2**52)]


class _User(msgspec.Struct, frozen=True):
    id: Int
    is_bot: bool = False
    language_code: str = ""


class _Chat(msgspec.Struct, frozen=True):
    id: Int
    type: str = "private"


class _File(msgspec.Struct, frozen=True):
    file_id: Annotated[str, msgspec.Meta(min_length=1, max_length=FILE_ID_MAX)]
    file_size: int = 0
    file_name: str = ""
    mime_type: str = ""


class _Location(msgspec.Struct, frozen=True):
    latitude: float
    longitude: float


class _Contact(msgspec.Struct, frozen=True):
    phone_number: str
    first_name: str = ""


class _Button(msgspec.Struct, frozen=True):
    text: str
    callback_data: str = ""


class _Keyboard(msgspec.Struct, frozen=True):
    inline_keyboard: tuple[tuple[_Button, ...], ...] = ()


class _Answered(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    message_id: Int
    sender: _User | None = None


class _Message(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    message_id: Int
    chat: _Chat
    sender: _User | None = None
    text: str = ""
    caption: str = ""
    message_thread_id: Int | None = None
    is_topic_message: bool = False
    reply_to_message: _Answered | None = None
    reply_markup: _Keyboard = _Keyboard()
    photo: tuple[_File, ...] = ()
    document: _File | None = None
    voice: _File | None = None
    audio: _File | None = None
    video: _File | None = None
    video_note: _File | None = None
    animation: _File | None = None
    sticker: _File | None = None
    location: _Location | None = None
    contact: _Contact | None = None


class _Callback(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    sender: _User
    message: _Message | None = None
    data: str = ""


class Update(msgspec.Struct, frozen=True):
    """What is brought at once: one message, or one press of a button; of anything else nothing is read."""

    update_id: Int
    message: _Message | None = None
    callback_query: _Callback | None = None


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where replies go: the chat, the topic in it, and in a group the message that is answered."""

    chat: int
    thread: int = 0
    about: int = 0


NAMES: Final = {
    "voice": ("audio/ogg", "voice.ogg"), "audio": ("audio/mpeg", "audio.mp3"), "video": ("video/mp4", "video.mp4"),
    "video_note": ("video/mp4", "note.mp4"), "animation": ("video/mp4", "animation.mp4"),
    "sticker": ("image/webp", "sticker.webp"), "document": ("application/octet-stream", "file"),
}  # fmt: skip
"""What a file is where Telegram does not say it."""


def update_of(arrival: Arrival) -> Update:
    """What is brought. Raises Invalid (`body_invalid`)."""
    return decode(arrival.body, Update)


def inbound(update: Update, name: str, username: str) -> Inbound | None:
    """The message in an update; None where it is nothing that anybody said to the bot."""
    if update.callback_query is not None:
        return _pressed(update, update.callback_query, name)
    message = update.message
    if message is None or message.sender is None or message.sender.is_bot:
        return None
    if not _is_for(message, username):
        return None
    text, envelope, files = _said(message, username)
    if not text and not files:
        return None
    return _made(update, message, message.sender, name, text, envelope, files)


def _is_for(message: _Message, username: str) -> bool:
    """Whether somebody speaks to the bot: in a group they name it, give it a command, or answer it."""
    if message.chat.type == "private" or not username:
        return True
    answered = message.reply_to_message
    if answered is not None and answered.sender is not None and answered.sender.is_bot:
        return True
    words = message.text or message.caption
    return f"@{username}".casefold() in words.casefold() or words.startswith("/")


def _pressed(update: Update, callback: _Callback, name: str) -> Inbound | None:
    message = callback.message
    if message is None or callback.sender.is_bot:
        return None
    titles = (each.text for row in message.reply_markup.inline_keyboard for each in row)
    datas = (each.callback_data for row in message.reply_markup.inline_keyboard for each in row)
    title = next((title for title, data in zip(titles, datas, strict=True) if data == callback.data), "")
    text, envelope = chosen(callback.data, title)
    if not text:
        return None
    made = _made(update, message, callback.sender, name, text, envelope, ())
    return replace(made, pressed=callback.data) if is_pressed(callback.data) else made


def _made(
    update: Update,
    message: _Message,
    sender: _User,
    name: str,
    text: str,
    envelope: dict[str, Any],
    files: tuple[FileRef, ...],
) -> Inbound:
    chat, is_group = message.chat, message.chat.type != "private"
    thread = message.message_thread_id if message.is_topic_message else None
    parts = (str(chat.id), f"t{thread}" if thread else "", str(sender.id) if is_group else "")
    address = Address(chat.id, thread or 0, message.message_id if is_group else 0)
    metadata = {"telegram.chat": chat.type[:32], **envelope.get("metadata", {})}
    return Inbound(
        ":".join(filter(None, parts)),
        Customer(f"{name}:{sender.id}"),
        text,
        str(update.update_id),
        envelope={**envelope, "metadata": metadata},
        locale=sender.language_code[:16] or None,
        address=msgspec.json.encode(address),
        files=files,
    )


def _said(message: _Message, username: str) -> tuple[str, dict[str, Any], tuple[FileRef, ...]]:
    if message.location is not None:
        place = message.location
        fields = {"latitude": place.latitude, "longitude": place.longitude}
        return f"{place.latitude}, {place.longitude}", {**fields, "value": fields}, ()
    if message.contact is not None:
        fields = {"phone": message.contact.phone_number[:64], "name": message.contact.first_name[:256]}
        return " ".join(filter(None, (fields["name"], fields["phone"]))), {**fields, "value": fields}, ()
    return _without_name(message.text or message.caption, username), {}, _files(message)


def _without_name(text: str, username: str) -> str:
    """The words without the bot's name at their beginning, or behind a command."""
    if not username:
        return text
    name = f"@{username}"
    if text.casefold().startswith(name.casefold()):
        return text[len(name) :].lstrip(" ,:")
    command, space, rest = text.partition(" ")
    if command.startswith("/") and command.casefold().endswith(name.casefold()):
        return command[: -len(name)] + space + rest
    return text


def _files(message: _Message) -> tuple[FileRef, ...]:
    if message.photo:  # the same picture in several sizes, the largest last
        best = message.photo[-1]
        return (FileRef(best.file_id, "photo.jpg", "image/jpeg", max(0, best.file_size)),)
    for kind, (media_type, name) in NAMES.items():
        if kind == "document" and message.animation is not None:
            continue
        file: _File | None = getattr(message, kind)
        if file is not None:
            said = file.mime_type if "/" in file.mime_type else media_type
            return (FileRef(file.file_id, file.file_name[:128] or name, said[:128], max(0, file.file_size)),)
    return ()
