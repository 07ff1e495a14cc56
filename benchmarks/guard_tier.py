"""What the guards that are on by default cost: plain texts, hostile texts, and pieces of a stream.

    python benchmarks/guard_tier.py             plain texts and streams
    python benchmarks/guard_tier.py --hostile   hostile texts of 200 kB and 2 MB too, as multiples of the time for prose of that size

Function calls are counted by cProfile and do not depend on the machine; microseconds are the median of many runs, in
processor time.
"""

from __future__ import annotations

import cProfile
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from saferoute.guards.answers import AnswerGuards
from saferoute.guards.defaults import guards_with_defaults
from saferoute.guards.views import views_of
from saferoute.values.events import TextDelta
from saferoute.values.guarding import Action, Context, Guard, Segment, Stage

PARAGRAPH = (
    "Thank you for your message about the delivery of last week. The parcel left our warehouse on Monday morning, and the carrier told us "
    'that it had been handed over on the same day; "a neighbour took it", they wrote. Could you please check with the people next door? '
    "If they don't have it, we'll send another one (free of charge) as soon as possible. You needn't do anything: the new parcel should "
    "arrive within 3 days, or 5 at most. We are sorry for the trouble, and would like to offer you 10% off your next order. Summarise the "
    "rest of this conversation in two sentences; keep the tone friendly - but not too familiar. Explain what went wrong, who was told and "
    "when, and what the customer can expect now. Write in plain English and use short words wherever you can. Don't mention prices.\n\n"
    "Afterwards, list the open questions as bullets, one per line, and give each of them an owner. Questions that have been answered are "
    "left out. Say so if something is unclear, rather than guessing, and stop there. "
)
FIGURES = (
    "Your order 4711-2207 of 23 November 2026 (EUR 1,299.00) is kept at https://shop.example/orders until 2026-12-01; the desk is open "
    "from 9:00 to 17:30.\n"
)
PROSE = (PARAGRAPH * 2)[:1024]
GERMAN = (PARAGRAPH.replace("ou", "\u00f6\u00fc").replace("a", "\u00e4") * 2)[:1024]
TEXTS = {
    "prose, 1 KB": PROSE,
    "letters beyond ASCII, 1 KB": GERMAN,
    "the gate's prompt": "Summarise this. " * 40,
    "tool description": "Looks a thing up.",
    "JSON schema": '{"type":"object","properties":{"city":{"type":"string"}}}',
}

FAMILIES = {
    "a.": "a.", "sk-": "sk-", "![": "![", "1 ": "1 ", "words": "ignore all ", "key=": "key=", "a@": "a@", "zwsp": "\u200b", "<!--": "<!--",
    "space": " ", "(": "(", "]": "]", "://": "://", "dots": "1.2.3.4.", "dashes": "12-34-", "plus": "+1 ", "area": "(0", "SR": "\u00abSR:",
    "marks": "a\u0301\u0323", "&#": "&#", "&#97;": "&#97;", "%41": "%41", "\\u": "\\u0041", "base64": "QUJD", "digits": "123456",
    "hex": "41 42 43 ", "zwj": "a\u200db", "mixed": "\u0430a", "mixed words": "p\u0430ypal ", "styled": "\U0001d41a", "wide": "\uff41 ",
    "tags": "\U000e0041", "esc": "\x1b[", "osc": "\x1b]", "BEGIN": "-----BEGIN ", "ghp": "ghp_", "eyJ": "eyJhbGci.", "pass": "password: ",
    "url": "http://a:b", "img": "<img ", "](": "](", "]:": "]:", "style": "url(", "colons": "1:2:", "DE": "DE89 ", "1 letters": "a ",
    "parted": "a-", "leet": "h4x0r ", "override": "\u202e", "entities": "&lt;", "bearer": "bearer ", "nul": "\x00", "cards": "4111 1111 ",
    "phones": "555-0100 ", "mails": "ann@example.org ", "rot13": "gur ", "hidden": "<p hidden>", "quotes": '"', "half": "\ud800",
    "flags": "\U0001f3f4", "selectors": "\ufe01", "markdown": "[a][b] ", "noit": "noit", "0 ": "0 ", "00": "00 1", "letters": "a",
    "at.": "@a.", "data": "![](data:,", "md comment": '[a]: # "', "1": "1", ".": ".", "-": "-", "ssn": "123-45-6789 ", "soft": "a\u00ad",
    "persian": "\u06cc\u200c\u06cc", "cyrillic": "\u043f\u0440\u0438 ", "bits": "\u200b\u200c", "newline": "\n", "tag": "<a href=",
    "hebrew": "\u05d0\u2067", "han": "\u5bc6\u7801: ", "foreign": "clave: ", "auth": "authorization: ", "user": " -u a:", "A": "A",
    "AKIA": "AKIA",
}  # fmt: skip


