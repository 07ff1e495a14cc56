"""`saferoute guard`: try guards on texts: on one, with the reasons, and on a file of labelled ones, with the counts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from saferoute.cli.guard_trial import BY_DEFAULT, NAMES, STAGES
from saferoute.cli.program import UsageError
from saferoute.cli.terminal import printable, say, show, show_table
from saferoute.errors import ConfigurationError
from saferoute.values.guarding import Action

if TYPE_CHECKING:
    from saferoute.cli.guard_trial import Bench, Trial
    from saferoute.values.guarding import Stage

__all__ = ["configure"]

_TEST: Final = (
    "Ask guards about a file of labelled texts: precision, recall, false alarms and time, for each guard and for all of them together."
)
_JUDGE: Final = "Ask guards about one text, and say what each of them says and where. Nothing is sent."
_FOUND: Final = {"flag": Action.FLAG, "redact": Action.REDACT, "block": Action.BLOCK}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    commands = parser.add_subparsers(dest="guard_command", metavar="COMMAND", required=True)
    _configure_test(commands.add_parser("test", help="ask guards about a file of labelled texts", description=_TEST))
    _configure_judge(commands.add_parser("judge", help="ask guards about one text", description=_JUDGE))


def _common(parser: argparse.ArgumentParser) -> None:
    default = ", ".join(BY_DEFAULT)
    parser.add_argument("--guard", action="append", choices=NAMES, help=f"a guard to ask; may be repeated (default: {default})")
    parser.add_argument("--stage", choices=tuple(STAGES), default="input", help="as what the text is judged (default: input)")
    parser.add_argument("--allow-host", action="append", default=[], metavar="HOST", help="a host that links may lead to; may be repeated")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _configure_test(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help='.jsonl or .jsonl.xz; a line is {"text": "...", "label": 0 or 1}')
    _common(parser)
    parser.add_argument("--at", choices=tuple(_FOUND), default="flag", help="the least that counts as a find (default: flag)")
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        type=_threshold,
        metavar="GUARD=SCORE",
        help="the score from which on a guard's text is a find",
    )
    parser.add_argument("--min-recall", type=_rate, metavar="SHARE", help="exit with 1 if all guards together find less, from 0 to 1")
    parser.add_argument("--max-fpr", type=_rate, metavar="SHARE", help="exit with 1 if a larger share of harmless texts is found")
    parser.add_argument("--as-expected", action="store_true", help='exit with 1 if a line with "expect" comes out otherwise')
    parser.add_argument("--misses", type=_count, default=10, metavar="N", help="lines to name of each sort (default: 10)")
    parser.add_argument("--show", action="store_true", help="show the texts of these lines too")
    parser.set_defaults(run=_test)


def _configure_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what to judge; - stands for standard input")
    _common(parser)
    parser.set_defaults(run=_judge)


def _rate(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return share


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < len(text) <= 4 or int(text) == 0:  # noqa: PLR2004  digits of what anybody would read
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 9999")
    return int(text)


def _threshold(text: str) -> tuple[str, float]:
    name, _, score = text.partition("=")
    if name not in NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not GUARD=SCORE, such as injection_model=0.5")
    return name, _rate(score)


def _bench(options: argparse.Namespace, thresholds: dict[str, float] | None = None) -> Bench:
    from saferoute.cli.guard_trial import Bench, guards_named

    active = guards_named(options.guard or BY_DEFAULT)
    for one in active if options.guard else ():
        if not one.asked_about(options.stage):
            msg = f"the guard {one.name} is not asked about {options.stage}: give --stage {' or '.join(sorted(one.stages))}"
            raise UsageError(msg)
    return Bench(active, cast("Stage", options.stage), frozenset(options.allow_host), thresholds)


def _judge(options: argparse.Namespace) -> int:
    from saferoute.cli.guard_words import highlighted, judgement_to_json

    bench = _bench(options)
    judgement = bench.judgement(sys.stdin.read() if options.text == "-" else options.text)
    if options.json:
        show(json.dumps(judgement_to_json(judgement), indent=2))
        return 0
    show(printable(str(judgement)))
    if sys.stdout.isatty():
        show()
        show(highlighted(judgement))
    return 0


def _test(options: argparse.Namespace) -> int:
    from saferoute.cli.guard_corpus import is_corpus
    from saferoute.cli.guard_words import HEADINGS, cells_of, lines_of, trial_to_json

    if not is_corpus(options.file):
        msg = f"{options.file.name} is no .jsonl and no .jsonl.xz file"
        raise UsageError(msg)
    trial = _trial(options)
    if options.json:
        show(json.dumps(trial_to_json(trial), indent=2))
    else:
        positive = trial.together.hits + trial.together.missed
        show(f"{trial.rows} texts judged as {options.stage}: {positive} with label 1, {trial.rows - positive} with label 0")
        show_table(HEADINGS, [cells_of(tally) for tally in (*trial.each, trial.together)])
        for line in lines_of(trial):
            show(line)
    return _code(options, trial)


def _trial(options: argparse.Namespace) -> Trial:
    from saferoute.cli.guard_corpus import rows_of
    from saferoute.cli.guard_trial import Trial
    from saferoute.cli.progress import Progress

    trial = Trial(_bench(options, dict(options.threshold)), _FOUND[options.at], options.misses, keep_texts=options.show)
    with Progress(options.file.stat().st_size, "texts") as progress:
        for row in rows_of(options.file, lambda done: progress.at(done, trial.rows)):
            trial.take(row)
    if not trial.rows:
        msg = f"{options.file.name} has no line"
        raise ConfigurationError(msg)
    return trial


def _code(options: argparse.Namespace, trial: Trial) -> int:
    """0, or 1 with the reasons on stderr."""
    together, why = trial.together, []
    if together.failures:
        why.append(f"guards failed on {together.failures} texts")
    if options.min_recall is not None and (together.recall is None or together.recall < options.min_recall):
        found = "there is no text with label 1" if together.recall is None else f"recall is {together.recall:.4f}"
        why.append(f"{found}, and --min-recall is {options.min_recall}")
    if options.max_fpr is not None and (together.false_positives is None or together.false_positives > options.max_fpr):
        rate = together.false_positives
        found = "there is no text with label 0" if rate is None else f"the share of false positives is {rate:.4f}"
        why.append(f"{found}, and --max-fpr is {options.max_fpr}")
    if options.as_expected and (trial.otherwise.count or not trial.with_expect):
        why.append(f"{trial.otherwise.count} texts came out otherwise than expected" if trial.with_expect else 'no line has "expect"')
    for reason in why:
        say(f"error: {reason}")
    return 1 if why else 0
