"""What guards said, in words and tables; and a text with the places that they point at, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from saferoute.cli.guard_trial import Finding, Tally, Trial
    from saferoute.values.guarding import Judged
    from saferoute.values.judgement import Judgement

__all__ = ["HEADINGS", "cells_of", "highlighted", "judgement_to_json", "lines_of", "trial_to_json"]

HEADINGS: Final = ("guard", "precision", "recall", "false positives", "p50 us/KB", "p99 us/KB", "failures")
_COLOURS: Final = ("\x1b[32m", "\x1b[30;43m", "\x1b[97;45m", "\x1b[97;41m")  # by action: allow, flag, redact, block
_OFF: Final = "\x1b[0m"
_LONGEST_SHOWN: Final = 200


def cells_of(tally: Tally) -> tuple[str, ...]:
    """One row of the table."""
    shares = (tally.precision, tally.recall, tally.false_positives)
    times = (tally.quantile(0.5), tally.quantile(0.99))
    return (
        tally.name,
        *("-" if share is None else f"{share:.4f}" for share in shares),
        *("-" if each is None else f"{each:,.0f}" for each in times),
        str(tally.failures),
    )


def lines_of(trial: Trial) -> Iterator[str]:
    """What is said below the table."""
    for kind, tally in sorted(trial.kinds.items()):
        counts = f"{tally.hits} of {tally.hits + tally.missed} found" if tally.hits + tally.missed else ""
        alarms = f"{tally.vain} of {tally.vain + tally.passed} false alarms" if tally.vain + tally.passed else ""
        yield f"  {plain(kind)}: {', '.join(filter(None, (counts, alarms)))}"
    for name, worst in (("missed", trial.missed), ("false alarms", trial.false_alarms), ("not as expected", trial.otherwise)):
        if worst.count:
            more = "" if worst.count == len(worst.found) else f", the first {len(worst.found)} of them"
            yield f"{name}: {worst.count}{more}"
            yield from map(_line, worst.found)
    if trial.with_expect:
        yield f"as expected: {trial.with_expect - trial.otherwise.count} of {trial.with_expect}"


def _line(one: Finding) -> str:
    shown = "" if one.text is None else f": {plain(one.text[:_LONGEST_SHOWN])}"
    return f"  line {one.line} ({one.why}){shown}"


def trial_to_json(trial: Trial) -> dict[str, Any]:
    """The same as JSON."""

    def told(found: Sequence[Finding]) -> list[dict[str, Any]]:
        return [{"line": one.line, "why": one.why, **({} if one.text is None else {"text": one.text})} for one in found]

    return {
        "rows": trial.rows,
        "guards": [tally.to_json() for tally in trial.each],
        "together": trial.together.to_json(),
        "kinds": {kind: tally.to_json() for kind, tally in sorted(trial.kinds.items())},
        "missed": told(trial.missed.found),
        "false_alarms": told(trial.false_alarms.found),
        "not_as_expected": told(trial.otherwise.found),
        "as_expected": [trial.with_expect - trial.otherwise.count, trial.with_expect],
    }


def judgement_to_json(judgement: Judgement) -> dict[str, Any]:
    """A judgement as JSON; without the text."""
    return {
        "action": judgement.action.name.lower(),
        "characters": len(judgement.text),
        "verdicts": [_verdict_to_json(one) for one in judgement.verdicts],
    }


def _verdict_to_json(one: Judged) -> dict[str, Any]:
    spans = [{"start": span.start, "end": span.end, "kind": span.kind} for span in one.verdict.spans]
    return {
        "guard": one.guard,
        "version": one.version,
        "stage": one.stage,
        "action": one.verdict.action.name.lower(),
        "reasons": list(one.verdict.reasons),
        "score": one.verdict.score,
        "spans": spans,
    }


def plain(text: str) -> str:
    """A text in which nothing is hidden and nothing steers a terminal: what cannot be seen stands as its number."""
    return "".join(one if one.isprintable() or one == "\t" else f"<U+{ord(one):04X}>" for one in text)


def highlighted(judgement: Judgement) -> str:
    """The text for a terminal, the places that guards point at in the colour of what is done about them."""
    shown = []
    for start, end, mark in judgement.places():
        piece = judgement.text[start:end]
        words = "\n".join(plain(line) for line in piece.split("\n"))
        shown.append(words if mark is None else f"{_COLOURS[mark[0]]}{words}{_OFF}")
    return "".join(shown)
