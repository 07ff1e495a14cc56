"""Temporary keys of AWS: what is asked, what is taken, and what AWS' own SDK makes of the same answers."""

from __future__ import annotations

import json
import threading
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from saferoute.errors import AuthenticationRejected, SaferouteError, SecretError
from saferoute.secrets.minting import MintAnswer, Minted, MintRequest, Recipe, reveal
from saferoute.secrets.minting_aws import aws_container, aws_instance, aws_web_identity
from saferoute.secrets.recipes import recipe_for
from saferoute.secrets.secret import Secret
from saferoute.values.credential import CredentialKind, CredentialSpec
from saferoute.values.http import NetClass

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
KEYS = ("ASIACANARYKEYID", "canarySECRET/+=", "canaryTOKEN//==")
TOKEN = "eyJCANARY.eyJ0b2tlbiI6MX0.c2ln"
ROLE = "arn:aws:iam::123456789012:role/team/reader"
ORIGINS: Mapping[str, str] = {
    "aws_web_identity": "https://sts.us-east-1.amazonaws.com",
    "aws_container": "http://169.254.170.23",
    "aws_instance": "http://169.254.169.254",
}
RULES = {"aws_web_identity": aws_web_identity, "aws_container": aws_container, "aws_instance": aws_instance}


def spec(kind: CredentialKind, origin: str = "", secret: str | None = None, **parameters: str) -> CredentialSpec:
    where = ("https://bedrock-runtime.us-east-1.amazonaws.com",)
    return CredentialSpec("bedrock", kind, origin or ORIGINS[kind], NetClass("private"), secret, where, parameters)


def begin(kind: CredentialKind, material: str | None = None, **parameters: str) -> Recipe:
    return RULES[kind](spec(kind, **parameters), None if material is None else Secret(material), NOW)


def answered(body: bytes | str | object, status: int = 200) -> MintAnswer:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return MintAnswer(status, {}, data)


def finish(recipe: Recipe, *answers: MintAnswer) -> tuple[list[MintRequest], Minted]:
    requests = [next(recipe)]
    for answer in answers:
        try:
            requests.append(recipe.send(answer))
        except StopIteration as stop:
            return requests, stop.value
    pytest.fail("the recipe wants more answers")


def refused(recipe: Recipe, *answers: MintAnswer) -> SaferouteError:
    with pytest.raises((SecretError, AuthenticationRejected)) as caught:
        finish(recipe, *answers)
    assert_clean(caught.value)
    return caught.value


def assert_clean(error: SaferouteError) -> None:
    text = str(error) + repr(error) + error.diagnostics() + "".join(traceback.format_exception(error))
    one: BaseException | None = error
    while one is not None:
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                text += repr(frame.f_locals)
        one = one.__cause__ or one.__context__
    assert "canary" not in text.lower(), text


def fields(**changes: object) -> dict[str, object]:
    made = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": KEYS[0], "SecretAccessKey": KEYS[1], "Token": KEYS[2]}
    made |= {"Expiration": "2026-11-22T18:00:00Z", "LastUpdated": "2026-11-22T11:00:00Z"}
    return {name: value for name, value in (made | changes).items() if value is not None}


def sts(**changes: str | None) -> bytes:
    made = {"AccessKeyId": KEYS[0], "SecretAccessKey": KEYS[1], "SessionToken": KEYS[2], "Expiration": "2026-11-22T13:00:00Z"} | changes
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in made.items() if value is not None)
    return (
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <AssumeRoleWithWebIdentityResult>\n'
        f"    <Audience>sts.amazonaws.com</Audience>\n    <Credentials>{inner}</Credentials>\n    <Provider>x</Provider>\n"
        "  </AssumeRoleWithWebIdentityResult>\n  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\n"
        "</AssumeRoleWithWebIdentityResponse>"
    ).encode()


def sts_error(code: str) -> bytes:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>Token &quot;canary&quot; is bad</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    ).encode()


def test_the_table_of_recipes_has_them() -> None:
    for kind, rule in RULES.items():
        assert recipe_for(kind) is rule  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- STS


