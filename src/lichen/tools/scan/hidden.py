"""Characters that a person does not see and a model reads.

Source: Unicode 16, bidirectional algorithm (UAX 9), default ignorable code points, tags; "Trojan Source"
(CVE-2021-42574).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from lichen.tools.scan.finding import Finding, Severity

_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f")  # of England, Scotland, Wales
_EMOJI_VS: Final = re.compile("(?<=[^\ufe00-\ufe0f])\ufe0f")


class _Kind(NamedTuple):
    rule: str
    severity: Severity
    message: str
    pattern: re.Pattern[str]


_KINDS: Final = (
    _Kind("hidden-tags", "critical", "Invisible tag characters spell a text.", re.compile("[\U000e0000-\U000e007f]")),
    _Kind(
        "hidden-bidi", "high", "The direction of writing is turned round.", re.compile("[\u202a-\u202e\u2066-\u2069]")
    ),
    _Kind(
        "hidden-zero-width",
        "high",
        "Characters without a width stand in it.",
        re.compile(
            "[\u200b\u2060-\u2064\u180e\u00ad\ufeff]|(?<=[\x20-\x7e])[\u200c\u200d]|[\u200c\u200d](?=[\x20-\x7e])"
        ),
    ),
    _Kind(
        "hidden-selectors",
        "high",
        "Selectors of variants follow one another and may spell a text.",
        re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2}|[\U000e0100-\U000e01ef]"),
    ),
    _Kind(
        "hidden-controls",
        "high",
        "Control characters stand in it.",
        re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"),
    ),
    _Kind(
        "hidden-filler",
        "medium",
        "Characters that look like nothing stand in it.",
        re.compile("[\u115f\u1160\u3164\uffa0\u2800]"),
    ),
)
_ANY: Final = re.compile("|".join(kind.pattern.pattern for kind in _KINDS))
_WIDE: Final = re.compile(r"[ \t\xa0]{40,}\S|\n{12,}[^\n]")


def hidden(text: str, place: str) -> Iterator[Finding]:
    """What stands in a text that nobody sees."""
    seen = _FLAG.sub("", text)
    for kind in _KINDS:
        if kind.pattern.search(seen) is not None:
            yield Finding(kind.rule, kind.severity, place, kind.message)
    if _WIDE.search(text) is not None:
        yield Finding("hidden-far-away", "medium", place, "Something stands far to the right, or far below.")


def plain(text: str) -> str:
    """The text as a model may read it: without what is not seen, in the plainest characters, on one line."""
    tags = "".join(chr(ord(c) - 0xE0000) if 0xE0020 <= ord(c) <= 0xE007E else c for c in text)
    shown = _ANY.sub("", unicodedata.normalize("NFKC", tags).replace("\n", " "))
    return " ".join(shown.split())
