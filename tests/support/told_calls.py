"""Calls that go well, fail, are refused and are left, and all that is told of them afterwards, by its place: what a canary is looked for in."""

from __future__ import annotations

import io
import json
import logging
import pathlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

import saferoute
from saferoute.errors import SaferouteError
from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream, InBandError
from tests.support.both import Face
from tests.support.commands import Commands
from tests.support.leak_search import shown_by_error
from tests.support.watched import Kept

__all__ = ["CHOSEN_BY_NOBODY", "WITH_CONTENT", "Said", "logged", "told_of_calls"]

WITH_CONTENT = frozenset({"span with content", "reply", "pickle of a reply", "inside of an error"})
"""Where what was said stands on purpose: the reply is the caller's, content in spans was asked for, and a traceback that shows locals shows
the caller's own arguments. What a provider says in an error is kept for `diagnostics()`."""

CHOSEN_BY_NOBODY = frozenset({"anchor", "audit verify", "reply"})
"""Where no word of a caller's stands: a note, and what `verify` says, is ids, sizes and digests; a reply has the model that was reported."""

_LOG_FORMAT = "%(name)s %(levelname)s %(message)s %(args)s %(saferoute)s %(exc_text)s"


@dataclass(frozen=True)
class Said:
    """What is said in the calls.

    Attributes:
        key: the provider's key; the provider says it back in its errors.
        model: what is asked for: put a key in its place, and it stands wherever a record does.
    """

    key: str
    prompt: str
    system: str
    answer: str
    model: str = "m-1"


@dataclass
class _Listening:
    """A hook that keeps what it is told, but for the reply and the error themselves."""

    texts: list[str] = field(default_factory=list)

    def _keep(self, told: object) -> None:
        self.texts.append(repr(told))

    on_request = on_response = on_error = _keep


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """The root logger at DEBUG, with the structured facts, and whatever else a careless formatter would add."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter(_LOG_FORMAT, defaults={"saferoute": ""}))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def told_of_calls(kind: str, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> dict[str, str]:
    """Make the calls with a client of the kind, and give all that was told of them, by place.

    Args:
        kind: which client.
        folder: a folder of the test's own; the ledger is kept in it.
        monkeypatch: for the commands, which run in this process.
        said: what is said.
    """
    texts: dict[str, list[str]] = {}

    def keep(place: str, text: object) -> None:
        texts.setdefault(place, []).append(text if isinstance(text, str) else str(text))

    plain, open_book, hook = Kept(), Kept(), _Listening()
    capture = saferoute.Capture([f"row/{said.model}"], key=folder / "capture.key")
    with EmbeddedProvider() as provider, logged() as log:
        rows = [saferoute.loopback("row", port=provider.port, secret="row")]
        secrets = saferoute.Secrets.of({"row": (said.key, provider.origin)})
        for name, kept, options in (
            ("audit", plain, plain.options(tags=("team",))),
            ("audit-open", open_book, open_book.options(content=True)),
        ):
            ledger = saferoute.Ledger.directory(
                folder / name, capture=capture, on_checkpoint=[saferoute.FileAnchor(folder / f"{name}.notes")], checkpoint_records=8
            )
            told: dict[str, Any] = {"hooks": [hook], "ledger": ledger, "telemetry": options, "tags": {"team": "desk"}}
            with Face(kind, lambda client, told=told: client.local(servers=rows, secrets=secrets, **told)) as face:
                for result in _calls(face, provider, said):
                    _keep_result(keep, face, result)
                for shown in (face.client, face.client.costs(), face.client.health(), face.client.security_report()):
                    keep("client's reports", f"{shown!r}\n{shown}\n{shown._repr_html_()}")
            ledger.close()
            keep("span" if kept is plain else "span with content", kept.everything())
            keep("metric", kept.reader.get_metrics_data().to_json())  # type: ignore[union-attr]
            for data in ledger.read().values():
                keep("ledger file", data.decode())
        keep("log", log.getvalue())
        assert provider.saw_key(said.key)
    keep("hook", "\n".join(hook.texts))
    keep("anchor", (folder / "audit.notes").read_text())
    _commands(keep, Commands(monkeypatch, folder), folder)
    return {place: "\n".join(found) for place, found in texts.items()}


def _calls(face: Face, provider: EmbeddedProvider, said: Said) -> Iterator[Any]:
    """Each call's result, or its error."""
    route, echoed = f"row/{said.model}", f"{said.answer} {said.key}"
    steps: list[Any] = [
        Answer(said.answer),
        *(ErrorAnswer(status, message=echoed) for status in (400, 401, 429, 500)),
        *(Answer(f"{said.answer} {said.answer}", fault=fault) for fault in (CutStream(2), InBandError())),
    ]
    for number, step in enumerate(steps):
        provider.script([step], then="repeat")
        ways: list[Callable[[], Any]] = [
            lambda: face.chat(route, said.prompt, system=said.system, max_attempts=1, timeout=2),
            lambda: face.stream(route, said.prompt, system=said.system, max_attempts=1, timeout=2)[-1].reply,
        ]
        if not number:
            ways += [
                lambda: face.stream(route, said.prompt, take=1)[-1],
                lambda: face.chat(route, said.prompt, max_cost="1"),  # no price is known: refused
                lambda: face.chat(f"{said.prompt} is no route", said.prompt),
                lambda: face.chat(said.model, said.prompt),
                lambda: face.chat(route, [{"role": "user", "content": f"{said.prompt} \U000e0068"}]),  # which the guards refuse
                lambda: face.wait(face.client.embed(route, [said.prompt])),
                lambda: face.wait(face.client.judge(said.prompt)),
            ]
        for way in ways:
            try:
                yield way()
            except SaferouteError as error:
                yield error


