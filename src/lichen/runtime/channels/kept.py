"""What a platform brought, as a dead letter holds it: enough to be read again by the code of another day, bounded, and
without what proved it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from lichen.channels.port import Arrival, Inbound
from lichen.core.words.errors import Corrupt
from lichen.core.words.scope import Actor

LETTER_BYTES_MAX: Final = 256 * 1024
TEXT_CHARACTERS_MAX: Final = 4_096
PROOFS: Final = ("auth", "cookie", "secret", "token", "signature", "password", "api-key", "apikey", "hmac", "jwt")
"""What is in the name of a header or field that may hold a secret: it is not kept."""


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request of a platform (`arrival`) and who sent it, where it was one; of the messages in it, the one numbered
    `at`, as it was understood then, where it was. `path` is what stood behind the tenant. `is_cut`: it was too large,
    and cannot be taken again."""

    arrival: Arrival | None = None
    sender: Actor | None = None
    message: Inbound | None = None
    at: int = 0
    path: str = ""
    is_cut: bool = False

    @property
    def same(self) -> str:
        """What it has in common with itself when it is brought again."""
        if self.message is not None and self.message.id is not None:
            return f"message|{self.message.id}"
        told = msgspec.json.encode(self.message) if self.arrival is None else self.arrival.body
        head = "" if self.arrival is None else f"{self.arrival.method} {self.arrival.path} {self.arrival.query}"
        return f"body|{self.at}|{sha256(head.encode() + told).hexdigest()}"

    @property
    def text(self) -> str:
        """What it says, as far as anybody knows."""
        if self.message is not None:
            return self.message.text
        body = b"" if self.arrival is None else self.arrival.body
        return body[:TEXT_CHARACTERS_MAX].decode(errors="replace")


def encoded(kept: Kept) -> bytes:
    """The letter's bytes, of LETTER_BYTES_MAX at most: what does not fit is left out, the request first."""
    if kept.arrival is not None:
        kept = msgspec.structs.replace(kept, arrival=_without_proofs(kept.arrival))
    data = msgspec.json.encode(kept)
    if len(data) > LETTER_BYTES_MAX and kept.message is not None:
        data = msgspec.json.encode(msgspec.structs.replace(kept, arrival=None))
    if len(data) <= LETTER_BYTES_MAX:
        return data
    return msgspec.json.encode(_cut(kept))


def decoded(data: bytes) -> Kept:
    """The same again. Raises Corrupt (`letter_unreadable`)."""
    try:
        return msgspec.json.decode(data, type=Kept)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Corrupt("This letter is of a form that is not known here.", code="letter_unreadable") from error


def _cut(kept: Kept) -> Kept:
    """What remains of one that is too large: how it begins."""
    message, arrival = kept.message, kept.arrival
    if message is not None:
        text = message.text[:TEXT_CHARACTERS_MAX]
        message = Inbound(message.conversation[:TEXT_CHARACTERS_MAX], message.sender, text, message.id)
        arrival = None
    elif arrival is not None:
        arrival = Arrival(arrival.method, arrival.path, {}, {}, arrival.body[:TEXT_CHARACTERS_MAX], arrival.now_us)
    return Kept(arrival, kept.sender, message, kept.at, kept.path, is_cut=True)


def _without_proofs(arrival: Arrival) -> Arrival:
    return msgspec.structs.replace(arrival, query=_named(arrival.query), headers=_named(arrival.headers))


def _named(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in fields.items() if not any(each in name.lower() for each in PROOFS)}
