"""Two readers must not see two things in the same signed bytes: every document has one spelling, and all others are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import MAX_DEPTH, MAX_INTEGER, canonical, parse

REFUSED = [
    ("empty", b"", "begin"),
    ("byte order mark", b'\xef\xbb\xbf{"a":1}', "begin"),
    ("utf-16", '{"a":1}'.encode("utf-16"), "begin"),
    ("utf-16 without a mark", '{"a":1}'.encode("utf-16-le"), "not JSON"),
    ("utf-32", '{"a":1}'.encode("utf-32-le"), "not JSON"),
    ("no object", b"[1]", "begin"),
    ("bare number", b"1", "begin"),
    ("white space before", b' {"a":1}', "begin"),
    ("white space after", b'{"a":1} ', "canonical"),
    ("white space inside", b'{"a": 1}', "canonical"),
    ("line break", b'{"a":1}\n', "canonical"),
    ("something after", b'{"a":1}{"a":1}', "not JSON"),
    ("cut short", b'{"a":1', "not JSON"),
    ("unsorted", b'{"b":1,"a":1}', "canonical"),
    ("unsorted inside", b'{"a":[{"c":1,"b":1}]}', "canonical"),
    ("repeated key", b'{"a":1,"a":1}', "twice"),
    ("repeated key inside", b'{"a":{"b":1,"b":2}}', "twice"),
    ("repeated key by escape", b'{"a":1,"\\u0061":2}', "twice"),
    ("escape that is not needed", b'{"\\u0061":1}', "canonical"),
    ("escaped solidus", b'{"a":"\\/"}', "canonical"),
    ("control character by number", b'{"a":"\\u000a"}', "canonical"),
    ("raw control character", b'{"a":"\n"}', "not JSON"),
    ("float", b'{"a":1.0}', "integer"),
    ("float with an exponent", b'{"a":1e3}', "integer"),
    ("NaN", b'{"a":NaN}', "integer"),
    ("Infinity", b'{"a":Infinity}', "integer"),
    ("minus Infinity", b'{"a":-Infinity}', "integer"),
    ("minus zero", b'{"a":-0}', "canonical"),
    ("leading zero", b'{"a":01}', "not JSON"),
    ("plus sign", b'{"a":+1}', "not JSON"),
    ("integer over 2^53-1", b'{"a":9007199254740992}', "2\\^53"),
    ("integer under -(2^53-1)", b'{"a":-9007199254740992}', "2\\^53"),
    ("5,000 digits", b'{"a":' + b"9" * 5000 + b"}", "2\\^53"),
    ("bad utf-8", b'{"a":"\xff"}', "not UTF-8"),
    ("overlong utf-8", b'{"a":"\xc0\xaf"}', "not UTF-8"),
    ("surrogate in utf-8", b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    ("half a surrogate pair by escape", b'{"a":"\\ud800"}', "surrogate"),
    ("single quotes", b"{'a':1}", "not JSON"),
    ("comment", b'{"a":1/**/}', "not JSON"),
    ("trailing comma", b'{"a":1,}', "not JSON"),
    ("deep lists", b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", "nested"),
    ("very deep lists", b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested"),
    ("very deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested"),
    ("too large", b'{"a":"' + b"x" * 1_048_576 + b'"}', "bytes"),
]


@pytest.mark.parametrize(("data", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_another_spelling_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [b"{}", b'{"a":1}', b'{"a":-9007199254740991,"b":9007199254740991}', '{"ä":"\u2028€"}'.encode(), b'{"a":[null,true,false,"\\n\\\\"]}'],
)
def test_the_one_spelling_is_read(data: bytes) -> None:
    assert canonical(parse(data)) == data


def test_depth_is_counted_from_the_top() -> None:
    at_most: Any = 1
    for _ in range(MAX_DEPTH - 1):
        at_most = [at_most]
    assert parse(canonical({"a": at_most}))
    with pytest.raises(Refused, match="nested"):
        canonical({"a": [at_most]})
    with pytest.raises(Refused, match="nested"):
        parse(b'{"a":[1]}', max_depth=1)


def test_the_bound_on_size_is_exact() -> None:
    assert parse(b'{"a":1}', max_bytes=7)
    with pytest.raises(Refused, match="at most 6"):
        parse(b'{"a":1}', max_bytes=6)


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1.5}, {"a": float("nan")}, {"a": MAX_INTEGER + 1}, {"a": -MAX_INTEGER - 1}, {1: "a"}, {"a": b"x"}, {"a": (1,)}, {"a": {1}},
        {"a": object()}, {"a": "\ud800"}, {"\ud800": 1}, {"a": {"b": [1.0]}},
    ],
)  # fmt: skip
def test_what_json_cannot_say_in_one_way_is_not_written(value: object) -> None:
    with pytest.raises(Refused):
        canonical(value)  # type: ignore[arg-type]


LEAVES = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), LEAVES | st.lists(LEAVES, max_size=4), max_size=6))
def test_what_is_written_is_read_back_the_same(value: dict[str, object]) -> None:
    written = canonical(value)  # type: ignore[arg-type]
    assert parse(written) == value
    assert canonical(parse(written)) == written
    assert json.loads(written) == value


@given(st.binary(max_size=60) | st.text(max_size=30).map(lambda text: json.dumps({"k": text}).encode()))
def test_whatever_is_accepted_is_canonical(data: bytes) -> None:
    try:
        value = parse(data)
    except Refused:
        return
    assert canonical(value) == data
