"""The keyring: what it seals, what it never under-counts, and what is left after it forgot."""

from __future__ import annotations

import os
import re
import resource
import shutil
import sqlite3
import stat
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lichen.core.words import faults
from lichen.core.words.content import Sealed
from lichen.core.words.errors import Conflict, ContentErased, Corrupt, Denied, Invalid, NotFound, Unavailable
from lichen.log.keys.erasures import Erasure
from lichen.log.keys.keyring import Keyring

LOG = "acme/dev/0"
ANNA = "customer_4f1c9a2b7d3e8f60"
DEADLINE_S = 30
BERT = "customer_0a1b2c3d4e5f6071"


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Keyring]:
    ring = open_ring(tmp_path / "keys")
    yield ring
    ring.close()


def open_ring(directory: Path, *, uses_block: int = 8, uses_max: int = 2**32, cached_max: int = 64) -> Keyring:
    random = Random(os.urandom(16)).randbytes
    return Keyring.open(directory, random, uses_block=uses_block, uses_max=uses_max, cached_max=cached_max)


def crashed(directory: Path) -> Path:
    """What a crash would leave of the keyring that is open in `directory` now."""
    left = directory.with_name(f"{directory.name}-crashed")
    shutil.rmtree(left, ignore_errors=True)
    return Path(shutil.copytree(directory, left))


def stored(directory: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(directory / "keys.sqlite")
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


# sealing


def test_what_was_sealed_reads_back(ring: Keyring) -> None:
    sealed = ring.seal(LOG, ANNA, b"place", b"hello")

    assert ring.unseal(sealed, b"place") == b"hello"
    assert b"hello" not in sealed.ciphertext


def test_a_subject_has_one_key_per_log(ring: Keyring) -> None:
    first, again = ring.seal(LOG, ANNA, b"", b"x"), ring.seal(LOG, ANNA, b"", b"x")
    other_subject, other_log = ring.seal(LOG, BERT, b"", b"x"), ring.seal("acme/prod/0", ANNA, b"", b"x")

    assert first.key_id == again.key_id
    assert len({first.key_id, other_subject.key_id, other_log.key_id}) == 3
    assert len({each.nonce for each in (first, again, other_subject, other_log)}) == 4


def test_every_flipped_bit_of_a_sealed_content_is_found(ring: Keyring) -> None:
    sealed = ring.seal(LOG, ANNA, b"place", b"hello")

    for field in ("nonce", "ciphertext"):
        value: bytes = getattr(sealed, field)
        for bit in range(len(value) * 8):
            changed = bytearray(value)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Corrupt):
                ring.unseal(msgspec.structs.replace(sealed, **{field: bytes(changed)}), b"place")


def test_a_sealed_content_opens_in_its_own_place_and_with_its_own_key_only(ring: Keyring) -> None:
    sealed, other = ring.seal(LOG, ANNA, b"place", b"hello"), ring.seal(LOG, BERT, b"place", b"hello")

    for wrong, aad in ((sealed, b"elsewhere"), (msgspec.structs.replace(sealed, key_id=other.key_id), b"place")):
        with pytest.raises(Corrupt):
            ring.unseal(wrong, aad)
    with pytest.raises(Corrupt):
        ring.unseal(Sealed(sealed.key_id, b"", b""), b"place")


