"""The first word of an answer may be shown before it has ended, but nothing of what may still become a secret, or an address.

A stream that waits for the end of its first word begins a piece or two late. What is shown of it early is what no form of a secret begins
with, whatever follows.
"""

from __future__ import annotations

import re
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.call.guarding import mark_of
from saferoute.guards import secret_beginnings
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.defaults import guards_with_defaults
from saferoute.guards.pii import PiiGuard
from saferoute.guards.pipeline import judge, spans_to_redact
from saferoute.guards.redacting import redacted
from saferoute.guards.secret_beginnings import first_word_until
from saferoute.guards.secret_formats import FORMATS, SHAPES, SHAPES_OF_RUNS
from saferoute.guards.secrets_found import find_secrets, open_candidate
from saferoute.values.events import Completed, TextDelta
from saferoute.values.guarding import Action, Context, Segment
from saferoute.values.usage import Usage
from tests.unit.test_guard_secrets import SHAPED, made

DEFAULTS = guards_with_defaults((), enforce=True)
STRICT = guards_with_defaults([PiiGuard(Action.REDACT)], enforce=True)
WORDS = (
    "Sure",
    "With",
    "And",
    "Patience",
    "Now",
    "abc",
    "Access",
    "Hook",
    "Discord",
    "Webhooks",
    "Private",
    "\u00dcber",
    "'Tis",
    "What's",
    "AI-",
    "2026-",
)


def shown_of(pieces: list[str], active: object = DEFAULTS) -> list[str]:
    """What is shown after each piece, and at last after the end."""
    judging = AnswerGuards(active, Context, mark_of)  # type: ignore[arg-type]  # guards
    every = [[TextDelta(piece, 0)] for piece in pieces if piece]
    fed = [judging.feed(events) for events in (*every, [Completed("stop", "stop", Usage())])]  # type: ignore[list-item]  # events
    return ["".join(event.text for event in events if isinstance(event, TextDelta)) for events in fed]


def expected(text: str, active: object = DEFAULTS) -> str:
    """The text as it is when it is judged whole."""
    every = judge(active, Segment(text, "assistant", "model"), Context("output"))  # type: ignore[arg-type]  # as above
    return redacted(text, spans_to_redact(every), mark_of)


def of_every_form() -> list[str]:
    """A secret of every form that may stand where a text begins, of those that any letters may begin with words in front."""
    formats = [made(shape, prefix=prefix) for _, prefixes, shape, _ in FORMATS for prefix in prefixes]
    shapes = [f"{begin.format('')}{value}" if begin.endswith("{}") else begin.format(value) for _, begin, value in SHAPED]
    alone = [value for _, _, value in SHAPED]
    wordy = [word + value[len(word) :] for value in alone for word in ("thankyou", "Sure", "abc", "Web", "With") if value[:8].isalnum()]
    discord = [f"{begin}{made('W24')[len(begin) :]}.{made('W6')}.{made('W38')}" for begin in ("Most", "Now", "Of", "MCP-", "Nothing")]
    return [*formats, *shapes, *alone, *wordy, *discord]


def test_nothing_of_a_secret_that_a_text_begins_with_is_shown_at_any_cut() -> None:
    for number, value in enumerate(of_every_form()):
        begin = ("", "(", "", "**", '"', "", "\u00c4h")[number % 7]
        text = f"{begin}{value} and more."
        whole = expected(text)
        for cut in (1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14, 16, 20, 24, 25, 32):
            assert "".join(shown_of([text[:cut], text[cut:]])) == whole, (text, cut)
        assert "".join(shown_of([text[place : place + 2] for place in range(0, 26, 2)] + [text[26:]])) == whole, text


def test_what_is_shown_of_a_secret_is_no_part_of_it() -> None:
    """...and it is little: letters that read as a word, of a form that any letters may begin, at the beginning of an answer."""
    few = 0
    for value in of_every_form():
        exact, answer = find_secrets(value), find_secrets(value, begun=True)
        assert [span.end for span in exact] == [span.end for span in answer]
        left = sum(later.start - one.start for one, later in zip(exact, answer, strict=True))
        assert left <= 12
        assert not left or value[:left].isalpha() or value[:left] == "MCP"
        few += left > 0
        assert find_secrets(f"so {value}") == find_secrets(f"so {value}", begun=True)
        for size in range(1, min(len(value), 32)):
            assert not any(span.start < open_candidate(value[:size]) < span.end for span in answer), value
    assert few > 10


