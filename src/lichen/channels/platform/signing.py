"""Proofs of requests that a platform makes with a shared secret: compared in constant time, good for minutes."""

from __future__ import annotations

import hmac
from typing import Final

from lichen.core.words.errors import Denied

WINDOW_S: Final = 300  # of Slack, Stripe and Standard Webhooks


def hmac_hex(key: str | bytes, *parts: bytes, digest: str = "sha256") -> str:
    """The HMAC of what the parts are together, in hexadecimal."""
    secret = key.encode() if isinstance(key, str) else key
    return hmac.new(secret, b"".join(parts), digest).hexdigest()


def check_same(given: str, expected: str) -> None:
    """Raises Denied (`signature_invalid`) unless the proof is the expected one; takes as long whatever it is."""
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode()):
        raise Denied("The proof of this request is wrong.", code="signature_invalid", next_step=_STEP)


def check_recent(sent: str, now_us: int, *, window_s: int = WINDOW_S) -> None:
    """Raises Denied (`signature_expired`) unless `sent`, seconds since the epoch in digits, is about now."""
    is_number = sent.isascii() and sent.isdecimal() and len(sent) <= 12
    if not is_number or abs(now_us // 1_000_000 - int(sent)) > window_s:
        step = "Send it at once, from a machine whose clock is right."
        raise Denied("This request was made too long ago, or too early.", code="signature_expired", next_step=step)


_STEP: Final = "Give the platform's current secret to the channel: `lichen channel update`."
