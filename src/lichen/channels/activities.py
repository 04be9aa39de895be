"""Activities as a Direct Line client sends them, read strictly where we depend on them and not at all elsewhere.

Source: Bot Framework Activity schema; Direct Line API 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from lichen.channels.port import CHANNEL_DATA_BYTES_MAX
from lichen.core.errors import Invalid

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
    channel_data: Any = None
    attachments: tuple[Any, ...] | None = None
    locale: str | None = None


def decode(body: bytes, kind: type[T]) -> T:
    """A JSON body as `kind`. Raises Invalid (`body_invalid`) with the place."""
    return _decoded(lambda: msgspec.json.decode(body, type=kind))


def _decoded(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise Invalid(f"{what}.", code="body_invalid", place=where.strip("`") or "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The body is not JSON.", code="body_invalid", place="$") from None


def text_of(activity: Activity) -> str:
    """What the customer says: the text, else the value of the button they pressed, an object as JSON.

    Control characters other than newline and tab are taken out. Raises Invalid (`text_invalid`) for a NUL.
    """
    text = activity.text or ""
    if not text.strip() and activity.value is not None:
        value: Any = activity.value
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if "\x00" in text:
        raise Invalid("The text has a NUL character.", code="text_invalid", place="$.text")
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))


def envelope_of(activity: Activity) -> dict[str, Any] | None:
    """What the activity says beside its words: the fields of a form, also as `value` and `metadata`, and what the
    client's `channelData.metadata` holds. None when that is nothing."""
    metadata = _object(_object(activity.channel_data).get("metadata"))
    value: Any = activity.value
    if value is None:
        return {"metadata": metadata} if metadata else None
    fields = _object(value)
    return {**fields, "metadata": {**metadata, **fields}, "value": value}


def _object(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def key_of(activity: Activity) -> str | None:
    """What makes the activity the same when it is sent again: its id, else the client's own (`clientActivityID`)."""
    data: Any = activity.channel_data
    found: Any = activity.id or (data.get("clientActivityID") if isinstance(data, dict) else None)  # type: ignore[reportUnknownMemberType]
    return found if isinstance(found, str) and found else None


def data_of(activity: Activity) -> bytes:
    """The channel data as JSON, to be echoed. Raises Invalid (`channel_data_too_large`); dropping it would lose it."""
    if activity.channel_data is None:
        return b""
    data = msgspec.json.encode(activity.channel_data)
    if len(data) > CHANNEL_DATA_BYTES_MAX:
        raise Invalid(
            f"channelData has {len(data)} bytes; {CHANNEL_DATA_BYTES_MAX} are allowed.",
            code="channel_data_too_large",
            place="$.channelData",
        )
    return data
