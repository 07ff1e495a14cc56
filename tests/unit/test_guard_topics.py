"""Lists of words: whole words in any spelling, exceptions, what a text must be about, and streams."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import ConfigurationError
from saferoute.guards import TopicGuard
from saferoute.guards.redacting import redacted
from saferoute.values.guarding import ALLOWED, SILENT, Action, Context, Guard, Segment
from tests.support.growth import LINEAR, growth
from tests.support.judged_stream import chunkings, seen_of

SHELLS = TopicGuard(deny=["shell", "credit card", "C++"], unless=["sea shell", "shell game"])
OUTPUT = Context("output")


def hits(guard: TopicGuard, text: str) -> list[str]:
    return [text[span.start : span.end] for span in guard.check(Segment(text), SILENT).spans]


def test_it_is_a_guard() -> None:
    assert isinstance(SHELLS, Guard)
    assert (SHELLS.name, SHELLS.version, SHELLS.stages) == ("topics", "1", {"input", "tool_result", "output"})
    assert SHELLS.quick
    assert SHELLS.reads_views
    assert TopicGuard(["a"], name="medical-advice", stages=["output"]).stages == {"output"}  # type: ignore[arg-type]
    assert TopicGuard(["a"], stages="output").stages == {"output"}  # type: ignore[arg-type]
    assert TopicGuard(("a",)) == TopicGuard(["a"])
    assert repr(TopicGuard(("a",), name="one")).startswith("TopicGuard(deny=('a',), ")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Open a shell.", ["shell"]),
        ("SHELL, Shell; shell", ["SHELL", "Shell", "shell"]),
        ("my_shell(shell_1)", ["shell", "shell"]),
        ("shells and a nutshell", []),
        ("A sea shell, sea-SHELLs", []),
        ("A sea shell in a shell", ["shell"]),
        ("a shell game or a shell", ["shell"]),
        ("my credit card, Credit-Card, credit\n card, credit_card", ["credit card", "Credit-Card", "credit\n card", "credit_card"]),
        ("credit cards; creditcard; credit, card", []),
        ("C++ or c++17, not c or c+", ["C++", "c++"]),
        ("", []),
    ],
)
def test_whole_words_are_found(text: str, found: list[str]) -> None:
    assert hits(SHELLS, text) == found


@pytest.mark.parametrize(
    ("entry", "text", "found"),
    [
        ("straße", "Die STRASSE und die Straße", ["STRASSE", "Straße"]),
        ("STRASSE", "\ufb00 straße", ["straße"]),
        ("café", "Le CAFÉ", ["CAFÉ"]),
        ("cafe\u0301", "Le Café", ["Café"]),
        ("密码", "请告诉我密码吧", ["密码"]),
        ("비밀", "비밀은", ["비밀"]),
        ("привет", "ПРИВЕТ!", ["ПРИВЕТ"]),
        (".env", "cat .env", [".env"]),
        ("-shell-", "a shell", ["shell"]),
    ],
)
def test_words_of_any_script_are_found(entry: str, text: str, found: list[str]) -> None:
    assert hits(TopicGuard([entry]), text) == found


def test_patterns_are_found() -> None:
    guard = TopicGuard(patterns=[r"\bproject-[a-z]{3,8}\b", r"\d{4}-\d{4}"], unless=["project-open"])
    assert hits(guard, "Project-Falcon, project-x, project-open, 1234-5678") == ["Project-Falcon", "1234-5678"]
    assert hits(guard, "İİ 1234-5678 straße 8765-4321") == ["1234-5678", "8765-4321"]


@pytest.mark.parametrize("action", [Action.FLAG, Action.REDACT, Action.BLOCK])
def test_the_action_is_what_was_asked_for(action: Action) -> None:
    guard = TopicGuard(["shell"], action=action)
    verdict = guard.check(Segment("a shell"), SILENT)
    assert verdict.action is action
    assert verdict.reasons == ("holds what the list of topics denies",)
    assert [(span.start, span.end, span.kind) for span in verdict.spans] == [(2, 7, "topic.denied")]
    assert guard.check(Segment("a bell"), SILENT) is ALLOWED


@pytest.mark.parametrize(("action", "then"), [(Action.FLAG, Action.FLAG), (Action.REDACT, Action.BLOCK), (Action.BLOCK, Action.BLOCK)])
def test_what_only_a_view_shows_cannot_be_taken_out(action: Action, then: Action) -> None:
    guard = TopicGuard(["shell"], action=action)
    verdict = guard.check(Segment("c2hlbGw="), Context("input", views={"base64": "a shell", "rot13": "n furyy"}))
    assert verdict.action is then
    assert verdict.reasons == ("holds what the list of topics denies, read as other programs may read it",)
    assert verdict.spans == ()
    both = guard.check(Segment("shell c2hlbGw="), Context("input", views={"base64": "a shell"}))
    assert both.action is then
    assert len(both.spans) == 1
    assert TopicGuard(["café"], action=action).check(Segment("cafe\u0301"), SILENT).action is then


def test_trusted_texts_are_not_judged() -> None:
    assert SHELLS.check(Segment("never open a shell", "system", "system", trusted=True), SILENT) is ALLOWED


@pytest.mark.parametrize(
    ("text", "role", "action"),
    [
        ("My booking, please", "user", Action.BLOCK),
        ("flights to Bonn", "user", Action.ALLOW),
        ("FLIGHTS to Bonn", "user", Action.ALLOW),
        ("write a poem", "user", Action.BLOCK),
        ("write a poem", "assistant", Action.ALLOW),
        ("write a poem", "tool", Action.ALLOW),
        ("flights by bomb", "user", Action.BLOCK),
    ],
)
def test_a_users_text_is_about_what_is_allowed(text: str, role: str, action: Action) -> None:
    guard = TopicGuard(deny=["bomb"], allow=["flights", "train ticket"])
    verdict = guard.check(Segment(text, role), SILENT)  # type: ignore[arg-type]
    assert verdict.action is action


def test_what_is_about_nothing_allowed_cannot_be_taken_out() -> None:
    guard = TopicGuard(allow=["flights"], action=Action.REDACT)
    assert guard.check(Segment("write a poem"), SILENT).action is Action.BLOCK
    assert guard.check(Segment("write a poem"), Context("input", views={"rot13": "flights"})) is ALLOWED
    assert TopicGuard(allow=["flights"], action=Action.FLAG).check(Segment("poem"), SILENT).action is Action.FLAG
    mixed = TopicGuard(deny=["bomb"], allow=["flights"], action=Action.REDACT).check(Segment("a bomb"), SILENT)
    assert (mixed.action, len(mixed.reasons)) == (Action.BLOCK, 2)
    assert guard.open_candidate("write a po") == 10


def test_more_finds_than_anybody_wants_to_read_take_the_rest_with_them() -> None:
    text = "shell, " * 300 + "the end"
    spans = TopicGuard(["shell"], action=Action.REDACT).check(Segment(text), SILENT).spans
    assert len(spans) == 256
    assert spans[-1].end == len(text)
    assert "shell" not in redacted(text, spans, lambda kind: "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs deny=, patterns= or allow="),
        ({"deny": "shell"}, "deny= takes a list of texts"),
        ({"deny": 5}, "deny= takes a list of texts"),
        ({"unless": [5], "deny": ["a"]}, "unless= takes a list of texts"),
        ({"deny": [" _ "]}, "holds none"),
        ({"deny": [""]}, "holds none"),
        ({"deny": ["a" * 201]}, "at most 2000 texts of at most 200 characters"),
        ({"deny": ["a"] * 2001}, "at most 2000 texts of at most 200 characters"),
        ({"deny": ["a"], "name": "No Name"}, "the name of a list"),
        ({"deny": ["a"], "stages": ["nowhere"]}, "stages of a list"),
        ({"deny": ["a"], "stages": []}, "stages of a list"),
        ({"deny": ["a"], "action": Action.ALLOW}, "action= is"),
        ({"patterns": ["(a+)+"]}, "has no end"),
    ],
)
def test_what_is_no_list_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TopicGuard(**given)  # type: ignore[arg-type]


# --- streams ------------------------------------------------------------------------------------------------------------------------------

MIXED = TopicGuard(
    deny=["shell", "credit card", "card trick", "密码"],
    unless=["sea shell", "shell game"],
    patterns=[r"\bx[0-9]{1,3}\b"],
    action=Action.REDACT,
)
STREAMED = "A sea shell, a shell game; Shell: my credit - card trick, 请告诉我密码吧, x12 x1234 shells. STRASSE SHELL"


@pytest.mark.parametrize("guard", [SHELLS, MIXED], ids=["phrases", "patterns"])
def test_a_stream_shows_what_the_whole_text_would(guard: TopicGuard) -> None:
    guard = TopicGuard(guard.deny, guard.patterns, guard.unless, action=Action.REDACT)
    whole = redacted(STREAMED, guard.check(Segment(STREAMED), OUTPUT).spans, lambda kind: f"[{kind}]")
    for pieces in chunkings(STREAMED):
        seen = seen_of(guard, pieces)
        assert seen.text == whole, pieces


@given(
    st.lists(
        st.sampled_from(["sea", "shell", "game", "credit", "card", "trick", " ", "-", "s", "x1", "2", "密码", "ß", ". ", "\n", "A"]),
        max_size=14,
    ),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_a_stream_shows_what_the_whole_text_would_however_it_is_cut(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    whole = redacted(text, MIXED.check(Segment(text), OUTPUT).spans, lambda kind: f"[{kind}]")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    seen = seen_of(MIXED, [text[first:last] for first, last in zip([0, *cuts], [*cuts, len(text)], strict=True)])
    assert seen.text == whole


def test_a_blocked_find_is_not_shown() -> None:
    for pieces in chunkings("I think that a shell is it"):
        seen = seen_of(SHELLS, pieces)
        assert seen.blocked
        assert "I think that a ".startswith(seen.text)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a sh", "sh"),
        ("a shell", "shell"),
        ("a shell ", "shell "),
        ("a shell g", "shell g"),
        ("a shell. ", ""),
        ("fish", ""),
        ("credit \n ", "credit \n "),
        ("CREDIT", "CREDIT"),
        ("credit, c", "c"),
        ("sea", "sea"),
        ("a c+", "c+"),
        ("", ""),
    ],
)
def test_what_may_go_on_is_held(text: str, held: str) -> None:
    assert text[SHELLS.open_candidate(text) :] == held


def test_a_capital_of_two_letters_is_held_whole() -> None:
    guard = TopicGuard(["straße x"])
    assert guard.open_candidate("die STRAß") == 4
    assert guard.open_candidate("die straß", 4) == 4
    assert TopicGuard(["sb"]).open_candidate("a ß") == 3
    assert TopicGuard(["密s"]).open_candidate("密ß") == 2


def test_benign_text_is_hardly_held() -> None:
    prose = "The shop opens at nine; whoever pays by card asks at the desk, and the credit goes to the cashier of the season.\n" * 3
    for guard in (SHELLS, MIXED):
        held = [end - guard.open_candidate(prose[:end]) for end in range(1, len(prose))]
        assert statistics.median(held) <= 8


HOSTILE = ("sea shell ", "shell", "shell game ", "credit ", "credit" + " " * 50, "x1 ", "x", "ß", "密码", " ", "_", "a")


@pytest.mark.timed
@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_grows_with_the_text_alone(piece: str) -> None:
    assert growth(lambda text: MIXED.check(Segment(text), OUTPUT), piece, 20_000) <= LINEAR
