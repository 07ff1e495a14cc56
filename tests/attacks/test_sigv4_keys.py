"""Keys that sign: nothing shows them, nothing copies them, and nothing that is signed can smuggle a line into the request."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest

from saferoute.wire.sigv4 import AwsKeys, Scope, sign

KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "SESSION-TOKEN==")
SCOPE = Scope("bedrock", "us-east-1")


def _sign(**changes: object) -> tuple[tuple[str, str], ...]:
    fields = {"method": "POST", "target": "/m", "host": "h.example", "headers": (), "body": b"", "keys": KEYS, "scope": SCOPE, "now": 1e9}
    fields |= changes
    return sign(fields.pop("method"), fields.pop("target"), **fields)  # type: ignore[arg-type]


def test_no_key_in_a_repr_a_pickle_or_a_copy() -> None:
    shown = f"{KEYS!r} {KEYS} {[KEYS]}"
    assert not any(secret in shown for secret in (KEYS.access_key, KEYS.secret_key, str(KEYS.session_token)))
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as raised:
            attempt(KEYS)
        assert "wJal" not in str(raised.value)


@pytest.mark.parametrize(
    "parts",
    [
        ("AKID\nX-Evil: 1", "s"),
        ("AKID/20260101", "s"),
        ("", "s"),
        ("AKID", "sec ret-SECRET"),
        ("AKID", ""),
        ("AKID", "SECRET\n"),
        ("AKID", "s", "SECRET\r\nX-Evil: 1"),
        ("AKID", "s", ""),
    ],
)
def test_a_malformed_key_is_refused_without_being_shown(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError) as raised:
        AwsKeys(*parts)
    assert "SECRET" not in str(raised.value)
    assert "Evil" not in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": [("x-a", "1\r\nx-evil: 2")]},
        {"headers": [("x-a\nb", "1")]},
        {"headers": [("x-a", "caf\xe9")]},
        {"headers": [("", "1")]},
        {"host": "h.example\nx-evil:1"},
        {"host": ""},
        {"target": "/m\nx"},
        {"target": "/m x"},
        {"target": "/m\u0142"},
        {"target": "m"},
        {"target": ""},
        {"method": "post"},
        {"method": "POST\n/"},
    ],
)
def test_nothing_that_is_signed_holds_a_line_end(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        _sign(**changes)


@pytest.mark.parametrize("name", ["Host", "authorization", "X-Amz-Date", "x-amz-security-token"])
def test_the_signatures_own_headers_cannot_be_given(name: str) -> None:
    with pytest.raises(ValueError, match="signature's own"):
        _sign(headers=[(name, "x")])


@pytest.mark.parametrize(
    ("service", "region"), [("bedrock/aws4_request", "us-east-1"), ("bedrock", "us-east-1/s3"), ("", "r"), ("s", "\n")]
)
def test_a_scope_is_one_service_in_one_region(service: str, region: str) -> None:
    with pytest.raises(ValueError):
        Scope(service, region)


def test_the_secret_is_in_no_header_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        added = _sign(body=b"{}")
    assert KEYS.secret_key not in str(added)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET"},
        {"target": "/n"},
        {"target": "/m?a=1"},
        {"host": "other.example"},
        {"headers": [("content-type", "text/plain")]},
        {"body": b"{}"},
        {"scope": Scope("bedrock", "us-east-2")},
        {"scope": Scope("sts", "us-east-1")},
        {"now": 1e9 + 1},
        {"keys": AwsKeys("AKIDEXAMPLE", "another", "SESSION-TOKEN==")},
        {"keys": AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "ANOTHER")},
    ],
)
def test_another_request_has_another_signature(changes: dict[str, object]) -> None:
    assert _sign()[-1][1].rpartition("Signature=")[2] != _sign(**changes)[-1][1].rpartition("Signature=")[2]
