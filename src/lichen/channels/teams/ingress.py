"""What Teams brings: activities, read where we depend on them.

Whoever writes in a group or in a thread of a channel has a conversation of their own there, which answers go to.

Source: Microsoft, Bot Framework Activity schema; Teams, "Conversations with a bot", "Send and receive files",
"Universal Actions for Adaptive Cards".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, cast

import msgspec

from lichen.channels.activities import decode, words_of
from lichen.channels.cards.pressing import pressed
from lichen.channels.port import Arrival, FileRef, Inbound
from lichen.core.words.scope import Customer

ID_MAX: Final = 256
CONVERSATION_MAX: Final = 256
WHO_MAX: Final = 128
URL_MAX: Final = 2_048
DOWNLOAD: Final = "application/vnd.microsoft.teams.file.download.info"
CARD_ACTION: Final = "adaptiveCard/action"
_AT: Final = re.compile(r"<at(?: [^<>]*)?>(.*?)</at>", re.DOTALL)

Id = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,256}\Z")]
Words = dict[str, Any]


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody, or the bot."""

    id: Id
    name: str = ""
    aad_object_id: str = ""


class Conversation(msgspec.Struct, frozen=True, rename="camel"):
    """Where something was said."""

    id: Id
    conversation_type: str = "personal"
    tenant_id: str = ""


class _Named(msgspec.Struct, frozen=True):
    id: str = ""


class _ChannelData(msgspec.Struct, frozen=True):
    tenant: _Named = _Named()
    team: _Named = _Named()
    channel: _Named = _Named()