def test_a_web_identity_becomes_keys() -> None:
    (asked,), made = finish(begin("aws_web_identity", TOKEN, role=ROLE), answered(sts()))
    assert (asked.method, asked.path, asked.secret_headers, asked.origin) == ("POST", "/", (), "")
    assert asked.headers == (("content-type", "application/x-www-form-urlencoded"), ("accept", "text/xml"))
    assert parse_qs(reveal(asked.body).decode(), strict_parsing=True) == {
        "Action": ["AssumeRoleWithWebIdentity"],
        "Version": ["2011-06-15"],
        "RoleArn": [ROLE],
        "RoleSessionName": ["saferoute"],
        "DurationSeconds": ["3600"],
        "WebIdentityToken": [TOKEN],
    }
    assert "CANARY" not in repr(asked)
    assert reveal(made.secret) == ":".join(KEYS).encode()
    assert made.expires_at == NOW + 3600


def test_the_rows_choices_are_sent() -> None:
    (asked,), _ = finish(begin("aws_web_identity", TOKEN, role=ROLE, session_name="app@x", duration="43200"), answered(sts()))
    form = parse_qs(reveal(asked.body).decode())
    assert (form["RoleSessionName"], form["DurationSeconds"]) == (["app@x"], ["43200"])


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, "needs the parameter 'role'"),
        ({"role": "reader"}, "'role' does not have the form"),
        ({"role": ROLE + "\n"}, "'role' does not have the form"),
        ({"role": ROLE + "&Action=x"}, "'role' does not have the form"),
        ({"role": ROLE, "duration": "899"}, "900 to 43200"),
        ({"role": ROLE, "duration": "43201"}, "900 to 43200"),
        ({"role": ROLE, "duration": "0900"}, "'duration' does not have the form"),
        ({"role": ROLE, "session_name": "a b"}, "'session_name' does not have the form"),
        ({"role": ROLE, "session_name": "a"}, "'session_name' does not have the form"),
        ({"role": ROLE, "policy": "{}"}, "no parameter 'policy'"),
        ({"role": ROLE, "endpoint": "https://evil.example"}, "no parameter 'endpoint'"),
    ],
)
def test_a_row_of_a_web_identity_is_strict(parameters: dict[str, str], says: str) -> None:
    assert says in str(refused(begin("aws_web_identity", TOKEN, **parameters)))


def test_a_web_identity_needs_its_token() -> None:
    assert "is made from a stored secret" in str(refused(begin("aws_web_identity", role=ROLE)))


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ExpiredTokenException", "must write a new one"),
        ("AccessDenied", "trust policy"),
        ("InvalidIdentityToken", "not an identity provider"),
        ("IDPRejectedClaim", "rejected the token"),
    ],
)
def test_what_sts_refuses_is_told_in_our_words(code: str, says: str, status: int) -> None:
    error = refused(begin("aws_web_identity", TOKEN, role=ROLE), answered(sts_error(code), status))
    assert says in str(error)
    assert f"{status}, {code}" in str(error)


@pytest.mark.parametrize("body", [sts_error("CanaryCode"), b"", b"canary", b'{"Error": {"Code": "canary"}}', b"<!DOCTYPE x><canary/>"])
@pytest.mark.parametrize("status", [302, 400, 403, 500, 503])
def test_anything_else_is_told_by_its_status_only(body: bytes, status: int) -> None:
    error = refused(begin("aws_web_identity", TOKEN, role=ROLE), answered(body, status))
    assert str(error).startswith("https://sts.us-east-1.amazonaws.com, which makes the credential 'bedrock' (aws_web_identity),")
    assert f"answered {status}" in str(error)


