"""Attack: a payload that two readers of JSON read differently: one sees the caveat, the other does not.

Each is rightly signed: an attenuating holder writes what bytes they like.

Guards: saferoute/capabilities/caveats.py::said = parse(payload, max_bytes=MAX_TOKEN_BYTES, max_depth=_MAX_DEPTH) => said = __import__("json").loads(payload)
"""

from __future__ import annotations

import pytest

from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import HOLDERS, NOW, call, chain, proof, proof_said, root, verified, verify_call

GOOD = b'{"max_in":5,"max_out":5}'
BAD = {
    "a duplicate key": b'{"max_in":5,"max_in":6}',
    "1.0": b'{"max_in":1.0}',
    "1e3": b'{"max_in":1e3}',
    "NaN": b'{"max_in":NaN}',
    "Infinity": b'{"max_in":Infinity}',
    "-0": b'{"max_in":-0}',
    "beyond 2^53": b'{"calls":9007199254740992}',
    "5,000 digits": b'{"calls":' + b"9" * 5000 + b"}",
    "deep nesting": b'{"tools":' + b"[" * 2000 + b"]" * 2000 + b"}",
    "nesting of 3": b'{"tools":[[]]}',
    "key order": b'{"max_out":5,"max_in":5}',
    "a needless escape": b'{"max_\\u0069n":5}',
    "an escaped value": b'{"tools":["\\u0061"]}',
    "bad UTF-8": b'{"tools":["\xff"]}',
    "overlong UTF-8": b'{"tools":["\xc1\xa1"]}',
    "a surrogate in UTF-8": b'{"tools":["\xed\xa0\x80"]}',
    "half a surrogate pair": b'{"tools":["\\ud800"]}',
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "white space": b'{"max_in": 5}',
    "a line break behind": GOOD + b"\n",
    "something behind": GOOD + b"{}",
    "NUL behind": GOOD + b"\x00",
    "no object": b"[]",
    "nothing": b"",
    "null": b"null",
    "a comment": b'{"max_in":5/**/}',
    "a trailing comma": b'{"max_in":5,}',
    "cut off": GOOD[:-1],
}


def test_the_plain_spelling_is_taken() -> None:
    assert verified(chain(root(), GOOD)).permission.max_input == 5


@pytest.mark.parametrize("payload", BAD.values(), ids=BAD.keys())
def test_every_other_spelling_refuses_the_whole_token(payload: bytes) -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(), payload))
    assert caught.value.code == "payload"
    assert str(caught.value).startswith("the capability token is refused: the payload of block 2: ")
    with pytest.raises(CapabilityInvalid):
        verified(chain(payload))


@pytest.mark.parametrize("payload", BAD.values(), ids=BAD.keys())
def test_so_it_is_with_proofs(payload: bytes) -> None:
    text = chain()
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(f"{text}~{proof(text, payload, HOLDERS[0])}")
    assert caught.value.code == "proof"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None}, {"nonce": None}, {"req": None}, {"ts": None}, {"more": 1}, {"aud": ""}, {"aud": "*"}, {"aud": "WEB"},
        {"aud": "w" * 129}, {"aud": "web\n"}, {"nonce": "ab"}, {"nonce": "zz" * 16}, {"nonce": 1}, {"req": "ab"}, {"req": 1},
        {"ts": "1"}, {"ts": True}, {"ts": -1}, {"ts": 253_402_300_800}, {"inst": ""}, {"inst": "a b"}, {"inst": 1}, {"inst": "a" * 65},
    ],
    ids=repr,
)  # fmt: skip
def test_a_proofs_fields_have_one_form(changes: dict[str, object]) -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(call(**changes))
    assert caught.value.code == "proof"
    assert str(caught.value).endswith("the proof must have exactly aud, nonce, req, ts and, if need be, inst, each in its form")


def test_a_proof_with_a_null_instance_is_refused() -> None:
    text = chain()
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(f"{text}~{proof(text, {**proof_said(), 'inst': None}, HOLDERS[0])}")
    assert caught.value.code == "proof"


def test_the_edges_of_a_proofs_fields() -> None:
    long = "w" * 128
    text = chain(root(aud=[long]))
    assert verify_call(call(text, aud=long), audience=long)
    assert verify_call(call(inst="a" * 64), instance="a" * 64)
    for moment in (0, 253_402_300_799):
        with pytest.raises(CapabilityInvalid) as caught:
            verify_call(call(ts=moment), now=NOW)
        assert caught.value.code == "stale"