def _keep_result(keep: Callable[[str, object], None], face: Face, result: Any) -> None:
    receipt = getattr(result, "receipt", None)
    if isinstance(result, SaferouteError):
        for name, text in shown_by_error(result):
            shown = name.startswith(("str of", "repr of", "args of"))
            keep("pickle of an error" if "pickle" in name else "text of an error" if shown else "inside of an error", text)
    elif receipt is not None:
        keep("reply", f"{result!r} {result}")
        keep("pickle of a reply", pickle.dumps(result).decode("latin-1"))
    if receipt is not None:
        keep("receipt", f"{receipt!r} {receipt.record} {receipt.opening()}")
        keep("pickle of a receipt", pickle.dumps(receipt).decode("latin-1"))
        keep("explanation", face.wait(face.client.explain(receipt)))


def _commands(keep: Callable[[str, object], None], run: Commands, folder: pathlib.Path) -> None:
    """What the command line makes of the ledger."""
    audit = str(folder / "audit")
    shown = run("audit", "show", audit, "--json")
    call = next(one["call"] for line in shown.out.splitlines() if (one := json.loads(line))["kind"] == "attempt")
    proof = folder / "call.proof"
    report = folder / "report.html"
    for words in (
        ("verify", audit, "--anchor", str(folder / "audit.notes")),
        ("show", audit),
        ("explain", call, audit),
        ("stats", audit, "--by", "model"),
        ("find", audit, "--secret", "row"),
        ("export", audit, "--to", "jsonl"),
        ("export", audit, "--to", "csv"),
        ("prove", call, audit, "-o", str(proof), "--open", "asked", "--open", "request"),
        ("check-proof", str(proof)),
        ("report", audit, "-o", str(report)),
    ):
        done = run("audit", *words)
        assert (done.code, "Traceback" in done.err) == (0, False), (words, done.err)
        keep(f"audit {words[0]}", f"{done.out}\n{done.err}")
    keep("proof", proof.read_text())
    keep("HTML report", report.read_text())
