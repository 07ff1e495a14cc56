"""Secrets in streams: nothing of one is shown before it is whole, benign text is hardly held, and no text makes the guard slow."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.guards.secret_formats import FORMATS, LONGEST_VALUE
from saferoute.guards.secrets_found import find_secrets, open_candidate
from tests.support.growth import LINEAR, growth, times_as_long

if TYPE_CHECKING:
    pass

ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
GITHUB = "ghp" + "_" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5"
LINE = "MIIEpQIBAAKCAQEAn6O8li9SX4m98LLYtPKSzEmQpZBD7Loh9P13f4yQ92EF3xy0"
BLOCK = f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{LINE}\n{LINE[::-1]}\nabc=\n-----END RSA PRIVATE {'KEY'}-----"
PROSE = (
    "The token of a visitor expires after an hour; whoever loses a password asks the clerk, and the key to the archive hangs by the door. "
    "Nobody passes without a badge, see https://archive.example/visitors-guide-2024.html for the rules (in force since 2021-03-04).\n"
)


def covered(spans: object) -> set[int]:
    return {place for span in spans for place in range(span.start, span.end)}


def shown(text: str, cuts: list[int], context: int = 1024) -> set[int]:
    """Places that are taken out where a text arrives in pieces, and each is judged as soon as `open_candidate` lets it go."""
    out: set[int] = set()
    released = 0
    for end in [*cuts, len(text)]:
        begin = max(0, released - context)
        arrived = text[begin:end]
        safe = begin + (open_candidate(arrived, released - begin) if end < len(text) else len(arrived))
        assert released <= safe <= end
        if safe > released:
            out |= {begin + place for place in covered(find_secrets(text[begin:safe])) if begin + place >= released}
            released = safe
    return out


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("", ""), ("hello ", ""), ("hello", ""), ("oh hello", "hello"), ("pat", "pat"), ("my key is gh", "gh"), (f"my key is {GITHUB}", GITHUB), (f"my key is {GITHUB} ", ""),
        ('{"password":"ab', "ab"), ("密码：abc1", "abc1"), ("世界", ""), ("世界ab", "ab"), ("`x` y", "y"), ("----- x", "x"), ("a -----BEG", "-----BEG"),
        ("a -----BEGIN RSA PRIV", "-----BEGIN RSA PRIV"), (f"a {BLOCK[:60]}", BLOCK[:60]), (f"a {BLOCK[:-3]}", BLOCK[:-3]), (f"a {BLOCK}", BLOCK),
        (f"a {BLOCK}\n", ""), (f"a {BLOCK} and", "and"), (f"x{BLOCK[:60]}", f"x{BLOCK[:60]}"), (f"a {BLOCK[:31]}\nProc-Ty", f"{BLOCK[:31]}\nProc-Ty"),
        (f"a {BLOCK[:32]}in words, here", "here"), ("PuTTY\nPrivate-Lines: 1", "Private-Lines: 1"), (f"Private-Lines: 2\n{LINE}", f"Private-Lines: 2\n{LINE}"),
        (f"{BLOCK[:100]}{BLOCK}", f"{BLOCK[:100]}{BLOCK}"),
    ],
)  # fmt: skip
def test_what_could_go_on_is_held(text: str, held: str) -> None:
    assert text[open_candidate(text) :] == held


def test_nothing_before_the_start_is_held_again() -> None:
    assert open_candidate("some words", 7) == 7
    assert open_candidate("some words", 10) == 10
    assert open_candidate("some words", 2) == 5


def test_a_long_word_is_held_from_what_could_be_a_key_in_it_only() -> None:
    image = "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUg" * 300
    assert len(image) - open_candidate(image) == LONGEST_VALUE
    web = "ey" + "JhbGciOiJIUzI1NiJ9." + "ey" + "Jz" + ALNUM * 80
    assert open_candidate(f"token {web}") == 6
    assert open_candidate(f"{ALNUM * 100}.{web}") == 6201
    key = ALNUM * 40 + "." + GITHUB + "." + ALNUM * 33
    cut = len(key) - open_candidate(key)
    assert not any(span.start < len(key) - cut < span.end for span in find_secrets(key))
    assert open_candidate(ALNUM * 900) == 900 * 62 - LONGEST_VALUE


@pytest.mark.parametrize("context", [1024, 10**6])
def test_no_part_of_a_secret_is_shown_at_every_cut(context: int) -> None:
    text = f'{PROSE}key: {GITHUB}, {{"password": "x9!Kp#2v"}} at postgres://me:{GITHUB[5:20]}@h/d; 密码：Ab3!defg。\n{BLOCK}{GITHUB} end'
    whole = covered(find_secrets(text))
    assert len(find_secrets(text)) == 6
    for cut in range(len(text)):
        assert shown(text, [cut], context) == whole
    assert shown(text, list(range(len(text))), context) == whole


PREFIXES = [prefix for _, prefixes, _, _ in FORMATS for prefix in prefixes]
VALUES = st.text("aZ7k_-", min_size=5, max_size=24).flatmap(
    lambda seed: st.permutations(list(ALNUM)).map(lambda letters: seed + "".join(letters))
)
LABELS = st.sampled_from(
    ["password", "api_key", "token", "my key", "--token", "密码", "Authorization: Bearer", "-u me", "https://u", "secret", "senha"]
)
SIGNS = st.sampled_from([": ", "=", ': "', "='", " is ", " ", ":", "：", '\\": \\"', ", ", '">'])
ENDS = st.sampled_from(["", " ", "\n", '"', "'", ". ", "，", "@h/x", "\\n", ";", "&a=1", "-----", ".png", "`"])
PIECES = st.one_of(
    st.builds(lambda prefix, value: prefix + value, st.sampled_from(PREFIXES), VALUES),
    st.builds(lambda label, sign, value, end: label + sign + value + end, LABELS, SIGNS, VALUES, ENDS),
    st.builds(lambda value, count: value * count, VALUES, st.integers(1, 60)),
    st.builds(lambda value: f"-----BEGIN PRIVATE {'KEY'}-----\n{value}\n{value[::-1]}\n", VALUES),
    st.sampled_from(
        [BLOCK, BLOCK[:90], BLOCK[-30:], "-----", "hello world", "the ", ".", "\n", " ", '"', "é", "世界", "\x00", "\x1a", "\x7f", "?"]
    ),
)


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=6), st.data())
def test_no_character_of_an_unfinished_secret_lies_before_the_place(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    spans = find_secrets(text)
    for _ in range(8):
        cut = data.draw(st.integers(0, len(text)))
        place = open_candidate(text[:cut])
        assert 0 <= place <= cut
        assert not [span for span in spans if span.start < place and span.end > cut]


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=5), st.data())
def test_what_is_shown_in_pieces_is_what_is_shown_at_once(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)))
    # A value that only a later label gives away was shown where it stood before that label.
    repeated = {
        place for span in find_secrets(text) if text.count(text[span.start : span.end][:8]) > 1 for place in range(span.start, span.end)
    }
    assert covered(find_secrets(text)) - repeated <= shown(text, cuts, 10**6)


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    places = [place for span in find_secrets(text) for place in (span.start, span.end)]
    assert all(one <= other for one, other in pairwise(places))
    assert 0 <= open_candidate(text) <= len(text)


def test_benign_text_is_hardly_held() -> None:
    held = [cut - open_candidate(PROSE[:cut]) for cut in range(1, len(PROSE))]
    assert statistics.median(held) <= 8
    assert max(held) <= 64


HOSTILE = [
    "a.", "sk-", "![", "1 ", "ignore all ", "key=", "a@", "\u200b", "<!--", " ", "ghp_", "eyJ-", "glpat-", "secret_", "://a:", "://", "password=", 'password="', "key='",
    "-----BEGIN ", f"-----BEGIN PRIVATE {'KEY'}-----", "bearer ", "authorization: ", "curl -u a:", "token ", "password for ", "Private-Lines: 1\n", "aaaaaaaaaaaaaaaa ",
    "A", "-", "0", "QUJD/x9+", "xoxb-1", "eyJhbGciOi.", "0123456789abcdef", "密码：", "senha: ", "|1", "\\n", "mysql -p", "é",
]  # fmt: skip


def of_size(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


@pytest.mark.timed
@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_texts_take_linear_time_and_no_more_than_prose(unit: str) -> None:
    prose, hostile = of_size(PROSE, 60_000), of_size(unit, 60_000)
    assert times_as_long(lambda: find_secrets(hostile), lambda: find_secrets(prose), 4.0) <= 4.0


@pytest.mark.timed
@pytest.mark.parametrize(
    "unit", ["key=", "eyJ-", "password for ", "glpat-", f"-----BEGIN PRIVATE {'KEY'}-----\n{LINE}\n", f"key={GITHUB} "]
)
def test_a_text_four_times_as_long_takes_linear_time(unit: str) -> None:
    assert growth(find_secrets, unit, 100_000) <= LINEAR


@pytest.mark.timed
def test_two_megabytes_take_linear_time() -> None:
    assert growth(find_secrets, "sk-", 500_000) <= LINEAR


@pytest.mark.timed
@pytest.mark.parametrize("unit", ["a", "sk-", "-----BEGIN ", " ", "key="])
def test_what_may_be_shown_is_told_in_linear_time(unit: str) -> None:
    assert growth(open_candidate, unit, 100_000) <= LINEAR
