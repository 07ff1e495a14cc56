"""The exact words for what no key is, and for what makes and signs with keys; the exact headers."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.errors import AuthenticationRejected, ConfigurationError, OriginMismatch, RequestError, SecretError
from saferoute.secrets.advice import advice, either, variables_read
from saferoute.secrets.document import make_document, secret_in
from saferoute.secrets.kept import keep
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.minting import MintAnswer, Minted, bearer, expect_success, fields_of, material_of, text_field
from saferoute.secrets.places import EnvironmentPlace, KeyringPlace
from saferoute.secrets.recipes import recipe_for
from saferoute.secrets.secret import (
    Passphrase,
    Secret,
    SecretRecord,
    bound_origins,
    check_bound,
    check_name,
    credential_header,
    make_secret,
)  # fmt: skip
from saferoute.secrets.signer import check_signable, joined_key, make_signer
from saferoute.secrets.stored_document import record_in
from saferoute.values.http import HttpRequest
from tests.support.token_server import spec

API, OTHER = "https://api.openai.com", "https://other.example"
AWS = "https://bedrock-runtime.us-east-1.amazonaws.com"
ROW = spec("https://sts.googleapis.com", origins=("https://a.example", "https://b.example"))
RECORD = SecretRecord("openai", Secret("k"), (API,), 3)
CATALOGUE = {"openai": (("OPENAI_API_KEY", "OPENAI_KEY"), API), "groq": (("GROQ_API_KEY",), OTHER)}
MAGIC: Any = "magic"


def answered(status: int, body: bytes = b"{}") -> MintAnswer:
    return MintAnswer(status, {}, body)


def sources(*opened: Any, **more: Any) -> Sources:
    return Sources(opened, catalogue=CATALOGUE, **more)


def raised(text: Secret | SecretRecord | str | None) -> None:
    """What is said instead of being raised."""
    if isinstance(text, str):
        raise SecretError(text)


def b64(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


def vault(record: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """A vault's bytes, as far as its form goes."""
    row = {
        "name": "a", "origins": [API], "revision": 1, "salt": b64(16), "nonce": b64(12), "commitment": b64(32), "data": b64(17),
        **(record or {}),
    }  # fmt: skip
    kdf = {"name": "argon2id", "iterations": 3, "lanes": 4, "memory_kib": 65_536, "salt": b64(16)}
    whole = {"schema": 1, "kdf": kdf, "check": b64(32), "mac": b64(32), "records": [row], **changes}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "a name that is none": (
        lambda: check_name("env:X"), ConfigurationError,
        ("that is not a name for a secret: use lower-case letters and digits, joined by single '.', '_', '-' or '/', at "
         "most 128, such as openai. A reference to somewhere else (env:X, file:/x, os.environ/X) is not looked up, and the "
         "key itself is not the name"),
    ),
    "no origin": (lambda: bound_origins(()), ConfigurationError, "a secret is bound to 1 to 16 different origins; these are 0"),
    "one origin twice": (
        lambda: bound_origins((API, API)), ConfigurationError,
        "a secret is bound to 1 to 16 different origins; these are 2",
    ),
    "an empty key": (lambda: Secret(""), SecretError, "a key must have 1 to 16384 bytes; this one has 0"),
    "a long key": (lambda: Secret("k" * 16_385), SecretError, "a key must have 1 to 16384 bytes; this one has 16385"),
    "a key with a space": (
        lambda: Secret("a b"), SecretError,
        ("a key may hold printable ASCII only: this one has a space, a line break, a control or a non-ASCII character; "
         "paste it again"),
    ),
    "a key with a DEL": (
        lambda: raised(make_secret("a\x7f")), SecretError,
        ("a key may hold printable ASCII only: this one has a space, a line break, a control or a non-ASCII character; "
         "paste it again"),
    ),
    "an empty passphrase": (lambda: Passphrase(""), SecretError, "a vault's passphrase must have 1 to 4096 bytes; this one has 0"),
    "a long passphrase": (
        lambda: Passphrase(b"p" * 4_097), SecretError,
        "a vault's passphrase must have 1 to 4096 bytes; this one has 4097",
    ),
    "another origin": (
        lambda: check_bound(RECORD, OTHER), OriginMismatch,
        ("the secret 'openai' is bound to https://api.openai.com and was asked to go to https://other.example. Nothing was "
         "sent. If that is right, store it anew: saferoute keys remove openai, then saferoute keys add openai --origin "
         "https://other.example"),
    ),
    "bound to nothing": (
        lambda: check_bound(SecretRecord("x", Secret("k"), ()), OTHER), OriginMismatch,
        ("the secret 'x' is bound to no origin and was asked to go to https://other.example. Nothing was sent. If that is "
         "right, store it anew: saferoute keys remove x, then saferoute keys add x --origin https://other.example"),
    ),
    "a scheme that presents nothing": (
        lambda: credential_header(RECORD, "sigv4", API), ConfigurationError,
        "the authentication scheme 'sigv4' presents no secret",
    ),
    "a broken one": (lambda: MemorySource((), broken={"x": "it is no key"}).find("x"), SecretError, "it is no key"),
    "a document that is none": (
        lambda: raised(make_document("{")), SecretError,
        "it begins like a JSON document and is none: one object, in UTF-8, with no key twice",
    ),
    "a text with a line break": (
        lambda: raised(secret_in("a\nb")), SecretError,
        ("a key may hold printable ASCII only: this one has a space, a line break, a control or a non-ASCII character; "
         "paste it again"),
    ),
    "what was handed over is none": (
        lambda: raised(record_in("x", "{", (API,))), SecretError,
        "it begins like a JSON document and is none: one object, in UTF-8, with no key twice",
    ),
    "another document": (
        lambda: raised(record_in("x", '{"v": 2, "secret": "k"}', (API,))), SecretError,
        'its document is not {"v": 1, "secret": "..."}, with "origins" and "revision" if you like, and nothing else',
    ),
    "a document with a field too many": (
        lambda: raised(record_in("x", '{"v": 1, "secret": "k", "a": 1}', (API,))), SecretError,
        'its document is not {"v": 1, "secret": "..."}, with "origins" and "revision" if you like, and nothing else',
    ),
    "a revision that is none": (
        lambda: raised(record_in("x", '{"v": 1, "secret": "k", "revision": 0}', (API,))), SecretError,
        "the revision in its document is not a count",
    ),
    "a secret that is no text": (
        lambda: raised(record_in("x", '{"v": 1, "secret": 5}', (API,))), SecretError,
        "the secret in its document: it is no text",
    ),
    "a secret that is none": (
        lambda: raised(record_in("x", '{"v": 1, "secret": ""}', (API,))), SecretError,
        "the secret in its document: a key must have 1 to 16384 bytes; this one has 0",
    ),
    "origins that are none": (
        lambda: raised(record_in("x", '{"v": 1, "secret": "k", "origins": 5}', (API,))), SecretError,
        "the origins in its document are not a list of texts",
    ),
    "origins that are no origins": (
        lambda: raised(record_in("x", '{"v": 1, "secret": "k", "origins": ["x"]}', (API,))), SecretError,
        "the origins in its document are not 1 to 16 different origins, such as https://api.openai.com",
    ),
    "origins of others": (
        lambda: raised(record_in("x", '{"v": 1, "secret": "k", "origins": ["https://b.example", "https://a.example"]}', (API, OTHER))), SecretError,
        ("its document binds it to https://a.example, https://b.example, and the code to https://api.openai.com, "
         "https://other.example as well"),
    ),
    "no such kind": (lambda: recipe_for(MAGIC), SecretError, "this version of saferoute makes no credential of the kind 'magic'"),
    "nothing to make it from": (
        lambda: material_of(ROW, None), SecretError,
        "the credential 'cloud' (azure_client_secret) is made from a stored secret, and its row names none",
    ),
    "refused with a code": (
        lambda: expect_success(ROW, answered(400, b'{"error": "invalid_grant"}')), AuthenticationRejected,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret) answered 400, code "
         "invalid_grant. The key is wrong, revoked or of another account: `saferoute keys list` shows what is stored."),
    ),
    "refused with another code": (
        lambda: expect_success(ROW, answered(403, b'{"error": "key-123"}')), AuthenticationRejected,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret) answered 403. The key is "
         "wrong, revoked or of another account: `saferoute keys list` shows what is stored."),
    ),
    "a server's error": (
        lambda: expect_success(ROW, answered(500)), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered 500: check that "
         "credential's row in the routing table"),
    ),
    "a redirect": (
        lambda: expect_success(ROW, answered(300)), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered 300: check that "
         "credential's row in the routing table"),
    ),
    "no success yet": (
        lambda: expect_success(ROW, answered(199)), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered 199: check that "
         "credential's row in the routing table"),
    ),
    "no object": (
        lambda: fields_of(ROW, answered(200, b"[]")), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered with something "
         "that is not a JSON object in its one reading; nothing of it was used"),
    ),
    "a key twice": (
        lambda: fields_of(ROW, answered(200, b'{"a": 1, "a": 1}')), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered with something "
         "that is not a JSON object in its one reading; nothing of it was used"),
    ),
    "no text": (
        lambda: text_field(ROW, {"a": ""}, "a"), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered without a usable "
         "'a'; nothing of it was used"),
    ),
    "a token of another type": (
        lambda: bearer(ROW, answered(200, b'{"access_token": "t", "token_type": "mac", "expires_in": 5}'), 0.0), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered with a token_type "
         "that is not Bearer; nothing of it was used"),
    ),
    "no token": (
        lambda: bearer(ROW, answered(200, b'{"expires_in": 5}'), 0.0), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered with no "
         "access_token; nothing of it was used"),
    ),
    "a token that no header carries": (
        lambda: bearer(ROW, answered(200, b'{"access_token": "a b", "expires_in": 5}'), 0.0), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered with an "
         "access_token that no header can carry; nothing of it was used"),
    ),
    "a token for ever": (
        lambda: bearer(ROW, answered(200, b'{"access_token": "t", "expires_in": 2678401}'), 0.0), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered with no expires_in "
         "from 1 to 2678400 seconds; nothing of it was used"),
    ),
    "a token for no time": (
        lambda: bearer(ROW, answered(200, b'{"access_token": "t", "expires_in": 0.5}'), 0.0), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), answered with no expires_in "
         "from 1 to 2678400 seconds; nothing of it was used"),
    ),
    "an end that is over": (
        lambda: keep(ROW, Minted(Secret("t"), 5.0), 5.0), SecretError,
        ("https://sts.googleapis.com, which makes the credential 'cloud' (azure_client_secret), made one whose end makes no "
         "sense here: it is over already, or months away. Nothing was sent; look at this machine's clock"),
    ),
    "AWS elsewhere": (
        lambda: make_signer(RECORD, API), ConfigurationError,
        ('https://api.openai.com is not an AWS address that requests are signed for (auth = "sigv4"): its host must name '
         "the service and the region, as bedrock-runtime.us-east-1.amazonaws.com does. Nothing was sent"),
    ),
    "no AWS key": (
        lambda: make_signer(SecretRecord("aws", Secret("k"), (AWS,)), AWS), SecretError,
        ("the secret 'aws' is not an AWS key: it has 1 part between colons. It is stored as "
         "ACCESS_KEY_ID:SECRET_ACCESS_KEY, or ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN for temporary keys. Nothing was sent"),
    ),
    "an AWS key of four parts": (
        lambda: make_signer(SecretRecord("aws", Secret("a:b:c:d"), (AWS,)), AWS), SecretError,
        ("the secret 'aws' is not an AWS key: it has 4 parts between colons. It is stored as "
         "ACCESS_KEY_ID:SECRET_ACCESS_KEY, or ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN for temporary keys. Nothing was sent"),
    ),
    "a header of the signature": (
        lambda: check_signable(HttpRequest("POST", AWS, "/", (("authorization", "x"),), b"")), RequestError,
        "the header 'authorization' belongs to the signature and cannot be set; nothing was sent",
    ),
    "AWS parts with a colon": (
        lambda: raised(joined_key("AKIA", "s:s", None)), SecretError,
        "a part of it has a colon, which no AWS key has",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("words", "joined"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c"), (("a", "b", "c", "d"), "a, b, c or d")]
)
def test_either(words: list[str], joined: str) -> None:
    assert either(words) == joined


def test_the_variables_that_are_read() -> None:
    named = EnvironmentPlace((("openai", "A", (API,)), ("groq", "B", (API,)), ("x", "C", (API,)), ("openai", "A", (API,))))
    assert variables_read(["openai", "groq"], [named], CATALOGUE) == ["A", "B"]
    assert variables_read(["openai", "x"], [KeyringPlace(), EnvironmentPlace()], CATALOGUE) == ["OPENAI_API_KEY", "OPENAI_KEY"]
    assert variables_read(["openai"], [KeyringPlace()], CATALOGUE) == []
    way = 'or use saferoute.keys.add("openai") or `python -m saferoute keys add openai` with secrets= left out.'
    assert advice(["openai"], [EnvironmentPlace()], CATALOGUE, None) == f"Set OPENAI_API_KEY or OPENAI_KEY before the client is made, {way}"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("bearer", (b"authorization", b"Bearer k")),
        ("x-api-key", (b"x-api-key", b"k")),
        ("api-key", (b"api-key", b"k")),
        ("x-goog-api-key", (b"x-goog-api-key", b"k")),
    ],
)
def test_the_header(auth: Any, header: tuple[bytes, bytes]) -> None:
    assert credential_header(RECORD, auth, API) == header


def test_a_key_and_a_passphrase_at_their_limits() -> None:
    assert make_secret("k" * 16_384) == Secret(b"k" * 16_384)
    assert make_secret("!~") == Secret("!~")
    assert Passphrase(b"p" * 4_096) == Passphrase("p" * 4_096)
    assert Passphrase("e\u0301") == Passphrase("\u00e9")
    assert check_name("a" * 128) == "a" * 128
    assert bound_origins([f"https://h{n:02d}.example" for n in range(15, -1, -1)]) == tuple(f"https://h{n:02d}.example" for n in range(16))
    with pytest.raises(TypeError, match=r"^a Secret cannot be formatted into text$"):
        f"{Secret('k')}"
    with pytest.raises(TypeError, match=r"^a Secret cannot be copied or pickled$"):
        copy.copy(Secret("k"))
    assert (repr(Secret("k")), str(Passphrase("k"))) == ("Secret(...)", "Passphrase(...)")
