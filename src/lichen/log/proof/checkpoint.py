"""Signed tree heads: what a log was at one moment, in a few lines of text that anybody may keep.

The text is a C2SP checkpoint (c2sp.org/tlog-checkpoint) inside a C2SP signed note (c2sp.org/signed-note): the log's
id, its size and its root, then two lines of ours, a blank line, and one Ed25519 signature under the log's id:

    acme/dev/0
    1042
    <root, base64>
    chain <the last record's chain hash, base64>
    ts <microseconds since 1970>

    — acme/dev/0 <key hash (4 bytes) and signature (64 bytes), base64>
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256

import msgspec
import nacl.bindings as sodium
from nacl.exceptions import BadSignatureError

from lichen.core.words.errors import Corrupt, Invalid
from lichen.core.words.ids import LogId
from lichen.log.proof.tree import HASH_BYTES

_NAME = r"[!-*,-~]{1,255}"  # a key name of a signed note: no space, no plus sign; ours is printable ASCII as well
_HASH = r"[A-Za-z0-9+/]{43}="
_NUMBER = r"[0-9]{1,19}"
_TEXT = re.compile(
    rf"(?P<log_id>{_NAME})\n(?P<size>{_NUMBER})\n(?P<root>{_HASH})\nchain (?P<chain>{_HASH})\nts (?P<ts>{_NUMBER})\n"
    rf"\n— {_NAME} (?P<signature>[A-Za-z0-9+/]{{91}}=)\n"
)
_NUMBER_MAX = 2**63 - 1
_ED25519 = b"\x01"
_KEY_HASH_BYTES = 4


class TreeHead(msgspec.Struct, frozen=True):
    """A log's size, Merkle root and last chain hash (32 bytes each) at `ts_us`, microseconds since 1970.

    Raises Invalid (`tree_head_invalid`) for what the text form cannot say.
    """

    log_id: LogId
    size: int
    root: bytes
    chain: bytes
    ts_us: int

    def __post_init__(self) -> None:
        numbers_fit = 0 <= self.size <= _NUMBER_MAX and 0 <= self.ts_us <= _NUMBER_MAX
        if not (numbers_fit and len(self.root) == len(self.chain) == HASH_BYTES and re.fullmatch(_NAME, self.log_id)):
            raise Invalid("A tree head has a value that a checkpoint cannot carry.", code="tree_head_invalid")


class Signer:
    """An Ed25519 key that signs. `seed` is its 32 secret bytes, `public_key` the 32 bytes that check."""

    __slots__ = ("_secret_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret_key = sodium.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`: 64 bytes, always the same for the same message (RFC 8032)."""
        return sodium.crypto_sign(message, self._secret_key)[: sodium.crypto_sign_BYTES]


def verify_signature(signature: bytes, message: bytes, public_key: bytes) -> bool:
    """Whether `signature` over `message` was made by the holder of `public_key`'s secret (Ed25519)."""
    if len(signature) != sodium.crypto_sign_BYTES or len(public_key) != sodium.crypto_sign_PUBLICKEYBYTES:
        return False
    try:
        sodium.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def sign(head: TreeHead, signer: Signer) -> bytes:
    """The signed text of `head`, UTF-8."""
    text = _text(head)
    return _note(head.log_id, text, signer.public_key, signature=signer.sign(text))


def parse_and_verify(text: bytes, public_key: bytes) -> TreeHead:
    """The head that `text` states, its signature checked against `public_key`.

    There is one spelling: a text that `sign` would not have written byte for byte is refused, as is a second signature.
    Raises Corrupt (`checkpoint_corrupt`).
    """
    head, signature = _parse(text)
    body = _text(head)
    if _note(head.log_id, body, public_key, signature=signature) != text:
        raise _corrupt("The checkpoint is not spelled as its signer would, or was signed by another key.")
    if not verify_signature(signature, body, public_key):
        raise _corrupt("The checkpoint's signature does not belong to its text.")
    return head


def _parse(text: bytes) -> tuple[TreeHead, bytes]:
    """What the lines say, believed no further than their shape."""
    found = _TEXT.fullmatch(text.decode(errors="replace"))
    if not found:
        raise _corrupt("The text does not have the lines of a checkpoint.")
    try:
        head = TreeHead(
            LogId(found["log_id"]),
            int(found["size"]),
            b64decode(found["root"]),
            b64decode(found["chain"]),
            int(found["ts"]),
        )
    except Invalid as error:
        raise _corrupt("The checkpoint states a number out of range.") from error
    return head, b64decode(found["signature"])[_KEY_HASH_BYTES:]


def signed_us(text: bytes) -> int:
    """When a head says it was signed, microseconds since 1970; its signature is not checked. Raises Corrupt."""
    return _parse(text)[0].ts_us


def _text(head: TreeHead) -> bytes:
    """The signed part: everything up to the blank line."""
    root, chain = b64encode(head.root).decode(), b64encode(head.chain).decode()
    return f"{head.log_id}\n{head.size}\n{root}\nchain {chain}\nts {head.ts_us}\n".encode()


def _note(name: str, text: bytes, public_key: bytes, *, signature: bytes) -> bytes:
    """The whole note. The key hash only says which key to try (c2sp.org/signed-note)."""
    key_hash = sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_HASH_BYTES]
    return text + f"\n— {name} {b64encode(key_hash + signature).decode()}\n".encode()


def _corrupt(message: str) -> Corrupt:
    return Corrupt(message, code="checkpoint_corrupt", next_step="Fetch the checkpoint again from where it was kept.")
