"""What somebody wrote in Slack, as they read it there: entities undone, mentions and links as words.

Source: Slack, "Formatting message text", "Retrieving messages".
"""

from __future__ import annotations

import re
from typing import Final

_REFERENCE: Final = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")


def read(text: str, bot: str = "") -> str:
    """The words of a text; a mention of the bot at its start or end says nothing and is gone."""
    if bot:
        text = text.strip() if f"<@{bot}>" in text else text
        text = re.sub(rf"^<@{bot}(?:\|[^<>]*)?>[\s:,]*|\s*<@{bot}(?:\|[^<>]*)?>$", "", text)
    said = _REFERENCE.sub(_said, text)
    return said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def mentions(text: str, bot: str) -> bool:
    """Whether the bot is spoken to."""
    return bool(bot) and (f"<@{bot}>" in text or f"<@{bot}|" in text)


def _said(found: re.Match[str]) -> str:
    what, label = found[1], found[2] or ""
    match what[:1]:
        case "@" | "#":
            return f"{what[0]}{label.lstrip('@#') or what[1:]}"
        case "!":
            return label or f"@{what[1:].partition('^')[0]}"
        case "":
            return found[0]
        case _:
            bare = what.removeprefix("mailto:")
            return bare if label in ("", what, bare) else f"{label} ({what})"


def escaped(text: str) -> str:
    """Slack's three entities, so that a text is words and nothing else."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
