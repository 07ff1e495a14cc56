"""A client that remembers what it read finds in every body what one finds that remembers nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import InvalidMessages, ProtocolError, UnknownOption, UnsupportedParameter
from saferoute.providers.fitting import fit
from saferoute.providers.registry import codec_for, texts_for
from saferoute.providers.text_memory import TextMemory
from saferoute.providers.text_rules import extracted, fields, items, remembered, says_json
from saferoute.providers.wire_text import WireText
from saferoute.values.json import encode
from saferoute.values.target import Dialect
from saferoute.values.tools import Tool
from tests.support.read_before import ESCAPED, MARKED, Witness
from tests.support.talk import DIALECTS, request_of, row_of

RULE = fields({"tools": remembered(items(says_json("tool_schema"))), "a": says_json("user"), "b": says_json("user")})
LONG = "words that are said " * 30
PIECES = [encode([{"name": name, "tools": [LONG]}, *more]) for name, more in (("one", []), ("two", [1.5]), ("three", [{"tools": [LONG]}]))]
ATOMS = [
    *PIECES,
    *(encode(piece.decode()) for piece in PIECES),
    MARKED,
    ESCAPED,
    b"1",
    b"1.0",
    b'"x"',
    b"[]",
    b"[%s" % PIECES[0],
    PIECES[0][1:],
]  # fmt: skip
KEYS = [b'"tools"', b'"a"', b'"b"', b'"t\\u006fols"', b'"more"']
BREAKS = [b'"', b"\\", b"{", b"}", b",", b" ", b'"tools":', MARKED, *PIECES]


def _object(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"{%s}" % b",".join(b"%s:%s" % pair for pair in pairs)


def _array(values: list[bytes]) -> bytes:
    return b"[%s]" % b",".join(values)


VALUES = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=4).map(_object) | st.lists(inner, max_size=3).map(_array),
    max_leaves=6,
)
BODIES = st.lists(st.tuples(st.sampled_from(KEYS[:4]), VALUES), max_size=4).map(_object)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A body with something put in, or cut out."""
    body = draw(BODIES)
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.sampled_from(BREAKS)) + body[at + draw(st.integers(0, 3)) :]


def read(body: bytes, memory: TextMemory | None) -> tuple[WireText, ...] | str:
    """The texts of a body; or why it is refused."""
    try:
        return extracted(RULE, body, memory=memory)
    except ProtocolError as error:
        return str(error)


@given(st.lists(BODIES | spoilt(), min_size=1, max_size=6), st.booleans())
def test_any_bodies(bodies: list[bytes], knows: bool) -> None:
    memory = TextMemory()
    for piece in PIECES if knows else ():
        read(b'{"a":1,"tools":%s}' % piece, memory)
    for body in bodies:
        assert read(body, memory) == read(body, None)


OTHERS = st.dictionaries(st.sampled_from(["a", "b"]), st.recursive(st.text(max_size=4) | st.integers(), st.lists, max_leaves=4))


@given(OTHERS, OTHERS, st.sampled_from(PIECES))
def test_wherever_it_stands_it_is_recalled(before: dict[str, object], after: dict[str, object], piece: bytes) -> None:
    memory = Witness()
    around = [encode(one)[1:-1] for one in (before, {name: value for name, value in after.items() if name not in before})]
    body = b"{%s}" % b",".join([part for part in (around[0], b'"tools":' + piece, around[1]) if part])
    first = read(body, memory)
    assert memory.recalled == 0
    assert read(body, memory) == first == read(body, None)
    assert memory.recalled == 1
    other = b'{"tools":%s,"a":[0]}' % piece
    assert read(other, memory) == read(other, None)
    assert memory.recalled == 2


@pytest.mark.large  # made by chance: what it covers must not count
@pytest.mark.parametrize("dialect", DIALECTS)
def test_requests_of_every_dialect(dialect: Dialect) -> None:
    texts, memory = texts_for(dialect), Witness()
    sets = [
        tuple(Tool.from_schema(f"look_{number}", {"type": "object"}, description=LONG) for number in range(most)) for most in range(1, 7)
    ]
    sent = 0
    for seed in range(300):
        random = Random(f"{dialect} {seed}")
        target = row_of(random, dialect)
        request = replace(request_of(random, target), tools=random.choice(sets), tool_choice=None)
        try:
            body = codec_for(dialect).encode(fit(request, target)[0], target).request.body
        except (InvalidMessages, UnknownOption, UnsupportedParameter):
            continue
        try:
            alone: tuple[WireText, ...] | None = texts(body)
        except ProtocolError:
            alone = None
        if alone is None:
            with pytest.raises(ProtocolError):
                texts(body, {}, memory)
        else:
            sent += 1
            found = texts(body, {}, memory)
            assert found == alone
            assert all(type(one) is WireText for one in found)
    assert sent > 30
    assert memory.recalled > sent / 8, (memory.recalled, sent)
