"""Signed tree heads: one spelling, one signature, and no bit that may change."""

from __future__ import annotations

import base64
from hashlib import sha256

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lichen.core.words.errors import Corrupt, Invalid
from lichen.core.words.ids import LogId
from lichen.log.proof.checkpoint import Signer, TreeHead, parse_and_verify, sign, verify_signature

SEED = bytes(range(32))
HEAD = TreeHead(LogId("acme/dev/0"), 1042, sha256(b"root").digest(), sha256(b"chain").digest(), 1_700_000_000_000_000)


def test_a_signed_head_reads_back_as_it_was() -> None:
    signer = Signer(SEED)

    assert parse_and_verify(sign(HEAD, signer), signer.public_key) == HEAD


def test_the_text_is_a_checkpoint_in_a_signed_note() -> None:
    signer = Signer(SEED)

    body, _, signature_line = sign(HEAD, signer).decode().partition("\n\n")

    assert body.splitlines() == [
        "acme/dev/0",
        "1042",
        base64.b64encode(HEAD.root).decode(),
        f"chain {base64.b64encode(HEAD.chain).decode()}",
        "ts 1700000000000000",
    ]
    dash, name, blob = signature_line.removesuffix("\n").split(" ")
    key_hash, signature = base64.b64decode(blob)[:4], base64.b64decode(blob)[4:]
    assert (dash, name) == ("—", "acme/dev/0")
    assert key_hash == sha256(b"acme/dev/0\n\x01" + signer.public_key).digest()[:4]
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, body.encode() + b"\n")


def test_signatures_are_those_of_rfc_8032() -> None:
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    signer = Signer(seed)

    assert signer.public_key.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert signer.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_a_signature_holds_for_its_message_and_key_only() -> None:
    signer, other = Signer(SEED), Signer(bytes(32))
    signature = signer.sign(b"message")

    assert verify_signature(signature, b"message", signer.public_key)
    assert not verify_signature(signature, b"massage", signer.public_key)
    assert not verify_signature(signature, b"message", other.public_key)
    assert not verify_signature(signature[:-1], b"message", signer.public_key)
    assert not verify_signature(signature, b"message", b"")


def test_every_single_flipped_bit_is_found() -> None:
    signer = Signer(SEED)
    text = sign(HEAD, signer)

    for position in range(len(text) * 8):
        changed = bytearray(text)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(Corrupt):
            parse_and_verify(bytes(changed), signer.public_key)


def test_every_lost_or_doubled_byte_is_found() -> None:
    signer = Signer(SEED)
    text = sign(HEAD, signer)

    for at in range(len(text)):
        for changed in (text[:at] + text[at + 1 :], text[: at + 1] + text[at:], text[:at]):
            with pytest.raises(Corrupt):
                parse_and_verify(changed, signer.public_key)


def test_another_key_of_the_same_name_is_refused() -> None:
    text = sign(HEAD, Signer(bytes(32)))

    with pytest.raises(Corrupt) as caught:
        parse_and_verify(text, Signer(SEED).public_key)

    assert caught.value.code == "checkpoint_corrupt"


@pytest.mark.parametrize(
    ("written", "respelled"),
    [
        (b"\n1042\n", b"\n01042\n"),
        (b"\n1042\n", b"\n+1042\n"),
        (b"\n1042\n", b"\n9999999999999999999\n"),
        (b"\nts ", b"\nts  "),
        (b"\nts ", b"\r\nts "),
        (b"\nchain", b"\nother extension\nchain"),
        (b"acme/dev/0\n1042", b"acme/dev/1\n1042"),
    ],
)
def test_a_head_signed_in_another_spelling_is_refused(written: bytes, respelled: bytes) -> None:
    signer = Signer(SEED)
    body = sign(HEAD, signer).partition(b"\n\n")[0] + b"\n"
    other = body.replace(written, respelled)
    key_hash = sha256(b"acme/dev/0\n\x01" + signer.public_key).digest()[:4]
    signed = base64.b64encode(key_hash + signer.sign(other)).decode()

    assert other != body
    with pytest.raises(Corrupt):
        parse_and_verify(other + f"\n— acme/dev/0 {signed}\n".encode(), signer.public_key)


def test_a_second_signature_line_is_refused() -> None:
    signer = Signer(SEED)
    text = sign(HEAD, signer)
    signature_line = text.splitlines(keepends=True)[-1]

    with pytest.raises(Corrupt):
        parse_and_verify(text + signature_line, signer.public_key)


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1},
        {"size": 2**63},
        {"ts_us": -1},
        {"root": b""},
        {"chain": bytes(31)},
        {"log_id": ""},
        {"log_id": "two words"},
        {"log_id": "a+b"},
        {"log_id": "line\nbreak"},
        {"log_id": "ümlaut"},
        {"log_id": "x" * 256},
    ],
)
def test_a_head_that_no_checkpoint_can_say_cannot_be_made(change: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        msgspec.structs.replace(HEAD, **change)
