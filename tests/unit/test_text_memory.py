"""What is remembered of bodies, and what is not."""

from __future__ import annotations

import json

import pytest

from saferoute.errors import ProtocolError
from saferoute.providers.text_rules import anything, either, extracted, fields, items, remembered, says, scalar
from saferoute.values.json import encode
from tests.support.read_before import Witness

RULE = fields({"large": remembered(items(says("user"))), "said": says("system"), "list": items(scalar)})


def body(text: str, said: str = "x") -> bytes:
    return encode({"said": said, "large": [text], "list": [1]})


def recalls(memory: Witness, data: bytes) -> bool:
    before = memory.recalled
    assert extracted(RULE, data, memory=memory, key="large") == extracted(RULE, data)
    return memory.recalled > before


def test_a_value_is_read_once() -> None:
    memory = Witness()
    assert not recalls(memory, body("a" * 600))
    assert recalls(memory, body("a" * 600))
    assert recalls(memory, body("a" * 600, said="y"))
    assert recalls(memory, b'{"large":["%s"]}' % (b"a" * 600))
    assert not recalls(memory, body("b" * 600))


@pytest.mark.parametrize(("size", "kept"), [(400, False), (508, True), (262_140, True), (262_141, False)])
def test_what_is_short_or_very_long_is_not_kept(size: int, kept: bool) -> None:
    memory = Witness()
    recalls(memory, body("a" * size))
    assert recalls(memory, body("a" * size)) is kept


def test_the_last_four_are_kept() -> None:
    memory = Witness()
    for letter in "abcde":
        assert not recalls(memory, body(letter * 600))
    assert [recalls(memory, body(letter * 600)) for letter in "edcb"] == [True] * 4
    assert not recalls(memory, body("a" * 600))


def test_what_is_known_and_stands_elsewhere_too_is_kept_once() -> None:
    memory = Witness()
    recalls(memory, body("a" * 600))
    recalls(memory, body("b" * 600))
    two = either(says("user"), fields({"large": items(scalar)}))
    rule = fields({"before": two, "large": remembered(items(says("user")))})
    twice = b'{"before":{"large":["%s"]},"large":["%s"]}' % (b"a" * 600, b"a" * 600)
    for _ in range(6):
        assert extracted(rule, twice, memory=memory, key="large") == extracted(rule, twice)
    assert recalls(memory, body("a" * 600))
    assert recalls(memory, body("b" * 600))


def test_bodies_without_the_key_and_bodies_that_are_none_leave_nothing() -> None:
    memory = Witness()
    assert not recalls(memory, encode({"said": "x" * 600}))
    for data in (b"[1]", b"null", json.dumps({"large": ["a" * 600]}).encode()):
        assert extracted(anything, data, memory=memory, key="large") == ()
    assert not recalls(memory, body("a" * 600))


def test_what_is_no_text_is_refused_with_and_without() -> None:
    for memory in (None, Witness()):
        with pytest.raises(ProtocolError, match="/large/0"):
            extracted(RULE, b'{"large":[7]}', memory=memory, key="large")
