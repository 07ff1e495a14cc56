"""A text that is full of what might be a find is read up to a bound; what stands behind it is a find."""

from __future__ import annotations

import pytest

from saferoute.guards.links import LinkGuard
from saferoute.guards.lookalikes import distinct, mixed_words
from saferoute.guards.pii import PiiGuard, find_pii
from saferoute.guards.pipeline import Active
from saferoute.guards.secrets_found import SecretsGuard
from saferoute.guards.unicode import UnicodeGuard
from saferoute.guards.views import views_of
from saferoute.values.guarding import Action, Context, Segment

OUTPUT = Context("output", allowed_hosts=frozenset({"fine.example"}))
LINKS, NUMBERS = 4096, 2048  # and one for each 32 characters
BAD = "![](https://evil.example/p)"


def full(unit: str, most: int, share: float = 1.1) -> str:
    """A text with a few more of a unit than are read, or fewer."""
    return unit * int(share * most / (1 - len(unit) / 32))


@pytest.mark.parametrize("unit", ["[a](#b) ", "[a]: /b\n", "![a] ", "![](#b) ", "<p>", "<a href=# a=b>", "<p a a a a a a>", "url(#a)"])
def test_more_links_than_are_read_take_the_rest_of_the_text_with_them(unit: str) -> None:
    text = full(unit, LINKS) + BAD
    verdict = LinkGuard().check(Segment(text), OUTPUT)
    assert verdict.action is Action.REDACT
    assert "more links, images or tags than are read" in verdict.reasons
    unread = next(span for span in verdict.spans if span.kind == "link.unread")
    assert unread.end == len(text)
    assert len(text) * 0.1 < unread.start < text.index(BAD)


@pytest.mark.parametrize("unit", ["<https://a.example/> ", "https://a.example/ "])
def test_so_do_addresses_that_stand_alone(unit: str) -> None:
    text = full(unit, LINKS)
    verdict = LinkGuard(links=True).check(Segment(text), Context("output", allowed_hosts=frozenset({"a.example"})))
    assert {(span.kind, span.end) for span in verdict.spans} == {("link.unread", len(text))}


@pytest.mark.parametrize("unit", ["[a](#b) ", "<p>"])
def test_texts_with_fewer_links_are_read_whole(unit: str) -> None:
    verdict = LinkGuard().check(Segment(full(unit, LINKS, 0.9) + BAD), OUTPUT)
    assert [span.kind for span in verdict.spans] == ["link.image"]


@pytest.mark.parametrize(
    ("unit", "kind"),
    [("x@y.zz ", "pii.email"), ("git@y.zz ", ""), ("DE0000000000000 ", ""), ("::1 ", ""), ("1:2:3 ", ""), ("000-45-6789, ", "")],
)
def test_more_numbers_and_addresses_than_are_read_are_a_find(unit: str, kind: str) -> None:
    text = full(unit, NUMBERS) + "ann@example.org"
    found = find_pii(text)
    (unread,) = (span for span in found if span.kind == "pii.unread")
    assert unread.end == len(text)
    assert {span.kind for span in found if span.end <= unread.start} == ({kind} if kind else set())
    assert len(text) * 0.5 < unread.start < len(text) - 15
    verdict = PiiGuard(kinds=frozenset({"pii.card"})).check(Segment(text), Context("input"))
    assert [span.kind for span in verdict.spans] == ["pii.unread"]


def test_what_is_not_read_begins_behind_a_find_that_reaches_into_it() -> None:
    iban = "DE0000000000000"
    text = f"{iban} " * 4097 + f"a-{iban}@example.org and more"
    assert [(span.kind, span.start, span.end) for span in find_pii(text)] == [
        ("pii.email", 65552, 65581),
        ("pii.unread", 65581, len(text)),
    ]


def test_texts_with_fewer_numbers_are_read_whole() -> None:
    assert {span.kind for span in find_pii("x@y.zz " * 2000)} == {"pii.email"}


def test_more_mixed_words_than_are_read_are_told() -> None:
    text = "p\u0430ypal " * 4200
    mixed = mixed_words(text)
    assert mixed.more
    assert len(mixed.strict) == 4096
    assert not mixed_words("p\u0430ypal " * 4096).more
    verdict = UnicodeGuard().check(Segment("\u043b\u043b\u043b\u043b " * 9 + "r\u0431\u0431 " * 4200), Context("tool_result"))
    assert verdict.reasons == ("more words of mixed alphabets than are read",)
    assert verdict.action is Action.FLAG
    assert views_of("\u043b\u043b\u043b " * 5000 + "p\u0436 " * 4200 + "p\u0430ypal rn" + "\u0430" * 0)


@pytest.mark.parametrize("text", ["", "abc", "ab" * 2000, "".join(map(chr, range(0x400, 0x480))) * 20])
def test_the_different_characters_of_a_text(text: str) -> None:
    assert distinct(text) == set(text)


def test_who_cannot_tell_plain_text_is_asked() -> None:
    secrets = SecretsGuard()
    assert secrets.plain_until("plain ", 2) == 6
    assert secrets.plain_until("a" + "." * 3000) == -1
    assert secrets.plain_until("x -----BEGIN ") == -1
    assert LinkGuard(links=True).plain_until("plain") == -1
    assert Active(secrets, quick=True).streams
