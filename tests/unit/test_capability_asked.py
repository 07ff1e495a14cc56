"""The asked hash: its exact bytes, and what has none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from saferoute.capabilities.asked import asked_hash
from saferoute.errors import RequestError


def _sized(kind: str, data: bytes) -> bytes:
    return kind.encode() + len(data).to_bytes(8, "big") + data


def _count(kind: str, count: int) -> bytes:
    return kind.encode() + count.to_bytes(8, "big")


@dataclass(frozen=True)
class Made:
    a: int
    b: list[int] = field(default_factory=list)
    c: int = 3
    hidden: int = field(default=0, compare=False)
    boundary: str = ""


def _hash(request: object, **more: Any) -> str:
    return asked_hash("chat", "fast", request, **more)


def _expected(request: bytes, middle: bytes = b"nnn") -> str:
    return hashlib.sha256(b"saferoute asked 1\n" + _sized("s", b"chat") + _sized("s", b"fast") + middle + request).hexdigest()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, b"n"),
        (True, b"t"),
        (False, b"f"),
        (0, _sized("i", b"0")),
        (-12, _sized("i", b"-12")),
        (2.0, _sized("i", b"2")),
        (0.5, b"d" + b"\x3f\xe0" + bytes(6)),
        ("é", _sized("s", b"\xc3\xa9")),
        ("\ud800", _sized("s", b"\xed\xa0\x80")),
        (b"\x00", _sized("b", b"\x00")),
        ([1, ("a",)], _count("l", 2) + _sized("i", b"1") + _count("l", 1) + _sized("s", b"a")),
        ({"b": 1, "a": None}, _count("m", 2) + _sized("s", b"a") + b"n" + _sized("s", b"b") + _sized("i", b"1")),
        (Made(1), b"o" + _sized("s", b"Made") + (1).to_bytes(8, "big") + _sized("s", b"a") + _sized("i", b"1")),
        (Made(1, [], 3, 9, "random"), b"o" + _sized("s", b"Made") + (1).to_bytes(8, "big") + _sized("s", b"a") + _sized("i", b"1")),
        (
            Made(1, [2], 4),
            b"o" + _sized("s", b"Made") + (3).to_bytes(8, "big") + _sized("s", b"a") + _sized("i", b"1")
            + _sized("s", b"b") + _count("l", 1) + _sized("i", b"2") + _sized("s", b"c") + _sized("i", b"4"),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_the_exact_bytes(value: object, written: bytes) -> None:
    assert _hash(value) == _expected(written)


def test_what_stands_beside_the_request() -> None:
    middle = _sized("s", b"support") + _sized("s", b"internal") + _sized("s", b"5e-2")
    assert _hash(None, purpose="support", data="internal", max_cost=Decimal("0.050")) == _expected(b"n", middle)


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_64_levels_are_the_most() -> None:
    assert _hash(_nested(63))
    assert _hash([_nested(62), "a"])
    for deep in (_nested(64), _nested(100_000)):
        with pytest.raises(RequestError, match=r"^the request is nested deeper than 64$"):
            _hash(deep)


def test_every_kind_of_container_counts_as_a_level() -> None:
    value: object = []
    for _ in range(22):
        value = {"a": [Made(0, value)]}  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="nested deeper than 64"):
        _hash(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "the request holds a number that is not finite, which cannot be sent"),
        (float("inf"), "the request holds a number that is not finite, which cannot be sent"),
        ({1: 2}, "the request holds a mapping whose keys are not all texts, which cannot be sent"),
        ({"a": {"b": {1}}}, "the request holds a set, which cannot be sent"),
        (Made, "the request holds a type, which cannot be sent"),
        (object(), "the request holds a object, which cannot be sent"),
        (10**5000, "the request holds a number of thousands of digits, which cannot be sent"),
    ],
    ids=["nan", "inf", "keys", "set", "type", "object", "digits"],
)
def test_what_cannot_be_sent_has_no_hash(value: object, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        _hash(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("cost", "text"),
    [("0.050", b"5e-2"), ("0", b"0e0"), ("0.00", b"0e0"), ("1500", b"15e2"), ("1E+2", b"1e2"), ("0.101", b"101e-3"), ("NaN", b"0e0")],
)
def test_a_cost_is_written_exactly(cost: str, text: bytes) -> None:
    assert _hash(None, max_cost=Decimal(cost)) == _expected(b"n", b"nn" + _sized("s", text))
