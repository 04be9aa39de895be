"""What a file is, by its own bytes: what it is said to be is believed only where they could be that."""

from __future__ import annotations

from typing import Final

from lichen.core.words.errors import Invalid

UNKNOWN: Final = "application/octet-stream"

_MARKS: Final[tuple[tuple[bytes, tuple[str, ...]], ...]] = (
    (b"\x89PNG\r\n\x1a\n", ("image/png",)),
    (b"\xff\xd8\xff", ("image/jpeg",)),
    (b"GIF87a", ("image/gif",)),
    (b"GIF89a", ("image/gif",)),
    (b"%PDF-", ("application/pdf",)),
    (b"ID3", ("audio/mpeg",)),
    (b"\xff\xfb", ("audio/mpeg",)),
    (b"\xff\xf3", ("audio/mpeg",)),
    (b"\xff\xf2", ("audio/mpeg",)),
    (b"OggS", ("audio/ogg", "video/ogg")),
    (b"\x1aE\xdf\xa3", ("audio/webm", "video/webm")),
    (b"fLaC", ("audio/flac",)),
    (
        b"PK\x03\x04",
        (
            "application/zip",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.oasis.opendocument.text",
            "application/vnd.oasis.opendocument.spreadsheet",
        ),
    ),
)
_BOXES: Final = {
    b"heic": ("image/heic", "image/heif"),
    b"heix": ("image/heic", "image/heif"),
    b"mif1": ("image/heif", "image/heic", "image/avif"),
    b"avif": ("image/avif",),
    b"M4A ": ("audio/mp4",),
    b"M4B ": ("audio/mp4",),
    b"qt  ": ("video/quicktime",),
}
_FILM: Final = ("video/mp4", "audio/mp4")
_TEXTS: Final = (
    "text/plain",
    "text/csv",
    "text/markdown",
    "text/html",
    "text/xml",
    "text/calendar",
    "application/json",
    "application/xml",
    "image/svg+xml",
)
_RIFF: Final = {b"WEBP": ("image/webp",), b"WAVE": ("audio/wav",)}
_SAME: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "application/x-pdf": "application/pdf",
    "application/x-zip-compressed": "application/zip",
}
_KNOWN: Final = frozenset(
    kind
    for kinds in (*(each for _, each in _MARKS), *_BOXES.values(), *_RIFF.values(), _FILM, _TEXTS)
    for kind in kinds
)


def sniffed(data: bytes) -> tuple[str, ...]:
    """What a file can be by its first bytes, the likeliest first; nothing for what no type of ours looks like."""
    for mark, kinds in _MARKS:
        if data.startswith(mark):
            return kinds
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12], ())
    if data[4:8] == b"ftyp":
        return _BOXES.get(data[8:12], _FILM)
    return _TEXTS if _is_text(data) else ()


def _is_text(data: bytes) -> bool:
    try:
        return b"\x00" not in data and bool(data.decode())
    except UnicodeDecodeError:
        return False


def media_type_of(data: bytes, declared: object, place: str) -> str:
    """What a file is: one of the types that its bytes can be, or one nobody knows. Raises Invalid
    (`attachment_mismatch`) where it is declared to be something else."""
    said = declared.partition(";")[0].strip().lower() if isinstance(declared, str) else ""
    said, kinds = _SAME.get(said, said), sniffed(data)
    if said in kinds:
        return said
    if said in ("", UNKNOWN):
        return kinds[0] if kinds else UNKNOWN
    if said not in _KNOWN and kinds in ((), _TEXTS):
        return kinds[0] if kinds else UNKNOWN
    raise Invalid(
        "The bytes of the file are not what it is said to be.",
        code="attachment_mismatch",
        next_step=f"Send it as {kinds[0] if kinds else UNKNOWN}, or without a type.",
        place=place,
    )
