"""Attack: a guard's reason repeats what it found, or brings line ends and terminal codes into a log, an error or a receipt.

Guards: saferoute/guards/pipeline.py::reasons = tuple(WITHHELD if any(value in reason for value in found) else _printable(reason) for reason in verdict.reasons) => reasons = verdict.reasons
Guards: saferoute/guards/pipeline.py::return words if words.isprintable() else "".join(one if one.isprintable() else "\\N{REPLACEMENT CHARACTER}" for one in words) => return words
"""

from __future__ import annotations

import logging
import pickle

import pytest

from saferoute.errors import GuardBlocked, GuardFailed
from saferoute.guards import Action, Context, Segment, Span, Verdict
from saferoute.guards.pipeline import Active, check_blocked, judge
from tests.support.guarded import Saying

KEY = "sk-" + "falcon" * 4
SEGMENT = Segment(f"my key is {KEY}", path="/messages/0/content/0")
HOSTILE = [
    "one\ntwo",
    "\x1b[2J\x1b]8;;http://evil.example\x07",
    "a\r\nlevel=CRITICAL",
    "\u202eevil",
    "\x9b31m",
    "zero\u200bwidth",
    "\ud800",
]


def refused(answer: object) -> GuardBlocked | GuardFailed:
    every = judge([Active(Saying(answer))], SEGMENT, Context("input"))
    with pytest.raises((GuardBlocked, GuardFailed)) as caught:
        check_blocked(every, "nothing was sent")
    return caught.value


def told(error: GuardBlocked | GuardFailed, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that an error tells, in whatever way."""
    logging.getLogger("saferoute.tests").error("%s %r %s", error, error, error.verdicts, exc_info=error)
    reasons = " ".join(reason for one in error.verdicts for reason in one.verdict.reasons)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    return f"{error}{error!r}{error.diagnostics()}{reasons}{error.verdicts}{caplog.text}"


@pytest.mark.parametrize("reason", HOSTILE, ids=ascii)
def test_no_reason_brings_control_characters(reason: str, caplog: pytest.LogCaptureFixture) -> None:
    error = refused(Verdict(Action.BLOCK, (reason,)))
    assert reason not in told(error, caplog)
    assert str(error).isprintable()
    assert all(one.isprintable() for verdict in error.verdicts for one in verdict.verdict.reasons)


@pytest.mark.parametrize("name", HOSTILE[:-1], ids=ascii)  # no class is named by half a character
def test_no_class_of_an_exception_brings_them_either(name: str, caplog: pytest.LogCaptureFixture) -> None:
    error = refused(type(name, (Exception,), {})(KEY))
    assert str(error).isprintable()
    assert KEY not in told(error, caplog)


@pytest.mark.parametrize("reason", [f"found {KEY}", KEY, f"({KEY[:26]})"])
def test_no_reason_repeats_what_was_found(reason: str, caplog: pytest.LogCaptureFixture) -> None:
    spans = (Span(10, 10 + len(KEY), "secret.key"), Span(10, 36, "secret.part"))
    assert "falcon" not in told(refused(Verdict(Action.BLOCK, (reason, "a key"), spans)), caplog)
