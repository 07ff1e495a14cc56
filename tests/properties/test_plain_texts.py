"""What a guard says of plain text at a small price is what it says when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import GuardError
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.links import LinkGuard
from saferoute.guards.pii import PiiGuard
from saferoute.guards.pipeline import Active
from saferoute.guards.plain import is_plain, plain_until
from saferoute.guards.secrets_found import SecretsGuard
from saferoute.guards.unicode import UnicodeGuard
from saferoute.values.events import TextDelta
from saferoute.values.guarding import ALLOWED, Action, Context, Segment

if TYPE_CHECKING:
    from saferoute.values.guarding import Guard

GUARDS: tuple[Any, ...] = (UnicodeGuard(), SecretsGuard(), PiiGuard(Action.REDACT), LinkGuard())
# What finds are made of, and what looks like it: pieces are put together to texts that are plain, nearly plain, and not.
PIECES = (
    "the parcel ", "left our ", "warehouse", " on Monday", ". ", ", ", "\n", " ", "  ", "-", "--", "-----", "BEGIN ", "RSA PRIVATE KEY-----",
    "12", "3", "0044 ", "20 7946 ", "0958", "+", "(0", ")", "x 12", "e", "1.2.", "8.8.8.8", "4111 1111 1111 1111", "123-45-", "6789", "@",
    "ann", "example.org", "ann@example.org", ":", "::1", "fe80::", "DE89 3704 0044 ", "0532 0130 00", "A", "DE", "key", "api_key=", "pass",
    "word: ", "hunter2!", "clave: ", "sk-", "proj-", "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5", "https://", "u:p4ss@h/", " -u ", "Bearer ", "![",
    "](", "https://evil.example/p", "]:", "<", "img src=", ">", "url", "(", "@import", "\x1b", "[31m", "\x07", "\u00e4", "\u0430", "\u200b",
    "\u202a", "\U0001f3f4", "\U000e0067", "\ud800", "\u05d0", "\u043f\u0430\u0440\u043e\u043b\u044c: ", "a" * 70, " " * 130, "7" * 21,
)  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.sampled_from(PIECES[:12]), st.text(max_size=3)), max_size=14)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: one.name)
@settings(max_examples=60, deadline=None)
@given(pieces=TEXTS, cut=st.integers(0, 400), start=st.integers(0, 400))
def test_plain_text_is_one_in_which_nothing_is_found_up_to_any_place(guard: Any, pieces: list[str], cut: int, start: int) -> None:
    """...and nothing is held of it but what is held anyway."""
    text = "".join(pieces)
    start = min(start, len(text))
    place = guard.plain_until(text, start)
    if place >= 0:
        assert place == guard.open_candidate(text, start)
        assert guard.check(Segment(text[:cut], "assistant", "model"), Context("output")) is ALLOWED
        known = min(cut, len(text))
        if guard.plain_until(text[:known], 0) >= 0:  # what is known of the beginning changes nothing
            assert guard.plain_until(text, start, known) == place


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: one.name)
@settings(max_examples=60, deadline=None)
@given(before=TEXTS, pieces=TEXTS)
def test_what_is_known_to_be_plain_is_not_looked_at_again_in_vain(guard: Any, before: list[str], pieces: list[str]) -> None:
    """A text whose beginning was plain is plain if the guard says so of its end and some characters before."""
    beginning = "the same plain text, again and again; " * 8 + "".join(before)
    text = beginning + "".join(pieces)
    if guard.plain_until(beginning, 0) >= 0 and guard.plain_until(text, 0, len(beginning)) >= 0:
        assert guard.check(Segment(text, "assistant", "model"), Context("output")) is ALLOWED
        assert guard.plain_until(text, 0, len(beginning)) == guard.open_candidate(text, 0)


@settings(max_examples=150, deadline=None)
@given(pieces=TEXTS, cut=st.integers(0, 400), start=st.integers(0, 400))
def test_what_is_plain_to_all_is_plain_to_each(pieces: list[str], cut: int, start: int) -> None:
    """...and of it is held what any of them holds, whatever is known of its beginning."""
    text = "the same plain text, again and again; " * (cut % 5) + "".join(pieces)
    start, known = min(start, len(text)), min(cut, len(text))
    place = plain_until(text, start, known if is_plain(text[:known]) else 0)
    assert (place >= 0) <= is_plain(text)
    if place >= 0:
        assert place == min(guard.open_candidate(text, start) for guard in GUARDS)
        for guard in GUARDS:
            assert guard.check(Segment(text, "assistant", "model"), Context("output")) is ALLOWED
            assert guard.check(Segment(text[:cut], "assistant", "model"), Context("output")) is ALLOWED
            assert guard.check(Segment(text), Context("input")) is ALLOWED


class Asked:
    """A guard that is asked about everything."""

    def __init__(self, guard: Any) -> None:
        self.name, self.version, self.stages = guard.name, guard.version, guard.stages
        self.check, self.open_candidate = guard.check, guard.open_candidate


def _shown(guards: tuple[Guard, ...], pieces: list[str]) -> tuple[str, list[str], list[Any]]:
    judge = AnswerGuards([Active(one, quick=True) for one in guards], lambda stage: Context(stage), lambda kind: f"[{kind}]")
    events: list[str] = []
    try:
        for piece in pieces:
            shown = judge.feed([TextDelta(piece)])
            events.append("".join(cast("TextDelta", event).text for event in shown))
    except GuardError as error:
        return type(error).__name__, events, judge.verdicts
    return "", events, judge.verdicts


@settings(max_examples=60, deadline=None)
@given(pieces=TEXTS, again=st.integers(1, 3))
def test_streams_are_the_same_whether_plain_text_is_told_or_not(pieces: list[str], again: int) -> None:
    """The same events, piece by piece, and the same verdicts."""
    pieces = pieces * again
    assert _shown(GUARDS, pieces) == _shown(tuple(Asked(one) for one in GUARDS), pieces)
