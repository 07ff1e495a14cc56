"""Placeholders: what stands for a value, where the value comes back, and that it does not matter how a text is cut."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.guards.placeholders import Restorer, Vault, is_one_way
from saferoute.guards.restoring import LONGEST_WAIT
from saferoute.values.guarding import Span
from tests.support.growth import LINEAR, growth

NONCE = "k3f9x0ab"
EMAIL = "«SR:EMAIL:1:k3f9x0ab»"
PHONE = "«SR:PHONE:1:k3f9x0ab»"
ADA = "ada@example.org"
NUMBER = "555-0100"


def filled() -> Vault:
    vault = Vault(NONCE)
    assert vault.placeholder("pii.email", ADA) == EMAIL
    assert vault.placeholder("pii.phone", NUMBER) == PHONE
    return vault


def test_the_same_value_has_the_same_placeholder_and_another_has_another() -> None:
    vault = filled()
    assert vault.placeholder("pii.email", ADA) == EMAIL
    assert vault.placeholder("pii.email", "bob@example.org") == "«SR:EMAIL:2:k3f9x0ab»"
    assert vault.placeholder("deny.project-x", ADA) == "«SR:DENY_PROJECT_X:1:k3f9x0ab»"
    assert vault.placeholder("deny.project_x", ADA) == "«SR:DENY_PROJECT_X:2:k3f9x0ab»"
    assert vault.placeholder("pii.email", "\ud800") == "«SR:EMAIL:3:k3f9x0ab»"


def test_the_union_of_the_spans_is_redacted_and_restored() -> None:
    text = "a ada@example.org, 555-0100; ada@example.org"
    spans = [
        Span(29, 44, "pii.email"), Span(2, 17, "pii.email"), Span(2, 5, "pii.name"), Span(4, 17, "pii.name"), Span(19, 27, "pii.phone"), Span(3, 3, "x"),
    ]  # fmt: skip
    vault = Vault(NONCE)
    redacted = vault.redact(text, spans)
    assert redacted == f"a {EMAIL}, {PHONE}; {EMAIL}"
    assert vault.restore(redacted) == text
    assert vault.redact("plain", []) == "plain"


def test_neighbours_stay_apart_and_overlapping_ones_become_one() -> None:
    assert Vault(NONCE).redact("abcdef", [Span(0, 2, "k.a"), Span(2, 4, "k.b")]) == "«SR:K_A:1:k3f9x0ab»«SR:K_B:1:k3f9x0ab»ef"
    assert Vault(NONCE).redact("abcdef", [Span(0, 3, "k.a"), Span(2, 6, "k.b"), Span(1, 2, "k.c")]) == "«SR:K_B:1:k3f9x0ab»"


def test_secrets_are_one_way_and_are_not_kept() -> None:
    vault = Vault(NONCE)
    redacted = vault.redact("key opensesame!", [Span(4, 10, "secret.openai"), Span(8, 15, "pii.phone")])
    assert redacted == "key «SR:SECRET_OPENAI:1:k3f9x0ab»"
    assert vault.restore(redacted) == redacted
    assert vault.placeholder("secret.openai", "opensesame!") == "«SR:SECRET_OPENAI:1:k3f9x0ab»"
    assert "opensesame" not in repr([getattr(vault, name) for name in Vault.__slots__])
    assert (is_one_way("secret"), is_one_way("secret.aws"), is_one_way("secrets"), is_one_way("pii.email")) == (True, True, False, False)


def test_a_vault_shows_no_value_and_cannot_leave() -> None:
    vault = filled()
    restorer = vault.restorer()
    assert restorer.feed(f"x {EMAIL}") == "x "
    assert repr(vault) == "Vault(2 placeholders)"
    assert repr(restorer) == "Restorer(2 placeholders)"
    assert ADA not in repr(restorer._held)
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a Vault cannot be copied or pickled: it ends with its call"):
            leave(vault)


@pytest.mark.parametrize("nonce", ["", "short", "UPPERCASE", "k3f9x0ab\n", "a" * 33, None, 12345678])
def test_another_nonce_is_refused(nonce: object) -> None:
    with pytest.raises(ValueError, match="the nonce of a vault is 8 to 32 lower case letters and digits, drawn for each call"):
        Vault(nonce)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["", "PII", "a b", None, "a" * 65])
def test_another_kind_is_refused(kind: object) -> None:
    with pytest.raises(ValueError, match=r"a kind is a lower case name such as 'pii\.email'"):
        Vault(NONCE).placeholder(kind, "x")  # type: ignore[arg-type]


def test_a_span_behind_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="a span ends behind the text that it is about"):
        Vault(NONCE).redact("abc", [Span(1, 4, "k.a")])


RESTORED = [
    EMAIL, f"Dear {EMAIL}, hello", f"({EMAIL})", f"**{EMAIL}**", f"« {EMAIL} »", f"«{EMAIL}»", f"{EMAIL}{PHONE}", f"a {EMAIL}\n{PHONE}.", f"[{EMAIL}] was told", f"[a [b] {EMAIL}]",
    f"[{EMAIL}] (x)", f"[{EMAIL}\n\n](u)", f"a [{EMAIL} x]: b", f"x < 3 {EMAIL}", f"x <é {EMAIL}", f"x <\n{EMAIL}", f"`open {EMAIL.replace(EMAIL, '')}\n\n{EMAIL}", f"``` py\nx\n```\n{EMAIL}",
    f"```x``` {EMAIL}", f"``a`b`` {EMAIL}", f"~~~\n```\n~~~~ \n{EMAIL}", f"1. ```\nx\n   ```\n{EMAIL}", f"~~x~~ {EMAIL}", f"<b> {EMAIL} </b>", f"<br/> {EMAIL}", f"<a href=x>y</a> {EMAIL}",
    f"<pre></prefix></pre> {EMAIL}", f"<script/> {EMAIL}", f"<i title='>'> {EMAIL}", f"<i a b> {EMAIL}", f"<blockquote x> {EMAIL}", f"<!-- x > --> {EMAIL}", f"<b x\n\n{EMAIL}", f"[t](u) {EMAIL}", f"[t](u(v)w) {EMAIL}",
    f'[t](u ")" ) {EMAIL}', f"[t](u\n\n{EMAIL}", f"[t][u] {EMAIL}", f"[1]: u\n{EMAIL}", f"[1]:\n\n{EMAIL}", f"- a\n\n    {EMAIL}", f"a\n    {EMAIL}", f"   {EMAIL}", f"\\[a] {EMAIL}", f"a: b/c {EMAIL}",
    f"]( {EMAIL} )", f"\\\\ {EMAIL}", f"`~` {EMAIL}", f"[a]`b` {EMAIL}", f"\n \f {EMAIL}", f"www {EMAIL}", f"```\n``` x\n```\n{EMAIL}", f"- `a` {EMAIL}", f"[[{EMAIL}]]", f"[x]\n{EMAIL}",
]  # fmt: skip

KEPT = [
    "text «SR:EMAIL:9:k3f9x0ab» text", "text «SR:EMAIL:1» text", "«SR:EMAIL:1:k3f9x0aa»", "«sr:email:1:k3f9x0ab»", f"https://e.example/{EMAIL}", f"{EMAIL}/x", f"mailto:{EMAIL}", f"{EMAIL}?",
    f"a={EMAIL}", f"{EMAIL}&b", f"@{EMAIL}", f"{EMAIL}#", f"%{EMAIL}", f"{EMAIL},x,http://y", f"www.{EMAIL}.example", f"WWW.{EMAIL}", f"{EMAIL}.www.example", f"![a]({EMAIL})", f"![a](u {EMAIL} )",
    f"[t](u 'it) {EMAIL} ')", f"[{EMAIL}](u)", f"![{EMAIL}](u)", f"[a \\] {EMAIL} ](u)", f"[a [b] {EMAIL} c](u)", f"[{EMAIL}][1]", f"[t][{EMAIL}]", f"[{EMAIL}]: u", f"[1]: u {EMAIL}", f"[1]:\n{EMAIL}",
    f"`{EMAIL}`", f"`` ` {EMAIL} ``", f"`open {EMAIL}", f"```\n{EMAIL}\n```", f"```\n{EMAIL}", f"~~~ \n{EMAIL}", f"> ```\n> {EMAIL}", f"```\n``` x {EMAIL}", f"```\n~~~\n{EMAIL}", f"```a``` ```b {EMAIL}",
    f"<b {EMAIL}>", f'<img src="a> {EMAIL} ">', f"<b x = '\n\n {EMAIL}", f"</b {EMAIL}", f"<!-- > {EMAIL} -->", f"<!-- {EMAIL}", f"<a href=x> {EMAIL} </a>", f"<script> {EMAIL}", f"<PRE>< {EMAIL} </PRE>",
    f"<code></code {EMAIL}", f"<{EMAIL}>", f"    {EMAIL}", f"a\n\n\t{EMAIL}", f"    a\n    {EMAIL}", f"{EMAIL}{'a' * (LONGEST_WAIT + 1)}", f"[{EMAIL} {'a ' * LONGEST_WAIT}]",
]  # fmt: skip


@pytest.mark.parametrize("text", RESTORED)
def test_it_is_restored(text: str) -> None:
    assert filled().restore(text) == text.replace(EMAIL, ADA).replace(PHONE, NUMBER)


@pytest.mark.parametrize("text", KEPT)
def test_it_is_not_restored(text: str) -> None:
    assert filled().restore(text) == text


@pytest.mark.parametrize("text", RESTORED + KEPT)
def test_letter_by_letter_it_is_the_same(text: str) -> None:
    restorer = filled().restorer()
    assert "".join(map(restorer.feed, text)) + restorer.close() == filled().restore(text)


def test_values_are_not_read_again() -> None:
    vault = Vault(NONCE)
    outer = vault.placeholder("pii.email", f"x {PHONE} [")
    vault.placeholder("pii.phone", NUMBER)
    assert vault.restore(f"{outer} ](u) {PHONE}") == f"x {PHONE} [ ](u) {NUMBER}"


def test_only_what_may_be_a_placeholder_and_what_decides_is_held() -> None:
    restorer = filled().restorer()
    assert restorer.feed("Dear «SR:EMA") == "Dear "
    assert restorer.feed("IL:1") == ""
    assert restorer.feed(":k3f9x0ab»") == ""
    assert restorer.feed(",") == ""
    assert restorer.feed(" hello [") == f"{ADA}, hello ["
    assert restorer.feed(f"{PHONE} x") == ""
    assert restorer.feed("] ") == f"{NUMBER} x] "
    assert restorer.feed("«SR:FAX") == "«SR:FAX"
    assert restorer.feed(f" {EMAIL}:") == f" {EMAIL}:"
    assert restorer.feed(" « bonjour » «") == " « bonjour » "
    assert restorer.close() == "«"


def test_a_placeholder_waits_for_a_bounded_time() -> None:
    restorer = filled().restorer()
    assert restorer.feed(f"{EMAIL}{PHONE}") == ""
    assert restorer.feed("a" * (LONGEST_WAIT - len(EMAIL + PHONE))) == ""
    assert restorer.feed("a") == EMAIL
    assert restorer.feed(" ") == NUMBER + "a" * (LONGEST_WAIT - len(EMAIL + PHONE) + 1) + " "


def test_without_placeholders_nothing_is_held() -> None:
    assert Restorer({}).feed("«SR:") == "«SR:"
    assert Vault(NONCE).restore(f"{EMAIL}") == EMAIL


PIECES = [
    EMAIL, PHONE, EMAIL[:5], EMAIL[:-1], "«", "»", "«SR:EMAIL:9:k3f9x0ab»", " ", "\n", "\n\n", "[", "]", "](", "]:", "](u)", "(", ")", "`", "```", "~~~", "<", "<a href=", "<b", ">", "</a>", "<!--",
    "-->", "<script>", "</script>", '"', "=", "'", "\\", "/", ":", "www.", "    ", "\t", "- ", "word", "a,b;", "x" * 300, ".", "。",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.lists(st.integers(0, 40), max_size=30))
def test_however_a_text_is_cut_it_is_restored_as_the_whole_is(text: str, cuts: list[int]) -> None:
    restorer = filled().restorer()
    shown, place = "", 0
    for cut in cuts:
        shown += restorer.feed(text[place : place + cut])
        place += cut
    shown += restorer.feed(text[place:]) + restorer.close()
    assert shown == filled().restore(text)


@given(st.text(), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=5))
def test_what_is_redacted_holds_nothing_of_a_span_and_comes_back(text: str, places: list[tuple[int, int]]) -> None:
    spans = [Span(min(one), max(one), "pii.email") for one in places if max(one) <= len(text)]
    vault = Vault(NONCE)
    redacted = vault.redact(text, spans)
    back = redacted
    for issued, value in vault._values.items():
        back = back.replace(issued, value)
    if "«" not in text:
        assert back == text
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert len(redacted) >= len(text) - len(covered)


@pytest.mark.parametrize("family", ["«SR:EMAIL:1:k3f9x0a", "«", "[", "<a ", "`", EMAIL, f"[{EMAIL}", "]("])
@pytest.mark.timed
def test_restoring_takes_linear_time(family: str) -> None:
    assert growth(lambda text: filled().restore(text), family, 5_000) <= LINEAR
