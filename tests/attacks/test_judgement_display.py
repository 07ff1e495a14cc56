"""Text that was judged is shown to a person: markup, scripts and terminal orders in it are shown as what they are, and obeyed by nothing.

Attack: a text that is judged holds HTML, a script, a style, an attribute's end, terminal control sequences or characters that reorder what
is read; the judgement is shown in a notebook or a terminal. So does a guard that names its finds or its reasons that way.
Guards: saferoute/values/judgement.py::piece = escape("".join(map(_seen_in_text, self.text[start : min(end, _LONGEST_SHOWN)]))) => piece = self.text[start:end]
Guards: saferoute/values/judgement.py::title = escape("".join(map(_seen, mark[1]))) => title = mark[1]
Guards: saferoute/values/judgement.py::yield "<tr>" + "".join(f"<td>{escape(''.join(map(_seen, cell)))}</td>" for cell in cells) + "</tr>" => yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
Guards: saferoute/values/judgement.py::return "\\n".join("".join(map(_seen, line)) for line in lines) => return "\\n".join(lines)
Guards: saferoute/cli/guard_words.py::return "".join(one if one.isprintable() or one == "\\t" else f"<U+{ord(one):04X}>" for one in text) => return text
"""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import saferoute
from saferoute.cli.guard_words import highlighted
from saferoute.guards import Action, Judged, Span, Verdict
from saferoute.values.judgement import Judgement
from tests.support.commands import Commands

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "end of the box": "</pre></td></table><h1>fine</h1>",
    "end of an attribute": '" onmouseover="alert(1)" x="',
    "end of another": "' onmouseover='alert(1)' x='",
    "entity": "&lt;script&gt;",
    "comment": "<!-- --><![CDATA[<b>]]>",
    "clear the screen": "\x1b[2J\x1b[1;1H",
    "hyperlink": "\x1b]8;;http://evil.example\x07ok\x1b]8;;\x07",
    "8-bit control": "\x9b2J",
    "overwritten line": "bad\rgood",
    "reordered": "\u202e.tpircs\u202c",
    "hidden": "fine" + "".join(chr(0xE0000 + ord(letter)) for letter in "orders"),
    "line separator": "a\u2028b\u0085c",
}
TAGS = {"p", "b", "pre", "mark", "table", "tr", "th", "td", "i"}
ATTRIBUTES = {"style", "title"}
STEERING = {chr(code) for code in [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]} - {"\n", "\t"}


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def judgements(text: str) -> list[Judgement]:
    """With the text judged, whole and in part; and in a guard's reasons, and in its name, as whoever makes values by hand can do it."""
    whole = Judged("g", "1", "input", "", Verdict(Action.BLOCK, ("found",), (Span(0, len(text), "kind"),)))
    part = Judged("g", "1", "input", "", Verdict(Action.FLAG, ("found",), (Span(1, len(text) - 1, "kind"),)))
    said = Judged(text[:300], "1", "input", "", Verdict(Action.FLAG, (text[:300],), (Span(0, 1, "kind"),)))
    return [Judgement(text, Action.BLOCK, verdicts, text) for verdicts in ((), (whole,), (part,), (whole, part), (said,))]


@pytest.mark.parametrize("case", HOSTILE)
def test_a_notebook_shows_it_as_text(case: str) -> None:
    for judgement in judgements(HOSTILE[case]):
        shown = judgement._repr_html_()
        page = Page(shown)
        assert page.tags <= TAGS, shown
        assert page.attributes <= ATTRIBUTES, shown
        assert not STEERING & set(shown), shown
        if HOSTILE[case].isprintable():
            assert HOSTILE[case] in page.words  # shown as it is, and not left out


@pytest.mark.parametrize("case", HOSTILE)
def test_words_for_a_terminal_steer_nothing(case: str) -> None:
    for judgement in judgements(HOSTILE[case]):
        assert not STEERING & set(str(judgement))
        shown = highlighted(judgement)
        for ours in ("\x1b[32m", "\x1b[30;43m", "\x1b[97;45m", "\x1b[97;41m", "\x1b[0m"):
            shown = shown.replace(ours, "")
        assert not STEERING & set(shown)
        assert all(one.isprintable() or one in "\n\t" for one in shown)


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("case", HOSTILE)
def test_the_command_shows_it_as_text(monkeypatch: pytest.MonkeyPatch, tmp_path: object, case: str, terminal: bool) -> None:
    run = Commands(monkeypatch, tmp_path)  # type: ignore[arg-type]
    done = run("guard", "judge", "-", stdin=HOSTILE[case].encode(), terminal=terminal)
    assert done.code == 0, done.err
    shown = done.out
    for ours in ("\x1b[32m", "\x1b[30;43m", "\x1b[97;45m", "\x1b[97;41m", "\x1b[0m"):
        shown = shown.replace(ours, "")
    assert not STEERING & set(shown)


def test_a_real_judgement_marks_what_is_hidden() -> None:
    with pytest.warns(saferoute.errors.LocalTrustWarning):
        client = saferoute.Client.local(servers=[saferoute.loopback("row", port=9)], secrets=saferoute.Secrets.of({}))
    with client:
        shown = client.judge(f"<b>{HOSTILE['hidden']}")._repr_html_()
    assert "&lt;b&gt;fine<mark" in shown
    assert "&lt;U+E006F&gt;" in shown
