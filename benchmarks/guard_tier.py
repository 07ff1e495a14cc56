"""What the guards that are on by default cost: plain texts, hostile texts, and pieces of a stream.

    python benchmarks/guard_tier.py             plain texts and streams
    python benchmarks/guard_tier.py --hostile   hostile texts of 200 kB and 2 MB too, as multiples of the time for prose of that size

Function calls are counted by cProfile and do not depend on the machine; microseconds are the median of many runs, in
processor time.

Hostile texts fail the run where all guards together take more than four times as long as for prose. Families for which one guard takes
more than four times its own time are listed, and what that is of the time of all of them.
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
from tests.support.hostile_texts import FAMILIES, PARAGRAPH, prose_of, text_of

MOST = 4.0
TRIES = 4

PROSE = (PARAGRAPH * 2)[:1024]
GERMAN = (PARAGRAPH.replace("ou", "\u00f6\u00fc").replace("a", "\u00e4") * 2)[:1024]
TEXTS = {
    "prose, 1 KB": PROSE,
    "letters beyond ASCII, 1 KB": GERMAN,
    "the gate's prompt": "Summarise this. " * 40,
    "tool description": "Looks a thing up.",
    "JSON schema": '{"type":"object","properties":{"city":{"type":"string"}}}',
}


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
    """Hostile texts beside prose of the same size; 1 if all guards together take more than MOST times as long for one.

    Of each guard there are two figures: its own time for prose, times so much, and the time of all guards for prose, times so much. A guard
    that next to nothing has to be looked at for in prose passes the first bound easily; what it costs somebody is the second.
    """
    works: dict[str, Callable[[str], object]] = {"views": views_of} | {guard.name: partial(check, guard) for guard in guards}
    worst = 0.0
    for size in (200_000, 2_000_000):
        prose = prose_of(size)
        allowed = least_of(works, prose, 3)
        names = ", ".join(f"{name} {one * 1e6 / (size / 1024):.1f}" for name, one in allowed.items())
        print(f"\n{size} characters; microseconds per KB of prose: {names}, all {sum(allowed.values()) * 1e6 / (size / 1024):.1f}")
        print(f"{'of its own time':20}" + "".join(f"{name:>9}" for name in works) + f"{'all':>9}   of the time of all for prose")
        for family in FAMILIES:
            text = text_of(family, size)
            taken = least_of(works, text, 2)
            for _ in range(TRIES):  # a slow phase of the machine is no finding
                if sum(taken.values()) <= MOST * sum(allowed.values()):
                    break
                allowed = lesser(allowed, least_of(works, prose, 1))
                taken = lesser(taken, least_of(works, text, 1))
            total = sum(allowed.values())
            worst = max(worst, sum(taken.values()) / total)
            own = [taken[name] / allowed[name] for name in works]
            if "--all" in sys.argv or max(own) > MOST:
                cells = "".join(f"{one:9.1f}" for one in own) + f"{sum(taken.values()) / total:9.1f}   "
                print(f"{family:20}{cells}" + "".join(f"{name} {one / total:.1f}  " for name, one in taken.items() if one > total / 2))
    print(f"\nall guards take at most {worst:.1f} times as long as for prose (at most {MOST:.0f})")
    return int(worst > MOST)


def least_of(works: dict[str, Callable[[str], object]], text: str, times: int) -> dict[str, float]:
    """Seconds of each, the fastest of a few runs."""
    return {name: best_of(partial(work, text), times) for name, work in works.items()}


def lesser(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """The least of two measurements of each."""
    return {name: min(one[name], other[name]) for name in one}


def main() -> int:
    """Print the tables."""
    guards = [one.guard for one in guards_with_defaults((), enforce=True)]
    plain(guards)
    streams()
    return hostile(guards) if "--hostile" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
