"""JSON that can be read in one way only."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.values.json_exact import Twice, decode_exact, exact_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


@given(value=VALUES, spaced=st.booleans(), ascii_only=st.booleans())
def test_both_readers_read_the_same(value: object, spaced: bool, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=1 if spaced else None).encode()
    found = decode_exact(body)
    assert (found, str(found)) == (value, str(value))
    assert exact_text(found) == exact_text(json.loads(body)) == exact_text(decode_exact(exact_text(found).encode()))


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0"), ("1", "true"), ("0", "false"), ("[]", "{}"), ('{"a":1,"b":2}', '{"b":2,"a":1}'), ('{"a":1}', '{"a":1,"a":1}')],
)
def test_what_some_reader_takes_for_different_has_different_texts(one: str, other: str) -> None:
    assert exact_text(decode_exact(one.encode())) != exact_text(decode_exact(other.encode()))


@pytest.mark.parametrize("body", ["100.0", "1e2", " 1E+2 ", "100.00"])
def test_spellings_of_one_number_have_one_text(body: str) -> None:
    assert exact_text(decode_exact(body.encode())) == "100.0"


def test_a_key_twice_is_seen_at_any_depth_and_is_like_nothing_else() -> None:
    found = decode_exact(b'[{"a":{"b":1,"c":3,"b":2}}]')
    twice = found[0]["a"]
    assert isinstance(twice, Twice)
    assert (twice.pairs, twice.key, repr(twice)) == ([("b", 1), ("c", 3), ("b", 2)], "b", "Twice(3 pairs)")
    assert exact_text(found) == '[{"a":[NaN,["b",1],["c",3],["b",2]]}]'
    assert decode_exact(b'{"b":1,"c":{"b":2}}') == {"b": 1, "c": {"b": 2}}


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"[-Infinity]", b"1 2", b"\xff", b"\xef\xbb\xbf1", b'"\n"', b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_exact(body)


def test_depth_and_large_numbers_beyond_the_fast_reader_are_read() -> None:
    deep = b"[" * 300 + b"]" * 300
    assert exact_text(decode_exact(deep)) == deep.decode()
    assert exact_text(decode_exact(b"[1e400]")) == "[Infinity]"


def test_what_cannot_be_written_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="too deep"):
        exact_text(deep)
    with pytest.raises(ValueError, match="a object is no JSON"):
        exact_text([object()])
    while deep:  # one by one: the interpreter would take them down in one breath
        deep = deep.pop()  # type: ignore[assignment]
