"""A log's own secrets: who signs its tree heads, and the HMAC key behind its pseudonyms and keyed digests."""

from __future__ import annotations

import hmac

from lichen.core.words.ids import Pseudonym
from lichen.log.proof.checkpoint import Signer

SEED_BYTES = 32
HMAC_KEY_BYTES = 32


class LogSecrets:
    """What is made of a log's 64 secret bytes: `signer` from the first half, HMAC-SHA256 under the second."""

    __slots__ = ("_hmac", "signer")

    def __init__(self, secret: bytes) -> None:
        assert len(secret) == SEED_BYTES + HMAC_KEY_BYTES
        self.signer = Signer(secret[:SEED_BYTES])
        self._hmac = hmac.new(secret[SEED_BYTES:], digestmod="sha256")

    def pseudonym(self, kind: str, id: str) -> Pseudonym:
        """A name for `id` that tells its kind only, `customer_<16 hex>`: always the same here, another in every log."""
        message = f"pseudonym\0{kind}\0{id}".encode()
        return Pseudonym(f"{kind}_{self._keyed(message)[:8].hex()}")

    def digest(self, data: bytes) -> bytes:
        """16 bytes that stand for `data`, and that nobody without the key can find by guessing."""
        return self._keyed(b"digest\0" + data)[:16]

    def _keyed(self, message: bytes) -> bytes:
        """HMAC-SHA256 from a prepared state: unlike `hmac.digest` it keeps the interpreter for small messages."""
        mac = self._hmac.copy()
        mac.update(message)
        return mac.digest()
