"""The form in which it is written down what was accepted before."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.routing.rollback import MAX_STATE_BYTES, Seen, State, decode_state, encode_state
from saferoute.signing.refusal import Refused

PINNED = "f" * 64
SEENS = st.builds(Seen, st.integers(1, 2**53 - 1), st.text("0123456789abcdef", min_size=64, max_size=64))
STATES = st.builds(State, SEENS, SEENS, st.integers(0, 253_402_300_799), st.none() | SEENS, st.none() | SEENS)
STATE = State(Seen(1, "a" * 64), Seen(2, "b" * 64), 5, Seen(3, "c" * 64), Seen(4, "d" * 64))


def test_the_exact_bytes() -> None:
    seen = [f'{{"digest":"{letter * 64}","version":{version}}}' for letter, version in (("a", 1), ("b", 2), ("c", 3), ("d", 4))]
    begin = f'{{"floor_time":5,"name":"acme/prod","pinned":"{PINNED}"'
    assert encode_state(STATE, PINNED, "acme/prod").decode() == (
        f'{begin},"revocations":{seen[3]},"root":{seen[0]},"schema":1,"status":{seen[2]},"table":{seen[1]}}}\n'
    )
    bare = replace(STATE, status=None, revocations=None)
    assert encode_state(bare, PINNED, "acme/prod").decode() == f'{begin},"root":{seen[0]},"schema":1,"table":{seen[1]}}}\n'


@given(STATES)
def test_what_was_written_is_read(state: State) -> None:
    data = encode_state(state, PINNED, "acme")
    assert decode_state(data, PINNED, "acme") == decode_state(data[:-1], PINNED, "acme") == state
    assert len(data) <= MAX_STATE_BYTES == 4096


@given(STATES, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_state(state: State, place: int, change: int) -> None:
    data = bytearray(encode_state(state, PINNED, "acme"))
    data[place % len(data)] ^= change
    with contextlib.suppress(Refused):
        assert decode_state(bytes(data), PINNED, "acme") != state


@pytest.mark.parametrize(("pinned", "name"), [("e" * 64, "acme"), (PINNED, "acme2")])
def test_it_belongs_to_one_root(pinned: str, name: str) -> None:
    with pytest.raises(Refused, match=r"^it belongs to another trust root$"):
        decode_state(encode_state(STATE, PINNED, "acme"), pinned, name)
