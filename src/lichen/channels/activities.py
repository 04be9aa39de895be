"""Activities as a Direct Line client sends them, read strictly where we depend on them and not at all elsewhere.

Source: Bot Framework Activity schema; Direct Line API 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from lichen.channels.port import CHANNEL_DATA_BYTES_MAX
from lichen.core.reading.misfits import read_as
from lichen.core.words.errors import Invalid

ONLY_REPORTS = frozenset({"event", "typing", "conversationUpdate", "messageReaction", "endOfConversation"})
"""Types that tell something about the client and say nothing: acknowledged, kept nowhere, run by nobody."""

_CONTROLS = re.compile(r"[\x01-\x08\x0b-\x1f\x7f]")

T = TypeVar("T")


class Activity(msgspec.Struct, frozen=True, rename="camel"):
    """What a client may send. Fields that are not named here are not read; `from` is not: the token says who."""

    type: str
    text: str | None = None
    value: Any = None
    id: str | None = None
    channel_data: msgspec.Raw = msgspec.Raw()
    attachments: tuple[Any, ...] | None = None
    locale: str | None = None


def decode(body: bytes, kind: type[T], *, place: str = "$") -> T:
    """JSON as `kind`. Raises Invalid (`body_invalid`) with the place, where nothing better is known `place`."""
    return read_as(lambda: msgspec.json.decode(body, type=kind), "body_invalid", place=place)


def text_of(activity: Activity) -> str:
    """What the customer says: the text, else the value of the button they pressed, an object as JSON.

    Control characters other than newline and tab are taken out. Raises Invalid (`text_invalid`) for a NUL.
    """
    text = activity.text or ""
    if not text.strip() and activity.value is not None:
        value: Any = activity.value
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return words_of(text, place="$.text")


def words_of(text: str, *, place: str) -> str:
    """What somebody wrote, without control characters other than newline and tab. Raises Invalid (`text_invalid`) for
    a NUL."""
    if "\x00" in text:
        raise Invalid("The text has a NUL character.", code="text_invalid", place=place)
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))


class ChannelData(msgspec.Struct, frozen=True):
    """What the client keeps with an activity: as it came, to be echoed, and as a value. Empty and None for nothing."""

    data: bytes = b""
    value: Any = None


def channel_data_of(activity: Activity) -> ChannelData:
    """The channel data, read once. Raises Invalid (`channel_data_too_large`; dropping it would lose it)."""
    data = bytes(activity.channel_data)
    if len(data) > CHANNEL_DATA_BYTES_MAX:
        raise Invalid(
            f"channelData has {len(data)} bytes; {CHANNEL_DATA_BYTES_MAX} are allowed.",
            code="channel_data_too_large",
            place="$.channelData",
        )
    value: Any = decode(data, object, place="$.channelData") if data else None
    return ChannelData() if value is None else ChannelData(data, value)


def files_of(activity: Activity) -> list[dict[str, Any]]:
    """The files in an activity: attachments whose `contentUrl` is a `data:` URL. Raises Invalid
    (`attachments_unsupported`) for any other, which nobody would fetch."""
    found = [_object(each) for each in activity.attachments or ()]
    for i, each in enumerate(found):
        url = each.get("contentUrl")
        if not isinstance(url, str) or url[:5].lower() != "data:":
            raise Invalid(
                "Only files are taken, as data: URLs or by an upload.",
                code="attachments_unsupported",
                place=f"$.attachments[{i}]",
            )
    return found


def envelope_of(
    activity: Activity, channel_data: ChannelData, files: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any] | None:
    """What the activity says beside its words: the fields of a form, also as `value` and `metadata`, what the client's
    `channelData.metadata` holds, and its files. None when that is nothing."""
    metadata = _object(_object(channel_data.value).get("metadata"))
    attached: dict[str, Any] = {"attachments": list(files)} if files else {}
    value: Any = activity.value
    if value is None:
        return {**({"metadata": metadata} if metadata else {}), **attached} or None
    fields = _object(value)
    return {**fields, "metadata": {**metadata, **fields}, "value": value, **attached}


def _object(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def key_of(activity: Activity, channel_data: ChannelData) -> str | None:
    """What makes the activity the same when it is sent again: its id, else the client's own (`clientActivityID`)."""
    found: Any = activity.id or _object(channel_data.value).get("clientActivityID")
    return found if isinstance(found, str) and found else None
