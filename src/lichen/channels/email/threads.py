"""Threads: which conversation a mail belongs to, and what ours are called so that answers find back.

Source: RFC 5322, 3.6.4.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec

ID_MAX: Final = 250
REFERENCES_MAX: Final = 20
_ID: Final = re.compile(r"<([\x21-\x3b\x3d\x3f-\x7e]{1,250})>")
_OWN: Final = re.compile(
    r"lichen\.([0-9a-f]{24})\.(?:[0-9a-f]{32}|([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,32}))@([A-Za-z0-9.-]{1,253})"
)


class Address(msgspec.Struct, frozen=True):
    """Where replies go: to whom, in which thread, and the mail that is answered with those before it."""

    to: str
    thread: str
    subject: str = ""
    about: str = ""
    references: tuple[str, ...] = ()
    is_begun: bool = False  # by us


def ids_in(header: str) -> tuple[str, ...]:
    """The ids in a `References`, `In-Reply-To` or `Message-ID`: the first, and the newest of the others."""
    found = tuple(_ID.findall(header))
    return found if len(found) <= REFERENCES_MAX else (found[0], *found[1 - REFERENCES_MAX :])


def thread_of(references: Sequence[str], own: str) -> str:
    """The name of a mail's thread: what one of ours in it was called by, else made of the mail that began it."""
    for each in references:
        if found := _OWN.fullmatch(each):
            return found[1]
    return _digest(references[0] if references else own)[:24]


def conversation_of(thread: str, sender: str) -> str:
    """The key of a session: everybody in a thread has one of their own."""
    return f"{thread}-{_digest(sender)[:24]}"


def begun(token: str, sender: str) -> str:
    """The name of a thread that we begin."""
    return _digest(f"begun/{token}/{sender}")[:24]


def message_id(thread: str, session: str, message: str, domain: str) -> str:
    """What our mail is called, the same for the same message. Whoever has the mail can say what became of it: the id of
    a session is nobody's to guess."""
    named = f"lichen.{thread}.{session}.{message}@{domain}"
    return named if message_of(named, domain) else f"lichen.{thread}.{_digest(f'{session}/{message}')[:32]}@{domain}"


def message_of(id: str, domain: str) -> tuple[str, str] | None:
    """The session and the message that a mail of ours is; None for another's."""
    found = _OWN.fullmatch(id)
    return (found[2], found[3]) if found and found[2] and found[4] == domain else None


def is_own(id: str, domain: str) -> bool:
    """Whether a mail is one that we sent."""
    found = _OWN.fullmatch(id)
    return found is not None and found[4] == domain


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
