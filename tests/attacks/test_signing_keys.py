"""Public keys in the hands of somebody who wants a signature to verify without a private key."""

from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from saferoute.signing.keys import PrivateKey, PublicKey
from saferoute.signing.refusal import Refused

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    """Add two points of -x^2 + y^2 = 1 + d x^2 y^2; the formula is complete."""
    t = D * a[0] * b[0] * a[1] * b[1]
    return (a[0] * b[1] + b[0] * a[1]) * pow(1 + t, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P


def times(n: int, point: Point) -> Point:
    total: Point = (0, 1)
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def x_of(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return None if (x * x - square) % P else x


def torsion() -> set[Point]:
    """The eight points of small order, found by taking the prime-order part off of other points; nothing is typed in."""
    order = 2**252 + 27742317777372353535851937790883648493
    for y in range(2, 200):
        x = x_of(y)
        if x is not None:
            found = {times(n, times(order, (x, y))) for n in range(8)}
            if len(found) == 8:
                return found
    raise AssertionError("no generator of the torsion subgroup among the first points")


def encodings(point: Point) -> list[bytes]:
    """Every 32-byte string that a lenient reader takes for the point."""
    x, y = point
    return [(value | sign << 255).to_bytes(32, "little") for value in (y, y + P) if value < 2**255 for sign in ({x & 1} if x else {0, 1})]


SMALL = sorted(torsion())


def test_the_eight_points_are_what_they_should_be() -> None:
    assert len(SMALL) == 8
    assert all(times(8, point) == (0, 1) for point in SMALL)
    assert sorted(sum(times(n, point) == (0, 1) for n in (1, 2, 4, 8)) for point in SMALL) == [1, 1, 1, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("raw", [raw for point in SMALL for raw in encodings(point)])
def test_a_key_of_small_order_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused, match=r"small order|not canonical"):
        PublicKey(raw)


@pytest.mark.parametrize("point", SMALL)
def test_either_sign_bit_of_a_small_point_is_refused(point: Point) -> None:
    for sign in (0, 1):
        with pytest.raises(Refused):
            PublicKey((point[1] | sign << 255).to_bytes(32, "little"))


def test_the_library_underneath_does_accept_the_identity() -> None:
    # The reason for the strict loader: R = identity, S = 0 verifies every message under the identity as the key.
    identity = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"anything at all")


@pytest.mark.parametrize("y", [*range(P, 2**255)])
@pytest.mark.parametrize("sign", [0, 1])
def test_a_y_that_is_not_below_p_is_refused(y: int, sign: int) -> None:
    with pytest.raises(Refused, match="not canonical"):
        PublicKey((y | sign << 255).to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_another_length_is_refused(length: int) -> None:
    with pytest.raises(Refused, match="32 bytes"):
        PublicKey(bytes(length))


def test_bytes_that_are_no_point_verify_nothing() -> None:
    y = next(y for y in range(2, 100) if x_of(y) is None)
    key = PublicKey(y.to_bytes(32, "little"))
    assert not key.verify(bytes(64), b"")


def test_a_signature_with_s_plus_the_group_order_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    key = PrivateKey.from_seed(bytes(range(32)))
    good = key.sign(b"message")
    moved = good[:32] + (int.from_bytes(good[32:], "little") + order).to_bytes(32, "little")
    assert key.public_key.verify(good, b"message")
    assert not key.public_key.verify(moved, b"message")


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.integers(0, 511))
def test_a_flipped_bit_of_a_signature_is_noticed(seed: bytes, message: bytes, bit: int) -> None:
    key = PrivateKey.from_seed(seed)
    good = key.sign(message)
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    assert key.public_key.verify(good, message)
    assert not key.public_key.verify(bytes(bad), message)
    assert not key.public_key.verify(good[:-1], message)
    assert not key.public_key.verify(good, message + b"x")


def test_a_key_goes_through_its_file() -> None:
    key = PrivateKey.generate()
    assert PrivateKey.from_pem(key.to_pem(b"phrase"), b"phrase").public_key == key.public_key
    assert PrivateKey.from_pem(key.to_pem(None)).public_key == key.public_key
    assert b"ENCRYPTED" in key.to_pem(b"phrase")


@pytest.mark.parametrize(
    ("phrase", "given_phrase", "why"),
    [(b"right", b"wrong", "passphrase is wrong"), (b"right", None, "needs a passphrase"), (None, b"some", "not encrypted")],
)
def test_a_key_file_needs_its_own_passphrase(phrase: bytes | None, given_phrase: bytes | None, why: str) -> None:
    with pytest.raises(Refused, match=why):
        PrivateKey.from_pem(PrivateKey.generate().to_pem(phrase), given_phrase)


def test_an_empty_passphrase_protects_nothing_and_is_refused() -> None:
    with pytest.raises(Refused, match="empty"):
        PrivateKey.generate().to_pem(b"")


def test_other_files_are_no_keys() -> None:
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(Refused, match="another algorithm"):
        PrivateKey.from_pem(other)
    with pytest.raises(Refused, match="not a PKCS#8"):
        PrivateKey.from_pem(b"-----BEGIN NONSENSE-----")
    with pytest.raises(Refused, match="32 bytes"):
        PrivateKey.from_seed(b"short")


def test_a_private_key_does_not_show_copy_or_pickle() -> None:
    key = PrivateKey.from_seed(b"k" * 32)
    assert key.public_key.key_id[:12] in repr(key)
    assert key.public_key.key_id[:12] in repr(key.public_key)
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied"):
            leak(key)


def test_keys_are_equal_by_their_bytes() -> None:
    one, same, other = (PrivateKey.from_seed(seed * 32).public_key for seed in (b"a", b"a", b"b"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != one.raw
