"""The Merkle tree of RFC 6962, section 2.1, over the records of a segment.

Leaves and inner nodes are hashed under different first bytes (0x00 and 0x01), so that no inner node passes as a leaf. The root of no
leaves is the SHA-256 of nothing.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["EMPTY_ROOT", "Frontier", "Mark", "inclusion_path", "leaf_hash", "root_from_path", "root_of"]

Mark: TypeAlias = "tuple[int, tuple[bytes, ...], list[bytes], int]"
"""Where a tree stood."""

HASH_BYTES: Final = 32
_MOST_WAITING: Final = 64
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(line: bytes) -> bytes:
    """Hash a record's line, without its line feed, as a leaf."""
    return sha256(b"\0" + line).digest()


class Frontier:
    """A tree that grows at its right end: it keeps one hash for each bit that is set in its size, and leaves that wait.

    Adding a leaf takes two hashes on average, the root one for each hash kept. Leaves wait until there are enough of them, or somebody asks
    for the root: many at once take half the time that they take one by one, each among other work.
    """

    __slots__ = ("_nodes", "_waiting", "size")

    size: int

    def __init__(self) -> None:
        self.size = 0
        self._nodes: tuple[bytes, ...] = ()  # roots of whole subtrees, the largest first
        self._waiting: list[bytes] = []  # leaves to the right of these; a full list is left to the marks in it, and another one begun

    def add(self, leaf: bytes) -> Mark:
        """Add a leaf's hash.

        Returns:
            Where the tree stood, for `back_to`.
        """
        waiting, size = self._waiting, self.size
        before = size, self._nodes, waiting, len(waiting)
        waiting.append(leaf)
        self.size = size + 1
        if len(waiting) >= _MOST_WAITING:
            self._put_together()
        return before

    def back_to(self, mark: Mark) -> None:
        """Forget the leaves that were added since. Marks from in between are worth nothing afterwards."""
        self.size, self._nodes, self._waiting, waited = mark
        del self._waiting[waited:]

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if self._waiting:
            self._put_together()
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = sha256(b"\1" + node + root).digest()
        return root

    def copy(self) -> Frontier:
        """A tree of the same leaves, which grows on its own."""
        other = Frontier()
        other.size, other._nodes, other._waiting = self.size, self._nodes, self._waiting.copy()
        return other

    def _put_together(self) -> None:
        nodes, filled = list(self._nodes), self.size - len(self._waiting)
        for leaf in self._waiting:
            node, left = leaf, filled
            while left & 1:  # two subtrees of one size become one
                node = sha256(b"\1" + nodes.pop() + node).digest()
                left >>= 1
            nodes.append(node)
            filled += 1
        self._nodes, self._waiting = tuple(nodes), []


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def _left_of(size: int) -> int:
    """How many of at least two leaves are in the left subtree: the largest power of two that is less than their number."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What shows that a leaf is in the tree: the hashes beside its way up, from the leaf to the root.

    Args:
        leaves: all leaf hashes of the tree.
        index: which one, from 0.

    Raises:
        Refused: if there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise Refused(f"there is no leaf {index} in a tree of {len(leaves)}")
    path: list[bytes] = []
    first, behind = 0, len(leaves)
    while behind - first > 1:
        middle = first + _left_of(behind - first)
        if index < middle:
            path.append(root_of(leaves[middle:behind]))
            behind = middle
        else:
            path.append(root_of(leaves[first:middle]))
            first = middle
    path.reverse()
    return path


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root of the tree that has this leaf at this place, if the path is right (RFC 9162, section 2.1.3.2).

    Args:
        leaf: the leaf's hash.
        index: its place, from 0.
        size: how many leaves the tree has.
        path: the hashes beside its way up, from the leaf to the root.

    Raises:
        Refused: if the place is not in the tree, or the path is not as long as the way up.
    """
    if not 0 <= index < size:
        raise Refused(f"there is no leaf {index} in a tree of {size}")
    place, last, root = index, size - 1, leaf
    for node in path:
        if len(node) != HASH_BYTES or last == 0:
            raise Refused("the path does not fit the tree: it is too long, or holds what is no hash")
        if place & 1 or place == last:
            root = sha256(b"\1" + node + root).digest()
            while not place & 1 and place:  # levels at which this node has nothing beside it
                place, last = place >> 1, last >> 1
        else:
            root = sha256(b"\1" + root + node).digest()
        place, last = place >> 1, last >> 1
    if last:
        raise Refused("the path does not fit the tree: it is too short")
    return root
