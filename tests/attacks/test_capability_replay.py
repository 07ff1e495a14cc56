"""Attack: somebody who saw a call token sends it again, as it is, or spelled in another way.

Spelling it again with junk that decoders pass over is how seen-before lists were evaded in JWT and SAML libraries.

Guards: saferoute/capabilities/token.py::if not part or _encoded(data) != part:  # the decoder passes over junk and stray bits; writing it again shows them
Guards: saferoute/capabilities/proof.py::return f"nonce:{token.digest}:{proof.nonce}", proof.timestamp + PAST + KEEP => return f"{now}:{id(token)}", 0.0
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.proof import FUTURE, KEEP, PAST
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import NOW, call, chain, root, unpacked, verify_call

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_the_same_token_has_the_same_nonce_key_at_every_moment() -> None:
    text = call()
    keys = {verify_call(text, now=NOW + seconds)[0] for seconds in range(-FUTURE, PAST + 1)}
    assert len(keys) == 1
    key = keys.pop()
    digest = __import__("hashlib").sha256(chain().encode()).hexdigest()
    assert key == f"nonce:{digest}:{'ab' * 16}"


def test_the_nonce_is_remembered_for_longer_than_the_proof_is_good() -> None:
    _, until = verify_call(call(ts=NOW - 7))
    assert until == NOW - 7 + 60 + 300
    assert until > NOW - 7 + PAST
    assert KEEP == 300


def test_another_nonce_or_another_chain_is_another_key() -> None:
    seen = {verify_call(call())[0], verify_call(call(nonce="cd" * 16))[0], verify_call(call(chain(root(jti="e" * 32))))[0]}
    assert len(seen) == 3


@pytest.mark.parametrize("junk", ["=", "==", "\n", " ", "\t", "!", "*", "\x00", ".", "~", "%3D", "é", "\u200b", "\ufeff"])
def test_junk_makes_no_second_spelling(junk: str) -> None:
    text = call(chain(root(), {}))
    verify_call(text)
    for place in {0, 1, 7, text.index(".", 8), text.index(".", 8) + 1, text.index("~"), text.index("~") + 1, len(text) - 1, len(text)}:
        with pytest.raises(CapabilityInvalid):
            verify_call(text[:place] + junk + text[place:])


def test_the_other_base64_alphabet_is_no_second_spelling() -> None:
    text = next(text for n in range(200) if {"-", "_"} <= set((text := call(nonce=f"{n:032x}"))[7:]))
    for plain, standard in (("-", "+"), ("_", "/")):
        with pytest.raises(CapabilityInvalid) as caught:
            verify_call(text[:7] + text[7:].replace(plain, standard))
        assert caught.value.code == "encoding"


def test_stray_bits_make_no_second_spelling() -> None:
    tried = 0
    for length in range(3):
        chain_text = chain(root(), {"tools": ["t" * (length + 1)]})
        text = call(chain_text)
        for place in (text.index(".", 8) - 1, text.index("~") - 1, len(text) - 1):
            for letter in ALPHABET:
                if letter != text[place]:
                    tried += 1
                    with pytest.raises(CapabilityInvalid):
                        verify_call(text[:place] + letter + text[place + 1 :])
    assert tried == 3 * 3 * 63


def test_a_proof_that_decodes_to_the_same_bytes_is_refused_for_its_spelling() -> None:
    tried = 0
    for audience in ("a", "ab", "abc"):
        text = call(chain(root(aud=[audience])), aud=audience)
        assert verify_call(text, audience=audience)
        for letter in ALPHABET:
            if letter != text[-1] and unpacked(text.rpartition("~")[2][:-1] + letter) == unpacked(text.rpartition("~")[2]):
                tried += 1
                with pytest.raises(CapabilityInvalid) as caught:
                    verify_call(text[:-1] + letter, audience=audience)
                assert caught.value.code == "encoding"
    assert tried == 15 + 3  # of the three lengths one has four stray bits, one has two, and one has none


def test_upper_case_hexadecimal_is_no_second_nonce() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(call(nonce="AB" * 16))
    assert caught.value.code == "proof"
