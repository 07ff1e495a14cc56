"""A question to a store, and whoever waits for its answer or has left."""

from __future__ import annotations

import pytest

from saferoute.drivers.store_question import Question
from saferoute.errors import ConfigurationError


def test_an_answer_is_whose_who_waited() -> None:
    undone: list[str] = []
    question = Question(lambda: "held", undone.append)
    question.ask()
    assert not question.leave()
    assert (question.answer(), undone) == ("held", [])
    question.take_back()
    assert undone == ["held"]


def test_what_nobody_waits_for_any_more_is_not_asked() -> None:
    asked: list[str] = []
    question = Question(lambda: asked.append("it"), lambda _: asked.append("undone"))
    assert question.leave()
    question.ask()
    assert asked == []


def test_who_leaves_while_it_is_asked_keeps_nothing() -> None:
    undone: list[str] = []

    def work() -> str:
        assert question.leave()
        return "held"

    question = Question(work, undone.append)
    question.ask()
    assert undone == ["held"]


def test_a_failure_is_whose_who_waited_and_leaves_nothing_to_undo() -> None:
    def work() -> str:
        raise ConfigurationError("the store is gone")

    undone: list[str] = []
    question = Question(work, undone.append)
    question.ask()
    with pytest.raises(ConfigurationError, match="the store is gone"):
        question.answer()
    question.take_back()
    assert undone == []