@settings(max_examples=300, deadline=None)
@given(
    word=st.one_of(st.sampled_from(WORDS), st.from_regex(r"[ \"'(*]{0,3}[A-Za-z]{1,14}", fullmatch=True)),
    rest=st.sampled_from(
        [" is it.", made("A52 'JQQJ99 A26"), made("A76 'AZDO A4"), made("A14 '.atlasv1. A67"), "8Q~" + made("A34"), "@example.org ", ": hunter2!x9 ",
         "://me:pa55w0rd@h/ ", "s.slack.com/services/T" + made("A24"), ".com/api/webhooks/" + made("D18 '/ A68"), "-Lines: 2\n", "\u00e9t\u00e9 ", "'s ", "-", "\u200b"]
    ),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    strict=st.booleans(),
)  # fmt: skip
def test_any_first_word_in_any_pieces_is_judged_as_the_whole_is(word: str, rest: str, sizes: list[int], strict: bool) -> None:
    text = f"{word}{rest} and so on."
    places = [0, *(min(sum(sizes[:count]), len(text)) for count in range(1, len(sizes) + 1)), len(text)]
    active = STRICT if strict else DEFAULTS
    assert "".join(shown_of([text[one:other] for one, other in pairwise(places)], active)) == expected(text, active)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Sur", "Sur"), ("Sure", "Sure"), ("(Sure", "(Sure"), ("**Sure", "**Sure"), ("\u00dcberm", "\u00dcberm"), ("Sure!", "Sure"), ("Su", ""), ("S", ""),
        ("What's", "What"), ("With", "Wit"), ("And", "An"), ("We", ""), ("Web", ""), ("Now", "No"), ("Private", ""), ("Priority", "Priority"), ("discord", ""),
        ("Data", "Dat"), ("sk", ""), ("sk-", ""), ("re", ""), ("res", "res"), ("pat", ""), ("path", ""), ("bot", ""), ("both", "bot"), ("ghp", ""), ("AKIA", ""),
        ("AI-", "AI"), ("API-", ""), ("URL, ", "URL, "), ("MCP-S", "MC"), ("AKIA-", ""), ("2026-0", "2026"), ("2026", ""), ("3026-", ""), ("camelCase", "camel"),
        ("abcdefghijklmn", "abcdefghijk"), ("https://u", "https"), ("x" * 30, ""), ('{"name', '{"name'), ("-----BEG", ""), ("so it", "so "), ("\u200bhello", "\u200bhello"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_first_word(text: str, shown: str) -> None:
    assert shown_of([text])[0] == (shown if text != "\u200bhello" else "\u200b")


@pytest.mark.parametrize("text", ["write to ada", "ada", "Ada.l", "12", "(030) 1"])
def test_where_addresses_are_taken_out_a_word_waits_for_its_end(text: str) -> None:
    shown, later = shown_of([text], STRICT)
    assert shown == ("write to " if text.startswith("write") else "")
    assert shown + later == text


def test_every_prefix_holds_the_word_that_it_is_or_begins() -> None:
    """Drawn from the table, so that a format that is added is held as well."""
    for _, prefixes, shape, _ in FORMATS:
        for prefix in prefixes:
            value = made(shape, prefix=prefix)
            for size in range(1, min(len(value), 26)):
                free = first_word_until(value[:size], 0)
                assert free == 0 or (prefix in {"M", "N", "O"} and value[:free].isalnum()), (prefix, value[:size])


def test_words_that_are_prefixes_are_those_of_the_table() -> None:
    wordy = {
        prefix for kind, prefixes, _, _ in FORMATS for prefix in prefixes if re.fullmatch("[A-Z]?[a-z]*", prefix) and kind != "discord"
    }
    assert wordy - {"bot"} == {word for word in secret_beginnings._PREFIX_WORDS if word[1:].islower()}
    assert {shape for kind, _, shape, _ in FORMATS if kind == "telegram"} == {"D8-10 ': W35"}  # "bot": no letter follows


def test_forms_that_any_letters_may_begin_are_those_of_the_table() -> None:
    heads = {kind: before for kind, _, before, pattern in SHAPES_OF_RUNS + SHAPES if before and "(" not in pattern.replace("(?", "")}
    drawn = Random(3)
    for kind, before in heads.items():
        letters = ["".join(drawn.choices("abcdef", k=size)) + end for size in range(90) for end in ("", "1")]
        begins = any(
            re.fullmatch(before, one.encode(), re.ASCII) if isinstance(before, bytes) else re.fullmatch(before, one) for one in letters
        )
        assert begins == (kind in secret_beginnings._SHAPES_OF_ANY_LETTERS), kind
