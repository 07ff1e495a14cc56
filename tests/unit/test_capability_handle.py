"""Issuer and Capability as programs use them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from saferoute.capabilities.asked import asked_hash
from saferoute.capabilities.caveats import OPERATIONS, Allowance, Claims, read_claims
from saferoute.capabilities.chain import check_now, verify_chain
from saferoute.capabilities.deny import Deny, refused
from saferoute.capabilities.mint import mint
from saferoute.capabilities.options import Caveats, Narrowing, claims_from
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call, read_chain, read_holder
from saferoute.capabilities.words import permission_words
from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityInvalid, ConfigurationError, RequestError, UnknownOption
from saferoute.routing.shapes import OPERATIONS as GRANT_OPERATIONS
from saferoute.signing.keys import PrivateKey
from saferoute.values.conversation import messages_from
from saferoute.values.output import output_from
from saferoute.values.permission import Budget, Cost, Permission
from saferoute.values.request import ChatRequest
from saferoute.values.tools import tools_from
from tests.support.token_cases import HOLDERS, NOW, STRANGER, chain

ISSUER = Issuer.generate("acme")
ISSUERS = {"acme": ISSUER.record()}


def _mint(**more: Any) -> Capability:
    given: dict[str, Any] = {"audience": "web", "expires_in": 60, "models": ["m-2", "m-1"], "providers": "example", "now": NOW} | more
    return Capability.mint(ISSUER, **given)


def _claims(capability: Capability, number: int = 1) -> Claims:
    return read_claims(read_chain(capability.chain).blocks[number - 1].payload, number)


def test_what_is_minted_without_more() -> None:
    made = _mint()
    said = _claims(made)
    assert said == Claims(
        issuer="acme", token_id=said.token_id, issued_at=NOW, expires_at=NOW + 60, audience=frozenset({"web"}), operations=frozenset({"chat"}),
        models=frozenset({"m-1", "m-2"}), providers=frozenset({"example"}), depth=4,
    )  # fmt: skip
    assert (made.depth, made.digest) == (1, hashlib.sha256(made.chain.encode()).hexdigest())
    assert made.public_key.raw == read_chain(made.chain).blocks[0].next_key
    assert verify_chain(made.chain, ISSUERS).tail == made.public_key.raw
    assert _claims(_mint()).token_id != said.token_id
    assert _mint().public_key != made.public_key


def test_the_exact_payload() -> None:
    payload = read_chain(_mint(budget="$5/day", tools=[]).chain).blocks[0].payload
    jti = _claims(_mint()).token_id
    assert jti is not None
    said = payload.decode().replace(payload.decode().split('"jti":"')[1][:32], "J")
    assert said == (
        '{"aud":["web"],"budget":{"amount":5000000000,"currency":"USD","per":"day"},"depth":4,"exp":1800000060,"iat":1800000000,"iss":"acme",'
        '"jti":"J","models":["m-1","m-2"],"ops":["chat"],"providers":["example"],"tools":[],"v":1}'
    )


ALL: dict[str, tuple[Any, str, Any]] = {
    "audience": (("a", "b"), "audience", frozenset({"a", "b"})),
    "expires_in": (timedelta(minutes=1), "expires_at", NOW + 60),
    "models": ({"m"}, "models", frozenset({"m"})),
    "providers": (iter(["p", "p"]), "providers", frozenset({"p"})),
    "operations": (["embed", "chat"], "operations", frozenset({"embed", "chat"})),
    "routes": ("main", "routes", frozenset({"main"})),
    "tools": ([], "tools", frozenset()),
    "budget": ("2 EUR/month", "budget", Allowance(2_000_000_000, "EUR", "month")),
    "calls": (7, "calls", 7),
    "requests_per_minute": (6, "requests_per_minute", 6),
    "tokens_per_minute": (5_000, "tokens_per_minute", 5_000),
    "concurrent": (1, "concurrent", 1),
    "max_cost": (Decimal("0.5"), "max_cost", Cost(500_000_000, "USD")),
    "max_output_tokens": (9, "max_output", 9),
    "max_input_tokens": (8, "max_input", 8),
    "data": ("internal", "data", "internal"),
    "regions": ("eu", "regions", frozenset({"eu"})),
    "guards": ("pii", "guards", frozenset({"pii"})),
    "max_depth": (2, "depth", 2),
    "purpose": ("support", "purposes", frozenset({"support"})),
    "not_before": (datetime(2027, 1, 15, 9, 0, tzinfo=timezone(timedelta(hours=1))), "not_before", 1_800_000_000),
    "stream": (False, "stream", False),
    "table_min": (3, "table_min", 3),
    "requests": ("a" * 64, "requests", frozenset({"a" * 64})),
    "scope": ("process", "scope", "process"),
}


def test_the_table_has_every_option() -> None:
    assert set(ALL) == set(Narrowing.__annotations__) - {"now"}
    assert set(ALL) - {"audience", "expires_in", "models", "providers"} == set(Caveats.__annotations__) - {"now"}


@pytest.mark.parametrize("name", ALL)
def test_every_option(name: str) -> None:
    value, field, expected = ALL[name]
    value = list(value) if name == "providers" else value
    assert getattr(_claims(_mint(**{name: value})), field) == expected
    assert _claims(_mint().attenuate(now=NOW, **{name: value}), 2) == Claims(**{field: expected})
    sent = _mint().delegate(to=HOLDERS[0].public_key, now=NOW, **{name: value})
    assert _claims(Capability.receive(sent, HOLDERS[0]), 2) == Claims(**{field: expected})


def test_none_says_nothing() -> None:
    said = _claims(_mint(**dict.fromkeys(set(ALL) - {"audience", "expires_in", "models", "providers"})))
    assert replace(_claims(_mint()), token_id=said.token_id) == said
    assert _claims(_mint().attenuate(**dict.fromkeys(ALL)), 2) == Claims()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"model": "m"}, UnknownOption, f"'model' is nothing that bounds a capability; what does: {', '.join(sorted(ALL))}"),
        ({"models": ["*"]}, RequestError, "models must be a list of models' names of at most 200 characters, without wildcards"),
        ({"models": []}, RequestError, "models must be a list of 1 to 64 models' names"),
        ({"models": {"a": 1}}, RequestError, "models must be a str or several, not dict"),
        ({"models": b"m"}, RequestError, "models must be a str or several, not bytes"),
        ({"models": 5}, RequestError, "models must be a str or several, not int"),
        ({"models": ["a", 5]}, RequestError, "models must be a list of models' names of at most 200 characters, without wildcards"),
        ({"tools": ["a b"]}, RequestError, "tools must be a list of tools' names of at most 128 characters, without wildcards"),
        ({"operations": "chatt"}, RequestError, f"operations must be of {', '.join(OPERATIONS)}"),
        ({"operations": ["chat", 5]}, RequestError, f"operations must be of {', '.join(OPERATIONS)}"),
        ({"budget": 5.0}, TypeError, 'budget must not be a float, which cannot hold 0.1: write "$0.05" or Decimal("0.05")'),
        ({"max_cost": "$1/day"}, RequestError, "max_cost must be an amount such as \"$0.05\", \"0.05 CHF\" or Decimal(\"0.05\"), not '$1/day'"),
        ({"expires_in": 0}, RequestError, "expires_in must be seconds, at least 1, or a timedelta"),
        ({"expires_in": 0.9}, RequestError, "expires_in must be seconds, at least 1, or a timedelta"),
        ({"expires_in": timedelta(seconds=-1)}, RequestError, "expires_in must be seconds, at least 1, or a timedelta"),
        ({"expires_in": True}, RequestError, "expires_in must be seconds, at least 1, or a timedelta"),
        ({"expires_in": "60"}, RequestError, "expires_in must be seconds, at least 1, or a timedelta"),
        ({"expires_in": float("nan")}, RequestError, "expires_in must be seconds, at least 1, or a timedelta"),
        ({"expires_in": 10 * 366 * 86_400 + 1}, RequestError, "expires_in must be seconds, at least 1, or a timedelta"),
        ({"not_before": datetime(2027, 1, 1)}, RequestError, "not_before must be a datetime with a time zone, or seconds since the epoch"),  # noqa: DTZ001
        ({"not_before": "now"}, RequestError, "not_before must be a whole number from 0 to 253402300799"),
        ({"calls": -1}, RequestError, "calls must be a whole number from 0 to 9007199254740991"),
        ({"calls": True}, RequestError, "calls must be a whole number from 0 to 9007199254740991"),
        ({"max_output_tokens": 0}, RequestError, "max_output_tokens must be a whole number from 1 to 1000000000"),
        ({"max_depth": 9}, RequestError, "max_depth must be a whole number from 1 to 8"),
        ({"data": "secret"}, RequestError, "data must be one of public, internal, confidential, restricted"),
        ({"scope": "world"}, RequestError, "scope must be one of process, host, cluster"),
        ({"stream": 0}, RequestError, "stream must be true or false"),
        ({"requests": "abc"}, RequestError, "requests must be a list of requests' hashes of 64 hexadecimal digits of at most 64 characters, without wildcards"),
        ({"purpose": "Support"}, RequestError, 'purpose must be a list of names of lower-case letters and digits, joined by single ".", "-", "_" or "/" of at most 128 characters, without wildcards'),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_refused_says_the_keyword(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    for make in (_mint, _mint().attenuate, lambda **more: _mint().delegate(to=HOLDERS[0].public_key, **more)):
        with pytest.raises(kind) as caught:
            make(**options)  # type: ignore[operator]
        assert str(caught.value) == message


def test_the_longest_life_and_the_shortest() -> None:
    assert _claims(_mint(expires_in=10 * 366 * 86_400)).expires_at == NOW + 10 * 366 * 86_400
    assert _claims(_mint(expires_in=1)).expires_at == NOW + 1
    assert _claims(_mint(expires_in=1.9, now=NOW + 0.9)).expires_at == NOW + 1


def test_an_issuers_name_has_one_form() -> None:
    with pytest.raises(RequestError) as caught:
        Capability.mint(Issuer.generate("Acme"), audience="a", expires_in=1, models="m", providers="p")
    assert str(caught.value) == "iss must be an issuer's name, of lower-case letters, digits, and single dots or dashes"


def test_the_clock_is_the_machines_if_none_is_given() -> None:
    before = int(time.time())
    made = Capability.mint(ISSUER, audience="a", expires_in=60, models="m", providers="p")
    after = int(time.time())
    said = _claims(made)
    assert said.issued_at is not None
    assert before <= said.issued_at <= after
    assert said.expires_at == said.issued_at + 60
    later = _claims(made.attenuate(expires_in=10), 2).expires_at
    assert later is not None
    assert before + 10 <= later <= int(time.time()) + 10


def test_operations_are_those_of_a_grant() -> None:
    assert OPERATIONS == GRANT_OPERATIONS


def test_attenuating_adds_a_block_and_a_key() -> None:
    parent = _mint()
    child = parent.attenuate(max_output_tokens=5)
    assert child.chain.startswith(parent.chain + ".")
    assert (parent.depth, child.depth) == (1, 2)
    assert child.public_key != parent.public_key
    permission = verify_chain(child.chain, ISSUERS).permission
    assert (permission.max_output, permission.models) == (5, {"m-1", "m-2"})
    assert child.attenuate().attenuate().depth == 4


@pytest.mark.parametrize("to", [HOLDERS[0].public_key, HOLDERS[0].public_key.raw])
def test_delegating_makes_a_chain_for_one_key(to: Any) -> None:
    sent = _mint().delegate(to=to, models="m-1")
    theirs = Capability.receive(sent, HOLDERS[0])
    assert (theirs.chain, theirs.depth, theirs.public_key) == (sent, 2, HOLDERS[0].public_key)
    assert verify_chain(sent, ISSUERS).tail == HOLDERS[0].public_key.raw
    onward = theirs.attenuate(calls=1)
    assert verify_chain(onward.chain, ISSUERS).depth == 3
    with pytest.raises(ConfigurationError) as caught:
        theirs.to_holder()
    assert str(caught.value) == "this capability was received: keep the text that you received, and your private key where it is"
    assert onward.to_holder().startswith("srcap1h.")


def test_the_holders_form_goes_around() -> None:
    made = _mint().attenuate(calls=1)
    form = made.to_holder()
    again = Capability.from_holder(form)
    assert (again.chain, again.public_key, again.to_holder()) == (made.chain, made.public_key, form)
    read, seed = read_holder(form)
    assert form == "srcap1h." + made.chain[7:] + "." + form.rpartition(".")[2]
    assert (read.text, PrivateKey.from_seed(seed).public_key) == (made.chain, made.public_key)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (chain(), "form"), (None, "form"), ("srcap1h.", "encoding"), ("srcap1h." + "A" * 8200, "form"), (chain().replace("srcap1.", "srcap1h.") + ".AA", "encoding"),
        (chain().replace("srcap1.", "srcap1h."), "encoding"), (chain().replace("srcap1.", "srcap1h.") + "." + "A" * 43, "not_yours"),
        ("srcap1h." + "A" * 43, "encoding"),
    ],
)  # fmt: skip
def test_what_is_no_holders_form(text: Any, code: str) -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        Capability.from_holder(text)
    assert caught.value.code == code


def test_a_holders_seed_must_have_32_bytes() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        Capability.from_holder(chain().replace("srcap1.", "srcap1h.") + ".AA")
    assert str(caught.value) == "the capability token is refused: the seed has 1 bytes instead of 32"


def test_a_proof_is_for_exactly_this_chat() -> None:
    made = _mint()
    verified = verify_chain(made.chain, ISSUERS)
    schema = {"type": "object", "properties": {}}

    def search(query: str) -> str:
        """Find."""
        return query

    token = read_call(
        made.prove(
            "fast", "hello", audience="web", system="be brief", output=schema, stream=True, purpose="support", now=NOW + 0.9,
            tools=[search], max_output_tokens=5, max_cost="$0.10", data="internal", timeout=3, max_attempts=2,
        )
    )  # fmt: skip
    request = ChatRequest(
        messages_from("hello", system="be brief"),
        tools=tools_from([search]),
        output=output_from(schema).schema,
        max_output_tokens=5,
        data="internal",
        stream=True,
    )
    asked = asked_hash("chat", "fast", request, purpose="support", data="internal", max_cost=Decimal("0.1"))
    key, until = verify_proof(token, verified, audience="web", asked=asked, now=NOW)
    assert (key[:71], until) == (f"nonce:{made.digest}:", NOW + 360)
    with pytest.raises(CapabilityInvalid):
        verify_proof(token, verified, audience="web", asked=asked_hash("chat", "fast", request), now=NOW)
    check_now(verified, NOW)


def test_proofs_differ_by_their_nonce_and_carry_an_instance() -> None:
    made = _mint()
    verified = verify_chain(made.chain, ISSUERS)
    asked = "c" * 64
    keys = {
        verify_proof(read_call(made.prove_asked(asked, audience="web", now=NOW)), verified, audience="web", asked=asked, now=NOW)[0]
        for _ in range(9)
    }
    assert len(keys) == 9
    bound = read_call(made.prove_asked(asked, audience="web", instance="p-1", now=NOW))
    assert verify_proof(bound, verified, audience="web", asked=asked, now=NOW, instance="p-1")
    now = time.time()
    fresh = read_call(made.prove_asked(asked, audience="web"))
    assert verify_proof(fresh, verified, audience="web", asked=asked, now=now + 1)


@pytest.mark.parametrize(
    "wrong", [{"audience": "WEB"}, {"audience": ""}, {"audience": 5}, {"instance": "a b"}, {"asked": "abc"}, {"audience": "\ud800"}]
)
def test_a_proof_that_nobody_would_take_is_not_made(wrong: dict[str, Any]) -> None:
    given = {"asked": "c" * 64, "audience": "web", "instance": None} | wrong
    with pytest.raises(CapabilityInvalid) as caught:
        _mint().prove_asked(given["asked"], audience=given["audience"], instance=given["instance"])
    assert caught.value.code == "proof"


def test_arguments_that_make_no_chat_make_no_proof() -> None:
    with pytest.raises(UnknownOption):
        _mint().prove("fast", "hello", audience="web", temprature=1)  # type: ignore[call-arg]
    with pytest.raises(RequestError):
        _mint().prove("fast", [], audience="web")


def test_it_describes_itself() -> None:
    made = _mint(
        budget="$4.5/day", calls=1, max_cost="$0.1", max_input_tokens=3, max_output_tokens=2, data="internal", regions="eu", guards="pii", tools=[],
        purpose="support", not_before=NOW, stream=False, table_min=2, routes="main", requests="a" * 64, scope="process",
    ).attenuate(calls=5, now=NOW)  # fmt: skip
    assert made.describe().splitlines() == [
        f"capability {made.digest[:12]}, minted by acme, 2 blocks",
        "  may be used with the clients: web",
        "  may do: chat",
        "  routes: main",
        "  models: m-1, m-2",
        "  providers: example",
        "  tools: none",
        "  purposes: support",
        "  regions: eu",
        "  guards that must be active: pii",
        f"  only for the requests: {'a' * 64}",
        "  data labelled up to: internal",
        "  input of one call: at most 3 tokens",
        "  output of one call: at most 2 tokens",
        "  cost of one call: at most $0.10",
        "  budget: $4.50 each day, shared by all that is made of it",
        "  budget: 1 call in all, shared by all that is made of it",
        "  budget: 5 calls in all, shared by all that is made of it",
        "  counted by: each process, and forgotten when it ends",
        "  answers may not be streamed",
        "  routing table: version 2 or later",
        "  begins: 2027-01-15 08:00:00 UTC",
        "  ends: 2027-01-15 08:01:00 UTC",
    ]
    assert _mint().describe().splitlines()[0].endswith(", minted by acme, 1 block")
    assert _mint(scope="cluster").describe().splitlines()[-2] == "  counted by: all hosts together"
    assert _mint(calls=2).describe().splitlines()[-2] == "  counted by: all processes of one host together"


def test_an_issuer_shows_its_name_and_key() -> None:
    assert repr(ISSUER) == f"Issuer('acme', key {ISSUER.public_key.key_id[:12]})"


def test_an_issuers_record() -> None:
    record = ISSUER.record()
    assert (record.name, record.keys, record.max_life, record.max_depth) == ("acme", {ISSUER.public_key.raw}, 90 * 86_400, 8)
    assert record.ceiling == Permission("the issuer acme")
    others = [
        ISSUER.record(max_life=1),
        ISSUER.record(max_depth=1),
        ISSUER.record(ceiling=Permission("x")),
        Issuer.generate("acme").record(),
    ]
    assert len({record.digest, *(other.digest for other in others)}) == 5
    assert ISSUER.record().digest == record.digest


class Kms:
    """A signer whose key is elsewhere; it can be set to sign in another way."""

    def __init__(self, *, right: bool) -> None:
        self._key = PrivateKey.from_seed(b"k" * 32)
        self._right = right
        self.public_key = self._key.public_key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message if self._right else hashlib.sha512(message).digest())


def test_any_signer_can_be_an_issuer() -> None:
    issuer = Issuer("acme", Kms(right=True))
    made = Capability.mint(issuer, audience="a", expires_in=1, models="m", providers="p")
    assert verify_chain(made.chain, {"acme": issuer.record()}).issuer == "acme"


def test_a_signer_that_signs_otherwise_is_noticed() -> None:
    issuer = Issuer("acme", Kms(right=False))
    with pytest.raises(ConfigurationError) as caught:
        Capability.mint(issuer, audience="a", expires_in=1, models="m", providers="p")
    assert str(caught.value) == f"the signer of key {issuer.public_key.key_id[:12]} makes no plain Ed25519 signatures"


def test_what_no_verifier_would_take_is_not_minted() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        mint(STRANGER, Claims(issuer="acme"), HOLDERS[0].public_key.raw)
    assert str(caught.value) == "the capability token is refused: block 1 has no aud, exp, iat, jti, models, ops, providers"
    with pytest.raises(CapabilityInvalid):
        mint(STRANGER, claims_from({}, NOW), HOLDERS[0].public_key.raw)


def test_the_words_for_refusals_never_change() -> None:
    assert [(code.name, code.value) for code in Deny] == [
        ("TOO_LARGE", "too_large"), ("FORM", "form"), ("VERSION", "version"), ("HOLDER_FORM", "holder_form"), ("PROOF_MISSING", "proof_missing"),
        ("BLOCKS", "blocks"), ("ENCODING", "encoding"), ("PAYLOAD", "payload"), ("CLAIM", "claim"), ("KEY", "key"), ("ISSUER", "issuer"),
        ("SIGNATURE", "signature"), ("DEPTH", "depth"), ("LIFE", "life"), ("CEILING", "ceiling"), ("CURRENCY", "currency"), ("EXPIRED", "exp"),
        ("NOT_YET", "nbf"), ("ISSUED_LATER", "iat"), ("REVOKED", "revoked"), ("PROOF", "proof"), ("AUDIENCE", "aud"), ("STALE", "stale"),
        ("ASKED", "asked"), ("INSTANCE", "instance"), ("REPLAYED", "replayed"), ("NOT_YOURS", "not_yours"),
    ]  # fmt: skip
    assert all(f"        {code.name}: " in str(Deny.__doc__) for code in Deny)
    error = refused(Deny.KEY, "why")
    assert (type(error), type(error.code), error.code, str(error)) == (
        CapabilityInvalid,
        str,
        "key",
        "the capability token is refused: why",
    )


def test_a_chain_that_was_read_is_not_read_again() -> None:
    made = _mint()
    assert verify_chain(read_chain(made.chain), ISSUERS) == verify_chain(made.chain, ISSUERS)


def test_an_account_that_many_capabilities_share_is_called_after_its_owner() -> None:
    budgets = (Budget("i", 9 * 10**9, "USD", "day", owner="the issuer ci (all capabilities that it minted)"), Budget("c", 2, "calls"))
    assert permission_words(Permission("", budgets=budgets, scope="host")) == (
        "budget of the issuer ci (all capabilities that it minted): $9.00 each day",
        "budget: 2 calls in all, shared by all that is made of it",
        "counted by: all processes of one host together",
    )


def test_what_bounds_nothing_has_no_words() -> None:
    assert permission_words(Permission("")) == ()