class _Entity(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    mentioned: _Named = _Named()


class _Attachment(msgspec.Struct, frozen=True, rename="camel"):
    content_type: str = ""
    content_url: str = ""
    name: str | None = None
    content: Any = None


class Activity(msgspec.Struct, frozen=True, rename={
    "service_url": "serviceUrl", "channel_id": "channelId", "sender": "from", "channel_data": "channelData",
    "reply_to_id": "replyToId", "members_added": "membersAdded",
}):  # fmt: skip
    """What is posted to a bot. Fields that are not named here are not read."""

    type: str
    id: Id
    service_url: Annotated[str, msgspec.Meta(min_length=1, max_length=URL_MAX)]
    channel_id: str
    sender: Account
    conversation: Conversation
    recipient: Account
    text: str | None = None
    name: str = ""
    value: Any = None
    locale: str | None = None
    reply_to_id: str | None = None
    channel_data: _ChannelData | None = None
    entities: tuple[_Entity, ...] | None = None
    attachments: tuple[_Attachment, ...] | None = None
    members_added: tuple[Account, ...] | None = None

    @property
    def tenant(self) -> str:
        """The tenant of Entra that it was said in."""
        return self.conversation.tenant_id or self._data.tenant.id

    @property
    def team(self) -> str:
        """The team of the channel it was said in; empty elsewhere."""
        return self._data.team.id

    @property
    def channel(self) -> str:
        """The channel it was said in."""
        return self._data.channel.id

    @property
    def _data(self) -> _ChannelData:
        return self.channel_data or _ChannelData()

    @property
    def is_personal(self) -> bool:
        """Whether nobody but one person is there."""
        return self.conversation.conversation_type == "personal"

    @property
    def begins(self) -> bool:
        """Whether the bot has just come to where this is."""
        return self.type == "conversationUpdate" and self.recipient.id in {each.id for each in self.members_added or ()}


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where replies go: the reference of a conversation. Without `to` one with the `user` alone is begun."""

    url: str
    bot: str
    user: str
    to: str = ""
    tenant: str = ""
    is_personal: bool = False


def activity_of(arrival: Arrival) -> Activity:
    """The activity of a request. Raises Invalid (`body_invalid`) with the place of what is missing."""
    return decode(arrival.body, Activity)


def inbound(activity: Activity, name: str) -> Inbound | None:
    """The message in an activity, or the press of a card's button; None in one that only reports.

    Raises Invalid (`text_invalid`).
    """
    said = _said(activity)
    if said is None:
        return None
    text, beside = said
    files = tuple(_files(activity))
    metadata = {**_about(activity), **beside.get("metadata", {})}
    return Inbound(
        _conversation(activity),
        Customer(_short(f"{name}:{activity.sender.id}", f"{name}:", WHO_MAX)),
        words_of(text, place="$.text"),
        activity.id,
        envelope={**beside, "metadata": metadata},
        locale=activity.locale,
        address=address_of(activity),
        files=files,
    )


def address_of(activity: Activity) -> bytes:
    """Where replies to an activity go."""
    to = Address(
        activity.service_url,
        activity.recipient.id,
        activity.sender.id,
        activity.conversation.id,
        activity.tenant,
        activity.is_personal,
    )
    return msgspec.json.encode(to)


def _said(activity: Activity) -> tuple[str, Words] | None:
    """The words, and what stands beside them."""
    match activity.type, activity.name:
        case "message", _:
            text = _unmentioned(activity)
            if activity.value is None:
                return text, {}
            title, beside = pressed(activity.value)
            return text if text.strip() else title, beside
        case "invoke", "adaptiveCard/action":
            action = _object(_object(activity.value).get("action"))
            verb = action.get("verb")
            title, beside = pressed(action.get("data"), verb=verb if isinstance(verb, str) else "")
            return title, beside
        case _:
            return None


def _unmentioned(activity: Activity) -> str:
    """The words without the mention that woke the bot; others that are mentioned are called by their names."""
    text = activity.text or ""
    for entity in activity.entities or ():
        if entity.type == "mention" and entity.text:
            is_bot = entity.mentioned.id == activity.recipient.id
            text = text.replace(entity.text, "" if is_bot else _AT.sub(r"\1", entity.text), 1)
            text = text.strip() if is_bot else text
    return text


def _conversation(activity: Activity) -> str:
    """The key of the session: the chat, in a group or a thread with who writes."""
    place = activity.conversation.id
    return conversation_of(place if activity.is_personal else f"{place}:{activity.sender.id}")


def conversation_of(place: str) -> str:
    """The key of the session of a place that one person writes in."""
    return _short(place, "", CONVERSATION_MAX)


def _short(key: str, prefix: str, longest: int) -> str:
    """The key, or what stands for one that is too long."""
    return key if len(key) <= longest else prefix + hashlib.sha256(key.encode()).hexdigest()


def _about(activity: Activity) -> Words:
    """What a planner or a route may want to know of where something was said."""
    found = {
        "teams.conversationType": activity.conversation.conversation_type,
        "teams.tenantId": activity.tenant,
        "teams.teamId": activity.team,
        "teams.channelId": activity.channel,
        "teams.aadObjectId": activity.sender.aad_object_id,
        "teams.replyToId": activity.reply_to_id or "",
    }
    return {name: value[:ID_MAX] for name, value in found.items() if value}


def _files(activity: Activity) -> Iterator[FileRef]:
    """The files of a message. Cards, and the message as HTML, are none."""
    for each in activity.attachments or ():
        kind = each.content_type.partition(";")[0].strip()
        if kind == DOWNLOAD:
            said = _object(each.content)
            url, ending = said.get("downloadUrl"), said.get("fileType")
            if isinstance(url, str) and url:
                yield FileRef(url, (each.name or "file")[:128], _media_type(ending))
        elif each.content_url and "/" in kind and not kind.startswith(("application/vnd.microsoft.", "text/html")):
            yield FileRef(each.content_url, (each.name or "file")[:128], _of_picture(kind))


def _media_type(ending: Any) -> str:
    return MEDIA_TYPES.get(ending.lower(), _UNKNOWN) if isinstance(ending, str) else _UNKNOWN


def _of_picture(kind: str) -> str:
    """Teams says `image/*` of what is pasted, which is PNG."""
    return "image/png" if kind == "image/*" else kind


_UNKNOWN: Final = "application/octet-stream"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv", "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gif": "image/gif", "jpeg": "image/jpeg", "jpg": "image/jpeg", "json": "application/json", "md": "text/markdown",
    "mp3": "audio/mpeg", "mp4": "video/mp4", "pdf": "application/pdf", "png": "image/png",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", "tif": "image/tiff",
    "txt": "text/plain", "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "zip": "application/zip",
}  # fmt: skip


def _object(value: Any) -> Words:
    return cast("Words", value) if isinstance(value, dict) else {}
