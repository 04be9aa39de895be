"""What a sender wrote themselves: the text of a mail without the mail that it answers and without a signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_INTRODUCES: Final = re.compile(
    r"(On\b.{0,300}\bwrote|Am\b.{0,300}\bschrieb\b.{0,200}|Le\b.{0,300}\ba écrit|El\b.{0,300}\bescribió"
    r"|Il\b.{0,300}\bha scritto|Op\b.{0,300}\bschreef\b.{0,200}|Em\b.{0,300}\bescreveu|Den\b.{0,300}\bskrev\b.{0,200})"
    r"\s?:"
)
_IN_ONE_LINE: Final = re.compile(r".{0,300}(\bwrote|さんは書きました|写道)\s?[:：]")
_ORIGINAL: Final = re.compile(
    r"-{2,}\s?(Original Message|Original Appointment|Ursprüngliche Nachricht|Message d'origine|Mensaje original"
    r"|Messaggio originale|Oorspronkelijk bericht)\s?-{2,}",
    re.IGNORECASE,
)
_HEAD: Final = re.compile(r"\*?(From|Von|De|Da|Van|Från|Fra)\s?:\*?\s.*@")
_SENT: Final = re.compile(r"\*?(Sent|Date|Gesendet|Datum|Envoyé|Enviado|Inviato|Verzonden|Skickat|Sendt)\s?:\*?\s")
_DEVICE: Final = re.compile(
    r"(Sent from (my|Outlook|Mail|Yahoo)|Get Outlook for|Von meinem .{1,40} gesendet|Gesendet von|Envoyé de mon"
    r"|Enviado desde mi|Inviato da)\b.{0,80}",
    re.IGNORECASE,
)
SIGNATURE: Final = "-- "
LINES_MAX: Final = 20_000


def own_words(text: str) -> str:
    """The text without quoted history and signature; as it is where nothing else is in it.

    Quotes that are answered one after the other stay: without them the answers say nothing.
    """
    lines = text.split("\n")
    if len(lines) > LINES_MAX:
        return text
    kept = _without_device(_without_quotes(lines[: _signature(lines)]))
    own = "\n".join(kept).strip("\n").rstrip()
    return own or text


def _signature(lines: Sequence[str]) -> int:
    """Where a signature begins: after the line `-- `, which some programs shorten."""
    return next((i for i, line in enumerate(lines) if line in (SIGNATURE, "--") and i), len(lines))


def _without_quotes(lines: Sequence[str]) -> Sequence[str]:
    for i, line in enumerate(lines):
        stripped = line.strip()
        if _ORIGINAL.fullmatch(stripped) or (_HEAD.match(stripped) and _is_head(lines, i)):
            return _above(lines[:i])
        if (size := _introduction(lines, i)) and _is_all_quoted(lines[i + size :]):
            return _above(lines[:i])
    return _without_last_quote(lines)


def _is_head(lines: Sequence[str], i: int) -> bool:
    """Whether the lines are the head of a mail: who sent it, and right after that when."""
    return any(_SENT.match(line.strip()) for line in lines[i + 1 : i + 4])


def _introduction(lines: Sequence[str], i: int) -> int:
    """How many lines say whose words follow; programs break that line where it is long."""
    first = lines[i].strip()
    if _IN_ONE_LINE.fullmatch(first[:700]):
        return 1
    for size in (1, 2, 3):
        together = [line.strip() for line in lines[i : i + size]]
        if not all(together):
            return 0
        if _INTRODUCES.fullmatch(" ".join(together)[:700]):
            return size
    return 0


def _is_all_quoted(lines: Sequence[str]) -> bool:
    said = [line for line in lines if line.strip()]
    return bool(said) and all(line.startswith(">") for line in said)


def _without_last_quote(lines: Sequence[str]) -> Sequence[str]:
    """Without the quotation that the text ends with."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].startswith(">")):
        end -= 1
    return lines[:end]


def _above(lines: Sequence[str]) -> Sequence[str]:
    """What stands above a quoted mail, without the line that sets it off."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or set(lines[end - 1].strip()) <= {"_", "-"}):
        end -= 1
    return lines[:end]


def _without_device(lines: Sequence[str]) -> Sequence[str]:
    """Without the line by which a device says what it is."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[: end - 1] if end and _DEVICE.fullmatch(lines[end - 1].strip()) else lines
