r"""Attack: an answer begins with a key, and comes letter by letter, so that its first letters are shown as the beginning of a word.

Guards: saferoute/guards/secret_beginnings.py::f"\n{letters}{text[end : end + 1]}" in _PREFIXES => False
Guards: saferoute/guards/secret_beginnings.py::or f"\n{letters}\n" in _PREFIXES  # whatever stands behind it => or False
Guards: saferoute/guards/secret_beginnings.py::or letters.startswith(_PREFIX_WORDS) => or False
Guards: saferoute/guards/secret_beginnings.py::within = _BEGUN.search(letters) => within = None
"""

from __future__ import annotations

import pytest

from saferoute.call.guarding import mark_of
from saferoute.guards import Context
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.defaults import guards_with_defaults
from saferoute.guards.secret_beginnings import first_word_until
from saferoute.guards.secret_formats import FORMATS
from saferoute.values.events import Completed, TextDelta
from saferoute.values.usage import Usage
from tests.unit.test_guard_secrets import made

END = Completed("stop", "stop", Usage())
ANY_LETTERS = {"discord"}  # known by what stands in their middle: ADR 0012 says what of them may be seen
KEYS = [(kind, made(shape, prefix=prefix)) for kind, prefixes, shape, _ in FORMATS for prefix in prefixes if kind not in ANY_LETTERS]


def shown_of(text: str, size: int) -> str:
    judging = AnswerGuards(guards_with_defaults((), enforce=True), Context, mark_of)
    pieces = [TextDelta(text[place : place + size], 0) for place in range(0, len(text), size)]
    shown = [event for piece in [*pieces, END] for event in judging.feed([piece])]
    return "".join(event.text for event in shown if isinstance(event, TextDelta))


@pytest.mark.parametrize(("kind", "key"), KEYS, ids=[f"{kind}-{number}" for number, (kind, _) in enumerate(KEYS)])
@pytest.mark.parametrize("size", [1, 3])
def test_no_letter_of_a_key_is_shown_that_an_answer_begins_with(kind: str, key: str, size: int) -> None:
    shown = shown_of(f"{key} is it.", size)
    assert shown.startswith("[redacted: "), kind
    assert shown.endswith(" is it.")


@pytest.mark.parametrize("host", ["hooks.slack.com/services/", "discordapp.com/api/webhooks/"])
@pytest.mark.parametrize("before", ["", "My", "with"])
def test_no_letter_of_an_address_that_is_a_key_is_shown_behind_others(host: str, before: str) -> None:
    text = f"{before}{host}"
    assert [first_word_until(text[:size], 0) for size in range(len(before) + 1, 24)] == [len(before)] * (23 - len(before))
