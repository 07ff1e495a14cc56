"""What may be shown of an answer that has broken off."""

from __future__ import annotations

import pytest

from saferoute.call.guarding import mark_of
from saferoute.guards import Context, SecretsGuard
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.function import active_guards
from saferoute.values.events import TextDelta


@pytest.mark.parametrize(
    ("pieces", "whole", "kept"),
    [
        (["one two three"], True, "one two three"),
        (["one two", " three"], False, "one two three"),
        (["key: ", "sk-proj-aB3"], True, "key: "),
        (["one two "], True, "one two "),
        ([], True, ""),
    ],
)
def test_what_is_decided_and_a_word_that_has_begun(pieces: list[str], whole: bool, kept: str) -> None:
    judging = AnswerGuards(active_guards((SecretsGuard(),)), Context, mark_of, whole=whole)
    shown = judging.feed([TextDelta(piece) for piece in pieces])
    shown += judging.cut()
    assert "".join(event.text for event in shown if isinstance(event, TextDelta)) == kept


def test_without_guards_of_answers_nothing_is_held() -> None:
    judging = AnswerGuards((), Context, mark_of)
    judging.feed([TextDelta("one")])
    assert judging.cut() == []
