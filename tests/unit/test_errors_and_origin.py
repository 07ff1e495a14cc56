"""The error tree's promises, and the one spelling of an origin."""

from __future__ import annotations

import copy
import pickle

import pytest

from saferoute import errors
from saferoute.errors import ConfigurationError, ProviderError, SaferouteError, TimedOut
from saferoute.values.origin import parse_origin

KEY = "sk-canary-0123456789abcdefghijkl"
BODY = "the private answer"


def make(kind: type[SaferouteError]) -> SaferouteError:
    if issubclass(kind, ProviderError):
        return kind(status=429, provider_name="p", code="c", param="x", request_id="r", retry_after=2.0, provider_message=f"{BODY} {KEY}")
    if issubclass(kind, TimedOut):
        return kind(clock="idle", seconds=3, sent=True)
    if issubclass(kind, errors.UnsupportedParameter):
        return kind("m", parameter="seed")
    if issubclass(kind, errors.AllRoutesCooling):
        return kind("m", retry_at=5.0)
    return kind("m")


def tree(kind: type[SaferouteError]) -> list[type[SaferouteError]]:
    ours = [child for child in kind.__subclasses__() if child.__module__.startswith("saferoute.errors")]  # the test kit has its own leaves
    return [kind] + [leaf for child in ours for leaf in tree(child)]


@pytest.mark.parametrize("kind", tree(SaferouteError))
def test_every_error_is_listed_documented_and_survives_a_pickle(kind: type[SaferouteError]) -> None:
    assert kind.__name__ in errors.__all__
    assert kind.__doc__
    assert kind.__name__ in (errors.__doc__ or "")
    error = make(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == copy.copy(error).message
    assert {k: v for k, v in vars(error).items() if k not in {"_provider_message", "partial", "reply"}}.items() <= vars(again).items()


def test_a_providers_words_stay_out_of_messages_and_pickles_and_lose_their_keys() -> None:
    error = make(errors.RateLimited)
    for place in (str(error), repr(error), repr(error.args), pickle.dumps(error).decode("latin-1")):
        assert BODY not in place
        assert KEY not in place
    assert BODY in error.diagnostics()
    assert KEY not in error.diagnostics()
    assert str(error) == "p answered 429, code c, param x, retry after 2 s, request id r"


def test_timed_out_is_a_timeout_error_and_only_the_total_clock_is_final() -> None:
    assert isinstance(TimedOut(clock="idle", seconds=1, sent=True), TimeoutError)
    assert TimedOut(clock="idle", seconds=1, sent=True).retryable
    assert not TimedOut(clock="total", seconds=1, sent=True).retryable


def test_diagnostics_list_the_attempts() -> None:
    from saferoute.values.reply import Attempt

    error = errors.ConnectFailed("no route to host")
    error.attempts = (Attempt("row", "m", "ConnectFailed"),)
    assert error.diagnostics() == "ConnectFailed: no route to host\n  attempt 1: row (m): ConnectFailed"


@pytest.mark.parametrize(
    ("text", "authority", "port", "is_ip"),
    [
        ("https://api.openai.com", "api.openai.com", 443, False),
        ("https://a-b.example.com:8443", "a-b.example.com:8443", 8443, False),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", 8080, True),
        ("http://[::1]:8080", "[::1]:8080", 8080, True),
        ("http://localhost", "localhost", 80, False),
    ],
)
def test_canonical_origins(text: str, authority: str, port: int, is_ip: bool) -> None:
    origin = parse_origin(text)
    assert (str(origin), origin.authority, origin.port, origin.is_ip) == (text, authority, port, is_ip)


@pytest.mark.parametrize(
    "text",
    [
        "", "https://", "api.openai.com", "https://API.openai.com", "https://api.openai.com/", "https://api.openai.com/v1", "https://api.openai.com:443",
        "http://x.com:80", "https://x.com:0", "https://x.com:65536", "https://x.com:080", "https://u@x.com", "https://u:p@x.com", "https://x.com?q", "https://x.com#f",
        "https://*.x.com", "https://x.com.", "https://.x.com", "https://x..com", "https://-x.com", "https://x-.com", "https://xn--pypal-4ve.com",
        "https://ex\u0430mple.com", "https://ｅxample.com", "https://x.com\n", " https://x.com", "https://x .com", "ftp://x.com", "https://2130706433",
        "https://0x7f000001", "https://127.1", "https://0177.0.0.1", "https://127.0.0.01", "https://[0:0:0:0:0:0:0:1]", "https://[::1", "https://::1",
        "https://[::ffff:1.2.3.4]x", "https://x_y.com", "https://" + "a" * 64 + ".com", "https://" + "a." * 130 + "com", "https:\\\\x.com", "https://x.com\\@y.com",
    ],
)  # fmt: skip
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an origin"):
        parse_origin(text)