def test_contents_read_after_a_restart(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    sealed = ring.seal(LOG, ANNA, b"", b"hello")
    ring.close()

    again = open_ring(tmp_path)

    assert again.unseal(sealed, b"") == b"hello"
    assert again.seal(LOG, ANNA, b"", b"more").key_id == sealed.key_id
    again.close()


def test_an_unknown_key_is_said_to_be_missing(ring: Keyring) -> None:
    with pytest.raises(NotFound) as caught:
        ring.unseal(Sealed(99, bytes(12), bytes(16)), b"")

    assert caught.value.code == "key_missing"


def test_more_subjects_than_fit_in_memory_still_read_and_seal(tmp_path: Path) -> None:
    ring = open_ring(tmp_path, cached_max=3)

    sealed = {f"s{n}": ring.seal(LOG, f"s{n}", b"", b"%d" % n) for n in range(20)}
    before = [ring.unseal(each, b"") for each in sealed.values()]
    ring.commit()
    after = [ring.unseal(each, b"") for each in sealed.values()]
    key_ids = {subject: ring.seal(LOG, subject, b"", b"").key_id for subject in sealed}

    assert before == after == [b"%d" % n for n in range(20)]
    assert key_ids == {subject: each.key_id for subject, each in sealed.items()}
    ring.close()


# durability


def test_new_keys_are_pending_until_they_are_committed(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys")
    assert not ring.pending()

    sealed = ring.seal(LOG, ANNA, b"", b"hello")
    assert ring.pending()
    ring.commit()
    assert not ring.pending()
    ring.seal(LOG, ANNA, b"", b"more")
    assert not ring.pending()

    left = open_ring(crashed(tmp_path / "keys"))
    assert left.unseal(sealed, b"") == b"hello"
    left.close()
    ring.close()


def test_a_commit_that_fails_leaves_everything_pending(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys")
    sealed = [ring.seal(LOG, f"s{n}", b"", b"x" * 50) for n in range(200)]
    secrets = ring.secrets(LOG)
    ring.remember_head(LOG, b"head")

    with disk_full(tmp_path / "keys"), pytest.raises(Unavailable) as caught:
        ring.commit()
    assert caught.value.code == "keys_readonly"
    assert ring.pending()
    ring.commit()

    left = open_ring(crashed(tmp_path / "keys"))
    assert all(left.unseal(each, b"") for each in sealed)
    assert left.secrets(LOG).signer.public_key == secrets.signer.public_key
    assert left.remembered_head(LOG) == b"head"
    left.close()
    ring.close()


def test_the_order_of_key_ids_survives_a_crash_before_the_commit(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys")
    first = ring.seal(LOG, ANNA, b"", b"").key_id
    ring.commit()
    lost = ring.seal(LOG, BERT, b"", b"").key_id

    left = open_ring(crashed(tmp_path / "keys"))

    assert left.seal(LOG, ANNA, b"", b"").key_id == first
    assert left.seal(LOG, BERT, b"", b"").key_id == lost == first + 1
    left.close()
    ring.close()


def test_sealing_and_committing_at_once_loses_nothing(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys", uses_block=3, uses_max=30, cached_max=5)
    is_over, sealed = threading.Event(), list[tuple[Sealed, bytes]]()

    def seal(worker: int) -> None:
        for n in range(1_500):
            aad = b"%d/%d" % (worker, n)
            sealed.append((ring.seal(LOG, f"s{n % 40}", aad, aad), aad))

    def commit() -> int:
        commits = 0
        while not is_over.is_set():
            ring.commit()
            commits += 1
        return commits

    with ThreadPoolExecutor() as pool:
        writer = pool.submit(commit)
        for worker in [pool.submit(seal, worker) for worker in range(2)]:
            worker.result()
        is_over.set()
        assert writer.result() > 0
    ring.commit()

    left = open_ring(crashed(tmp_path / "keys"))
    assert all(left.unseal(each, aad) == aad for each, aad in sealed)
    assert_no_use_is_missing(tmp_path / "keys", [each for each, _ in sealed], uses_max=30)
    assert len({(each.key_id, each.nonce) for each, _ in sealed}) == len(sealed)
    left.close()
    ring.close()


def test_sealing_does_not_wait_for_a_commit_under_way(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    known = ring.seal(LOG, ANNA, b"", b"x")
    ring.commit()
    bert = ring.seal(LOG, BERT, b"", b"x")
    ring.remember_head(LOG, b"older")

    with ThreadPoolExecutor() as pool, stopped_at("keys.commit.before") as (arrived, go_on):
        commit = pool.submit(ring.commit)
        assert arrived.wait(DEADLINE_S)
        assert ring.seal(LOG, ANNA, b"", b"y").key_id == known.key_id
        new = ring.seal(LOG, "customer_new", b"", b"z")
        assert [ring.unseal(each, b"") for each in (known, bert, new)] == [b"x", b"x", b"z"]
        assert ring.secrets(LOG).digest(b"x")
        ring.remember_head(LOG, b"newer")
        assert ring.remembered_head(LOG) == b"newer"
        assert not commit.done()
        go_on.set()
        commit.result()

    assert ring.pending()  # what came after the commit had begun
    ring.close()
    again = open_ring(tmp_path)
    assert again.unseal(new, b"") == b"z"
    assert again.remembered_head(LOG) == b"newer"
    again.close()


# uses


def test_a_key_is_replaced_before_its_uses_are_spent(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys", uses_block=2, uses_max=6)

    key_ids = [ring.seal(LOG, ANNA, b"", b"x").key_id for _ in range(20)]

    assert all(key_ids.count(key_id) <= 6 for key_id in key_ids)
    assert key_ids == sorted(key_ids)
    assert len(set(key_ids)) == 4
    ring.close()


def test_contents_under_a_replaced_key_still_read(tmp_path: Path) -> None:
    ring = open_ring(tmp_path, uses_block=1, uses_max=2)
    sealed = [ring.seal(LOG, ANNA, b"", b"%d" % n) for n in range(7)]
    ring.close()

    again = open_ring(tmp_path, uses_block=1, uses_max=2)

    assert [again.unseal(each, b"") for each in sealed] == [b"%d" % n for n in range(7)]
    assert again.seal(LOG, ANNA, b"", b"x").key_id == sealed[-1].key_id
    again.close()


def test_a_restart_gives_up_the_uses_it_cannot_account_for(tmp_path: Path) -> None:
    directory, uses = tmp_path / "keys", 0

    for _ in range(4):
        ring = open_ring(directory, uses_block=10)
        ring.seal(LOG, ANNA, b"", b"")
        ring.commit()
        uses += 10
        directory = crashed(directory)
        ring.close()
        assert stored(directory, "SELECT reserved FROM data_keys") == [(uses,)]


Steps = st.lists(
    st.tuples(st.sampled_from(["seal", "seal", "seal", "commit", "crash"]), st.integers(0, 2)), min_size=20, max_size=60
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=Steps)
def test_no_crash_makes_a_key_look_less_used_than_it_was(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("uses") / "keys"
    ring = open_ring(directory, uses_block=2, uses_max=5, cached_max=2)
    durable, unsure = list[Sealed](), list[Sealed]()

    for step, subject in steps:
        match step:
            case "seal":
                unsure.append(ring.seal(LOG, f"s{subject}", b"", b""))
            case "commit":
                ring.commit()
                durable, unsure = durable + unsure, []
            case _:
                directory = crashed(directory)
                ring, old, unsure = open_ring(directory, uses_block=2, uses_max=5, cached_max=2), ring, []
                old.close()
        assert_no_use_is_missing(directory, durable, uses_max=5)
    ring.close()


def assert_no_use_is_missing(directory: Path, sealed: list[Sealed], *, uses_max: int) -> None:
    """Checks the counts on disk against the contents whose commit returned."""
    rows = stored(directory, "SELECT id, reserved FROM data_keys")
    for key_id, reserved in rows:
        uses = sum(each.key_id == key_id for each in sealed)
        assert isinstance(reserved, int)
        assert uses <= reserved <= uses_max
    assert {each.key_id for each in sealed} <= {key_id for key_id, _ in rows}


def test_a_second_process_on_the_same_keyring_is_noticed(tmp_path: Path) -> None:
    ring, intruder = open_ring(tmp_path), open_ring(tmp_path)
    ring.seal(LOG, ANNA, b"", b"x")
    intruder.seal(LOG, BERT, b"", b"x")
    ring.commit()

    with pytest.raises(Conflict) as caught:
        intruder.commit()

    assert caught.value.code == "keys_in_use"
    ring.close()
    with pytest.raises(Conflict):
        intruder.close()


# secrets of a log and remembered heads


def test_a_logs_secrets_stay_the_same_and_differ_from_every_other_logs(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    mine, other = ring.secrets(LOG), ring.secrets("globex/dev/0")
    known = (mine.signer.public_key, mine.pseudonym("customer", "anna"), mine.digest(b"data"))
    ring.close()

    again = open_ring(tmp_path)

    same = again.secrets(LOG)
    assert (same.signer.public_key, same.pseudonym("customer", "anna"), same.digest(b"data")) == known
    assert mine.signer.public_key != other.signer.public_key
    assert mine.pseudonym("customer", "anna") != other.pseudonym("customer", "anna")
    assert mine.digest(b"data") != other.digest(b"data")
    again.close()


def test_a_pseudonym_tells_the_kind_and_nothing_else(ring: Keyring) -> None:
    secrets = ring.secrets(LOG)

    assert re.fullmatch(r"customer_[0-9a-f]{16}", secrets.pseudonym("customer", "Anna Müller"))
    assert secrets.pseudonym("customer", "1")[-16:] != secrets.pseudonym("operator", "1")[-16:]
    assert secrets.pseudonym("customer", "1") != secrets.pseudonym("customer", "2")
    assert len(secrets.digest(b"")) == 16


def test_a_remembered_head_is_the_last_one(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    assert ring.remembered_head(LOG) is None
    ring.remember_head(LOG, b"first")
    ring.commit()
    ring.remember_head(LOG, b"second")
    assert ring.remembered_head(LOG) == b"second"
    ring.close()

    again = open_ring(tmp_path)

    assert again.remembered_head(LOG) == b"second"
    assert again.remembered_head("globex/dev/0") is None
    again.close()


# forgetting


def test_a_forgotten_subject_is_unreadable_and_nobody_else_is(ring: Keyring) -> None:
    anna, bert = ring.seal(LOG, ANNA, b"", b"a"), ring.seal(LOG, BERT, b"", b"b")
    elsewhere = ring.seal("acme/prod/0", ANNA, b"", b"e")
    ring.commit()

    assert ring.forget(LOG, ANNA, 1) == [anna.key_id]

    with pytest.raises(ContentErased) as caught:
        ring.unseal(anna, b"")
    assert caught.value.code == "content_erased"
    assert ring.unseal(bert, b"") == b"b"
    assert ring.unseal(elsewhere, b"") == b"e"


def test_forgetting_leaves_no_byte_of_any_key_in_any_file(tmp_path: Path) -> None:
    ring = open_ring(tmp_path, cached_max=2_000)
    sealed = {f"s{n}": ring.seal(LOG, f"s{n}", b"", b"x") for n in range(1_000)}
    ring.close()
    ring = open_ring(tmp_path, uses_block=2**31, cached_max=2_000)
    for subject in sealed:  # the rows grow, so pages are split and leave stale copies behind
        ring.seal(LOG, subject, b"", b"x")
    ring.seal(LOG, ANNA, b"", b"x")
    ring.commit()
    names = [ANNA, *(f"s{n}" for n in range(0, 1_000, 250))]
    wrapped = [key for name in names for key in wrapped_keys(tmp_path, name)]
    assert len(wrapped) == 5
    assert all(any(key in file.read_bytes() for file in tmp_path.iterdir()) for key in wrapped)

    for name in names:
        ring.forget(LOG, name, 1)

    for file in tmp_path.iterdir():
        data = file.read_bytes()
        pieces = [key[start : start + 8] for key in wrapped for start in range(len(key) - 7)]
        assert not any(piece in data for piece in pieces), file.name
    assert all(ring.unseal(each, b"") == b"x" for name, each in sealed.items() if name not in names)
    ring.close()


def wrapped_keys(directory: Path, subject: str) -> list[bytes]:
    rows = stored(directory, "SELECT wrapped FROM data_keys WHERE subject = ?", subject)
    return [key for (key,) in rows if isinstance(key, bytes)]


@pytest.mark.parametrize("point", ["keys.erase.listed", "keys.erase.destroyed"])
def test_an_erasure_cut_off_by_a_crash_is_finished_at_the_next_start(tmp_path: Path, point: str) -> None:
    ring = open_ring(tmp_path / "keys")
    sealed = ring.seal(LOG, ANNA, b"", b"x")
    ring.commit()
    ((wrapped,),) = stored(tmp_path / "keys", "SELECT wrapped FROM data_keys")
    assert isinstance(wrapped, bytes)
    with ThreadPoolExecutor() as pool, stopped_at(point) as (arrived, go_on):
        forget = pool.submit(ring.forget, LOG, ANNA, 1)
        assert arrived.wait(DEADLINE_S)
        left = crashed(tmp_path / "keys")
        go_on.set()
        forget.result()
    assert any(wrapped in file.read_bytes() for file in left.iterdir())

    again = open_ring(left)

    assert not any(wrapped in file.read_bytes() for file in left.iterdir())
    with pytest.raises(ContentErased):
        again.unseal(sealed, b"")
    with pytest.raises(ContentErased):
        again.seal(LOG, ANNA, b"", b"x")
    assert again.erasures() == ring.erasures()
    again.close()
    ring.close()


def test_a_line_of_the_erasure_list_that_a_crash_cut_off_is_dropped(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    ring.forget(LOG, ANNA, 1)
    ring.close()
    with (tmp_path / "erasures.jsonl").open("ab") as file:
        file.write(b'{"op":"erased","log_id":"' + b"x" * 500)

    ring = open_ring(tmp_path)
    ring.forget(LOG, BERT, 2)

    lines = (tmp_path / "erasures.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=Erasure) for line in lines] == ring.erasures()
    assert [entry.subject for entry in ring.erasures()] == [ANNA, BERT]
    ring.close()


def test_forgetting_reaches_keys_that_were_never_committed(ring: Keyring) -> None:
    sealed = ring.seal(LOG, ANNA, b"", b"x")

    assert ring.forget(LOG, ANNA, 1) == [sealed.key_id]
    ring.commit()

    with pytest.raises(ContentErased):
        ring.unseal(sealed, b"")
    assert ring.seal(LOG, BERT, b"", b"x").key_id == sealed.key_id + 1


def test_a_forgotten_subject_gets_no_new_key_until_it_is_revived(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    old = ring.seal(LOG, ANNA, b"", b"old")
    ring.forget(LOG, ANNA, 5)
    ring.close()
    ring = open_ring(tmp_path)
    with pytest.raises(ContentErased):
        ring.seal(LOG, ANNA, b"", b"x")

    ring.revive(LOG, ANNA, 3)  # by a clock that went back
    new = ring.seal(LOG, ANNA, b"", b"new")
    ring.close()

    ring = open_ring(tmp_path)
    assert ring.unseal(new, b"") == b"new"
    assert new.key_id > old.key_id
    with pytest.raises(ContentErased):
        ring.unseal(old, b"")
    assert [entry.op for entry in ring.erasures()] == ["erased", "revived"]
    ring.close()


def test_a_subject_without_keys_can_be_forgotten_and_again(ring: Keyring) -> None:
    assert ring.forget(LOG, ANNA, 1) == []
    assert ring.forget(LOG, ANNA, 2) == []

    with pytest.raises(ContentErased):
        ring.seal(LOG, ANNA, b"", b"x")


def test_forgetting_that_the_disk_refuses_can_be_repeated(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    sealed = ring.seal(LOG, ANNA, b"", b"x")
    ring.commit()

    with disk_full(tmp_path), pytest.raises(Unavailable):
        ring.forget(LOG, ANNA, 1)
    with pytest.raises(ContentErased):
        ring.seal(LOG, ANNA, b"", b"x")

    assert ring.forget(LOG, ANNA, 2) == [sealed.key_id]
    assert stored(tmp_path, "SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL") == [(0,)]
    ring.close()


def test_keys_restored_from_an_older_backup_stay_erased(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys")
    anna, bert = ring.seal(LOG, ANNA, b"", b"a"), ring.seal(LOG, BERT, b"", b"b")
    ring.backup(tmp_path / "backup")
    ring.forget(LOG, ANNA, 1)
    ring.close()

    shutil.copytree(tmp_path / "backup", tmp_path / "keys", dirs_exist_ok=True)
    restored = open_ring(tmp_path / "keys")

    assert restored.unseal(bert, b"") == b"b"
    with pytest.raises(ContentErased):
        restored.unseal(anna, b"")
    restored.close()


def test_erasures_from_elsewhere_are_applied_to_a_restored_keyring(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys")
    anna = ring.seal(LOG, ANNA, b"", b"a")
    ring.backup(tmp_path / "backup")
    ring.forget(LOG, ANNA, 1)
    late = ring.seal(LOG, BERT, b"", b"b")
    ring.forget(LOG, BERT, 2)

    restored = open_ring(tmp_path / "backup")
    assert restored.unseal(anna, b"") == b"a"
    restored.apply_erasures(ring.erasures())
    restored.apply_erasures(ring.erasures())

    for sealed in (anna, late):
        with pytest.raises(ContentErased):
            restored.unseal(sealed, b"")
    assert restored.seal(LOG, "customer_new", b"", b"").key_id > late.key_id
    assert restored.erasures() == ring.erasures()
    restored.close()
    ring.close()


def test_applying_an_old_erasure_leaves_the_keys_of_a_revived_subject(ring: Keyring) -> None:
    ring.seal(LOG, ANNA, b"", b"old")
    ring.forget(LOG, ANNA, 10)
    ring.revive(LOG, ANNA, 20)
    new = ring.seal(LOG, ANNA, b"", b"new")
    erased, _ = ring.erasures()

    ring.apply_erasures([msgspec.structs.replace(erased, at_us=11)])

    assert ring.unseal(new, b"") == b"new"
    assert ring.seal(LOG, ANNA, b"", b"x").key_id == new.key_id


@pytest.mark.parametrize("order", [1, -1])
def test_an_erasure_outweighs_a_revival_of_the_same_moment(ring: Keyring, order: int) -> None:
    entries = [Erasure("erased", LOG, ANNA, (), 7), Erasure("revived", LOG, ANNA, (), 7)]

    ring.apply_erasures(entries[::order])

    with pytest.raises(ContentErased):
        ring.seal(LOG, ANNA, b"", b"x")


def test_an_entry_that_names_the_key_of_somebody_else_leaves_it_alone(ring: Keyring) -> None:
    bert = ring.seal(LOG, BERT, b"", b"b")
    ring.commit()
    while not ring.pending():
        ring.seal(LOG, BERT, b"", b"b")

    ring.apply_erasures([Erasure("erased", LOG, ANNA, (bert.key_id,), 1)])

    assert ring.pending()
    assert ring.unseal(bert, b"") == b"b"


def test_a_lost_erasure_list_is_written_again(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    ring.forget(LOG, ANNA, 1)
    ring.close()
    (tmp_path / "erasures.jsonl").unlink()

    ring = open_ring(tmp_path)

    assert msgspec.json.decode((tmp_path / "erasures.jsonl").read_bytes(), type=Erasure) in ring.erasures()
    with pytest.raises(ContentErased):
        ring.seal(LOG, ANNA, b"", b"x")
    ring.close()


def test_a_damaged_erasure_list_is_refused(tmp_path: Path) -> None:
    open_ring(tmp_path).close()
    (tmp_path / "erasures.jsonl").write_bytes(b"nonsense\n")

    with pytest.raises(Corrupt):
        open_ring(tmp_path)


# the files


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    ring = open_ring(tmp_path / "keys")
    ring.seal(LOG, ANNA, b"", b"x")
    ring.commit()
    ring.backup(tmp_path / "backup")

    for directory in (tmp_path / "keys", tmp_path / "backup"):
        assert mode(directory) == 0o700
        assert {mode(file) for file in directory.iterdir()} == {0o600}
    ring.close()


def test_no_secret_lies_open_in_the_key_file(tmp_path: Path) -> None:
    drawn = list[bytes]()

    def random(size: int) -> bytes:
        drawn.append(os.urandom(size))
        return drawn[-1]

    ring = Keyring.open(tmp_path, random)
    ring.seal(LOG, ANNA, b"", b"x")
    ring.secrets(LOG)
    text = ring.api_keys.issue("acme", "dev", actor_kind="service", actor_id="crm")
    ring.close()

    data = (tmp_path / "keys.sqlite").read_bytes()
    secrets = [value for value in drawn if len(value) in (32, 64)]
    assert len(secrets) == 4  # master key, data key, the log's, the API key
    assert not any(secret[:32] in data or secret[-32:] in data for secret in secrets)
    assert text[-43:].encode() not in data


def test_a_row_moved_to_another_subject_does_not_open(tmp_path: Path) -> None:
    ring = open_ring(tmp_path)
    sealed = ring.seal(LOG, ANNA, b"", b"x")
    ring.close()
    change(tmp_path, "UPDATE data_keys SET subject = ?", BERT)

    ring = open_ring(tmp_path)

    with pytest.raises(Corrupt):
        ring.unseal(sealed, b"")
    with pytest.raises(Corrupt):
        ring.seal(LOG, BERT, b"", b"x")
    ring.close()


def test_a_wrong_master_key_is_refused_with_a_next_step(tmp_path: Path) -> None:
    open_ring(tmp_path).close()
    (tmp_path / "master.key").write_bytes(bytes(32))

    with pytest.raises(Corrupt, match=r"Restore master\.key"):
        open_ring(tmp_path)


@pytest.mark.parametrize("left", [None, b"", bytes(31), bytes(33)])
def test_a_missing_or_cut_master_key_is_never_replaced(tmp_path: Path, left: bytes | None) -> None:
    open_ring(tmp_path).close()
    (tmp_path / "master.key").unlink() if left is None else (tmp_path / "master.key").write_bytes(left)

    with pytest.raises(Corrupt, match=r"Restore master\.key"):
        open_ring(tmp_path)


@pytest.mark.parametrize("exposed", [0o640, 0o604, 0o660])
def test_a_master_key_that_others_may_read_is_refused(tmp_path: Path, exposed: int) -> None:
    open_ring(tmp_path).close()
    (tmp_path / "master.key").chmod(exposed)

    with pytest.raises(Denied, match="chmod 600") as caught:
        open_ring(tmp_path)

    assert caught.value.code == "keys_exposed"


def test_a_file_of_another_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_ring(tmp_path).close()
    change(tmp_path, "PRAGMA user_version = 2")
    before = (tmp_path / "keys.sqlite").read_bytes()

    with pytest.raises(Invalid) as caught:
        open_ring(tmp_path)

    assert caught.value.code == "keys_format"
    assert (tmp_path / "keys.sqlite").read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_ring(tmp_path).close()
    (tmp_path / "keys.sqlite").unlink()
    change(tmp_path, "CREATE TABLE theirs (x)")
    before = (tmp_path / "keys.sqlite").read_bytes()

    with pytest.raises(Invalid):
        open_ring(tmp_path)

    assert (tmp_path / "keys.sqlite").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    open_ring(tmp_path).close()
    (tmp_path / "keys.sqlite").write_bytes(b"nonsense" * 1_000)

    with pytest.raises(Corrupt):
        open_ring(tmp_path)


def test_a_place_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable) as caught:
        open_ring(tmp_path / "file" / "keys")

    assert caught.value.code == "keys_readonly"


def test_a_backup_never_overwrites_a_keyring(ring: Keyring, tmp_path: Path) -> None:
    ring.backup(tmp_path / "backup")

    with pytest.raises(Conflict):
        ring.backup(tmp_path / "backup")


@contextmanager
def stopped_at(point: str) -> Generator[tuple[threading.Event, threading.Event], None, None]:
    """Holds the thread that comes to `point`: the first event says that it is there, the second lets it go on."""
    arrived, go_on = threading.Event(), threading.Event()

    def on_hit(name: str) -> None:
        if name == point and not arrived.is_set():
            arrived.set()
            assert go_on.wait(DEADLINE_S)

    faults.install(on_hit)
    try:
        yield arrived, go_on
    finally:
        faults.install(None)
        go_on.set()


@contextmanager
def disk_full(directory: Path) -> Generator[None, None, None]:
    """Lets no file grow beyond what the largest one has now."""
    largest = max(file.stat().st_size for file in directory.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def change(directory: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(directory / "keys.sqlite", isolation_level=None)
    connection.execute(statement, values)
    connection.close()
