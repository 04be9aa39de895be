"""A statement about a pack's bytes, signed beside it: in-toto in a DSSE envelope.

Source: DSSE v1 (pre-authentication encoding), in-toto Statement v1, SLSA provenance v1; Greentic
greentic-distributor-client (`dev.greentic.dsse`).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.packs.proofs.keys import PrivateKey, PublicKey, is_signed, key_id

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
BYTES_MAX: Final = 256 * 1024
_SIGN: Final = "Let whoever made the pack attest it again, with `lichen pack sign`."


class EnvelopeSignature(msgspec.Struct, frozen=True):
    """One signature of an envelope."""

    sig: Annotated[str, msgspec.Meta(max_length=128)]
    keyid: Annotated[str, msgspec.Meta(max_length=256)] = ""


class Envelope(msgspec.Struct, frozen=True):
    """A payload and who signed it."""

    payloadType: Literal["application/vnd.in-toto+json"]  # noqa: N815 - the name that DSSE gives it
    payload: str
    signatures: Annotated[tuple[EnvelopeSignature, ...], msgspec.Meta(min_length=1, max_length=16)]


class Subject(msgspec.Struct, frozen=True):
    """What a statement is about."""

    name: str
    digest: Mapping[str, str]


class Statement(msgspec.Struct, frozen=True):
    """What is stated of the subjects."""

    _type: Literal["https://in-toto.io/Statement/v1"]
    subject: Annotated[tuple[Subject, ...], msgspec.Meta(min_length=1, max_length=64)]
    predicateType: Literal["https://slsa.dev/provenance/v1"]  # noqa: N815 - the name that in-toto gives it
    predicate: Mapping[str, Any] = {}


def encoding(payload: bytes) -> bytes:
    """What is signed: kind and payload, each with its length (PAE)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def attest(name: str, sha256: str, key: PrivateKey, *, builder: str, build_type: str) -> bytes:
    """An envelope that states that this builder made the bytes with this SHA-256."""
    said = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}}],
        "predicateType": PROVENANCE,
        "predicate": {"builder_id": builder, "build_type": build_type},
    }
    payload = json.dumps(said, separators=(",", ":"), sort_keys=True).encode()
    signature = base64.b64encode(key.sign(encoding(payload))).decode()
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": signature}],
    }
    return json.dumps(envelope, indent=2).encode() + b"\n"


def read_envelope(data: bytes, place: str) -> tuple[Envelope, bytes]:
    """An envelope and its payload. Raises Invalid (`pack_statement_invalid`)."""
    if len(data) > BYTES_MAX:
        raise _wrong(f"It has more than {BYTES_MAX} bytes.", place)
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        return envelope, base64.b64decode(envelope.payload, validate=True)
    except msgspec.ValidationError as error:
        raise _wrong(f"{misfit(error).message}.", place) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError):
        raise _wrong("It is not JSON with base64 in it.", place) from None


def signer(envelope: Envelope, payload: bytes, keys: Mapping[str, PublicKey]) -> str | None:
    """The name of a key that signed, by key ids; every signature is tried, and one without an id counts for nobody."""
    found: str | None = None
    for each in envelope.signatures:
        key = keys.get(each.keyid.lower()) if each.keyid else None
        try:
            raw = base64.b64decode(each.sig, validate=True)
        except (binascii.Error, ValueError):
            continue
        if key is not None and is_signed(encoding(payload), raw, key):
            found = found or each.keyid.lower()
    return found


def check_subject(payload: bytes, sha256: str, place: str) -> None:
    """Refuses a statement that is not about these bytes. Raises Invalid (`pack_statement_invalid`)."""
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except msgspec.ValidationError as error:
        raise _wrong(f"{misfit(error).message}.", place) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _wrong("What it states is not JSON.", place) from None
    if not any(each.digest.get("sha256", "").lower() == sha256 for each in statement.subject):
        raise _wrong("It is about other bytes.", place)


def _wrong(message: str, place: str) -> Invalid:
    return Invalid(
        f"The statement does not count: {message}", code="pack_statement_invalid", place=place, next_step=_SIGN
    )
