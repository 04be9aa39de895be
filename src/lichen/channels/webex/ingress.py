"""What Webex brings: that there is a message or a pressed button; what it says is asked for by its id.

Source: Cisco, Webex for Developers, "Webhooks", "Messages", "Buttons and Cards".
"""

from __future__ import annotations

import hashlib
import re
from html import unescape
from typing import Annotated, Any, Final

import msgspec

from lichen.channels.activities import decode, words_of
from lichen.channels.cards.pressing import pressed
from lichen.channels.port import Arrival, FileRef, Inbound
from lichen.core.words.scope import Customer

CONVERSATION_MAX: Final = 256
WHO_MAX: Final = 128
MENTION: Final = re.compile(
    r'<spark-mention[^<>]*data-object-id="([^"<>]{1,256})"[^<>]*>([^<>]{0,256})</spark-mention>'
)

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_=-]{1,256}\Z")]
IdOrNone = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_=-]{0,256}\Z")]


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    id: Id
    person_id: IdOrNone = ""


class Notice(msgspec.Struct, frozen=True, rename="camel"):
    """What a webhook says."""

    resource: str
    event: str
    data: _Data
    created_by: str = ""

    @property
    def path(self) -> str:
        """Where what it is about is; empty where nobody wrote anything to us."""
        is_own = bool(self.created_by) and self.data.person_id == self.created_by
        paths = {"messages": "messages", "attachmentActions": "attachment/actions"}
        found = paths.get(self.resource, "")
        return f"{found}/{self.data.id}" if found and self.event == "created" and not is_own else ""


class Said(msgspec.Struct, frozen=True, rename="camel"):
    """A message, or a pressed button with its `inputs`."""

    id: Id
    room_id: Id
    person_id: Id
    room_type: str = "direct"
    parent_id: IdOrNone = ""
    message_id: IdOrNone = ""
    text: str = ""
    html: str = ""
    files: tuple[Annotated[str, msgspec.Meta(max_length=2_048)], ...] = ()
    inputs: dict[str, Any] | None = None

    @property
    def is_direct(self) -> bool:
        """Whether nobody else is in the room."""
        return self.room_type == "direct"


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where replies go: the room, and there the thread; without a room, the one with a `person` alone."""

    room: str
    thread: str = ""
    person: str = ""


def notice_of(arrival: Arrival) -> Notice:
    """What a request says. Raises Invalid (`body_invalid`) with the place of what is missing."""
    return decode(arrival.body, Notice)


def inbound(said: Said, name: str, bot: str) -> Inbound:
    """The message. Raises Invalid (`text_invalid`)."""
    thread = "" if said.is_direct else said.parent_id or said.message_id or said.id
    text, beside = _words(said, bot), {}
    if said.inputs is not None:
        text, beside = pressed(said.inputs)
    key = direct(said.person_id) if said.is_direct else f"{said.room_id}:{thread}:{said.person_id}"
    about = {"webex.roomType": said.room_type[:32], "webex.roomId": said.room_id}
    return Inbound(
        conversation_of(key),
        Customer(_short(f"{name}:{said.person_id}", f"{name}:", WHO_MAX)),
        words_of(text, place="$.text"),
        said.id,
        envelope={**beside, "metadata": {**about, **beside.get("metadata", {})}},
        address=msgspec.json.encode(Address(said.room_id, thread)),
        files=tuple(FileRef(url, "file") for url in said.files),
    )


def direct(person: str) -> str:
    """The room with somebody alone, which exists once something is said in it."""
    return f"direct:{person}"


def conversation_of(place: str) -> str:
    """The key of the session of a place that one person writes in."""
    return _short(place, "", CONVERSATION_MAX)


def _words(said: Said, bot: str) -> str:
    """The words without the mention that woke the bot."""
    text = said.text
    for found in MENTION.finditer(said.html):
        if found[1] == bot:
            text = text.replace(unescape(found[2]), "", 1).strip()
    return text


def _short(key: str, prefix: str, longest: int) -> str:
    return key if len(key) <= longest else prefix + hashlib.sha256(key.encode()).hexdigest()
