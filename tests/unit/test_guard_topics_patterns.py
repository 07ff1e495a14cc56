"""Patterns whose time is bounded: what is taken, how much a match can take, and what is refused, with what advice."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import ConfigurationError
from saferoute.guards.topics_patterns import bounded_pattern
from tests.support.growth import LINEAR, growth


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        ("abc", 3),
        ("a|bcd", 3),
        ("(?:a|bc)d", 3),
        ("(ab){3}", 6),
        ("(?:ab){2,4}", 8),
        ("(a|b)?c", 2),
        (r"\bproject[- ]?[a-z]{2,8}\b", 16),
        (r"\d{3}-\d{2,4}", 8),
        (r"[^\]]x[]a-z]\.", 4),
        ("a{2}", 2),
        ("a{0,64}b", 65),
        ("a??b", 2),
        ("ab{1,2}?c", 4),
        (".}x", 3),
        (r"\t\n\$\\", 4),
        ("(?:a?){1}b", 2),
        ("é密", 2),
    ],
)
def test_bounded_patterns_are_taken(pattern: str, most: int) -> None:
    made = bounded_pattern(pattern)
    assert made.most == most
    assert made.pattern.pattern == pattern
    assert made.pattern.flags & re.IGNORECASE


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("a+", r"\+ has no end; write \{0,32\} or \{1,32\}"),
        ("a*b", r"\* has no end"),
        ("a{2,}", r"\{2,\} has no end"),
        ("(a+)+", "has no end"),
        ("(a{1,9}){1,9}", "what is repeated holds a quantifier"),
        ("(a|b){2}", "what is repeated holds a quantifier or alternatives"),
        (r"(\b){2}a", "what is repeated"),
        (r"\w{0,16}\w{0,16}x", "in 289 ways"),
        ("(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)", "in 512 ways"),
        ("a?" * 9 + "b", "in 512 ways"),
        ("a{65}", "at most 64"),
        ("a{3,2}", "from a smaller to a larger"),
        ("a{0}b", "from a smaller to a larger"),
        ("a{0,0}b", "from a smaller to a larger"),
        ("a?", "no characters"),
        ("", "no characters"),
        ("a|", "no characters"),
        (r"\b", "no characters"),
        ("(?=a)b", r"only \(\?:\.\.\.\) is known"),
        ("(?P<x>a)", "no names"),
        ("(?i)a", "no flags"),
        (r"(a)\1", "is not known"),
        (r"\Aa", "is not known"),
        (r"\Ba", "is not known"),
        ("a\\", "is not known"),
        ("^a", r"\^ is not known"),
        ("a$", r"\$ is not known"),
        ("?a", "nothing before it"),
        ("a{1,2}{3}", "or another one"),
        ("a?+", "or another one"),
        ("a{x}", "or another one"),
        ("a)", "closed that was not opened"),
        ("(a", "a group is not closed"),
        ("[a", "a class is not closed"),
        ("[b-a]", "it is no regular expression"),
        ("a[[b]", "a set holds"),
        ("[a--b]", "a set holds"),
        ("[a&&b]", "a set holds"),
        ("[a||b]", "a set holds"),
        ("x[^a~~b]", "a set holds"),
        ("(" * 11 + "a" + ")" * 11, "more than 10 deep"),
        ("a" * 201, "longer than 200"),
        ("a{64}" * 5, "320 characters; 256"),
    ],
)
def test_others_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        bounded_pattern(pattern)


@given(st.text(st.sampled_from("ab.?+*{}()[]|\\12,-^$wdb"), max_size=12))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_is_taken_or_refused_and_what_is_taken_keeps_its_bound(pattern: str) -> None:
    try:
        made = bounded_pattern(pattern)
    except ConfigurationError:
        return
    for text in ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "abababab12-12", "w1b2a,d{}()"):
        assert all(0 < match.end() - match.start() <= made.most for match in made.pattern.finditer(text))


@pytest.mark.parametrize(
    "pattern", [r"\w{0,15}\w{0,15}x", "a?" * 8 + "x", r".{0,15}a.{0,15}b", "(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)x", r"\s{1,64}x"]
)
@pytest.mark.timed
def test_the_worst_that_is_taken_takes_linear_time(pattern: str) -> None:
    search = bounded_pattern(pattern).pattern
    piece = " a"[pattern[1] != "s"]
    assert search.search(piece * 8_000) is None
    assert growth(search.search, piece, 2_000) <= LINEAR
