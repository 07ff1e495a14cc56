"""Harmless streams pass the guards that are on by default nearly as they come: little is held, the beginning is not late, nothing changes."""

from __future__ import annotations

import re
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.benign_texts import TEXTS, hold_of, pieces_like_tokens


@settings(max_examples=30)
@given(st.lists(st.sampled_from(sorted(TEXTS)), min_size=1, max_size=2), st.randoms(use_true_random=False))
def test_little_of_a_harmless_text_is_held(names: list[str], random: Random) -> None:
    text = "\n\n".join(TEXTS[name] for name in names)
    hold = hold_of(pieces_like_tokens(text, random.randint))
    assert hold.median <= 32
    assert hold.shown == text


@pytest.mark.parametrize("name", TEXTS)
def test_the_beginning_is_late_by_one_word_at_most(name: str) -> None:
    hold = hold_of(re.findall(r"\s*\S+|\s+\Z", TEXTS[name]))
    assert hold.late <= 1
    assert hold.median <= 16
    assert hold.shown == TEXTS[name]


def test_the_beginning_is_late_by_one_piece_at_most_where_words_come_in_pieces() -> None:
    """...in nearly all cuts: what remains are markup that has not ended, and words of a letter or two that are cut."""
    draw = Random(7)
    late = [hold_of(pieces_like_tokens(text, draw.randint)[:8]).late for text in TEXTS.values() for _ in range(20)]
    assert sum(pieces <= 1 for pieces in late) >= 0.97 * len(late)


def test_letter_by_letter_no_more_than_a_word_is_held() -> None:
    assert median(hold_of(list(text)).median for text in TEXTS.values()) <= 8
