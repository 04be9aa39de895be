"""A raw mail, read: who sent it, in which thread, what they wrote, and the files that came with it.

Everything is bounded before it is parsed: a mail may be nested, and long, as a stranger likes.

Source: RFC 5322, RFC 2045 to 2047, RFC 3676.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from typing import Any, Final, TypeAlias, cast

import msgspec

from lichen.channels.email.html import words_of
from lichen.channels.email.quoting import own_words
from lichen.channels.email.senders import Headers
from lichen.core.speech.attached import FILES_BYTES_MAX, FILES_MAX, plain_name
from lichen.core.speech.filetypes import UNKNOWN, media_type_of
from lichen.core.words.errors import Invalid

MAIL_BYTES_MAX: Final = 12 * 1024 * 1024  # eight of files are eleven in base64
HEADS_BYTES_MAX: Final = 128 * 1024
HEADER_CHARACTERS_MAX: Final = 4_096
LINES_MAX: Final = 250_000
BOUNDARIES_MAX: Final = 32
PARTS_MAX: Final = 100
TEXT_CHARACTERS_MAX: Final = 128 * 1024
SUBJECT_MAX: Final = 500

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NO_TEXT: Final = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
_SEALS: Final = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})

Part: TypeAlias = "Message[Any, Any]"


class File(msgspec.Struct, frozen=True):
    """A file that came with a mail."""

    name: str
    media_type: str
    data: bytes


class Mail(msgspec.Struct, frozen=True):
    """What is read of a mail. `left_out` names the files that were more, or larger, than may come."""

    headers: Headers
    subject: str
    text: str
    files: tuple[File, ...] = ()
    left_out: tuple[str, ...] = ()

    def first(self, name: str) -> str:
        """The first header of this name, empty where there is none."""
        return next(iter(self.headers.get(name, ())), "")


def read(raw: bytes) -> Mail:
    """The mail. Raises Invalid (`mail_invalid`, `mail_too_large`)."""
    check(raw)
    try:
        message = message_from_bytes(raw)
        parts = list(leaves(message))
        headers = _headers(message)
        kept, left_out = _files(parts)
        subject = _decoded(next(iter(headers.get("subject", ())), ""))[:SUBJECT_MAX]
        return Mail(headers, " ".join(subject.split()), _text(parts), kept, left_out)
    except (MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        raise _invalid("This is no mail that can be read.") from None


def check(raw: bytes) -> None:
    """Raises Invalid (`mail_invalid`, `mail_too_large`) for what is no mail, or more than is parsed."""
    if len(raw) > MAIL_BYTES_MAX:
        step = "Send less at once."
        raise Invalid("The mail is too large.", code="mail_too_large", next_step=step, place="$")
    head = re.search(rb"\r?\n\r?\n", raw[: HEADS_BYTES_MAX + 4])
    if head is None or not re.match(rb"[!-9;-~]{1,76}:", raw):
        raise _invalid("A mail begins with its headers, and an empty line ends them.")
    if raw.count(b"\n") > LINES_MAX or raw.lower().count(b"boundary") > BOUNDARIES_MAX:
        raise _invalid("The mail has more lines, or more parts in each other, than are read.")


def _headers(message: Part) -> Headers:
    found: dict[str, list[str]] = {}
    for name, value in message.items():
        text = re.sub(r"\r?\n[ \t]*", " ", str(value)).strip()
        found.setdefault(name.lower(), []).append(text[:HEADER_CHARACTERS_MAX])
    return found


def leaves(part: Part, depth: int = 0, seen: list[int] | None = None) -> Iterator[Part]:
    """The parts that are no containers. A mail within a mail is one."""
    seen = [0] if seen is None else seen
    seen[0] += 1
    if seen[0] > PARTS_MAX:
        raise ValueError("more parts than are read")
    inner: Any = part.get_payload()
    if part.get_content_maintype() == "multipart" and isinstance(inner, list):
        for each in cast("list[Part]", inner):
            yield from leaves(each, depth + 1, seen)
    else:
        yield part


def _is_text(part: Part, kind: str) -> bool:
    return part.get_content_type() == f"text/{kind}" and not part.get_filename() and not _is_attached(part)


def _is_attached(part: Part) -> bool:
    return part.get_content_disposition() == "attachment"


# -- words -------------------------------------------------------------------------------------------------------


def _text(parts: list[Part]) -> str:
    """What the sender wrote: the plain text, where there is any, else the words of the HTML."""
    plain = "\n\n".join(filter(str.strip, (_plain(each) for each in parts if _is_text(each, "plain"))))
    if plain.strip():
        return _bounded(own_words(plain))
    html = "\n".join(_string(each) for each in parts if _is_text(each, "html"))
    own = own_words(words_of(html))
    return _bounded(own if own.strip() else words_of(html, with_quotes=True))


def _plain(part: Part) -> str:
    text = _CONTROLS.sub("", _string(part).replace("\r\n", "\n").replace("\r", "\n"))
    is_flowed = str(part.get_param("format", "")).lower() == "flowed"
    return (_unflowed(text) if is_flowed else text).strip("\n").rstrip()


def _unflowed(text: str) -> str:
    """Lines that a program broke, as one again."""
    lines: list[str] = []
    goes_on = False
    for line in text.split("\n"):
        stuffed = line.removeprefix(" ")
        if goes_on and not stuffed.startswith(">"):
            lines[-1] += stuffed
        else:
            lines.append(stuffed)
        goes_on = stuffed.endswith(" ") and stuffed != "-- " and not stuffed.startswith(">")
    return "\n".join(lines)


def _string(part: Part) -> str:
    data: Any = part.get_payload(decode=True)
    raw = data if isinstance(data, bytes) else b""
    return _as_text(raw, part.get_content_charset() or "utf-8")


def _as_text(raw: bytes, charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
        return raw.decode("utf-8" if name in (*_NO_TEXT, "ascii") else name, "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def _bounded(text: str) -> str:
    text = _CONTROLS.sub("", text)
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:TEXT_CHARACTERS_MAX]}…"


def _decoded(header: str) -> str:
    """A header with the words in it that were encoded."""
    try:
        parts = decode_header(header)
    except (MessageError, ValueError):
        return _CONTROLS.sub("", header)
    words = (_as_text(said, charset or "utf-8") if isinstance(said, bytes) else said for said, charset in parts)
    text = "".join(words)
    return _CONTROLS.sub("", text.encode("utf-8", "replace").decode("utf-8", "replace"))


# -- files -------------------------------------------------------------------------------------------------------


def _files(parts: list[Part]) -> tuple[tuple[File, ...], tuple[str, ...]]:
    files: list[File] = []
    left_out: list[str] = []
    left = FILES_BYTES_MAX
    for part in parts:
        kind = part.get_content_type()
        if _is_text(part, "plain") or _is_text(part, "html") or kind in _SEALS:
            continue
        name, data = _name(part), _data(part)
        if not data:
            continue
        if len(files) >= FILES_MAX or len(data) > left:
            left_out.append(name or kind)
            continue
        left -= len(data)
        files.append(File(name, _media_type(data, kind), data))
    return tuple(files), tuple(left_out[:FILES_MAX])


def _data(part: Part) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner: Any = part.get_payload()
        mails = cast("list[Part]", inner) if isinstance(inner, list) else []
        return bytes(mails[0]) if mails else b""
    data: Any = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _name(part: Part) -> str:
    default = "message.eml" if part.get_content_type() == "message/rfc822" else ""
    return plain_name(_decoded(str(part.get_filename() or default)[:HEADER_CHARACTERS_MAX]))


def _media_type(data: bytes, said: str) -> str:
    """What a file is by its bytes, where it is not what it is said to be."""
    try:
        return media_type_of(data, said, "")
    except Invalid:
        return media_type_of(data, UNKNOWN, "")


def _invalid(message: str) -> Invalid:
    return Invalid(message, code="mail_invalid", next_step="Send the mail as it came, message/rfc822.", place="$")
