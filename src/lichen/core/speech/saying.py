"""What is said to a customer: words that every channel can show, and what richer channels show beside or instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import urlsplit

import msgspec

from lichen.core.words.content import Content
from lichen.core.words.errors import Invalid

TEXT_BYTES_MAX: Final = 256 * 1024
CARD_BYTES_MAX: Final = 32 * 1024
ATTACHMENTS_MAX: Final = 10
URL_BYTES_MAX: Final = 2_048
NAME_BYTES_MAX: Final = 256

Format = Literal["plain", "markdown"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """A file or picture, by where it lies: an `https` address that the customer's device fetches itself."""

    content_type: str
    url: str
    name: str = ""


class Saying(msgspec.Struct, frozen=True, gc=False):
    """One message to a customer.

    `card` is an Adaptive Card (https://adaptivecards.io, version 1.6 or older) as a JSON object. A channel that shows
    none says `text`, which is therefore never empty. `Saying.of("words")` is the plain case. `format` says what the
    text is: words alone, whatever stands in them, or CommonMark, which each channel shows in its own markup.
    """

    text: str
    card: Mapping[str, Any] | None = None
    attachments: tuple[Attachment, ...] = ()
    format: Format = "plain"

    @staticmethod
    def of(said: str | Saying) -> Saying:
        """Words alone, or the saying as it is."""
        return said if isinstance(said, Saying) else Saying(said)


def text_of(said: str | Saying | None) -> str:
    """The words of what is said, empty for nothing."""
    return "" if said is None else said if isinstance(said, str) else said.text


def check(said: str | Saying) -> None:
    """Raises Invalid for a saying that is larger than the bounds (`saying_too_large`) or not in this form
    (`saying_invalid`)."""
    saying = Saying.of(said)
    if saying.format not in FORMATS:
        raise _invalid("A text is of format `plain` or `markdown`.")
    if len(saying.text.encode()) > TEXT_BYTES_MAX or len(saying.attachments) > ATTACHMENTS_MAX:
        raise _too_large(f"A text has at most {TEXT_BYTES_MAX} bytes and {ATTACHMENTS_MAX} attachments.")
    if (saying.card is not None or saying.attachments) and not saying.text.strip():
        raise _invalid("A card or attachment comes with words for channels that show none.")
    if saying.card is not None:
        _check_card(saying.card)
    for attachment in saying.attachments:
        _check_attachment(attachment)


def _check_card(card: Mapping[str, Any]) -> None:
    if card.get("type") != "AdaptiveCard":
        raise _invalid("A card is an object of `type` AdaptiveCard.")
    try:
        size = len(msgspec.json.encode(card))
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise _invalid("A card is plain JSON.") from None
    if size > CARD_BYTES_MAX:
        raise _too_large(f"A card has {size} bytes and may have {CARD_BYTES_MAX}.")


def _check_attachment(attachment: Attachment) -> None:
    if len(attachment.url.encode()) > URL_BYTES_MAX or len(attachment.name.encode()) > NAME_BYTES_MAX:
        raise _too_large(f"An address has at most {URL_BYTES_MAX} bytes, a name {NAME_BYTES_MAX}.")
    try:
        is_https = urlsplit(attachment.url).scheme == "https"
    except ValueError:
        is_https = False
    if not is_https or "/" not in attachment.content_type:
        raise _invalid("An attachment has a media type and an https address.")


def _too_large(message: str) -> Invalid:
    return Invalid(message, code="saying_too_large", next_step="Say less, or say it in several messages.")


def _invalid(message: str) -> Invalid:
    return Invalid(message, code="saying_invalid", next_step="See `lichen.Saying` for what may be said.")


# -- as contents of a record -------------------------------------------------------------------------------------


def parts(said: str | Saying, name: str) -> list[tuple[str, bytes]]:
    """The contents that hold what is said, its words under `name`, the rest beside them; the empty ones too."""
    if isinstance(said, str):
        return [(name, said.encode())]
    card = msgspec.json.encode(said.card) if said.card is not None else b""
    attachments = msgspec.json.encode(said.attachments) if said.attachments else b""
    written_as = b"" if said.format == "plain" else said.format.encode()
    return [
        (name, said.text.encode()),
        (beside(name, "card"), card),
        (beside(name, "attachments"), attachments),
        (beside(name, "format"), written_as),
    ]


def contents(said: str | Saying, subject: str) -> tuple[Content, ...]:
    """What a message says, sealed under one subject."""
    return tuple(Content(part, subject, data) for part, data in parts(said, "text") if data)


def read(found: Mapping[str, bytes], name: str = "text") -> Saying:
    """What the contents of a record say under `name`. Raises as the mapping does for a part that was erased."""
    card, attachments = found.get(beside(name, "card")), found.get(beside(name, "attachments"))
    return Saying(
        found.get(name, b"").decode(),
        cast(dict[str, Any], msgspec.json.decode(card)) if card else None,
        msgspec.json.decode(attachments, type=tuple[Attachment, ...]) if attachments else (),
        "markdown" if found.get(beside(name, "format")) == b"markdown" else "plain",
    )


def beside(name: str, what: str) -> str:
    """The part beside the words: `card` of a message's `text`, `answer/card` of an answer."""
    return what if name == "text" else f"{name}/{what}"


def size(said: Sequence[str | Saying]) -> int:
    """How many bytes of records this takes, about."""
    return sum(len(data) for each in said for _, data in parts(each, "text"))
