"""The Merkle tree over a log's records: one root that stands for all of them, and short proofs against it.

Hashes, proofs and their order are those of RFC 6962, section 2.1; the checks are those of RFC 9162, section 2.1.
Every function here takes leaf hashes, never the records themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from lichen.core.words.errors import Corrupt, Invalid

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

_NODE = b"\x01"
_SIZE_BYTES = 8


def leaf_hash(data: bytes) -> bytes:
    """The hash of one record as a leaf: SHA-256(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring subtrees: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(_NODE + left + right).digest()


def chain_hash(previous: bytes, leaf: bytes) -> bytes:
    """The link from one record to the next: SHA-256(0x02 ‖ previous ‖ leaf)."""
    return sha256(b"\x02" + previous + leaf).digest()


class Frontier:
    """The right edge of a growing tree: its size and the roots of its perfect subtrees, the largest first.

    A tree of n leaves has as many peaks as n has one-bits, so a million leaves are held in 7 hashes and the whole
    is stored beside the head. `Frontier()` is the empty tree. Not safe for two threads at once.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """Adds one leaf hash: one node hash, on average."""
        size, peaks = self.size, self._peaks
        self.size = size + 1
        while size & 1:  # a carry of the binary counter joins two subtrees of equal height
            leaf = sha256(_NODE + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Adds many leaf hashes, level by level: the same tree as appending each, for less work."""
        level, size, peaks, fresh = list(leaves), self.size, self._peaks, list[bytes]()
        self.size += len(level)
        while level:
            if size & 1:
                level.insert(0, peaks.pop())
            if len(level) & 1:
                fresh.append(level.pop())
            pairs = iter(level)
            level = [sha256(_NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            size >>= 1
        peaks.extend(reversed(fresh))

    def root(self) -> bytes:
        """The root over all leaves so far; SHA-256 of nothing for the empty tree."""
        if not self._peaks:
            return EMPTY_ROOT
        *larger, root = self._peaks
        for peak in reversed(larger):
            root = node_hash(peak, root)
        return root

    def copy(self) -> Frontier:
        """The same tree, growing separately from here on."""
        return Frontier(self.size, self._peaks)

    def encode(self) -> bytes:
        """The frontier as bytes: the size (8 bytes, big endian), then each peak, the largest first."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self._peaks)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """The frontier that `encode` wrote. Raises Corrupt when `data` cannot be one."""
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        if len(data) != _SIZE_BYTES + HASH_BYTES * size.bit_count():
            raise Corrupt("A stored tree frontier does not have as many hashes as its size asks for.")
        starts = range(_SIZE_BYTES, len(data), HASH_BYTES)
        return cls(size, (data[start : start + HASH_BYTES] for start in starts))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over `leaves`."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Proof that leaf `index` lies in the tree over `leaves`: the sibling of each node on its path, the lowest first.

    RFC 6962, 2.1.1. Hashes the whole tree once. Raises Invalid (`leaf_missing`) when there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise Invalid("The tree has no leaf at this index.", code="leaf_missing", next_step="Ask for an older record.")
    low, high, proof = 0, len(leaves), list[bytes]()
    while high - low > 1:
        middle = low + _left_size(high - low)
        if index < middle:
            proof.append(root_of(leaves[middle:high]))
            high = middle
        else:
            proof.append(root_of(leaves[low:middle]))
            low = middle
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows `leaf` at `index` of the tree of `size` leaves with `root` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, *proof):
        return False
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            node, last = _up_the_right_edge(node, last)
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    return not last and current == root


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Proof that the tree over `leaves` only added to the tree over its first `old_size` leaves (RFC 6962, 2.1.2).

    Empty when there is nothing to prove: from the empty tree, or to a tree of the same size.
    Raises Invalid (`leaf_missing`) when the tree is smaller than `old_size`.
    """
    if not 0 <= old_size <= len(leaves):
        raise Invalid("The tree never had this size.", code="leaf_missing", next_step="Ask for an older tree head.")
    low, high, proof = 0, len(leaves), list[bytes]()
    while 0 < old_size < high:
        middle = low + _left_size(high - low)
        if old_size <= middle:
            proof.append(root_of(leaves[middle:high]))
            high = middle
        else:
            proof.append(root_of(leaves[low:middle]))
            low = middle
    if low:
        proof.append(root_of(leaves[low:high]))
    return proof[::-1]


def verify_consistency(old_size: int, size: int, *, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree with `root` begins with the tree with `old_root` (RFC 9162, 2.1.4.2)."""
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and size > 0 and old_root == EMPTY_ROOT
    if not 0 < old_size < size or not _are_hashes(*proof):
        return False
    if old_size & (old_size - 1) == 0:  # a perfect tree is its own first node, so the proof leaves it out
        proof = [old_root, *proof]
    return bool(proof) and _grown(old_size, size, proof) == (old_root, root)


def _grown(old_size: int, size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The two roots that a consistency proof leads to; None when its length does not fit."""
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = proof[0]
    for sibling in proof[1:]:
        if not last:
            return None
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            node, last = _up_the_right_edge(node, last)
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return None if last else (old, new)


def _left_size(size: int) -> int:
    """The largest power of two below `size`: how many leaves the left subtree holds."""
    return 1 << (size - 1).bit_length() - 1


def _up_the_right_edge(node: int, last: int) -> tuple[int, int]:
    """Passes the levels at which `node`, being the last of an odd number, has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _are_hashes(*hashes: bytes) -> bool:
    """Whether each has a hash's length: else bytes could move between two neighbours and hash the same."""
    return all(len(each) == HASH_BYTES for each in hashes)