def _entity(name: str) -> bytes:
    declared = f'<!DOCTYPE r [<!ENTITY {name} "canary">]>'.encode()
    return declared + sts(AccessKeyId=f"&{name};")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"canary",
        b"{}",
        json.dumps(fields()).encode(),
        sts()[:-1],
        sts() + sts(),
        b"\xff" + sts(),
        sts_error("AccessDenied"),
        sts(AccessKeyId=None),
        sts(SecretAccessKey=""),
        sts(SessionToken=None),
        sts(SessionToken="canary:x"),
        sts(AccessKeyId="canary key"),
        sts(SecretAccessKey="canary</SecretAccessKey><SecretAccessKey>canary"),
        sts(Expiration=None),
        sts(Expiration="canary"),
        sts(Expiration="1795352400"),
        sts(Expiration="2026-11-22T13:00:00"),
        sts(Expiration="2026-11-22T13:00:00+01:00"),
        sts(Expiration="2026-02-31T13:00:00Z"),
        sts(Expiration="2026-11-22T12:00:00Z"),
        sts(Expiration="2026-11-22T11:59:59Z"),
        sts(Expiration="2027-11-22T13:00:00Z"),
        sts().replace(b"Result>", b"Other>"),
        _entity("x"),
        b"<?xml version='1.0'?><!DOCTYPE r SYSTEM 'http://evil.example/canary'>" + sts(),
    ],
)
def test_an_answer_that_is_not_exactly_one_of_sts_gives_nothing(body: bytes) -> None:
    error = refused(begin("aws_web_identity", TOKEN, role=ROLE), answered(body))
    assert "nothing of it was used" in str(error)


# ---------------------------------------------------------------------------------------------------- containers


def test_a_containers_endpoint_gives_keys() -> None:
    (asked,), made = finish(begin("aws_container", TOKEN, path="/v1/credentials"), answered(fields(Code=None)))
    assert (asked.method, asked.path, asked.headers, reveal(asked.body)) == (
        "GET",
        "/v1/credentials",
        (("accept", "application/json"),),
        b"",
    )
    assert [(name, reveal(value)) for name, value in asked.secret_headers] == [("authorization", TOKEN.encode())]
    assert "CANARY" not in repr(asked)
    assert (reveal(made.secret), made.expires_at) == (":".join(KEYS).encode(), NOW + 6 * 3600)


def test_without_a_path_the_material_is_the_path_and_nothing_is_authorised() -> None:
    (asked,), _ = finish(begin("aws_container", "/v2/credentials/0f1e-2d3c"), answered(fields()))
    assert (asked.path, asked.secret_headers) == ("/v2/credentials/0f1e-2d3c", ())


@pytest.mark.parametrize(
    "path", ["canary", "//evil.example/canary", "/../canary", "/canary?x=1", "/a/../canary", "/canary#x", "http://x/canary"]
)
def test_a_path_that_could_be_something_else_is_refused(path: str) -> None:
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in str(refused(begin("aws_container", path)))
    with pytest.raises(SecretError, match="'path' does not have the form"):
        next(begin("aws_container", TOKEN, path=path))


def test_a_container_without_path_or_material() -> None:
    assert "is made from a stored secret" in str(refused(begin("aws_container")))
    assert "no parameter 'host'" in str(refused(begin("aws_container", host="evil.example")))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"canary", b"[]", b'"canary"', fields(Token=None), fields(AccessKeyId=5), fields(Expiration=1795352400),
        fields(SecretAccessKey="canary secret"), fields(SecretAccessKey="canary:secret"), fields(Expiration="2026-11-22T11:00:00Z"),
        b'{"AccessKeyId": "canary", ' + json.dumps(fields()).encode()[1:],
    ],
)  # fmt: skip
def test_an_answer_that_is_not_keys_gives_nothing(body: object) -> None:
    assert "nothing of it was used" in str(refused(begin("aws_container", TOKEN, path="/v1/credentials"), answered(body)))


@pytest.mark.parametrize(
    ("status", "kind"), [(400, AuthenticationRejected), (403, AuthenticationRejected), (404, SecretError), (500, SecretError)]
)
def test_a_container_that_is_refused(status: int, kind: type[SaferouteError]) -> None:
    assert type(refused(begin("aws_container", TOKEN, path="/v1/credentials"), answered({"message": "canary"}, status))) is kind


# ---------------------------------------------------------------------------------------------------- instances

SESSION = "AQAAACANARYSESSION=="


