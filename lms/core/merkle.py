"""The Merkle tree of a public log (RFC 9162): root, proofs, and their check. Pure; nodes are 32-byte SHA-256 values."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

EMPTY = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf; another prefix than that of inner nodes, so that neither passes for the other."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes, in one pass."""
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.plus(leaf)
    return frontier.root


@dataclass(frozen=True)
class Frontier:
    """All that appending needs: how many leaves there are, and the roots of the perfect subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def plus(self, leaf: bytes) -> "Frontier":
        """The tree with one leaf more."""
        peaks, rest = list(self.peaks), self.size
        while rest & 1:
            leaf = node_hash(peaks.pop(), leaf)
            rest >>= 1
        return Frontier(self.size + 1, (*peaks, leaf))

    @property
    def root(self) -> bytes:
        """The root of the whole."""
        if not self.peaks:
            return EMPTY
        value = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            value = node_hash(peak, value)
        return value


def inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The path that shows that leaf ``index`` is in the tree of ``leaves`` (RFC 9162, 2.1.3.1)."""
    size = len(leaves)
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    if size == 1:
        return []
    k = _split(size)
    if index < k:
        return [*inclusion(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion(index - k, leaves[k:]), root(leaves[:k])]


def holds_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether ``proof`` shows that ``leaf`` stands at ``index`` in the tree of that size and root (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, value = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            value = node_hash(step, value)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, step)
        at, last = at >> 1, last >> 1
    return last == 0 and value == expected


def consistency(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The nodes that show that the tree of the first ``old`` leaves is a beginning of this one (2.1.4.1)."""
    if not 0 < old <= len(leaves):
        raise ValueError("no such earlier tree")
    return _consistency(old, leaves, whole=True)


def _consistency(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    size = len(leaves)
    if old == size:
        return [] if whole else [root(leaves)]
    k = _split(size)
    if old <= k:
        return [*_consistency(old, leaves[:k], whole=whole), root(leaves[k:])]
    return [*_consistency(old - k, leaves[k:], whole=False), root(leaves[:k])]


def holds_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree of size ``new`` continues the one of size ``old`` (2.1.4.2)."""
    if old == new:
        return old_root == new_root and not proof
    if not 0 < old < new or not proof:
        return False
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    was = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            was, now = node_hash(step, was), node_hash(step, now)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, step)
        at, last = at >> 1, last >> 1
    return last == 0 and was == old_root and now == new_root
