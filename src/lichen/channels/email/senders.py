"""Who a mail is from, whether that is proven, and whether a person wrote it.

Sources: RFC 8601 (Authentication-Results), RFC 7489 (DMARC), RFC 3834 (automatic responses), RFC 2919 and RFC 2369
(lists), RFC 3464 (reports of delivery).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from lichen.core.words.errors import Invalid

ADDRESS_MAX: Final = 80  # of one that stands in an id
Headers = Mapping[str, Sequence[str]]
"""The headers of a mail, unfolded, by their names in lower case."""

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS: Final = rf"{_ATEXT}{{1,64}}(?:\.{_ATEXT}{{1,64}}){{0,16}}@{_LABEL}(?:\.{_LABEL}){{0,16}}"
_ADDRESS: Final = re.compile(ADDRESS)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT: Final = re.compile(r"\([^()]*\)")
_NOBODY: Final = frozenset({"mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply"})
_LISTS: Final = ("list-id", "list-post", "list-unsubscribe", "list-help", "mailing-list", "x-mailing-list")
_BULK: Final = frozenset({"bulk", "list", "junk", "auto_reply"})
_ANSWERS: Final = ("x-autoreply", "x-autorespond", "x-auto-response", "x-vacation", "x-loop", "x-failed-recipients")


def sender_of(headers: Headers) -> str:
    """The one address in the one `From`, in lower case.

    Raises Invalid (`sender_invalid`) for anything else: two programs would read two senders in it.
    """
    given = headers.get("from", ())
    if len(given) != 1:
        raise _invalid("A mail is from one address: it has one `From`.")
    said = _QUOTED.sub("", given[0]).strip()
    bare = re.fullmatch(r"(?:[^<>@,;:()]|\([^()<>@,;:]*\))*<\s*([^<>\s]+)\s*>", said)
    address = bare[1] if bare else re.sub(r"\s*\([^()<>@,;:]*\)$", "", said)
    if len(address) > 254 or not _ADDRESS.fullmatch(address):
        raise _invalid("A mail is from one address, written as usual.")
    return address.lower()


def is_proven(headers: Headers, sender: str, trusted: str) -> bool:
    """Whether the trusted host says that the domain in `From` stands for this mail: the newest header that bears its
    name, for a host adds its own above all that came with a mail."""
    if not trusted:
        return False
    for given in headers.get("authentication-results", ()):
        who, *results = _COMMENT.sub(" ", given).split(";")
        name = who.split()[0].lower() if who.split() else ""
        if name == trusted.lower():
            return any(_is_pass(each, sender.rpartition("@")[2]) for each in results)
    return False


def _is_pass(result: str, domain: str) -> bool:
    words = [word.lower() for word in re.sub(r"\s*=\s*", "=", result.strip()).split()]
    about = next((word.partition("=")[2] for word in words if word.startswith("header.from=")), "")
    return words[:1] == ["dmarc=pass"] and about.strip('"').rpartition("@")[2] == domain


def is_automatic(headers: Headers, sender: str, own: Sequence[str]) -> bool:
    """Whether no person waits for an answer: a list, a bounce, another program's answer, or a mail of our own."""

    def first(name: str) -> str:
        return next(iter(headers.get(name, ())), "").strip().lower()

    kind = first("content-type")
    return (
        sender in own
        or sender.partition("@")[0].partition("+")[0] in _NOBODY
        or first("auto-submitted").partition(";")[0].strip() not in ("", "no")
        or first("precedence") in _BULK
        or any(name in headers for name in (*_LISTS, *_ANSWERS))
        or first("x-auto-response-suppress") not in ("", "none")
        or first("return-path") == "<>"
        or kind.startswith("multipart/report")
    )


def named(sender: str, name: str, *, proven: bool) -> str:
    """What a customer is called: nobody who only claims an address is taken for who it belongs to."""
    who = sender if len(sender) <= ADDRESS_MAX else hashlib.sha256(sender.encode()).hexdigest()
    return f"{name}:{who}" if proven else f"{name}:claimed:{who}"


def _invalid(message: str) -> Invalid:
    return Invalid(message, code="sender_invalid", next_step="Send it from one address.", place="/from")