def test_an_instance_gives_keys_in_a_session() -> None:
    answers = (answered(SESSION), answered("team-reader\n"), answered(fields()))
    asked, made = finish(begin("aws_instance"), *answers)
    assert [(one.method, one.path) for one in asked] == [
        ("PUT", "/latest/api/token"),
        ("GET", "/latest/meta-data/iam/security-credentials/"),
        ("GET", "/latest/meta-data/iam/security-credentials/team-reader"),
    ]
    assert asked[0].headers == (("x-aws-ec2-metadata-token-ttl-seconds", "21600"),)
    assert asked[0].secret_headers == ()
    for one in asked[1:]:
        assert [(name, reveal(value)) for name, value in one.secret_headers] == [("x-aws-ec2-metadata-token", SESSION.encode())]
    assert "CANARY" not in repr(asked)
    assert (reveal(made.secret), made.expires_at) == (":".join(KEYS).encode(), NOW + 6 * 3600)


def test_a_rows_role_is_asked_for_and_no_other() -> None:
    asked, _ = finish(begin("aws_instance", role="reader"), answered(SESSION), answered(fields()))
    assert [one.path for one in asked][1:] == ["/latest/meta-data/iam/security-credentials/reader"]
    assert "attach an instance profile" in str(refused(begin("aws_instance", role="reader"), answered(SESSION), answered("canary", 404)))


@pytest.mark.parametrize(
    "name", ["", "canary/..", "../canary", "canary\ncanary2", "canary?x", "canary#", "canary%2e", "<html>canary", "\xffcanary"]
)
def test_a_role_that_could_be_another_address_is_refused(name: str) -> None:
    """What the service names goes into the next request's path."""
    assert "did not name one role" in str(refused(begin("aws_instance"), answered(SESSION), answered(name.encode("latin-1"))))


@pytest.mark.parametrize("session", ["", "canary session", "canary\r\nx-evil: 1", "\xffcanary", "canary" * 200])
def test_a_session_that_is_no_token_is_refused(session: str) -> None:
    assert "no session token" in str(refused(begin("aws_instance"), answered(session.encode("latin-1"))))


def test_the_old_way_without_a_session_is_never_tried() -> None:
    for status in (400, 403, 404, 405, 500):
        recipe = begin("aws_instance")
        next(recipe)
        with pytest.raises((SecretError, AuthenticationRejected)):
            recipe.send(answered("canary", status))
        with pytest.raises(StopIteration):
            next(recipe)


@pytest.mark.parametrize("changes", [{"Code": "Failed"}, {"Code": None}, {"Code": "AssumeRoleUnauthorizedAccess"}])
def test_an_instance_that_could_not_make_keys(changes: dict[str, object]) -> None:
    error = refused(begin("aws_instance", role="reader"), answered(SESSION), answered(fields(**changes)))
    assert "does not say Success" in str(error)


def test_an_instance_takes_no_secret_and_no_other_parameter() -> None:
    assert "made from no secret" in str(refused(begin("aws_instance", "canary")))
    assert "no parameter 'version'" in str(refused(begin("aws_instance", version="1")))
    assert "'role' does not have the form" in str(refused(begin("aws_instance", role="a/b")))


# ---------------------------------------------------------------------------------------------------- AWS' own SDK as the oracle


