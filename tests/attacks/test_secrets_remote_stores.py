"""A secret store on the network that is another one, lies, or sends whoever asks it elsewhere.

The five api_base leaks of a well-known gateway began with an address out of a request; here the store's address is the code's, what logs in
is bound to it, and neither a redirect nor a document moves a key.

Guards: saferoute/drivers/openbao.py::check_bound(record, self._server.origin)
Guards: saferoute/drivers/store_exchange.py::if 300 <= status < 400:  # noqa: PLR2004  HTTP's redirects
Guards: saferoute/drivers/store_exchange.py::if len(data) > _MAX_BODY:
Guards: saferoute/secrets/remote_places.py::if origin.scheme != "https":
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from saferoute.drivers import store_exchange
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, OriginMismatch, RequestError, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.remote_places import BaoLogin
from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.secrets.signer import Signer
from saferoute.secrets.sources import Secrets
from saferoute.values.http import HttpRequest, NetClass, TlsTerms
from saferoute.wire.sigv4 import AwsKeys, Scope
from tests.support.secret_stores import ORIGIN, assert_not_shown, canary
from tests.support.store_server import Said, StoreServer

REGION = "eu-central-1"


def kv(secret: str = "key-one", version: object = 4, **more: Any) -> Said:
    return Said(200, {"data": {"data": {"v": 1, "secret": secret, **more}, "metadata": {"version": version}}})


def bao(server: StoreServer, bound: str | None = None, secret: str | None = None, **more: Any) -> Any:
    login = {"bao": (secret or canary(), bound or server.origin)}
    spec = {"credentials": Secrets.of(login), "token": "bao", **more}
    return open_sources(Secrets.openbao(server.origin, {"openai": ("llm/openai", ORIGIN)}, **spec), {})


def aws(server: StoreServer, bound: str | None = None, secret: str = "AKIDEXAMPLE:canary-aws-secret:canary-token") -> Any:
    login = Secrets.of({"aws": (secret, bound or server.origin)})
    keys = {"openai": ("prod/openai", ORIGIN)}
    return open_sources(Secrets.aws_secrets_manager(REGION, keys, credentials=login, endpoint=server.origin), {})


# ------------------------------------------------------------------------------------------------------------- what is sent


def test_what_openbao_is_asked() -> None:
    with StoreServer(kv()) as server:
        sources = bao(server, namespace="team/a", mount="kv")
        assert sources.labels == (f"OpenBao at {server.origin}",)
        assert server.got == []
        assert sources.find("openai") == SecretRecord("openai", Secret("key-one"), (ORIGIN,), 4)
        [got] = server.got
        assert (got.method, got.path, got.body) == ("GET", "/v1/kv/data/llm/openai", b"")
        assert got.headers["authorization"] == f"Bearer {canary()}"
        assert got.headers["x-vault-namespace"] == "team/a"
        assert sources.find("openai") is not None
        assert len(server.got) == 1


@pytest.mark.parametrize(
    ("way", "path", "body"),
    [
        ({"approle": ("role-1", "bao")}, "/v1/auth/approle/login", {"role_id": "role-1", "secret_id": "login-key"}),
        ({"kubernetes": ("role-1", "bao")}, "/v1/auth/kubernetes/login", {"role": "role-1", "jwt": "login-key"}),
    ],
)
def test_how_it_logs_in_and_that_it_does_so_again_once(way: dict[str, Any], path: str, body: dict[str, str]) -> None:
    def token(value: str) -> Said:
        return Said(200, {"auth": {"client_token": value}})

    refused = Said(403, {"errors": ["permission denied"]})
    with StoreServer(token("t-1"), kv("k-1"), refused, token("t-2"), kv("k-2"), refused, token("t-3"), refused) as server:
        sources = bao(server, secret="login-key", token=None, **way)
        assert sources.find("openai") == SecretRecord("openai", Secret("k-1"), (ORIGIN,), 4)
        assert (server.got[0].path, server.got[0].fields) == (path, body)
        assert "authorization" not in server.got[0].headers
        sources.forget("openai")
        assert sources.find("openai") == SecretRecord("openai", Secret("k-2"), (ORIGIN,), 4)
        sources.forget("openai")
        with pytest.raises(SecretStoreLocked, match="refuses /v1/secret/data/llm/openai: the login is not valid there, or its policy"):
            sources.find("openai")
        sent = [got.headers.get("authorization", got.path.rpartition("/")[2]) for got in server.got]
        assert sent == ["login", "Bearer t-1", "Bearer t-1", "login", "Bearer t-2", "Bearer t-2", "login", "Bearer t-3"]


def test_what_aws_is_asked() -> None:
    with StoreServer(Said(200, {"SecretString": "key-one"})) as server:
        assert aws(server).find("openai") == SecretRecord("openai", Secret("key-one"), (ORIGIN,))
        [got] = server.got
        assert (got.method, got.path, got.fields) == ("POST", "/", {"SecretId": "prod/openai"})
        assert got.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
        assert got.headers["content-type"] == "application/x-amz-json-1.1"
        assert got.headers["x-amz-security-token"] == "canary-token"
        day = got.headers["x-amz-date"][:8]
        assert got.headers["authorization"].startswith(
            f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{day}/{REGION}/secretsmanager/aws4_request, "
        )
        assert b"canary" not in got.body


# --------------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("ask", [bao, aws])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(ask: Any, status: int) -> None:
    with StoreServer(kv()) as sink, StoreServer(Said(status, b"", {"location": "TO"})) as server:
        server.answers = [Said(status, b"", {"location": f"{sink.origin}/v1/secret/data/llm/openai"})]
        with pytest.raises(SecretError, match=f"answered {status}, a redirect; none is followed") as caught:
            ask(server).find("openai")
        assert (len(server.got), sink.got) == (1, [])
        assert_not_shown(caught.value, canary())


@pytest.mark.parametrize("ask", [bao, aws])
def test_what_logs_in_goes_to_its_own_address_only(ask: Any) -> None:
    with StoreServer(kv()) as server:
        with pytest.raises(OriginMismatch, match=f"asked to go to {server.origin}") as caught:
            ask(server, bound="https://bao.example.com").find("openai")
        assert server.got == []
        assert_not_shown(caught.value, canary())


@pytest.mark.parametrize(
    ("ask", "words"),
    [(bao, "no key for bao, which logs in at OpenBao at "), (aws, "no key for aws, which signs for AWS Secrets Manager at ")],
)
def test_without_what_logs_in_nobody_is_asked(ask: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreServer(kv()) as server:
        monkeypatch.setattr(Secrets, "of", classmethod(lambda cls, _: cls(())))
        with pytest.raises(SecretNotFound, match=words):
            ask(server).find("openai")
        assert server.got == []


@pytest.mark.parametrize("ask", [bao, aws])
@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(200, b"x" * 262_145), "answered with more than 262144 bytes; nothing of it was used"),
        (Said(200, b"[]"), "answered 200 with something that is no JSON object; nothing of it was used"),
        (Said(200, b'{"data": 1, "data": 2}'), "answered 200 with something that is no JSON object"),
        (Said(200, b"\xff"), "answered 200 with something that is no JSON object"),
        (Said(200, b"{}", {"content-length": "9"}), "was not asked: "),
    ],
    ids=["large", "list", "twice", "no text", "cut off"],
)
def test_an_answer_that_is_none(ask: Any, said: Said, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_exchange, "_SECONDS", 1.0)
    with StoreServer(said) as server, pytest.raises(SecretError, match=words) as caught:
        ask(server).find("openai")
    assert_not_shown(caught.value, canary())


def test_the_largest_answer_is_read() -> None:
    raw = json.dumps({"SecretString": "k", "pad": ""}).encode()
    with StoreServer(Said(200, raw[:-2] + b"x" * (262_144 - len(raw)) + raw[-2:])) as server:
        assert aws(server).find("openai") is not None


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (Said(403, {"errors": ["x"]}), SecretStoreLocked, "refuses /v1/secret/data/llm/openai"),
        (Said(503, {"errors": ["Vault is sealed"]}), SecretStoreLocked, "is sealed or not ready; it has to be unsealed first"),
        (Said(404, {"errors": ["no handler for route"]}), SecretError, "answered 404 for llm/openai: is secret a key-value store of version 2?"),
        (Said(500, {"errors": ["x"]}), SecretError, "answered 500 for llm/openai"),
        (Said(204, None), SecretError, "answered 204 for llm/openai"),
        (Said(200, {"data": {"secret": "canary"}}), SecretError, "answered 200 for llm/openai"),
        (Said(200, {"data": {"data": "canary"}}), SecretError, "answered 200 for llm/openai"),
        (Said(200, {"data": 5}), SecretError, "answered 200 for llm/openai"),
        (kv("canary key"), SecretError, "the secret in its document: a key may hold printable ASCII only"),
        (kv(origins=["https://evil.example"]), SecretError, "its document binds it to https://evil.example"),
        (kv(other="x"), SecretError, "its document is not"),
    ],
)  # fmt: skip
def test_answers_of_openbao_that_are_no_key(said: Said, kind: type[SecretError], words: str) -> None:
    with StoreServer(said) as server, pytest.raises(kind, match=words) as caught:
        bao(server).find("openai")
    assert type(caught.value) is kind
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("said", [Said(404, {"errors": []}), Said(404, {"data": {"data": None, "metadata": {"destroyed": True}}})])
def test_an_absent_or_deleted_secret_is_an_absent_key(said: Said) -> None:
    with StoreServer(said) as server:
        sources = bao(server)
        assert sources.find("openai") is None
        assert f"OpenBao at {server.origin} has nothing at llm/openai." in str(sources.missing("openai", origin=ORIGIN))


def test_a_version_that_is_no_count_is_left_out() -> None:
    with StoreServer(kv(version="x")) as server:
        assert bao(server).find("openai") == SecretRecord("openai", Secret("key-one"), (ORIGIN,), 1)
    with StoreServer(kv(revision=9)) as server:
        assert bao(server).find("openai") == SecretRecord("openai", Secret("key-one"), (ORIGIN,), 9)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(400, {"errors": ["invalid role or secret ID"]}), r"does not accept the approle login of bao \(400\)"),
        (Said(200, {}), "answered a login without a usable token"),
        (Said(200, {"auth": {"client_token": "a b"}}), "answered a login without a usable token"),
        (Said(200, {"auth": {"client_token": 5}}), "answered a login without a usable token"),
        (Said(200, b"["), "something that is no JSON object"),
    ],
)
def test_a_login_that_fails(said: Said, words: str) -> None:
    with StoreServer(said) as server:
        with pytest.raises(SecretError, match=words) as caught:
            bao(server, token=None, approle=("role-1", "bao")).find("openai")
        assert len(server.got) == 1
        assert_not_shown(caught.value, canary())


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (Said(400, {"__type": "AccessDeniedException", "Message": "canary"}), SecretStoreLocked, r"refuses prod/openai \(400, AccessDeniedException\)"),
        (Said(400, {"__type": "com.amazonaws#ExpiredTokenException"}), SecretStoreLocked, r"\(400, ExpiredTokenException\)"),
        (Said(400, {"__type": "canary canary"}), SecretStoreLocked, r"refuses prod/openai \(400\)"),
        (Said(403, {}), SecretStoreLocked, r"refuses prod/openai \(403\)"),
        (Said(200, {"SecretBinary": "Y2FuYXJ5"}), SecretError, "has no text for prod/openai: store the key as SecretString"),
        (Said(200, {"SecretString": "canary key"}), SecretError, "a key may hold printable ASCII only"),
    ],
)  # fmt: skip
def test_answers_of_aws_that_are_no_key(said: Said, kind: type[SecretError], words: str) -> None:
    with StoreServer(said) as server, pytest.raises(kind, match=words) as caught:
        aws(server).find("openai")
    assert type(caught.value) is kind
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("name", ["ResourceNotFoundException", "com.amazonaws.secretsmanager#ResourceNotFoundException"])
def test_what_aws_does_not_have_is_an_absent_key(name: str) -> None:
    with StoreServer(Said(400, {"__type": name})) as server:
        assert aws(server).find("openai") is None


def test_what_is_no_aws_key() -> None:
    with StoreServer(kv()) as server:
        with pytest.raises(SecretError, match="the secret 'aws' is not an AWS key") as caught:
            aws(server, secret=canary()).find("openai")
        assert server.got == []
        assert_not_shown(caught.value, canary())


@pytest.mark.timed
def test_nobody_listens() -> None:
    with StoreServer(kv()) as server:
        pass
    begun = time.monotonic()
    with pytest.raises(SecretError, match=f"{server.origin} was not asked: "):
        bao(server).find("openai")
    assert time.monotonic() - begun < 5


def test_what_is_presented_goes_to_one_origin() -> None:
    presented = store_exchange._Presented(Secret("k"), "https://a.example")
    assert presented.header("login", "bearer", "https://a.example") == (b"authorization", b"Bearer k")
    with pytest.raises(SecretError, match=r"what logs in at https://a\.example was asked to go to https://b\.example"):
        presented.header("login", "bearer", "https://b.example")
    with pytest.raises(SecretError, match="was asked to sign"):
        presented.signer("login", "https://a.example")
    place = f"https://secretsmanager.{REGION}.amazonaws.com"
    signer = Signer(AwsKeys("A", "b"), place, Scope("secretsmanager", REGION))
    signs = store_exchange._Presented(signer, place)
    assert signs.signer("login", place) is signer
    with pytest.raises(SecretError, match=f"what signs for {place} was asked to sign for https://b.example"):
        signs.signer("login", "https://b.example")
    with pytest.raises(SecretError, match="what logs in"):
        signs.header("login", "bearer", place)
    assert repr(store_exchange.StoreAnswer(200, {"a": canary()})) == "StoreAnswer(200)"


# ------------------------------------------------------------------------------------------------------------ descriptions

KEYS = {"openai": ("llm/openai", ORIGIN)}


def test_addresses_and_networks() -> None:
    def net(address: str, **more: Any) -> NetClass:
        [place] = Secrets.openbao(address, KEYS, token="bao", **more).places
        return place.server.net  # type: ignore[union-attr]

    assert net("https://bao.example.com:8200") == NetClass()
    assert net("https://bao.example.com", networks=["10.0.0.0/8"]) == NetClass("private", ("10.0.0.0/8",))
    assert net("https://bao.example.com", ca_pem="PEM") == NetClass(tls=TlsTerms("ca_pem", "PEM"))
    assert net("https://bao.example.com", ca_pem="PEM", networks=["10.0.0.0/8"]) == NetClass(
        "private", ("10.0.0.0/8",), TlsTerms("ca_pem", "PEM")
    )
    assert net("http://127.0.0.1:8200") == NetClass("loopback")
    assert net("http://[::1]:8200", networks=["10.0.0.0/8"]) == NetClass("loopback")
    assert net("https://127.0.0.1", ca_pem="PEM") == NetClass("loopback", tls=TlsTerms("ca_pem", "PEM"))


@pytest.mark.parametrize("address", ["http://bao.example.com:8200", "http://10.0.0.1", "http://localhost:8200"])
def test_plain_http_to_another_machine_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is plain http, which shows keys to everybody on the way: use https"):
        Secrets.openbao(address, KEYS, token="bao")
    with pytest.raises(ConfigurationError, match="is plain http"):
        Secrets.aws_secrets_manager(REGION, KEYS, endpoint=address)


@pytest.mark.parametrize(
    "address", ["https://bao.example.com/v1", "https://u@bao.example.com", "bao.example.com", "https://BAO.example.com", ""]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigurationError):
        Secrets.openbao(address, KEYS, token="bao")


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", ".", "a?x", "a#x", "a%2fb", "a b", "ä", "a" * 513, "a\n"]
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ConfigurationError):
        Secrets.openbao("https://bao.example.com", {"openai": (path, ORIGIN)}, token="bao")
    with pytest.raises(ConfigurationError, match="the mount is words of letters"):
        Secrets.openbao("https://bao.example.com", KEYS, token="bao", mount=path)
    with pytest.raises(ConfigurationError, match="the namespace is words of letters"):
        Secrets.openbao("https://bao.example.com", KEYS, token="bao", namespace=path)


def test_ways_to_log_in() -> None:
    def login(**ways: Any) -> BaoLogin:
        [place] = Secrets.openbao("https://bao.example.com", {"openai": ("a" * 512, ORIGIN)}, **ways).places
        return place.server.login  # type: ignore[union-attr]

    assert login(token="t") == BaoLogin("token", "t")
    assert login(approle=("r", "t")) == BaoLogin("approle", "t", "r", "approle")
    assert login(kubernetes=("r" * 512, "t")) == BaoLogin("kubernetes", "t", "r" * 512, "kubernetes")
    for ways in ({}, {"token": "t", "approle": ("r", "t")}, {"approle": ("r", "t"), "kubernetes": ("r", "t")}):
        with pytest.raises(ConfigurationError, match="say one way to log in to OpenBao"):
            login(**ways)
    for pair in ("r", ("r",), ("r", "t", "x"), (5, "t"), ("", "t"), ("r" * 513, "t")):
        with pytest.raises(ConfigurationError, match="approle= takes a pair"):
            login(approle=pair)
    with pytest.raises(ConfigurationError, match="that is not a name for a secret"):
        login(approle=("r", "env:X"))
    with pytest.raises(ConfigurationError, match="that is not a name for a secret"):
        login(token="env:X")


def test_regions_and_ids() -> None:
    def origin(region: str, **more: Any) -> str:
        [place] = Secrets.aws_secrets_manager(region, KEYS, **more).places
        return place.origin  # type: ignore[union-attr]

    assert origin("us-east-1") == "https://secretsmanager.us-east-1.amazonaws.com"
    assert origin("us-gov-west-1") == "https://secretsmanager.us-gov-west-1.amazonaws.com"
    assert origin("cn-north-1") == "https://secretsmanager.cn-north-1.amazonaws.com.cn"
    assert origin("us-east-1", endpoint="https://vpce-1.example.com") == "https://vpce-1.example.com"
    for region in ("", "US-EAST-1", "us-east-1.evil.example", "us-east", "us-east-1\n", 5):
        with pytest.raises(ConfigurationError, match="takes a region of AWS"):
            origin(region)  # type: ignore[arg-type]
    for identity in ("a b", "a\tb", "ä", "a" * 2049):
        with pytest.raises(ConfigurationError):
            Secrets.aws_secrets_manager("us-east-1", {"openai": (identity, ORIGIN)})
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf"
    Secrets.aws_secrets_manager("us-east-1", {"openai": (arn, ORIGIN)})


def test_descriptions_show_nothing_of_what_logs_in() -> None:
    secret = Secrets.of({"bao": (canary(), ORIGIN)})
    for spec in (
        Secrets.openbao("https://bao.example.com", KEYS, credentials=secret, token="bao", ca_pem="PEM"),
        Secrets.aws_secrets_manager("us-east-1", KEYS, credentials=secret),
    ):
        assert "credentials" not in repr(spec)
        assert canary() not in repr(spec)


def test_only_what_signs_for_the_store_signs_for_its_address() -> None:
    """A row of a table with the store's address and auth = "sigv4" gets no signer: no route is a way to the store."""
    from saferoute.secrets.signer import StoreRequest, check_signable, make_signer

    place = "https://secretsmanager.eu-central-1.amazonaws.com"
    check_signable(StoreRequest("POST", place, "/", (), b"", "aws", "sigv4"))
    with pytest.raises(RequestError, match="belongs to the signature"):
        check_signable(StoreRequest("POST", place, "/", (("x-amz-date", "x"),), b"", "aws", "sigv4"))
    for net in (NetClass(), NetClass("loopback")):
        with pytest.raises(ConfigurationError, match="is not an AWS address that requests are signed for"):
            check_signable(HttpRequest("POST", place, "/", (), b"", "aws", "sigv4", net))
    with pytest.raises(ConfigurationError, match="is not an AWS address that requests are signed for"):
        make_signer(SecretRecord("aws", Secret("A:b"), (place,)), place)
