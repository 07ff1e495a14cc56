"""AWS signatures: what each refusal says, word for word, and the corners of the canonical form."""

from __future__ import annotations

import time

import pytest

from saferoute.wire.sigv4 import AwsKeys, Scope, canonical_request, derived_key, scope_of_host, sign

KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
ACCESS = "the AWS access key id must be 1 to 128 letters and digits"
SECRET = "the AWS secret access key is empty, too long, or has spaces or control characters: paste it again"
TOKEN = "the AWS session token is empty, too long, or has spaces or control characters: paste it again"
SCOPE = 'a service and a region are lower-case letters, digits and "-", such as "bedrock" and "us-east-1"'
REQUEST = "a request that is signed has an upper-case method, and a path and query in printable ASCII"
HEADER = "a header that is signed has a character that headers do not have"
HOST = "the host has a character that hosts do not have"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


def _said(raised: pytest.ExceptionInfo[BaseException]) -> str:
    return str(raised.value)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("", "s"), ACCESS),
        (("a" * 129, "s"), ACCESS),
        (("AK-ID", "s"), ACCESS),
        (("AKID", ""), SECRET),
        (("AKID", "s" * 4_097), SECRET),
        (("AKID", "a b"), SECRET),
        (("AKID", "s", ""), TOKEN),
        (("AKID", "s", "t" * 16_385), TOKEN),
        (("AKID", "s", "t\n"), TOKEN),
    ],
)
def test_what_malformed_keys_are_refused_with(parts: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError) as raised:
        AwsKeys(*parts)
    assert _said(raised) == words


def test_the_longest_keys_and_what_is_shown_of_them() -> None:
    assert repr(AwsKeys("a" * 128, "s" * 4_096)) == "AwsKeys(long-term)"
    assert repr(AwsKeys("_", "!~", "t" * 16_384)) == "AwsKeys(temporary)"
    with pytest.raises(TypeError) as raised:
        KEYS.__reduce__()
    assert _said(raised) == "AWS keys are not pickled or copied: read them from their source again"


@pytest.mark.parametrize(
    ("service", "region"), [("", "r"), ("s", ""), ("S", "r"), ("s", "R"), ("s" * 65, "r"), ("s", "r" * 65), ("s", "r\n")]
)
def test_what_a_malformed_scope_is_refused_with(service: str, region: str) -> None:
    with pytest.raises(ValueError) as raised:
        Scope(service, region)
    assert _said(raised) == SCOPE
    assert Scope("s" * 64, "r" * 64).region == "r" * 64


@pytest.mark.parametrize(
    ("method", "target", "headers", "words"),
    [
        ("post", "/", [], REQUEST),
        ("", "/", [], REQUEST),
        ("A" * 17, "/", [], REQUEST),
        ("POST", "", [], REQUEST),
        ("POST", "m", [], REQUEST),
        ("POST", "/a b", [], REQUEST),
        ("POST", "/\u0142", [], REQUEST),
        ("POST", "/", [("", "v")], HEADER),
        ("POST", "/", [("a" * 129, "v")], HEADER),
        ("POST", "/", [("a b", "v")], HEADER),
        ("POST", "/", [("a", "\n")], HEADER),
        ("POST", "/", [("a", "\x7f")], HEADER),
        ("POST", "/", [("a", "\xe9")], HEADER),
        ("POST", "/", [("user-agent", "\n")], HEADER),
        ("POST", "/", [("host", "")], HOST),
        ("POST", "/", [("Host", "a b")], HOST),
        ("POST", "/", [("HOST", "a/b")], HOST),
        ("POST", "/", [("host", "a" * 271)], HOST),
    ],
)
def test_what_a_malformed_request_is_refused_with(method: str, target: str, headers: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(ValueError) as raised:
        canonical_request(method, target, headers=headers, body=b"")
    assert _said(raised) == words


@pytest.mark.parametrize("name", ["Host", "AUTHORIZATION", "x-amz-date", "X-Amz-Security-Token"])
def test_what_a_header_of_the_signature_is_refused_with(name: str) -> None:
    with pytest.raises(ValueError) as raised:
        sign("GET", "/", host="h", headers=[("a", "1"), (name, "x")], body=b"", keys=KEYS, scope=Scope("s", "r"), now=0)
    assert _said(raised) == f"the header '{name.lower()}' is the signature's own and cannot be given"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("//", "/", ""),
        ("/.", "/", ""),
        ("/..", "/", ""),
        ("/../../a", "/a", ""),
        ("/a/./b/../c", "/a/c", ""),
        ("/a/..", "/", ""),
        ("/a/../", "/", ""),
        ("/a//b//", "/a/b/", ""),
        ("/a/.", "/a", ""),
        ("/a/./", "/a/", ""),
        ("/.a/..b/c..", "/.a/..b/c..", ""),
        ("/m/x-y_z.v1~0", "/m/x-y_z.v1~0", ""),
        ("/m/a:0", "/m/a%3A0", ""),
        ("/m/a%3A0", "/m/a%253A0", ""),
        ("/!*'();@&=+$,[]|XY", "/%21%2A%27%28%29%3B%40%26%3D%2B%24%2C%5B%5D%7CXY", ""),
        ("/a?b", "/a", "b="),
        ("/a?b=", "/a", "b="),
        ("/a?b=1?c", "/a", "b=1?c"),
        ("/a?b=1=2", "/a", "b=1=2"),
        ("/a?b=2&a=2&b=1&a=1&A=3&a-b=4", "/a", "A=3&a=1&a=2&a-b=4&b=1&b=2"),
        ("/a?&b", "/a", "=&b="),
        ("/a?x=../y//", "/a", "x=../y//"),
    ],
)
def test_the_canonical_path_and_query(target: str, path: str, query: str) -> None:
    text, names = canonical_request("GET", target, headers=[], body=b"")
    assert names == ""
    assert text == f"GET\n{path}\n{query}\n\n\n{EMPTY}"


