"""What finds secrets, personal data and disguises: cases in which a small change of the code would find more, less or elsewhere."""

from __future__ import annotations

import pytest

from saferoute.errors import ConfigurationError
from saferoute.guards import TopicGuard
from saferoute.guards.decoding import unseen_in_html
from saferoute.guards.folding import from_tags
from saferoute.guards.pii import PiiGuard
from saferoute.guards.pii_addresses import is_escaped
from saferoute.guards.placeholders import Restorer
from saferoute.guards.secret_values import is_made_up, is_value_of, looks_random
from saferoute.guards.secrets_found import SecretsGuard, find_secrets
from saferoute.guards.topics_patterns import bounded_pattern
from saferoute.guards.unicode import UnicodeGuard
from saferoute.values.guarding import SILENT, Action, Context, Segment

GITHUB = "ghp_aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5"
GOOGLE = "AIza" + "Sy4kP9mQ2xR7tW1zL8nB5vC3dF6gH0jKaUe"
PLACEHOLDER = "«SR:EMAIL:1:k3f9x0ab»"


def hits(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_secrets(text)]


def test_a_label_of_another_language_takes_no_other_search_away() -> None:
    text = f"{GITHUB} contrasena: kX9-vQ2m#Lw"
    assert hits(text) == [GITHUB, "kX9-vQ2m#Lw"]


@pytest.mark.parametrize(
    ("text", "found"), [(GOOGLE, [GOOGLE]), (f"{GOOGLE}-x", [GOOGLE + "-x"]), (f"{GOOGLE}-xyz", []), (f"{GOOGLE}-x-y", [])]
)
def test_a_value_that_is_longer_than_its_format_is_none(text: str, found: list[str]) -> None:
    assert hits(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [('the password is "wrOnGlYwRiTteN"', []), ('the password: "wrOnGlYwRiTteN"', ["wrOnGlYwRiTteN"])],
)
def test_letters_alone_are_a_password_behind_a_sign_and_not_behind_is(text: str, found: list[str]) -> None:
    assert hits(text) == found


@pytest.mark.parametrize("value", ["aK3Dummyr9tQ7wLz2vB8", "aK3QWERTYr9t7wLz2vB8"])
def test_a_value_that_says_that_it_is_made_up_says_so_in_capitals_too(value: str) -> None:
    assert is_made_up(value)
    assert not is_made_up(value.lower().replace("dummy", "dzmmy").replace("qwerty", "qzerty"))


def test_nothing_is_escaped_by_the_end_of_a_text() -> None:
    assert is_escaped("\\nx", 2)
    assert not is_escaped("nx\\", 1)


@pytest.mark.parametrize(("tags", "text"), [("\U000e0061\U000e007f", "a"), ("\U000e0061\U000e0001\U000e0062", "ab"), ("abc", "")])
def test_marks_among_tag_characters_spell_nothing(tags: str, text: str) -> None:
    assert from_tags(tags) == text


@pytest.mark.parametrize("count", [256, 257, 300])
def test_of_very_many_finds_the_last_one_reaches_from_its_own_beginning_to_the_end(count: int) -> None:
    text = "ab, " * count
    spans = TopicGuard(["ab"]).check(Segment(text), SILENT).spans
    assert len(spans) == 256
    assert (spans[254].start, spans[254].end) == (4 * 254, 4 * 254 + 2)
    assert (spans[255].start, spans[255].end) == (4 * 255, 4 * 255 + 2 if count == 256 else len(text))


def test_an_optional_group_has_one_more_way_than_what_is_in_it() -> None:
    assert bounded_pattern("x(a|b|c)?" + "(a|b)" * 6).most == 8
    with pytest.raises(ConfigurationError, match="it may match in 320 ways"):
        bounded_pattern("x(a|b|c|d)?" + "(a|b)" * 6)


@pytest.mark.parametrize(
    ("before", "restored"), [("- ~~~\n", False), ("1. > ~~~\n", False), ("a ~~~\n", True), ("a~~~\n", True), ("a b ~~~\n", True)]
)
def test_tildes_open_a_fence_only_where_a_line_or_a_list_item_begins(before: str, *, restored: bool) -> None:
    restorer = Restorer({PLACEHOLDER: "ada@example.org"})
    shown = restorer.feed(f"{before}{PLACEHOLDER}\n") + restorer.close()
    assert shown == f"{before}{'ada@example.org' if restored else PLACEHOLDER}\n"


MIXED = "D\u0435l\u0435t\u0435 p\u0430ssword"  # two words of mixed alphabets
GENUINE = "\u0441\u043b\u043e\u0432\u043e "


@pytest.mark.parametrize(("others", "action"), [(8, Action.BLOCK), (9, Action.FLAG)])
def test_two_mixed_words_among_many_genuine_ones_are_a_slip(others: int, action: Action) -> None:
    verdict = UnicodeGuard().check(Segment(f"{MIXED} {GENUINE * others}", origin="retrieved"), Context("tool_result"))
    assert verdict.action is action


def test_a_hidden_element_ends_at_the_next_end_of_its_kind() -> None:
    hidden = '<p style="display:none">'
    text = f"</p>a{hidden}one</p>b{hidden}two</p>c"
    assert unseen_in_html(text).split() == ["one", "two"]


# ------------------------------------------------------------------------------------------------------------- further finds


@pytest.mark.parametrize(
    ("body", "needs", "fits"),
    [
        ("kxqvzjwmtrhpbn", "", False),  # small letters alone
        ("KXQVZJWMTRHPBN", "", False),
        ("kxqvZJwmtrHPbn", "", True),
        ("kxqvzjwm7rhpbn", "", True),
        ("kxqvzjwmtrhpbn", "any", True),
        ("kxqvzjwm7rhpbn", "mixed", False),
        ("kxqvZjwm7rhpbn", "mixed", True),
        ("kxqvZjwmtrhpbn", "digit", False),
    ],
)
def test_what_a_value_needs(body: str, needs: str, *, fits: bool) -> None:
    assert is_value_of(body, needs) is fits


@pytest.mark.parametrize(("value", "random"), [("a1b2", False), ("aaaa1b2c", True), ("aaaaa1bb2", False), ("a1bbbbbbb2cccc3d", True)])
def test_a_quarter_of_changes_and_at_least_four_are_random(value: str, *, random: bool) -> None:
    assert looks_random(value) is random


def test_words_before_a_number_are_not_read_past_it() -> None:
    guard = PiiGuard()
    for text, found in (("a\\n-555-12-3456", True), ("x-4012 8888 8888 1881", False), ("\\n-4012 8888 8888 1881", True)):
        assert bool(guard.check(Segment(text), SILENT).spans) is found, text


@pytest.mark.parametrize(("text", "place"), [("@(", 0), ("@@", 0), ("1 " * 44 + "+x\u00e9", 88), ("1 " * 43 + "+x\u00e9", 0)])
def test_what_stands_at_the_very_beginning_is_held_with_what_it_is_joined_to(text: str, place: int) -> None:
    assert PiiGuard().open_candidate(text) == place


def test_a_text_of_other_letters_without_a_label_is_nothing_to_look_at() -> None:
    guard = SecretsGuard()
    assert guard.plain_until("Die Vögel sind schon wieder über dem Fluss. ") == 44
    assert guard.plain_until("Das geht nicht: пароль ") == -1
