"""What WhatsApp brings: every message of every change of a notification, read where we depend on it.

Source: Meta, WhatsApp Cloud API, "Webhooks, messages".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, cast

import msgspec
from msgspec.structs import replace

from lichen.channels.activities import decode
from lichen.channels.cards.showing import is_pressed
from lichen.channels.port import Arrival, FileRef, Inbound, Report
from lichen.channels.whatsapp.choices import chosen
from lichen.core.words.scope import Customer

ID_MAX: Final = 256
Words = dict[str, Any]


class _Media(msgspec.Struct, frozen=True):
    id: str
    mime_type: str = "application/octet-stream"
    caption: str = ""
    filename: str = ""
    file_size: int = 0


class _Text(msgspec.Struct, frozen=True):
    body: str


class _Reply(msgspec.Struct, frozen=True):
    id: str = ""
    title: str = ""
    response_json: str = ""
    body: str = ""


class _Interactive(msgspec.Struct, frozen=True):
    type: str
    button_reply: _Reply = _Reply()
    list_reply: _Reply = _Reply()
    nfm_reply: _Reply = _Reply()


class _Button(msgspec.Struct, frozen=True):
    text: str
    payload: str = ""


class _Location(msgspec.Struct, frozen=True):
    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


class _Name(msgspec.Struct, frozen=True):
    formatted_name: str = ""


class _Card(msgspec.Struct, frozen=True):
    name: _Name = _Name()
    phones: tuple[dict[str, Any], ...] = ()


Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_MAX)]
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,32}\Z")]


class _Message(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    id: Id
    sender: Number
    timestamp: str
    type: str
    text: _Text | None = None
    interactive: _Interactive | None = None
    button: _Button | None = None
    image: _Media | None = None
    audio: _Media | None = None
    video: _Media | None = None
    document: _Media | None = None
    sticker: _Media | None = None
    location: _Location | None = None
    contacts: tuple[_Card, ...] = ()


class _Error(msgspec.Struct, frozen=True):
    code: int = 0


class _Status(msgspec.Struct, frozen=True):
    id: str
    status: str
    biz_opaque_callback_data: str = ""
    errors: tuple[_Error, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    phone_number_id: str


class _Value(msgspec.Struct, frozen=True):
    metadata: _Metadata | None = None
    messages: tuple[_Message, ...] = ()
    statuses: tuple[_Status, ...] = ()


class _Change(msgspec.Struct, frozen=True):
    field: str = ""
    value: _Value = _Value()


class _Entry(msgspec.Struct, frozen=True):
    changes: tuple[_Change, ...] = ()


class _Notification(msgspec.Struct, frozen=True):
    object: str
    entry: tuple[_Entry, ...] = ()


SAYS_NOTHING: Final = frozenset({"reaction", "system", "ephemeral"})
"""Types of messages that tell something and ask for no answer."""


class Address(msgspec.Struct, frozen=True):
    """Where replies go: to whom, since when (seconds) the 24 hours run, and the message that is being answered."""

    to: str
    at: int
    about: str = ""


def messages(arrival: Arrival, name: str, number: str) -> Iterator[Inbound]:
    """The messages to one of our numbers. Raises Invalid (`body_invalid`) with the place of what is missing."""
    for value in _values(arrival, number):
        for message in value.messages:
            if message.type not in SAYS_NOTHING:
                yield _inbound(message, name, number)


def reports(arrival: Arrival, number: str) -> Iterator[Report]:
    """What became of messages that we sent, where it ended."""
    for value in _values(arrival, number):
        for status in value.statuses:
            session, slash, message = status.biz_opaque_callback_data.partition("/")
            if slash and status.status in ("delivered", "read", "failed"):
                code = f"whatsapp_{status.errors[0].code}" if status.errors else ""
                yield Report(session, message, "failed" if status.status == "failed" else "delivered", code)


def _values(arrival: Arrival, number: str) -> Iterator[_Value]:
    """What stands in the notification for this number; other numbers of the business are other channels'."""
    for entry in decode(arrival.body, _Notification).entry:
        for change in entry.changes:
            metadata = change.value.metadata
            if change.field == "messages" and metadata is not None and metadata.phone_number_id == number:
                yield change.value


def _inbound(message: _Message, name: str, number: str) -> Inbound:
    text, envelope, files = _said(message)
    at = int(message.timestamp) if message.timestamp.isdecimal() and len(message.timestamp) <= 12 else 0
    address = msgspec.json.encode(Address(message.sender, at, message.id))
    envelope = {**envelope, "metadata": {"whatsapp.type": message.type[:32], **envelope.get("metadata", {})}}
    conversation = f"{number}:{message.sender}"
    who = Customer(f"{name}:{message.sender}")
    inbound = Inbound(conversation, who, text, message.id, b"", envelope, None, address, files)
    pressed = _id(message)
    return replace(inbound, pressed=pressed) if is_pressed(pressed) else inbound


def _id(message: _Message) -> str:
    """The id of what was pressed."""
    if message.button is not None:
        return message.button.payload
    pressed = message.interactive
    if pressed is None:
        return ""
    return (pressed.button_reply if pressed.type == "button_reply" else pressed.list_reply).id


def _said(message: _Message) -> tuple[str, Words, tuple[FileRef, ...]]:
    """The words of a message, what stands beside them, and its files."""
    match message:
        case _Message(text=_Text(body=body)):
            return body, {}, ()
        case _Message(interactive=_Interactive() as interactive):
            return (*_pressed(interactive), ())
        case _Message(button=_Button() as button):
            text, beside = chosen(button.payload, button.text)
            return text, beside, ()
        case _Message(location=_Location() as place):
            said = ", ".join(filter(None, (place.name, place.address, f"{place.latitude}, {place.longitude}")))
            return said, _fields({"latitude": place.latitude, "longitude": place.longitude, "name": place.name}), ()
        case _Message(contacts=(_, *_) as cards):
            return ", ".join(card.name.formatted_name for card in cards) or "contact", _contacts(cards), ()
        case _:
            media = message.image or message.audio or message.video or message.document or message.sticker
            return _of_media(message.type, media)


def _pressed(interactive: _Interactive) -> tuple[str, Words]:
    if interactive.nfm_reply.response_json:
        filled: Any = decode(interactive.nfm_reply.response_json.encode(), object)
        fields: Words = cast("Words", filled) if isinstance(filled, dict) else {}
        return interactive.nfm_reply.body or "form", _fields(fields)
    reply = interactive.button_reply if interactive.type == "button_reply" else interactive.list_reply
    return chosen(reply.id, reply.title)


def _of_media(kind: str, media: _Media | None) -> tuple[str, Words, tuple[FileRef, ...]]:
    if media is None:
        return f"[{kind[:32]}]", {}, ()
    name = media.filename[:128] or f"{kind}.{media.mime_type.partition('/')[2].partition(';')[0] or 'bin'}"
    file = FileRef(media.id[:ID_MAX], name, media.mime_type.partition(";")[0].strip(), max(0, media.file_size))
    return media.caption, {}, (file,)


def _contacts(cards: tuple[_Card, ...]) -> Words:
    return _fields({"contacts": [{"name": each.name.formatted_name, "phones": list(each.phones)} for each in cards]})


def _fields(fields: Mapping[str, Any]) -> Words:
    return {**fields, "value": dict(fields)}