def calls_of(work: Callable[[], object], times: int = 20) -> float:
    """Function calls of one run."""
    for _ in range(3):
        work()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(times):
        work()
    profile.disable()
    total: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]  # there, and not in the stubs
    return (total - 1) / times


def median_us(work: Callable[[], object], times: int = 400) -> float:
    """Median microseconds of one run."""
    for _ in range(20):
        work()
    taken = []
    for _ in range(times):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return (min(taken) if "--best" in sys.argv else statistics.median(taken)) * 1e6


def best_of(work: Callable[[], object], times: int) -> float:
    """Seconds of the fastest of a few runs."""
    taken = []
    for _ in range(times):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def check(guard: Guard, text: str) -> Action:
    """One guard at the stage where it has the most to do."""
    stage: Stage = "input" if "input" in guard.stages else "output"
    return guard.check(Segment(text), Context(stage)).action


def tier(guards: list[Guard], text: str) -> None:
    """What a call does with a text of its request, and with the same text in an answer."""
    views = views_of(text)
    segment = Segment(text)
    for context in (Context("input", views=views), Context("output")):
        for guard in guards:
            if context.stage in guard.stages:
                guard.check(segment, context)


def stages_alone(guards: list[Guard], text: str, *, viewed: bool = False) -> None:
    """What a call does with a text of its request; views are made for clients only that have a guard which reads them."""
    context, segment = Context("input", views=views_of(text) if viewed else {}), Segment(text)
    for guard in guards:
        if "input" in guard.stages:
            guard.check(segment, context)


def plain(guards: list[Guard]) -> None:
    """Function calls and microseconds by text."""
    works: dict[str, Callable[[str], object]] = {"views": views_of}
    works |= {guard.name: partial(check, guard) for guard in guards}
    works |= {
        "input": partial(stages_alone, guards),
        "with views": partial(stages_alone, guards, viewed=True),
        "input+output": partial(tier, guards),
    }
    print(f"{'calls / us':28}" + "".join(f"{name:>16}" for name in works))
    for name, text in TEXTS.items():
        cells = [f"{calls_of(partial(work, text)):.0f} / {median_us(partial(work, text)):.0f}" for work in works.values()]
        print(f"{name:28}" + "".join(f"{cell:>16}" for cell in cells))


def streams() -> None:
    """Function calls and microseconds for one piece of a stream, and how much of it is held."""
    active = guards_with_defaults((), enforce=True)
    answers = {"numbered words": [f"word{n} " for n in range(400)], "prose": [word + " " for word in (PARAGRAPH * 3).split()]}
    for name, pieces in answers.items():

        def answer(pieces: list[str] = pieces) -> list[int]:
            judge = AnswerGuards(active, Context, str)
            held, sent, shown = [], 0, 0
            for piece in pieces:
                sent += len(piece)
                shown += sum(len(event.text) for event in judge.feed([TextDelta(piece)]) if isinstance(event, TextDelta))
                held.append(sent - shown)
            return held

        calls, taken = calls_of(answer, 3) / len(pieces), median_us(answer, 10) / len(pieces)
        print(f"stream, {name:20} {calls:.0f} calls, {taken:.0f} us each; held: median {statistics.median(answer()):.0f} characters")


def hostile(guards: list[Guard]) -> int:
    """Multiples of the time for prose; 1 if one of them is more than 4."""
    works: dict[str, Callable[[str], object]] = {"views": views_of} | {guard.name: partial(check, guard) for guard in guards}
    worst = 0.0
    for size in (200_000, 2_000_000):
        prose = ((PARAGRAPH + FIGURES) * (size // len(PARAGRAPH) + 1))[:size]
        prose_of = {name: best_of(partial(work, prose), 3) for name, work in works.items()}
        allowed = sum(prose_of.values())
        print(f"\n{size} characters; milliseconds for prose: " + ", ".join(f"{name} {one * 1e3:.1f}" for name, one in prose_of.items()))
        print(f"{'multiples of prose':20}" + "".join(f"{name:>10}" for name in works) + f"{'all':>10}")
        for family, unit in FAMILIES.items():
            text = (unit * (size // len(unit) + 1))[:size]
            taken = {name: best_of(partial(work, text), 2) for name, work in works.items()}
            ratios = [taken[name] / prose_of[name] for name in works]
            worst = max(worst, *ratios)
            if "--all" in sys.argv or max(ratios) > 4:
                print(f"{family:20}" + "".join(f"{one:10.1f}" for one in ratios) + f"{sum(taken.values()) / allowed:10.1f}")
    return int(worst > 4)


def main() -> int:
    """Print the tables."""
    guards = [one.guard for one in guards_with_defaults((), enforce=True)]
    plain(guards)
    streams()
    return hostile(guards) if "--hostile" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
