"""What Mattermost brings: posts by an outgoing webhook, slash commands, pressed buttons.

Sources: Mattermost, "Outgoing webhooks", "Custom slash commands", "Interactive messages".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, cast
from urllib.parse import parse_qsl

import msgspec

from lichen.channels.activities import decode
from lichen.channels.mattermost.marks import Context
from lichen.channels.port import Arrival, FileRef, Inbound
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Customer

FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 100
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]{1,32}\Z")]
Name = Annotated[str, msgspec.Meta(max_length=128)]


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where replies go: a channel, and the thread, or the post whose thread it is."""

    channel: str
    thread: str = ""
    about: str = ""


class Posted(msgspec.Struct, frozen=True):
    """A post that an outgoing webhook tells of."""

    channel_id: Id
    user_id: Id
    post_id: Id
    team_id: Id
    text: str = ""
    user_name: Name = ""
    trigger_word: Name = ""
    file_ids: Annotated[str, msgspec.Meta(max_length=512)] = ""
    token: str = ""


class Command(msgspec.Struct, frozen=True):
    """A slash command."""

    channel_id: Id
    user_id: Id
    team_id: Id
    command: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    trigger_id: Annotated[str, msgspec.Meta(max_length=1_024)] = ""
    text: str = ""
    token: str = ""


class Pressed(msgspec.Struct, frozen=True):
    """A button that was pressed."""

    channel_id: Id
    user_id: Id
    post_id: Id
    context: Context
    team_id: Id | None = None
    trigger_id: Annotated[str, msgspec.Meta(max_length=1_024)] = ""


Request = Posted | Command | Pressed


def request(arrival: Arrival) -> Request:
    """What a request is. Raises Invalid (`body_invalid`)."""
    body, fields = arrival.body, _fields(arrival)
    if arrival.headers.get("content-type", "").startswith(FORM):
        body = msgspec.json.encode(fields)
    if "context" in fields:
        return decode(body, Pressed)
    return decode(body, Command) if "command" in fields else decode(body, Posted)


def _fields(arrival: Arrival) -> Mapping[str, Any]:
    if arrival.headers.get("content-type", "").startswith(FORM):
        try:
            return dict(parse_qsl(arrival.body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
        except ValueError:
            raise Invalid("The body is no form.", code="body_invalid", place="$") from None
    found: Any = decode(arrival.body, object)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def message(found: Request, name: str, bot: str) -> Inbound | None:
    """What somebody says; nothing where it is our own bot, whose posts an outgoing webhook tells of too."""
    match found:
        case Posted():
            return None if found.user_name == bot else _of_post(found, name)
        case Command():
            id = hashlib.sha256(f"{found.trigger_id}\n{found.text}".encode()).hexdigest()[:32]
            beside: dict[str, Any] = {"metadata": {"mattermost.command": found.command}}
            return _inbound(found, name, found.text or found.command, id, Address(found.channel_id), beside)
        case Pressed(context=context):
            id = hashlib.sha256(f"{found.trigger_id}\n{found.user_id}\n{context.mark}".encode()).hexdigest()[:32]
            address = Address(found.channel_id, context.thread)
            return _inbound(found, name, context.text, f"{found.post_id}:{id}", address, _beside(context.data))


def _of_post(post: Posted, name: str) -> Inbound:
    text, word = post.text, post.trigger_word
    if word and not word[0].isalnum() and text.startswith(word):
        text = text.removeprefix(word).lstrip(" :,")
    files = tuple([FileRef(each) for each in post.file_ids.split(",") if each.isalnum()])
    return _inbound(post, name, text, post.post_id, Address(post.channel_id, "", post.post_id), {}, files)


def _inbound(
    found: Request,
    name: str,
    text: str,
    id: str,
    address: Address,
    beside: Mapping[str, Any],
    files: tuple[FileRef, ...] = (),
) -> Inbound:
    who = Customer(f"{name}:{found.user_id}")
    conversation = conversation_of(found.channel_id, found.user_id)
    return Inbound(
        conversation, who, text, id, envelope=beside or None, address=msgspec.json.encode(address), files=files
    )


def conversation_of(channel: str, user: str) -> str:
    """The key of the session of one person in one channel."""
    return f"{channel}:{user}"


def _beside(data: Any) -> dict[str, Any]:
    if data is None:
        return {}
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    return {**fields, "value": data, "metadata": fields}