SOON = (datetime.now(UTC) + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")  # botocore looks at the real clock


class _Metadata(BaseHTTPRequestHandler):
    """A container's endpoint and an instance's metadata, on loopback."""

    def do_PUT(self) -> None:
        self._say(SESSION if self.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600" else None)

    def do_GET(self) -> None:
        folder = "/latest/meta-data/iam/security-credentials/"
        if self.path == "/v1/credentials":
            self._say(json.dumps(fields(Code=None, Expiration=SOON)) if self.headers["authorization"] == TOKEN else None)
        elif self.headers["x-aws-ec2-metadata-token"] != SESSION:
            self._say(None)
        else:
            self._say({folder: "reader", f"{folder}reader": json.dumps(fields(Expiration=SOON))}.get(self.path))

    def _say(self, text: str | None) -> None:
        body = (text or "").encode()
        self.send_response(403 if text is None else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def metadata() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def over_the_network(origin: str) -> Callable[[MintRequest], MintAnswer]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(wanted: MintRequest) -> MintAnswer:
        headers = dict(wanted.headers) | {name: reveal(value).decode() for name, value in wanted.secret_headers}
        made = urllib.request.Request(origin + wanted.path, reveal(wanted.body) or None, headers, method=wanted.method)
        try:
            with opener.open(made, timeout=5) as response:
                return MintAnswer(response.status, {}, response.read())
        except urllib.error.HTTPError as error:
            return MintAnswer(error.code, {}, error.read())

    return ask


def play(recipe: Recipe, ask: Callable[[MintRequest], MintAnswer]) -> Minted:
    wanted = next(recipe)
    while True:
        try:
            wanted = recipe.send(ask(wanted))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def test_the_sdk_takes_the_same_from_a_container(metadata: str) -> None:
    utils = pytest.importorskip("botocore.utils", reason="botocore is not installed; it is the oracle here")
    theirs = utils.ContainerMetadataFetcher().retrieve_full_uri(f"{metadata}/v1/credentials", headers={"Authorization": TOKEN})
    made = play(aws_container(spec("aws_container", metadata, path="/v1/credentials"), Secret(TOKEN), NOW), over_the_network(metadata))
    assert reveal(made.secret).decode() == ":".join((theirs["AccessKeyId"], theirs["SecretAccessKey"], theirs["Token"]))
    assert datetime.fromtimestamp(made.expires_at, UTC) == datetime.fromisoformat(theirs["Expiration"])


def test_the_sdk_takes_the_same_from_an_instance(metadata: str) -> None:
    utils = pytest.importorskip("botocore.utils", reason="botocore is not installed; it is the oracle here")
    theirs = utils.InstanceMetadataFetcher(base_url=f"{metadata}/", env={}).retrieve_iam_role_credentials()
    made = play(aws_instance(spec("aws_instance", metadata), None, NOW), over_the_network(metadata))
    assert reveal(made.secret).decode() == ":".join((theirs["access_key"], theirs["secret_key"], theirs["token"]))
    assert datetime.fromtimestamp(made.expires_at, UTC) == datetime.fromisoformat(theirs["expiry_time"])


def test_the_sdk_reads_the_same_out_of_our_sts_answer() -> None:
    """The sample that the tests above are made of is one to botocore as well."""
    parsers = pytest.importorskip("botocore.parsers", reason="botocore is not installed; it is the oracle here")
    from botocore.session import Session

    shape = Session().get_service_model("sts").operation_model("AssumeRoleWithWebIdentity").output_shape
    theirs = parsers.create_parser("query").parse({"body": sts(), "headers": {}, "status_code": 200}, shape)["Credentials"]
    _, made = finish(begin("aws_web_identity", TOKEN, role=ROLE), answered(sts()))
    assert reveal(made.secret).decode() == ":".join((theirs["AccessKeyId"], theirs["SecretAccessKey"], theirs["SessionToken"]))
    assert made.expires_at == theirs["Expiration"].timestamp()


@pytest.mark.parametrize("token", [TOKEN, "a+b/c=&RoleArn=x%20"])
def test_a_simulated_sts_understands_the_request(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto, in this process: it answers what our request says, and its own answer is one that we read."""
    moto = pytest.importorskip("moto", reason="moto is not installed; it is the other side here")
    requests = pytest.importorskip("requests")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    seen: list[bytes] = []

    def ask(wanted: MintRequest) -> MintAnswer:
        response = requests.post(
            ORIGINS["aws_web_identity"] + wanted.path, data=reveal(wanted.body), headers=dict(wanted.headers), timeout=5
        )
        seen.append(response.content)
        return MintAnswer(response.status_code, {}, response.content)

    with moto.mock_aws():
        now = datetime.now(UTC).timestamp()
        made = play(aws_web_identity(spec("aws_web_identity", role=ROLE, duration="900"), Secret(token), now), ask)
    assert ROLE.rpartition("/")[2].encode() in seen[0]  # the simulator read the role that we sent
    assert b"/saferoute" in seen[0]
    key_id, secret, session = reveal(made.secret).decode().split(":")
    assert key_id.startswith("ASIA")
    assert (len(secret) > 30, len(session) > 30) == (True, True)
    assert 890 < made.expires_at - now < 910
