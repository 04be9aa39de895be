"""A file that a platform was asked for: there, gone for good, or to be asked for again."""

from __future__ import annotations

from typing import Final

from lichen.channels.platform.calling import Answer, away
from lichen.core.words.errors import Invalid, NotFound

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
