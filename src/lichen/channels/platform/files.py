"""A file that a platform was asked for: there, gone for good, or to be asked for again; and what it is called.

Sources: RFC 6266 and RFC 8187 (the name in `Content-Disposition`).
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from lichen.channels.platform.calling import Answer, away
from lichen.channels.port import Fetched, FileRef
from lichen.core.speech.attached import plain_name
from lichen.core.speech.filetypes import UNKNOWN, media_type_of
from lichen.core.words.errors import Invalid, NotFound

HEADER_CHARACTERS_MAX: Final = 2_048
MEDIA_TYPE_MAX: Final = 128
_EXTENDED: Final = re.compile(r"(?i);\s*filename\*\s*=\s*(utf-8|iso-8859-1)'[^';]*'([^\s;]+)")
_QUOTED: Final = re.compile(r'(?i);\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"')
_TOKEN: Final = re.compile(r"(?i);\s*filename\s*=\s*([^\s\";]+)")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")

AGAIN: Final = frozenset({401, 408, 423, 425, 429})  # 423: a platform that looks for malware first


def file_in(answer: Answer, platform: str) -> bytes:
    """The file in an answer. While the platform is busy, away, or refuses our token, it is not gone: the message waits.

    Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable (`platform_unreachable`).
    """
    check_there(answer, platform)
    if not answer.body:
        raise Invalid("The file is empty, or larger than can be taken.", code="file_too_large")
    return answer.body


def check_there(answer: Answer, platform: str) -> None:
    """Raises NotFound (`file_gone`), Unavailable (`platform_unreachable`) unless the answer is a success."""
    if answer.status in AGAIN or answer.status >= 500:
        raise away(platform)
    if not answer.is_ok:
        raise gone(platform)


def gone(platform: str) -> NotFound:
    """That the platform has a file no more, or that it is not for us."""
    return NotFound(f"{platform} has this file no more, or it is not for us to see.", code="file_gone")


# -- what it is called -------------------------------------------------------------------------------------------


def named_file(answer: Answer, platform: str) -> Fetched:
    """As `file_in`, with the name and the media type that stand in the answer's headers."""
    data = file_in(answer, platform)
    return Fetched(data, disposed_name(answer.headers.get("content-disposition", "")), _media_type(answer))


def disposed_name(header: str) -> str:
    """The file's name in a `Content-Disposition`, of which the extended one counts; empty where there is none."""
    header = f";{header[:HEADER_CHARACTERS_MAX]}"
    if extended := _EXTENDED.search(header):
        return safe_name(unquote_to_bytes(extended[2]).decode(extended[1], "replace"))
    if quoted := _QUOTED.search(header):
        return safe_name(_as_utf8(re.sub(r"\\(.)", r"\1", quoted[1])))
    token = _TOKEN.search(header)
    return safe_name(_as_utf8(token[1])) if token else ""


def safe_name(name: str) -> str:
    """A file's name as it may be shown: its last part, no longer than one is, without what is not seen."""
    shown = plain_name(_UNSEEN.sub("", name).encode("utf-8", "replace").decode())
    return "" if shown.strip(". ") == "" else shown


def attachment_of(file: FileRef, got: bytes | Fetched) -> dict[str, Any]:
    """A file that was fetched, as it stands beside the words of its message: with the name that its platform gives it,
    and as what its bytes are."""
    found = got if isinstance(got, Fetched) else Fetched(got)
    kind = _kind(found.data, found.media_type or file.media_type)
    url = f"data:{kind};base64,{b64encode(found.data).decode()}"
    return {"contentType": kind, "contentUrl": url, "name": safe_name(found.name) or safe_name(file.name)}


def _kind(data: bytes, said: str) -> str:
    """What a file is by its bytes, where it is not what it is said to be."""
    try:
        return media_type_of(data, said, "")
    except Invalid:
        return media_type_of(data, UNKNOWN, "")


def _media_type(answer: Answer) -> str:
    said = answer.headers.get("content-type", "").partition(";")[0].strip().lower()[:MEDIA_TYPE_MAX]
    return said if _MEDIA_TYPE.fullmatch(said) else ""


def _as_utf8(name: str) -> str:
    """A name as most platforms write it: the bytes of UTF-8, which a header has as characters of Latin-1."""
    try:
        return name.encode("latin-1").decode()
    except UnicodeError:
        return name
