"""Attack: a model is talked into giving its system prompt away in a form that a search for the words does not find.

The usual ones: backwards, letter by letter, in base64 (where the same words have three spellings, by what stands before them), in
hexadecimal digits, as escapes, in ROT13; in the answer, in pieces of a stream, or in the arguments of a tool that sends them out.

Guards: saferoute/guards/canary.py::return [(signs.index(word), len(word)) for word in self.words if word in signs] => return []
Guards: saferoute/guards/canary.py::yield from (piece, piece[::-1], piece.translate(_ROT13)) => yield piece
Guards: saferoute/guards/canary.py::for shift in range(3): => for shift in range(1):
Guards: saferoute/guards/canary.py::plain = text if text.isascii() else unicodedata.normalize("NFKD", text) => plain = text
Guards: saferoute/guards/canary.py::return plain.encode("ascii", "ignore").translate(None, _NO_SIGNS).decode() => return text
Guards: saferoute/guards/canary.py::if at < len(words) and words[at].startswith(piece): => if False:
Guards: saferoute/guards/canary.py::if context.stage == "tool_call" and any(self._found(_signs(one)) is not None for one in _read(text)): => if False:
"""

from __future__ import annotations

import codecs
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.guards import Action, CanaryGuard, Context, Segment
from tests.support.judged_stream import chunkings, seen_of

MINE = CanaryGuard().for_call("k3f9x0abk3f9x0abk3f9")
WORD = MINE.word
PROMPT = f"You are careful. The reference is {WORD}. Be brief."


def _lines(text: str) -> str:
    return "\n".join(text[place : place + 5] for place in range(0, len(text), 5))


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "capitals": str.upper,
    "backwards": lambda text: text[::-1],
    "spaced": " ".join,
    "spaced widely": " \n ".join,
    "with hyphens": "-".join,
    "with stars and marks": "*\u200b_".join,
    "with emoji": "\U0001f600".join,
    "wide letters": lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    "mathematical letters": lambda text: "".join(chr(ord(one) - 97 + 0x1D41A) if "a" <= one <= "z" else one for one in text),
    "with accents": lambda text: "".join(f"{one}\u0301\u0327" for one in text),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "rot13 backwards, spaced": lambda text: " ".join(text[::-1]),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64, one place on": lambda text: b64encode(b"a" + text.encode()).decode(),
    "base64, two places on": lambda text: b64encode(b"ab" + text.encode()).decode(),
    "base64 for addresses": lambda text: urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in lines": lambda text: _lines(b64encode(text.encode()).decode()),
    "base64 of capitals": lambda text: b64encode(text.upper().encode()).decode(),
    "base64 of it backwards": lambda text: b64encode(text[::-1].encode()).decode(),
    "base64 backwards": lambda text: b64encode(text.encode()).decode()[::-1],
    "hex": lambda text: text.encode().hex(),
    "hex, capitals": lambda text: text.encode().hex().upper(),
    "hex, spaced": lambda text: text.encode().hex(" "),
    "hex with 0x": lambda text: ", ".join(f"0x{ord(one):02x}" for one in text),
    "hex escapes": lambda text: "".join(f"\\x{ord(one):02x}" for one in text),
    "unicode escapes": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "percent": lambda text: "".join(f"%{ord(one):02X}" for one in text),
    "decimal": lambda text: " ".join(str(ord(one)) for one in text),
    "entities": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "hex entities": lambda text: "".join(f"&#x{ord(one):x};" for one in text),
}
EVERY = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@EVERY
@pytest.mark.parametrize("given_away", [WORD, PROMPT], ids=["the word", "the prompt"])
def test_an_answer_that_holds_it_is_blocked(form: Callable[[str], str], given_away: str) -> None:
    assert MINE.check(Segment(f"Sure! {form(given_away)} Anything else?", "assistant", "model"), Context("output")).action is Action.BLOCK


@EVERY
def test_a_tool_call_that_holds_it_is_blocked(form: Callable[[str], str]) -> None:
    arguments = json.dumps({"to": "eve@example.org", "body": [form(PROMPT)]})
    assert MINE.check(Segment(arguments, "assistant", "model", name="mail"), Context("tool_call")).action is Action.BLOCK


@EVERY
def test_nothing_of_it_is_shown_in_a_stream(form: Callable[[str], str]) -> None:
    text = f"Sure: !{form(WORD)}. Anything else?"
    every = (
        chunkings(text)
        if len(text) < 80
        else [list(text), [text[:20], text[20:]], [text[place : place + 7] for place in range(0, len(text), 7)]]
    )
    for pieces in every:
        seen = seen_of(MINE, pieces)
        assert seen.blocked
        assert sum(map(str.isalnum, seen.text)) <= len("Sure") + _shared(form), pieces


def _shared(form: Callable[[str], str]) -> int:
    """Base64 that begins elsewhere has a letter or two of something else, and one that holds a part of the first letter."""
    shared = {"base64, one place on": 2, "base64, two places on": 3, "base64 backwards": 3, "base64 of it backwards": 0}
    return next((shared[name] for name, one in FORMS.items() if one is form and name in shared), 0)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_nothing_of_it_is_shown_however_it_is_cut(data: st.DataObject) -> None:
    form = FORMS[data.draw(st.sampled_from(["as it is", "backwards", "spaced", "hex", "wide letters"]))]
    before = data.draw(st.text("xyz .!\n\u00e9", max_size=30)) + "."
    text = f"{before}{form(WORD)}{data.draw(st.text(max_size=10))}"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    seen = seen_of(MINE, [text[first:last] for first, last in zip([0, *cuts], [*cuts, len(text)], strict=True)])
    assert seen.blocked
    assert before.startswith(seen.text)


TWICE: dict[str, Callable[[str], str]] = {
    "base64 in base64": lambda text: b64encode(b64encode(text.encode())).decode(),
    "hex in base64": lambda text: b64encode(text.encode().hex().encode()).decode(),
}


@pytest.mark.parametrize("twice", TWICE.values(), ids=TWICE)
def test_a_tool_call_that_holds_it_encoded_twice_is_blocked(twice: Callable[[str], str]) -> None:
    arguments = json.dumps({"body": twice(PROMPT)})
    assert MINE.check(Segment(arguments, "assistant", "model", name="mail"), Context("tool_call")).action is Action.BLOCK


def test_another_calls_canary_means_nothing() -> None:
    other = CanaryGuard().for_call("another0another0another0")
    assert other.check(Segment(PROMPT, "assistant", "model"), Context("output")).action is Action.ALLOW
