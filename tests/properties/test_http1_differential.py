"""For any bytes and any cut, our reader refuses or agrees with h11. The long run is tests/fuzz/http1_fuzz.py."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.differential import HEADERS, NASTY, STATUS_LINES, Disagreement, Mutator, Outcome, compare, ours, theirs

TOKENS = [line + b"\r\n" for line in (*STATUS_LINES, *HEADERS)] + list(NASTY)
CUTS = st.lists(st.integers(0, 400), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=8), CUTS, st.booleans())
@example([b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"0\r\n\r\n"], [], True)
def test_lines_put_together_at_random(lines: list[bytes], cuts: list[int], eof: bool) -> None:
    compare(b"".join([STATUS_LINES[0] + b"\r\n", *lines]), cuts, eof=eof)
    compare(b"".join(lines), cuts, eof=eof)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), CUTS, st.booleans())
def test_any_bytes(data: bytes, cuts: list[int], eof: bool) -> None:
    compare(data, cuts, eof=eof)
    compare(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data, cuts, eof=eof)
    compare(b"HTTP/1.1 200 OK\r\n" + data, cuts, eof=eof)


@pytest.mark.parametrize("seed", range(8))
def test_mutants_of_good_responses(seed: int) -> None:
    mutator = Mutator(random.Random(seed))
    seen = {compare(*case[:2], eof=case[2]) for case in (mutator.case() for _ in range(600))}
    assert {"agree-accept", "agree-reject"} <= seen


def test_every_good_response_is_accepted_by_both() -> None:
    """So that agreement does not come from refusing everything. Of what is valid, ours refuses chunks in HTTP/1.0 and nothing else."""
    mutator = Mutator(random.Random(99))
    accepted = 0
    for _ in range(400):
        data = mutator.valid()
        verdict = compare(data, [], eof=True)
        chunked_10 = b"HTTP/1.0" in data and b"ransfer-" in data
        control = b"\x7f" in data
        assert verdict == "agree-accept" or chunked_10 or control, data
        accepted += verdict == "agree-accept"
    assert accepted > 300


def test_the_oracle_notices_a_difference() -> None:
    """The comparison itself can fail: an answer that h11 reads otherwise is reported."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert ours([data], eof=True) == theirs([data], eof=True)
    assert ours([data], eof=True) != Outcome("accept", 200, (), b"hi", reusable=True)
    assert issubclass(Disagreement, AssertionError)
