"""API keys: shown once, stored as a hash, worthless when changed, revoked or late."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from lichen.core.words.errors import NotFound
from lichen.log.keys.apikeys import ApiKey
from lichen.log.keys.keyring import Keyring

NOW_US = 1_700_000_000_000_000


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Keyring]:
    ring = Keyring.open(tmp_path / "keys", os.urandom)
    yield ring
    ring.close()


def issue(ring: Keyring, *, expires_at_us: int | None = None) -> str:
    return ring.api_keys.issue(
        "acme",
        "dev",
        actor_kind="operator",
        actor_id="anna@acme.example",
        roles=["approver", "auditor"],
        expires_at_us=expires_at_us,
    )


def test_a_key_says_who_its_holder_is(ring: Keyring) -> None:
    text = issue(ring)

    assert re.fullmatch(r"lk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text)
    assert ring.api_keys.check(text, NOW_US) == ApiKey(
        text[3:11], "acme", "dev", "operator", "anna@acme.example", ("approver", "auditor"), None
    )


def test_a_key_is_good_after_a_restart(tmp_path: Path) -> None:
    ring = Keyring.open(tmp_path, os.urandom)
    text = issue(ring)
    ring.close()

    again = Keyring.open(tmp_path, os.urandom)

    assert again.api_keys.check(text, NOW_US)
    again.close()


def test_a_key_with_any_character_changed_is_nobodys(ring: Keyring) -> None:
    text = issue(ring)

    for at, character in enumerate(text):
        for other in "0aA_-":
            changed = text[:at] + other + text[at + 1 :]
            assert other == character or ring.api_keys.check(changed, NOW_US) is None


def test_the_spare_bits_of_the_last_character_do_not_make_a_second_spelling(ring: Keyring) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = issue(ring)

    good = [last for last in alphabet if ring.api_keys.check(text[:-1] + last, NOW_US)]

    assert good == [text[-1]]


@pytest.mark.parametrize("text", ["", "lk_", "lk_00000000_" + "A" * 43, "lk_0000000_" + "A" * 44, "x" * 100_000, "ü\0"])
def test_what_is_no_key_is_nobodys(ring: Keyring, text: str) -> None:
    issue(ring)

    assert ring.api_keys.check(text, NOW_US) is None


def test_a_key_with_a_line_end_or_space_around_it_is_nobodys(ring: Keyring) -> None:
    text = issue(ring)

    for changed in (text + "\n", " " + text, text + " "):
        assert ring.api_keys.check(changed, NOW_US) is None


def test_the_secret_of_one_key_does_not_open_another(ring: Keyring) -> None:
    first, second = issue(ring), issue(ring)

    assert ring.api_keys.check(first[:12] + second[12:], NOW_US) is None


def test_a_key_is_good_until_its_time_and_not_at_it(ring: Keyring) -> None:
    text = issue(ring, expires_at_us=NOW_US)

    assert ring.api_keys.check(text, NOW_US - 1)
    assert ring.api_keys.check(text, NOW_US) is None


def test_a_revoked_key_is_worthless_at_once_and_the_others_stay(ring: Keyring) -> None:
    revoked, kept = issue(ring), issue(ring)

    ring.api_keys.revoke(revoked[3:11])

    assert ring.api_keys.check(revoked, NOW_US) is None
    assert ring.api_keys.check(kept, NOW_US)
    assert [key.id for key in ring.api_keys.list()] == [kept[3:11]]
    with pytest.raises(NotFound) as caught:
        ring.api_keys.revoke(revoked[3:11])
    assert caught.value.code == "api_key_missing"


def test_the_list_names_every_key_and_no_secret(ring: Keyring) -> None:
    texts = [issue(ring, expires_at_us=n) for n in range(5)]

    keys = ring.api_keys.list()

    assert sorted(key.id for key in keys) == sorted(text[3:11] for text in texts)
    assert not any(text[12:] in repr(keys) for text in texts)


def test_only_a_hash_of_the_secret_is_stored(tmp_path: Path) -> None:
    drawn = list[bytes]()

    def random(size: int) -> bytes:
        drawn.append(os.urandom(size))
        return drawn[-1]

    ring = Keyring.open(tmp_path, random)
    drawn.clear()
    text = issue(ring)
    ring.close()

    data = (tmp_path / "keys.sqlite").read_bytes()
    (secret,) = [value for value in drawn if len(value) == 32]
    assert sha256(secret).digest() in data
    assert secret not in data
    assert text[12:].encode() not in data


def test_an_id_is_never_given_to_two_keys(tmp_path: Path) -> None:
    ids = [bytes(4), bytes(4), bytes(4), b"\1" * 4]
    ring = Keyring.open(tmp_path, lambda size: ids.pop(0) if size == 4 else os.urandom(size))

    texts = [issue(ring), issue(ring)]

    assert [text[3:11] for text in texts] == ["00000000", "01010101"]
    assert all(ring.api_keys.check(text, NOW_US) for text in texts)
    ring.close()
