"""The rules that extractors are made of."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import ProtocolError
from saferoute.providers.text_rules import anything, either, extracted, fields, items, opening, says, says_json, scalar, tagged
from saferoute.providers.wire_text import WireText

RULE = fields(
    {
        "quiet": scalar,
        "any": anything,
        "said": says("user"),
        "json": says_json("schema"),
        "list": items(either(says("system"), fields({"x": says("assistant")}))),
        "kinds": items(tagged("type", {"a": fields({"type": scalar, "a": says("user")}), "b": fields({"type": scalar})})),
    }
)


def test_texts_come_in_wire_order_with_their_places() -> None:
    body = rb""" {"list" : [ "s1" ,{"x":"a~1"}], "said":"\u00fc\n", "quiet": 1.5, "any":{"x":[]}, "json" : {"n": 1.0, "n2":1e2},
        "kinds":[{"type":"a","a":"one"},{"a":"two","type":"a"},{"type":"b"}]
    } """
    assert extracted(RULE, body) == (
        WireText("system", "/list/0", "s1"),
        WireText("assistant", "/list/1/x", "a~1"),
        WireText("user", "/said", "ü\n"),
        WireText("schema", "/json", '{"n":1.0,"n2":100.0}'),
        WireText("user", "/kinds/0/a", "one"),
        WireText("user", "/kinds/1/a", "two"),
    )
    assert extracted(RULE, b"{}") == extracted(RULE, b'{"list":[],"kinds":[ ]}') == ()


FOREIGN = {
    '{"more":1}': "/more",
    '{"a/b~c":1}': "/a~1b~0c",
    '{"said":1}': "/said",
    '{"said":null}': "/said",
    '{"quiet":{}}': "/quiet",
    '{"quiet":[]}': "/quiet",
    '{"list":{}}': "/list",
    '{"list":"x"}': "/list",
    '{"list":[7]}': "/list/0",
    '{"list":["a",{"y":"b"}]}': "/list/1/y",
    '{"kinds":[{"type":"c"}]}': "/kinds/0/type",
    '{"kinds":[{"type":["a"]}]}': "/kinds/0/type",
    '{"kinds":[{}]}': "/kinds/0/type",
    '{"kinds":["a"]}': "/kinds/0/type",
    '{"kinds":[{"a":"x"}]}': "/kinds/0/type",
    '{"kinds":[{"type":"b","a":"x"}]}': "/kinds/0/a",
    '{"said":"a","said":"b"}': "/said",
    '{"kinds":[{"type":"b","type":"a"}]}': "/kinds/0/type",
    '{"kinds":[{"type":"a","a":"x","type":"b"}]}': "/kinds/0/type",
    '{"quiet":{"a":1,"a":2}}': "/quiet",
    '{"list":[{"x":"a","x":"b"}]}': "/list/0/x",
    "[]": "",
}


@pytest.mark.parametrize("body", FOREIGN)
def test_what_no_rule_names_is_refused_with_its_place(body: str) -> None:
    with pytest.raises(ProtocolError, match="nothing was sent") as caught:
        extracted(RULE, body.encode())
    assert repr(FOREIGN[body]) in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"said"',
        b'{"said":',
        b'{"said":"a"',
        b'{"said":"a",}',
        b'{"said":"a";}',
        b'{"said" "a"}',
        b"{said:1}",
        b'{"said":"a"}x',
        b'{"said":"a"}{}',
        b'{"said":"a\n"}',
        b'{"list":["a"',
        b'{"list":["a",]}',
        b'{"list":["a"}',
        b'{"json":NaN}',
        b'{"json":[-Infinity]}',
        b'{"json":}',
        b'{"quiet":}',
        b'{"kinds":[{"type"}]}',
        b'{"said":"\xff"}',
        b'\xef\xbb\xbf{"said":"a"}',
        b'{"json":' + b"[" * 100_000,
        b'{"any":' + b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="nothing was sent"):
        extracted(RULE, body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists, max_leaves=5
)


@given(said=st.text(), value=VALUES, listed=st.lists(st.text()), ascii_only=st.booleans())
def test_every_text_is_found_whole(said: str, value: object, listed: list[str], ascii_only: bool) -> None:
    body = json.dumps({"any": value, "said": said, "json": value, "list": listed}, ensure_ascii=ascii_only)
    found = extracted(RULE, body.encode("utf-8", "surrogatepass") if ascii_only else body.encode("utf-8", "replace"))
    assert found[0].text == (said if ascii_only else said.encode("utf-8", "replace").decode())
    again = json.loads(found[1].text)
    assert (again, str(again)) == (value, str(value))  # the second tells 1 from 1.0 and true
    assert [text.path for text in found[2:]] == [f"/list/{n}" for n in range(len(listed))]


def test_a_key_that_is_said_twice_where_any_json_may_stand_makes_another_text() -> None:
    once, twice = (extracted(RULE, body)[0].text for body in (b'{"json":{"a":[{"b":2}]}}', b'{"json":{"a":[{"b":1,"b":2}]}}'))
    assert (once, twice) == ('{"a":[{"b":2}]}', '{"a":[[NaN,["b",1],["b",2]]]}')


def test_a_text_shows_itself_to_nobody_who_only_looks() -> None:
    assert repr(extracted(RULE, b'{"said":"secret"}')) == "(WireText(user, /said, 6 chars),)"


OPEN = fields({"said": says("user"), "inner": opening(fields({"said": says("user")})), "closed": fields({})})


def test_what_the_caller_passes_through_is_passed_over_where_it_may_stand() -> None:
    body = b'{"said":"a","own":{"a":[1.0,"x"]},"inner":{"own":{"a":[1.0,"x"]},"said":"b"}}'
    opened = {"own": frozenset({'{"a":[1.0,"x"]}', "1"}), "said": frozenset({'"c"'})}
    assert extracted(OPEN, body, opened) == (WireText("user", "/said", "a"), WireText("user", "/inner/said", "b"))
    assert extracted(OPEN, b'{"own":1,"said":"c"}', opened) == ()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"own":2}', "/own"),
        (b'{"own":1.0}', "/own"),
        (b'{"own":true}', "/own"),
        (b'{"inner":{"own":"1"}}', "/inner/own"),
        (b'{"closed":{"own":1}}', "/closed/own"),
        (b'{"other":1}', "/other"),
        (b'{"own":1,"own":1}', "/own"),
        (b'{"previous_response_id":1}', "/previous_response_id"),
        (b'{"inner":{"cachedContent":1}}', "/inner/cachedContent"),
    ],
)
def test_any_other_value_or_place_is_unknown_and_so_is_what_stands_for_words_that_the_provider_keeps(body: bytes, place: str) -> None:
    names = ("own", "previous_response_id", "cachedContent")
    with pytest.raises(ProtocolError) as caught:
        extracted(OPEN, body, dict.fromkeys(names, frozenset({"1"})))
    assert f"{place!r}" in str(caught.value)
