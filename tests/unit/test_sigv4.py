"""AWS Signature Version 4: the published vectors, the shared ones, and AWS' own SDK on random requests where it is installed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.wire.sigv4 import AwsKeys, Scope, canonical_request, scope_of_host, sign

KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
WHEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
FORM = [("Content-Type", "application/x-www-form-urlencoded")]

Headers = list[tuple[str, str]]
PUBLISHED: dict[str, tuple[str, str, Headers, bytes, str]] = {
    "get-vanilla": ("GET", "/", [], b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-relative": ("GET", "/example/..", [], b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-slash-dot": ("GET", "//./", [], b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-unreserved": (
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        [],
        b"",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-vanilla-query-order-key": (
        "GET",
        "/?Param2=value2&Param1=value1",
        [],
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-header-key-duplicate": (
        "GET",
        "/",
        [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
        b"",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    "get-header-value-trim": (
        "GET",
        "/",
        [("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')],
        b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-vanilla": ("POST", "/", [], b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-header-value-case": (
        "POST",
        "/",
        [("My-Header1", "VALUE1")],
        b"",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    "post-x-www-form-urlencoded": (
        "POST",
        "/",
        FORM,
        b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


def _signed(method: str, target: str, headers: Headers, body: bytes, keys: AwsKeys = KEYS) -> dict[str, str]:
    scope = Scope("service", "us-east-1")
    added = sign(method, target, host="example.amazonaws.com", headers=headers, body=body, keys=keys, scope=scope, now=WHEN)
    return dict(added)


@pytest.mark.parametrize("case", PUBLISHED.values(), ids=PUBLISHED)
def test_the_published_vectors(case: tuple[str, str, Headers, bytes, str]) -> None:
    *request, signature = case
    assert _signed(*request)["authorization"].endswith(f"Signature={signature}")


def test_what_is_added_and_nothing_else() -> None:
    assert _signed("GET", "/", [], b"") == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    }
    temporary = _signed("GET", "/", [], b"", AwsKeys("AKIDEXAMPLE", "s", "TOKEN=="))
    assert temporary["x-amz-security-token"] == "TOKEN=="
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in temporary["authorization"]


def test_headers_that_change_on_the_way_are_not_signed() -> None:
    moving = [("User-Agent", "x"), ("Connection", "close"), ("traceparent", "00-1"), ("X-Amzn-Trace-Id", "1"), ("TE", "trailers")]
    assert _signed("GET", "/", moving, b"") == _signed("GET", "/", [], b"")


def test_the_canonical_request() -> None:
    headers = [("Host", "h.example"), ("B", " x   y "), ("a", "1"), ("A", "2")]
    text, names = canonical_request("POST", "/a%20b/../c%3A0//d/?b=2&a=%3D&a&c", headers=headers, body=b"{}")
    assert names == "a;b;host"
    assert text == (
        "POST\n/c%253A0/d/\na=&a=%3D&b=2&c=\na:1,2\nb:x y\nhost:h.example\n\na;b;host\n"
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


@pytest.mark.parametrize(
    ("host", "service", "region"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "bedrock", "us-east-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "bedrock", "us-gov-west-1"),
        ("bedrock-runtime.eu-central-1.api.aws", "bedrock", "eu-central-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "bedrock", "cn-north-1"),
        ("vpce-0a1b-xyz.bedrock-runtime.us-east-1.vpce.amazonaws.com", "bedrock", "us-east-1"),
        ("bedrock.ap-southeast-2.amazonaws.com", "bedrock", "ap-southeast-2"),
        ("bedrock-mantle.us-east-2.api.aws", "bedrock-mantle", "us-east-2"),
        ("sts.eu-west-1.amazonaws.com", "sts", "eu-west-1"),
    ],
)
def test_a_host_says_its_scope(host: str, service: str, region: str) -> None:
    assert scope_of_host(host) == Scope(service, region)


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "amazonaws.com",
        "bedrock-runtime.amazonaws.com",
        "bedrock-runtime.us-east-1.amazonaws.com.evil.example",
        "bedrock-runtime.us-east-1.amazonaws.co",
        "evil.bedrock-runtime.us-east-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "bedrock-runtime.us-east-1.amazonaws.com\n",
        "127.0.0.1",
    ],
)
def test_other_hosts_have_none(host: str) -> None:
    assert scope_of_host(host) is None


def test_the_shared_vectors() -> None:
    root = Path(os.environ.get("SAFEROUTE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    file = root / "wire" / "bedrock_vectors.json"
    if not file.is_file():
        pytest.skip("the shared vectors are not here (SAFEROUTE_SHARED or ../shared)")
    for case in json.loads(file.read_text())["sigv4"]:
        url = urlsplit(case["url"])
        theirs = {name.lower(): value for name, value in case["headers"].items()}
        headers = [("host", url.netloc), *((n, v) for n, v in theirs.items() if n != "authorization")]
        assert canonical_request("POST", url.path, headers=headers, body=case["body"].encode())[0] == case["canonical_request"]
        added = sign(
            "POST",
            url.path,
            host=url.netloc,
            headers=[("content-type", "application/json")],
            body=case["body"].encode(),
            keys=AwsKeys(case["access_key"], case["secret_key"], case["session_token"]),
            scope=Scope(case["service"], case["region"]),
            now=datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp(),
        )
        assert theirs == {"content-type": "application/json", **dict(added)}


_PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
_TOKEN = st.text("abcXYZ019-", min_size=1, max_size=8)
_SEGMENT = st.one_of(st.text(max_size=6).filter(str.isprintable).map(lambda text: quote(text, safe="")), st.sampled_from([".", "..", ""]))


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    segments=st.lists(_SEGMENT, max_size=5),
    query=st.lists(st.tuples(_TOKEN, _TOKEN), max_size=4),
    headers=st.dictionaries(_TOKEN.map(lambda name: f"x-amz-meta-{name}".lower()), _PRINTABLE, max_size=4),
    body=st.binary(max_size=40),
    token=st.none() | st.text("AZaz09+/=", min_size=1, max_size=30),
    now=st.integers(0, 4_000_000_000),
)
def test_the_sdk_of_aws_signs_the_same(
    method: str, segments: list[str], query: list[tuple[str, str]], headers: dict[str, str], body: bytes, token: str | None, now: int
) -> None:
    auth = pytest.importorskip("botocore.auth", reason="botocore is not installed; it is the oracle here")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    when = datetime.fromtimestamp(now, UTC)
    target = "/" + "/".join(segments) + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
    request = AWSRequest(method, f"https://bedrock-runtime.us-east-1.amazonaws.com{target}", headers=dict(headers), data=body)
    signer = auth.SigV4Auth(Credentials("AKIDEXAMPLE", "secret/+=", token), "bedrock", "us-east-1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "get_current_datetime", lambda: when.replace(tzinfo=None))
        signer.add_auth(request)
    added = sign(
        method,
        target,
        host="bedrock-runtime.us-east-1.amazonaws.com",
        headers=headers.items(),
        body=body,
        keys=AwsKeys("AKIDEXAMPLE", "secret/+=", token),
        scope=Scope("bedrock", "us-east-1"),
        now=now,
    )
    assert dict(added)["authorization"] == request.headers["Authorization"]
