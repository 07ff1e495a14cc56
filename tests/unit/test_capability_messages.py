"""Every refusal's exact words, and the exact reprs: what people and log readers see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saferoute.capabilities.chain import VerifiedChains, check_now, verify_chain
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call, read_chain, read_holder
from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityError
from tests.support.token_cases import ASKED, HOLDERS, LIFE, NOW, STRANGER, call, chain, issuers, root, verified, verify_call

LISTED = "of at most 128 characters, without wildcards"
PLAIN = 'names of lower-case letters and digits, joined by single ".", "-", "_" or "/"'
EUR = {"max_cost": {"amount": 1, "currency": "EUR"}}


def _chain(*payloads: Any, **more: Any) -> Callable[[], Any]:
    return lambda: verify_chain(chain(*payloads), issuers(**more))


def _last() -> Capability:
    return Capability.mint(Issuer.generate("acme"), audience="web", expires_in=60, models="m", providers="p", max_depth=1)


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "call as chain": (lambda: read_chain(call()), "it is a call token, and a chain without a proof is read here"),
    "no proof": (lambda: read_call(chain()), "it has no proof, so that anybody could have copied it: send what Capability.prove(...) makes"),
    "holder": (
        lambda: read_call("srcap1h.AA"),
        "it is a holder's own form, with its private key, and never leaves its file: send what Capability.prove(...) makes",
    ),
    "no holder": (lambda: read_holder(chain()), 'it is no holder\'s form: that begins with "srcap1h.", and Capability.to_holder() makes it'),
    "version": (lambda: read_chain("srcap2.AA"), "it is of another version than srcap1, which is the one that is read here"),
    "form": (lambda: read_chain("hello"), 'it is no srcap1 token, which begins with "srcap1."'),
    "not ASCII": (lambda: read_chain("srcap1.é"), "it is not ASCII"),
    "not a text": (lambda: read_chain(5), "it is a int, and a token is a str"),
    "large": (lambda: read_chain("srcap1." + "A" * 8186), "it has 8193 characters, and at most 8192 are allowed: name fewer things"),
    "blocks": (lambda: read_chain("srcap1." + ".".join("A" * 9)), "it has 9 blocks, and at most 8 are allowed"),
    "junk": (lambda: read_chain(chain(root(), {}) + "="), "block 2 is not base64url without padding, in its one spelling"),
    "junk in the proof": (lambda: read_call(call() + "="), "the proof is not base64url without padding, in its one spelling"),
    "junk in the seed": (lambda: read_holder("srcap1h.AA.A"), "the seed is not base64url without padding, in its one spelling"),
    "length": (lambda: read_chain("srcap1.AA"), "block 1 has not the length that it says"),
    "length of the proof": (lambda: read_call("srcap1.AA~AA"), "the proof has not the length that it says"),
    "payload": (_chain(root(), b"[]"), "the payload of block 2: it does not begin with a JSON object (a byte order mark, white space, UTF-16, or no JSON at all)"),
    "names": (_chain(root(), {"aud": ["A"]}), f"aud of block 2 must be a list of {PLAIN} {LISTED}"),
    "names twice": (_chain(root(), {"aud": ["a", "a"]}), f"aud of block 2 must be a list of {PLAIN}, each once"),
    "no names": (_chain(root(), {"aud": []}), f"aud of block 2 must be a list of 1 to 64 {PLAIN}"),
    "operations": (_chain(root(), {"ops": ["Chat"]}), "ops of block 2 must be a list of operations of at most 32 characters, without wildcards"),
    "models": (_chain(root(), {"models": ["*"]}), "models of block 2 must be a list of models' names of at most 200 characters, without wildcards"),
    "tools": (_chain(root(), {"tools": ["*"]}), f"tools of block 2 must be a list of tools' names {LISTED}"),
    "requests": (
        _chain(root(), {"req": ["A" * 64]}), "req of block 2 must be a list of requests' hashes of 64 hexadecimal digits of at most 64 characters, without wildcards",
    ),
    "issuer's name": (_chain(root(iss="A")), "iss of block 1 must be an issuer's name, of lower-case letters, digits, and single dots or dashes"),
    "id": (_chain(root(jti="A")), "jti of block 1 must be 32 lower-case hexadecimal digits"),
    "currency's form": (_chain(root(), {"budget": {"amount": 1, "currency": "usd"}}), "budget of block 2 must be in a currency such as USD"),
    "amount": (_chain(root(), {"budget": {"amount": -1, "currency": "USD"}}), "budget of block 2 must be a whole number from 0 to 9007199254740991"),
    "budget": (_chain(root(), {"budget": 1}), "budget of block 2 must be an object of amount, currency, per"),
    "cost": (_chain(root(), {"max_cost": 1}), "max_cost of block 2 must be an object of amount, currency"),
    "per": (_chain(root(), {"budget": {"amount": 1, "currency": "USD", "per": "x"}}), "budget of block 2 must be one of hour, day, week, month"),
    "flag": (_chain(root(), {"stream": 1}), "stream of block 2 must be true or false"),
    "missing": (_chain(root(aud=None, v=None)), "block 1 has no aud, v"),
    "currencies": (
        _chain(root(max_cost={"amount": 1, "currency": "USD"}), EUR), "its bounds on the cost of a call are in several currencies, which cannot be compared",
    ),
    "next key": (
        lambda: verify_chain(chain(root(), keys=(b"\x01" + bytes(31),)), issuers()),
        "the next key of block 1: the public key is a point of small order: anybody can sign for it",
    ),
    "delegated key": (
        lambda: Capability.receive(chain(), HOLDERS[0]).delegate(to=b""), "the key to delegate to: an Ed25519 public key has 32 bytes; this one has 0",
    ),
    "not yours": (lambda: Capability.receive(chain(), STRANGER), "its last key is another than the one given: use the key that it was delegated to"),
    "the last block": (lambda: _last().attenuate(), "it may have 1 blocks, and has them: mint it with a higher max_depth"),
    "revoked": (lambda: check_now(verified(), NOW, {root()["jti"]}), "it, or one that it was made of, was revoked: ask its issuer for a new one"),
    "another chain": (
        lambda: verify_proof(read_call(call()), verified(chain(root(), {})), audience="web", asked=ASKED, now=NOW), "it is not the chain that was verified",
    ),
    "another key": (lambda: verify_call(call(signer=STRANGER)), "its proof is not signed with the chain's last key"),
    "audience": (lambda: verify_call(call(), audience="billing"), "it is for 'web', and this is 'billing'"),
    "asked": (lambda: verify_call(call(), asked=""), "its proof is for another request: prove exactly the route, messages and options that are sent"),
    "instance": (
        lambda: verify_call(call(inst="p")), "its proof does not name this process: prove with the instance id that this process gave out",
    ),
    "proof's audience": (
        lambda: Capability.receive(chain(), HOLDERS[0]).prove_asked(ASKED, audience="\ud800"), "a text holds half of a surrogate pair",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, words = CASES[case]
    with pytest.raises(CapabilityError) as caught:
        act()
    assert str(caught.value) == f"the capability token is refused: {words}"


def test_the_reprs() -> None:
    text = chain(root(), {})
    digest = verified(text).digest[:12]
    assert repr(read_chain(text)) == f"Chain({digest}, 2 blocks)"
    assert repr(read_call(call(text))) == f"CallToken({digest})"
    assert repr(verified(text)) == f"Verified({digest}, issuer='acme', 2 blocks)"
    assert verified(text).permission.source == f"the capability {digest}"


def test_what_is_verified() -> None:
    text = chain(root(nbf=NOW + 1), {"exp": NOW + 9})
    one = verified(text, digest="e" * 64)
    assert (one.token_id, one.issuer, one.issuer_digest) == (root()["jti"], "acme", "e" * 64)
    assert (one.tail, one.depth, one.digest) == (HOLDERS[1].public_key.raw, 2, one.digests[1])
    assert (one.issued_at, one.not_before, one.expires_at) == (NOW, NOW + 1, NOW + 9)
    assert (verified().not_before, verified().expires_at) == (0, NOW + LIFE)


def test_1024_chains_are_kept_unless_told_otherwise() -> None:
    kept = VerifiedChains()
    assert kept._most == 1024
    few = VerifiedChains(2)
    texts = [chain(root(jti=f"{n:032x}")) for n in range(3)]
    first = [few.verify(text, issuers(), 1) for text in texts[:2]]
    assert [few.verify(text, issuers(), 1) for text in texts[:2]] == first
    assert few.verify(texts[0], issuers(), 1) is first[0]
    few.verify(texts[2], issuers(), 1)
    assert few.verify(texts[0], issuers(), 1) is not first[0]
