"""The Merkle tree against the vectors of Certificate Transparency and against RFC 6962's own recursive definition."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import Corrupt, Invalid
from lichen.log.proof.tree import (
    EMPTY_ROOT,
    Frontier,
    chain_hash,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# github.com/google/certificate-transparency, merkle_tree_test.cc
CT_LEAVES = [
    leaf_hash(bytes.fromhex(data))
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZE_MAX = 130
LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(SIZE_MAX)]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, 2.1.2, word for word."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def split(size: int) -> int:
    return next(1 << bits for bits in range(size) if 1 << bits < size <= 2 << bits)


ROOTS = [mth(LEAVES[:size]) for size in range(SIZE_MAX + 1)]


def test_roots_are_those_of_certificate_transparency() -> None:
    assert [root_of(CT_LEAVES[:size]).hex() for size in range(1, 9)] == CT_ROOTS
    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest()


def test_proofs_are_those_of_certificate_transparency() -> None:
    assert [node.hex() for node in inclusion_proof(CT_LEAVES, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [node.hex() for node in consistency_proof(CT_LEAVES, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_leaf_chain_and_node_hashes_cannot_be_taken_for_each_other() -> None:
    left, right = LEAVES[:2]

    assert leaf_hash(b"abc") == sha256(b"\x00abc").digest()
    assert chain_hash(left, right) == sha256(b"\x02" + left + right).digest()
    assert len({leaf_hash(left + right), chain_hash(left, right), root_of([left, right])}) == 3


def test_a_frontier_that_grew_leaf_by_leaf_has_the_root_of_every_size() -> None:
    frontier = Frontier()

    for size in range(SIZE_MAX):
        assert frontier.root() == ROOTS[size]
        frontier.append(LEAVES[size])

    assert (frontier.size, frontier.root()) == (SIZE_MAX, ROOTS[SIZE_MAX])


@given(st.lists(st.integers(0, 40), max_size=8))
def test_extending_by_batches_of_any_size_is_appending_each(batches: list[int]) -> None:
    extended, appended = Frontier(), Frontier()

    for batch in batches:
        leaves = [leaf_hash(f"{appended.size}/{index}".encode()) for index in range(batch)]
        extended.extend(leaves)
        for leaf in leaves:
            appended.append(leaf)

    assert extended.encode() == appended.encode()


def test_a_frontier_survives_being_stored() -> None:
    for size in range(SIZE_MAX):
        frontier = Frontier()
        frontier.extend(LEAVES[:size])

        stored = Frontier.decode(frontier.encode())
        stored.append(LEAVES[size])

        assert (stored.size, stored.root()) == (size + 1, ROOTS[size + 1])


def test_a_frontier_with_too_few_or_too_many_bytes_is_refused() -> None:
    frontier = Frontier()
    frontier.extend(LEAVES[:7])
    stored = frontier.encode()

    for wrong in (b"", stored[:-1], stored + b"\0", stored[:-32], stored + LEAVES[0]):
        with pytest.raises(Corrupt):
            Frontier.decode(wrong)


def test_a_copy_grows_apart_from_its_original() -> None:
    frontier = Frontier()
    frontier.extend(LEAVES[:3])

    copy = frontier.copy()
    copy.append(LEAVES[3])

    assert (frontier.root(), copy.root()) == (ROOTS[3], ROOTS[4])


def test_every_leaf_of_every_tree_is_proved_as_the_rfc_says() -> None:
    for size in range(1, SIZE_MAX + 1):
        leaves = LEAVES[:size]
        for index in range(size):
            proof = inclusion_proof(leaves, index)
            assert verify_inclusion(leaves[index], index, size, proof, ROOTS[size])
            if size <= 40:
                assert proof == path(index, leaves)


def test_every_tree_is_proved_to_begin_with_every_smaller_one_as_the_rfc_says() -> None:
    for size in range(SIZE_MAX + 1):
        leaves = LEAVES[:size]
        for old in range(size + 1):
            proof = consistency_proof(leaves, old)
            assert verify_consistency(old, size, old_root=ROOTS[old], root=ROOTS[size], proof=proof)
            if old > 0 and size <= 40:
                assert proof == subproof(old, leaves, True)


@given(st.data())
def test_an_inclusion_proof_holds_for_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, SIZE_MAX))
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(-1, size + 1).filter(lambda other: other != index))
    proof = inclusion_proof(LEAVES[:size], index)

    assert not verify_inclusion(LEAVES[index], other, size, proof, ROOTS[size])
    assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, ROOTS[size])
    assert not verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])
    assert not verify_inclusion(LEAVES[index], index, size, [*proof, LEAVES[0]], ROOTS[size])
    assert not proof or not verify_inclusion(LEAVES[index], index, size, proof[:-1], ROOTS[size])
    for wrong in flipped(proof, data):
        assert not verify_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])


@given(st.data())
def test_a_consistency_proof_holds_for_no_other_history(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZE_MAX))
    old = data.draw(st.integers(1, size - 1))
    proof = consistency_proof(LEAVES[:size], old)
    rewritten = mth([leaf_hash(b"forged"), *LEAVES[1:old]])

    assert not verify_consistency(old, size, old_root=rewritten, root=ROOTS[size], proof=proof)
    assert not verify_consistency(old, size, old_root=ROOTS[old], root=ROOTS[size - 1], proof=proof)
    assert not verify_consistency(old, size, old_root=ROOTS[old], root=ROOTS[size], proof=[*proof, LEAVES[0]])
    assert not verify_consistency(old, size, old_root=ROOTS[old], root=ROOTS[size], proof=proof[:-1])
    assert not verify_consistency(size, old, old_root=ROOTS[size], root=ROOTS[old], proof=proof)
    for wrong in flipped(proof, data):
        assert not verify_consistency(old, size, old_root=ROOTS[old], root=ROOTS[size], proof=wrong)


def test_bytes_moved_between_two_nodes_of_a_proof_prove_nothing() -> None:
    leaf, sibling = LEAVES[:2]

    assert verify_inclusion(leaf, 0, 2, [sibling], ROOTS[2])
    assert not verify_inclusion(leaf + sibling[:1], 0, 2, [sibling[1:]], ROOTS[2])


def test_an_inner_node_is_no_leaf_and_a_larger_tree_needs_a_proof() -> None:
    assert not verify_inclusion(ROOTS[4], 0, 4, [], ROOTS[4])
    assert not verify_consistency(2, 4, old_root=ROOTS[2], root=ROOTS[2], proof=[])


def test_nothing_is_proved_about_what_is_not_in_the_tree() -> None:
    for index in (-1, 3):
        with pytest.raises(Invalid):
            inclusion_proof(LEAVES[:3], index)
    for old in (-1, 4):
        with pytest.raises(Invalid):
            consistency_proof(LEAVES[:3], old)
    assert not verify_consistency(0, 3, old_root=LEAVES[0], root=ROOTS[3], proof=[])
    assert not verify_consistency(3, 3, old_root=ROOTS[3], root=ROOTS[2], proof=[])


def test_a_log_of_many_records_is_proved_without_deep_recursion() -> None:
    size, old, index = 200_000, 130_001, 123_456
    leaves = [leaf.to_bytes(32, "big") for leaf in range(size)]
    root = root_of(leaves)

    assert verify_inclusion(leaves[index], index, size, inclusion_proof(leaves, index), root)
    proof = consistency_proof(leaves, old)
    assert verify_consistency(old, size, old_root=root_of(leaves[:old]), root=root, proof=proof)


def flipped(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    """For each node of the proof, the proof with one bit of that node flipped."""
    bit = data.draw(st.integers(0, 255))
    mask = (1 << bit).to_bytes(32, "big")
    return [
        [*proof[:at], bytes(a ^ b for a, b in zip(node, mask, strict=True)), *proof[at + 1 :]]
        for at, node in enumerate(proof)
    ]
