"""What a person sees of a judgement and of a verdict."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.guards import Action, Judged, Span, Verdict
from saferoute.values.judgement import Judgement

MAIL = Judged("pii", "1", "input", "/messages/0/content/0", Verdict(Action.FLAG, ("an address",), (Span(3, 6, "pii.email"),)))
WORD = Judged("words", "1", "input", "", Verdict(Action.BLOCK, ("a word", "and so"), (Span(5, 8, "word"),), 0.75))
NONE = Judged("links", "1", "input", "", Verdict(Action.ALLOW))
BOTH = Judgement("0123456789", Action.BLOCK, (MAIL, WORD, NONE), "x")


def test_a_verdict_in_words() -> None:
    assert str(MAIL) == "pii: flag input /messages/0/content/0 (an address) (pii.email at 3-6)"
    assert str(WORD) == "words: block input / (a word; and so) (word at 5-8)"
    assert str(NONE) == "links: allow input /"


def test_a_judgement_in_words_and_its_repr() -> None:
    assert str(BOTH).splitlines() == [
        "block: 3 guards asked about 10 characters",
        "  pii: flag (an address) (pii.email at 3-6)",
        "  words: block (a word; and so) (word at 5-8)",
        "  links: allow",
    ]
    assert repr(BOTH) == "Judgement(BLOCK, 3 guards asked, 10 chars)"


def test_the_most_severe_of_what_is_about_a_place_marks_it() -> None:
    flag, block = (Action.FLAG, "pii: pii.email"), (Action.BLOCK, "words: word")
    assert list(BOTH.places()) == [(0, 3, None), (3, 5, flag), (5, 6, block), (6, 8, block), (8, 10, None)]


def test_what_two_guards_find_alike_names_both_of_them_once() -> None:
    again = Judged("other", "1", "input", "", Verdict(Action.FLAG, (), (Span(3, 6, "name"), Span(3, 6, "name"))))
    assert list(Judgement("0123456789", Action.FLAG, (MAIL, again), "").places()) == [
        (0, 3, None),
        (3, 6, (Action.FLAG, "pii: pii.email, other: name")),
        (6, 10, None),
    ]


def test_an_empty_text_and_one_without_finds() -> None:
    assert list(Judgement("", Action.ALLOW, (NONE,), "").places()) == []
    assert list(Judgement("ab", Action.ALLOW, (), "").places()) == [(0, 2, None)]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from(Action)), max_size=6), st.integers(0, 25))
def test_the_pieces_are_the_text_and_each_is_marked_by_its_worst(places: list[tuple[int, int, Action]], size: int) -> None:
    verdicts = []
    for number, (one, other, action) in enumerate(places):
        span = Span(min(one, other), max(one, other), "kind")
        verdicts.append(Judged(f"g{number}", "1", "input", "", Verdict(action, (), (span,))))
    pieces = list(Judgement("x" * size, Action.ALLOW, tuple(verdicts), "").places())
    assert [end for _, end, _ in pieces[:-1]] == [start for start, _, _ in pieces[1:]]
    assert (pieces[0][0], pieces[-1][1]) == (0, size) if size else not pieces
    assert all(start < end for start, end, _ in pieces)
    for start, end, mark in pieces:
        for at in range(start, end):
            about = [one.verdict.action for one in verdicts if one.verdict.spans[0].start <= at < one.verdict.spans[0].end]
            assert (None if mark is None else mark[0]) == max(about, default=None)
    assert all(left[1] == right[0] for left, right in pairwise(pieces))


def test_a_notebook_shows_the_verdicts_and_the_places() -> None:
    shown = BOTH._repr_html_()
    assert '<mark style="background:#fcf8e3" title="pii: pii.email">34</mark>' in shown
    assert '<mark style="background:#f8d7da" title="words: word">5</mark>' in shown
    assert "<td>words</td><td>block (score 0.75)</td><td>a word; and so</td><td>word at 5-8</td>" in shown
    assert '<b style="background:#f8d7da">block</b>' in shown
    assert "not shown" not in shown


@pytest.mark.parametrize("span", [(0, 5), (19_990, 20_010), (20_100, 20_200)])
def test_a_notebook_shows_the_beginning_of_a_long_text(span: tuple[int, int]) -> None:
    far = Judged("far", "1", "input", "", Verdict(Action.FLAG, (), (Span(*span, "kind"),)))
    shown = Judgement("a" * 25_000, Action.FLAG, (far,), "")._repr_html_()
    assert shown.replace("background", "").replace("table", "").count("a" * 50) > 0
    body = shown[shown.index("<pre") : shown.index("</pre>")]
    assert len(body) < 20_300
    assert "5,000 more characters are not shown" in shown
    assert ("<mark" in shown) == (span[0] < 20_000)
