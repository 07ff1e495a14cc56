"""The tree of RFC 6962: published vectors, and a tree that is made as its section 2.1 says, word by word."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.ledger.merkle import EMPTY_ROOT, Frontier, inclusion_path, leaf_hash, root_from_path, root_of
from saferoute.signing.refusal import Refused

# The eight leaves, their roots and some paths of the reference implementation of Certificate Transparency (merkletree/tree_hasher tests).
LEAVES = [bytes.fromhex(data) for data in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = [
    (0, 1, []),
    (0, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (5, 8, [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (1, 5, [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip


def mth(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def audit_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return [*audit_path(m, leaves[:k]), mth(leaves[k:])] if m < k else [*audit_path(m - k, leaves[k:]), mth(leaves[:k])]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert root_of(map(leaf_hash, LEAVES[:size])).hex() == ROOTS[size]
    assert mth(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_published_paths(index: int, size: int, path: list[str]) -> None:
    leaves = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    assert [node.hex() for node in inclusion_path(leaves, index)] == path
    assert root_from_path(leaves[index], index, size, [bytes.fromhex(node) for node in path]).hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_a_growing_tree_is_the_whole_tree_at_every_size(leaves: list[bytes]) -> None:
    tree = Frontier()
    assert tree.root() == EMPTY_ROOT
    for size, leaf in enumerate(leaves, 1):
        tree.add(leaf_hash(leaf))
        assert tree.size == size
        assert tree.root() == mth(leaves[:size])


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_path_leads_to_the_root_and_from_nowhere_else(place: tuple[int, int]) -> None:
    size, index = place
    raw = [bytes([number]) for number in range(size)]
    leaves = [leaf_hash(leaf) for leaf in raw]
    path = inclusion_path(leaves, index)
    assert path == audit_path(index, raw)
    assert root_from_path(leaves[index], index, size, path) == mth(raw)
    for other in range(size):
        if other != index:
            assert _root(leaves[other], index, size, path) != mth(raw)
            assert _root(leaves[index], other, size, path) != mth(raw)
    assert _root(leaves[index], index, size + 1, path) != mth([*raw, b"more"])
    if path:
        assert _root(leaves[index], index, size, path[:-1]) is None
    assert _root(leaves[index], index, size, [*path, bytes(32)]) is None


def _root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    try:
        return root_from_path(leaf, index, size, path)
    except Refused:
        return None


def test_a_copy_grows_on_its_own() -> None:
    tree = Frontier()
    tree.add(leaf_hash(b"a"))
    other = tree.copy()
    other.add(leaf_hash(b"b"))
    assert (tree.size, other.size) == (1, 2)
    assert tree.root() == mth([b"a"])
    assert other.root() == mth([b"a", b"b"])


def test_what_is_not_in_the_tree_is_refused() -> None:
    leaves = [leaf_hash(b"a")] * 3
    for index in (-1, 3):
        with pytest.raises(Refused, match=rf"there is no leaf {index} in a tree of 3"):
            inclusion_path(leaves, index)
        with pytest.raises(Refused, match=rf"there is no leaf {index} in a tree of 3"):
            root_from_path(leaves[0], index, 3, [])
    with pytest.raises(Refused, match="there is no leaf 0 in a tree of 0"):
        inclusion_path([], 0)
    with pytest.raises(Refused, match="too long, or holds what is no hash"):
        root_from_path(leaves[0], 0, 2, [b"short"])
    with pytest.raises(Refused, match="too short"):
        root_from_path(leaves[0], 0, 2, [])


def test_a_leaf_is_no_inner_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != root_of([left, right])
