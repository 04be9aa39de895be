"""What people and models said, kept apart from control: sealed under the key of the subject it is about."""

from __future__ import annotations

import msgspec

CONTENT_BYTES_MAX = 8 * 1024 * 1024  # one part of one record
INLINE_BYTES_MAX = 64 * 1024  # above this the ciphertext lives in a blob
APART = "attachment/"  # contents of this name are opened one by one, when somebody wants the file
RETENTION = "retention"  # the subject of audit fields: they outlive a person's erasure


class Content(msgspec.Struct, frozen=True, gc=False):
    """One part of a record before sealing. `subject` is the pseudonym whose key seals it."""

    part: str
    subject: str
    data: bytes


class Ref(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a content lies in the same stream: the record's position and the part's name."""

    n: int
    part: str


class Sealed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A content after sealing: AES-256-GCM under data key `key_id`."""

    key_id: int
    nonce: bytes
    ciphertext: bytes