def test_canonical_headers() -> None:
    headers = [
        ("X-B", "\t two  words\t"),
        ("x-a", ""),
        ("HOST", "[::1]:8080"),
        ("X-b", "1,2"),
        ("Accept", "*/*"),
        ("X-A", "a"),
        ("Baggage", "1"),
        ("EXPECT", "1"),
        ("Keep-Alive", "1"),
        ("Proxy-Authenticate", "1"),
        ("proxy-authorization", "1"),
        ("TraceState", "1"),
        ("Trailer", "1"),
        ("Transfer-Encoding", "1"),
        ("Upgrade", "1"),
    ]
    text, names = canonical_request("PUT", "/", headers=headers, body=b"")
    assert names == "accept;host;x-a;x-b"
    assert text == f"PUT\n/\n\naccept:*/*\nhost:[::1]:8080\nx-a:,a\nx-b:two words,1,2\n\n{names}\n{EMPTY}"


def test_a_signature_does_not_know_where_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def signed() -> tuple[tuple[str, str], ...]:
        return sign(
            "GET", "/", host="example.amazonaws.com", headers=[], body=b"", keys=KEYS, scope=Scope("service", "us-east-1"), now=1440938160
        )

    if not hasattr(time, "tzset"):
        pytest.skip("this system has no tzset: the time zone cannot be changed for one test")
    here = signed()
    try:
        monkeypatch.setenv("TZ", "XXX-5:30")
        time.tzset()
        assert signed() == here
    finally:
        monkeypatch.undo()
        time.tzset()
    assert here[0] == ("x-amz-date", "20150830T123600Z")
    assert here[1][1].endswith("Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")


def test_the_key_of_a_day_is_the_published_one() -> None:
    key = derived_key(KEYS, Scope("iam", "us-east-1"), "20150830")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_a_caller_may_remember_the_key_of_a_day() -> None:
    asked = []

    def derive(keys: AwsKeys, scope: Scope, day: str) -> bytes:
        asked.append((keys, scope, day))
        return derived_key(keys, scope, day)

    scope = Scope("service", "us-east-1")
    added = sign("GET", "/", host="h.example", headers=[], body=b"", keys=KEYS, scope=scope, now=1440938160, derive=derive)
    assert asked == [(KEYS, scope, "20150830")]
    assert added == sign("GET", "/", host="h.example", headers=[], body=b"", keys=KEYS, scope=scope, now=1440938160)


@pytest.mark.parametrize("host", ["lambda.us-east-1.amazonaws.com", "iam-fips.us-east-1.api.aws", "bedrock-agent.eu-west-1.amazonaws.com"])
def test_a_service_that_is_not_known_has_no_scope(host: str) -> None:
    assert scope_of_host(host) is None
