"""Files that come with a message: what each is by its own bytes, how the message refers to it, how much may come."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, NoReturn, cast

import msgspec

from lichen.core.speech.filetypes import UNKNOWN, media_type_of
from lichen.core.words.content import APART
from lichen.core.words.errors import Invalid

FILES_MAX: Final = 10  # of one message
FILES_BYTES_MAX: Final = 8 * 1024 * 1024  # of one message, all of them together
NAME_CHARS_MAX: Final = 200

_DATA_URL = re.compile(r"data:([a-z0-9.+-]*/?[a-z0-9.+-]*)((?:;[^;,]*)*),", re.IGNORECASE)
_REFERENCE = re.compile(r"attachment:([0-9]{1,15})/([0-9])")
_SCHEME: Final = "attachment:"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class Attached(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file as the record of its message names it: its media type, found in its bytes, and a keyed digest of them."""

    media_type: str
    size_bytes: int
    digest: bytes


class File(NamedTuple):
    """A file that comes."""

    what: Attached
    data: bytes


class Lifted(NamedTuple):
    """What came with a message, its files taken out: in their place the rest refers to them."""

    data: Any
    files: tuple[File, ...] = ()


def lifted(data: Any, *, digest: Callable[[bytes], bytes], bytes_max: int = FILES_BYTES_MAX) -> Lifted:
    """Takes the files out of the JSON that came with a message: `attachments` whose `contentUrl` is a `data:` URL, or
    whose `content` are the bytes, as a door read them that takes uploads.

    Each becomes `{"contentType", "contentUrl": "attachment:0/<i>", "name", "size"}`. Raises Invalid
    (`attachments_too_many`, `attachments_too_large`, `attachment_invalid`, `attachment_mismatch`).
    """
    entries = _entries(data)
    if entries is None:
        return Lifted(data)
    if len(entries) > FILES_MAX:
        raise Invalid(
            f"A message has at most {FILES_MAX} attachments.",
            code="attachments_too_many",
            next_step="Send them in several messages.",
            place="/attachments",
        )
    files: list[File] = []
    kept: list[Any] = []
    left = bytes_max
    for i, entry in enumerate(entries):
        url, raw = _url(entry), entry.get("content")
        if url.startswith(_SCHEME):
            _invalid(i, "A message refers to no file of another one.")
        if not isinstance(raw, bytes) and url[:5].lower() != "data:":
            kept.append(entry)
            continue
        content = raw if isinstance(raw, bytes) else _decoded(url, i, left, bytes_max)
        left = _left(left, content, i, bytes_max)
        found = _DATA_URL.match(url)
        declared = entry.get("contentType") or (found[1] if found else "")
        what = Attached(
            media_type_of(content, declared, f"/attachments/{i}/contentType"), len(content), digest(content)
        )
        kept.append(_entry(what, reference(0, len(files)), entry.get("name")))
        files.append(File(what, content))
    return Lifted({**data, "attachments": kept}, tuple(files))


def placed(data: Any, n: int) -> Any:
    """The data of a message whose files were taken out, as it is once the message is record `n` of its session."""
    entries = _entries(data) or []
    kept = [
        {**entry, "contentUrl": reference(n, place[1])} if (place := place_of(_url(entry))) is not None else entry
        for entry in entries
    ]
    return {**data, "attachments": kept} if kept else data


def weight(data: Any) -> int:
    """About how many bytes of files came with a message."""
    entries = _entries(data) or []
    raw = sum(len(each["content"]) for each in entries if isinstance(each.get("content"), bytes))
    return raw + sum(len(url) * 3 // 4 for url in map(_url, entries) if url[:5].lower() == "data:")


def reference(n: int, i: int) -> str:
    """How the data of a message refers to its file `i`, when it is record `n` of its session."""
    return f"{_SCHEME}{n}/{i}"


def place_of(url: str) -> tuple[int, int] | None:
    """The record and the number of the file that a reference names; None for anything else."""
    found = _REFERENCE.fullmatch(url)
    return None if found is None else (int(found[1]), int(found[2]))


def part(i: int) -> str:
    """The name of the content that holds file `i` of a message."""
    return f"{APART}{i}"


class Named(NamedTuple):
    """A file of a message as its data names it."""

    i: int
    name: str
    media_type: str
    size_bytes: int


def named(data: Any) -> Iterator[Named]:
    """The files that the data of a message refers to."""
    for entry in _entries(data) or []:
        place, size = place_of(_url(entry)), entry.get("size")
        if place is not None:
            name, kind = str(entry.get("name", "")), str(entry.get("contentType", UNKNOWN))
            yield Named(place[1], name, kind, size if isinstance(size, int) else 0)


def described(file: Named) -> str:
    """A file as people read it in a list."""
    return f"{file.name or 'without a name'} ({file.media_type}, {_size(file.size_bytes)})"


def unshown(name: str, media_type: str, size_bytes: int) -> str:
    """What a model is told of a file that it is not shown."""
    size = _size(size_bytes)
    called = name.replace("[", "(").replace("]", ")") or "without a name"
    return f"[file {called}, {media_type}, {size}, not shown to this model]"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MB" if size_bytes >= 2**20 else f"{-(-size_bytes // 1024)} KB"


def _entries(data: Any) -> list[dict[str, Any]] | None:
    """The attachments beside the words of a message, None where there are none."""
    found: Any = cast("Mapping[str, Any]", data).get("attachments") if isinstance(data, dict) else None
    if not isinstance(found, list | tuple):
        return None
    listed = list(cast("list[Any]", found))
    return listed if listed and all(isinstance(each, dict) for each in listed) else None


def _url(entry: Mapping[str, Any]) -> str:
    url = entry.get("contentUrl")
    return url if isinstance(url, str) else ""


def _entry(what: Attached, url: str, name: object) -> dict[str, Any]:
    called = plain_name(name) if isinstance(name, str) else ""
    shown: dict[str, Any] = {"contentType": what.media_type, "contentUrl": url, "size": what.size_bytes}
    return {**shown, "name": called} if called else shown


def plain_name(name: str) -> str:
    """A file's name without folders and control characters, no longer than one is."""
    last = re.split(r"[/\\]", _CONTROLS.sub("", name))[-1].strip()
    return last[:NAME_CHARS_MAX]


def _decoded(url: str, i: int, left: int, most: int) -> bytes:
    found = _DATA_URL.match(url)
    if found is None or ";base64" not in found[2].lower():
        _invalid(i, "The file is no data: URL in base64.")
    if (len(url) - found.end()) * 3 // 4 - 2 > left:
        raise FilesTooLarge(f"The files have more than {most} bytes together.", place=f"/attachments/{i}")
    try:
        data = base64.b64decode(url[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        _invalid(i, "The file is no data: URL in base64.")
    return data


def _left(left: int, data: bytes, i: int, most: int) -> int:
    """How many bytes more may come after this file."""
    if not data:
        _invalid(i, "The file is empty.")
    if len(data) > left:
        raise FilesTooLarge(f"The files have more than {most} bytes together.", place=f"/attachments/{i}")
    return left - len(data)


def _invalid(i: int, message: str) -> NoReturn:
    step = "Send it as `data:<media type>;base64,<bytes>`."
    raise Invalid(message, code="attachment_invalid", next_step=step, place=f"/attachments/{i}/contentUrl")


class FilesTooLarge(Invalid):
    """The files of a message have more bytes than they may have together."""

    status = 413
    code = "attachments_too_large"
    next_step = "Send less at once."
