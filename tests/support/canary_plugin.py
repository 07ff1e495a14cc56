"""Search everything that every test of a run leaves behind for the secrets that the test used.

    python -m pytest -p tests.support.canary_plugin --log-level=DEBUG

A secret is whatever became a `Secret` or a `Passphrase`, at least 12 characters long. What a test leaves behind: what it printed and logged (the root
logger at DEBUG), every error of ours that was made, raised or not: its texts, its pickle, and the locals of the package's frames that it
leads to, every record that a ledger wrote, explanation, export, proof and report that was made of them, every span that ended, every
measurement, every log record with its structured facts, every report of a client, what commands said, and the files of ledgers that lie
below the test's `tmp_path`. A test that leaves a secret behind fails at its end, and says where.

A test that shows a key on purpose is named in `ON_PURPOSE`, with the reason.
"""

from __future__ import annotations

import functools
import importlib
import os
import pathlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.support.leak_search import shown_by_error, where

SHORTEST = 12
MOST_ERRORS = 300
MOST_WRITTEN = 5_000
MOST_BYTES = 8 << 20
OURS = ("saferoute.", "tests.")
"""What is followed is loaded for it: most of it the package loads in the middle of a test. Of OpenTelemetry's SDK only what is there
already, for clients behave as if nobody listened until it is."""

KEPT = frozenset({".jsonl", ".notes", ".proof", ".csv", ".parquet", ".html"})
"""How the names of files end that are made of a ledger. Others may hold a secret on purpose: key files, mounted secrets, vaults."""


class Place(NamedTuple):
    """Where text leaves the package.

    Attributes:
        name: what a finding says.
        module: whose it is.
        owner: the class, or "" for a function of the module.
        function: what is followed.
        text: what of its positional arguments and its result is looked through.
    """

    name: str
    module: str
    owner: str
    function: str
    text: Callable[[tuple[Any, ...], Any], str]


def _made(_: tuple[Any, ...], made: Any) -> str:
    return made.decode() if isinstance(made, bytes) else str(made)


PLACES = (
    Place("record", "saferoute.ledger.segment", "SegmentWriter", "first", _made),
    Place("record", "saferoute.ledger.segment", "SegmentWriter", "add", lambda _, made: made.line.decode()),
    Place("record", "saferoute.ledger.segment", "SegmentWriter", "add_fields", lambda _, made: made.line.decode()),
    Place("checkpoint", "saferoute.ledger.segment", "SegmentWriter", "checkpoint", lambda _, made: made[0].decode() + made[1]),
    Place("proof", "saferoute.ledger.proof", "", "prove", _made),
    Place("proof", "saferoute.ledger.proofs", "", "bundled", _made),
    Place("explanation", "saferoute.ledger.explain", "", "explained", lambda _, made: "\n".join(made)),
    Place("export", "saferoute.ledger.export", "", "json_line", _made),
    Place("export", "saferoute.ledger.export", "", "csv_line", _made),
    Place("HTML report", "saferoute.cli.audit_report", "", "page", _made),
    Place("command", "tests.support.commands", "Done", "__init__", lambda given, _: f"{given[2]}{given[3]}"),
    Place("client's report", "saferoute.values.report", "Report", "__init__", lambda given, _: repr(given[0])),
    Place("span", "opentelemetry.sdk.trace", "Span", "end", lambda given, _: given[0].to_json()),
    Place("metric", "opentelemetry.sdk.metrics._internal.instrument", "Histogram", "record", lambda given, _: repr(given[1:])),
    Place("log record", "logging", "Logger", "handle", lambda given, _: repr(vars(given[1]))),
)
ON_PURPOSE = {
    "test_a_key_in_the_place_of_its_source_is_not_repeated": "the caller's own frame has the key in the wrong place; the message does not",
    "test_a_passphrase_is_not_shown": "the argument of Secrets.vault is a plain str when it is refused; the message does not show it",
    "test_a_path_that_could_be_something_else_is_refused": "the secret that the test stores is the same text as the path in the table",
    "test_a_reference_is_never_resolved": "the secret that the test stores is the same text as its reference",
    "test_a_prompt_in_the_place_of_a_route_is_not_kept": "the caller's own frame has the key in the wrong place; the test looks at records",
    "test_the_search_looks_where_things_are_written": "the key stands everywhere as the name of a model, so that the search is seen to find it",
    "test_d11_no_reader_takes_what_is_another_readers[keyring entry-": "the test hands a stored key's document to every other reader",
}


class Watch:
    """What was made since the test began."""

    def __init__(self) -> None:
        self.secrets: dict[str, None] = {}
        self.errors: list[BaseException] = []
        self.written: list[tuple[str, str]] = []
        self.found: list[str] = []
        self.tests = self.taken = self.left_out = 0
        self.searched: Counter[str] = Counter()
        self.path: pathlib.Path | None = None
        self._patched: set[str] = set()

    def patch(self) -> None:
        """Follow the constructors, as soon as their modules are there."""
        module: Any = sys.modules.get("saferoute.secrets.secret")
        if module is not None and "secret" not in self._patched:
            self._patched.add("secret")
            self._follow(module.Hidden, self._take_secret)
        module = sys.modules.get("saferoute.errors.root")
        if module is not None and "error" not in self._patched:
            self._patched.add("error")
            self._follow(module.SaferouteError, self._take_error)
        for place in PLACES:
            module = importlib.import_module(place.module) if place.module.startswith(OURS) else sys.modules.get(place.module)
            if module is not None and f"{place.module}.{place.function}" not in self._patched:
                self._patched.add(f"{place.module}.{place.function}")
                self._collect(module, place)

    def _collect(self, module: Any, place: Place) -> None:
        owner = getattr(module, place.owner) if place.owner else module
        plain = getattr(owner, place.function)

        @functools.wraps(plain)
        def followed(*arguments: Any, **named: Any) -> Any:
            made = plain(*arguments, **named)
            if len(self.written) < MOST_WRITTEN:
                self.written.append((place.name, place.text((*arguments, *named.values()), made)))
            else:
                self.left_out += 1
            return made

        setattr(owner, place.function, followed)
        if not place.owner:  # whoever has imported the function by its name has it under that name
            for other in [one for name, one in sys.modules.items() if name.startswith("saferoute.")]:
                if vars(other).get(place.function) is plain:
                    setattr(other, place.function, followed)

    @staticmethod
    def _follow(kind: Any, take: Any) -> None:
        plain = kind.__init__

        def followed(self: Any, *arguments: Any, **named: Any) -> None:
            plain(self, *arguments, **named)
            take(self)

        followed.__wrapped__ = plain  # type: ignore[attr-defined]
        kind.__init__ = followed

    def _take_secret(self, secret: Any) -> None:
        text = secret._bytes.decode("utf-8", "replace")
        if len(text) >= SHORTEST and len(set(text)) > 6:
            self.taken += text not in self.secrets
            self.secrets[text] = None

    def _take_error(self, error: BaseException) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(error)

    def leaks(self, sections: list[tuple[str, str]], folder: pathlib.Path | None) -> Iterator[str]:
        """Places where a secret shows."""
        secrets = tuple(self.secrets)
        for name, text in [*sections, *self.written, *_files(folder), *(shown for error in self.errors for shown in shown_by_error(error))]:
            self.searched[_kind(name)] += 1
            if place := where(text, secrets):
                yield f"{name}: {place}"


def _files(folder: pathlib.Path | None) -> Iterator[tuple[str, str]]:
    """The files of ledgers below a folder, and those that are made of them."""
    for path in sorted(folder.rglob("*")) if folder is not None and folder.is_dir() else ():
        if path.suffix in KEPT and path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            with path.open("rb") as file:
                yield f"file {path.name}", file.read(MOST_BYTES).decode("latin-1")


def _kind(name: str) -> str:
    """What a text is counted as."""
    if name.startswith(("str of", "repr of", "args of", "vars of", "diagnostics of")):
        return "error"
    if "pickle" in name:
        return "pickle"
    if name.startswith("Captured"):
        return "captured output"
    return "file" if name.startswith("file ") else "frame" if ".py:" in name else name


WATCH = pytest.StashKey[Watch]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.stash[WATCH] = Watch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what the test before made."""
    watch = item.config.stash[WATCH]
    watch.patch()
    watch.errors.clear()
    watch.written.clear()
    if item.path != watch.path:  # what one file's fixtures made is looked for to its end, and not in other files' texts
        watch.path = item.path
        watch.secrets.clear()
    watch.tests += 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Search when the test has been torn down."""
    report = yield
    if report.when == "teardown" and not any(name in item.nodeid for name in ON_PURPOSE):
        watch = item.config.stash[WATCH]
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        leaks = list(dict.fromkeys(watch.leaks(report.sections, folder)))
        watch.errors.clear()
        watch.written.clear()
        if leaks:
            watch.found.append(item.nodeid)
            report.outcome = "failed"
            first = {leak.partition(": ")[0]: leak for leak in reversed(leaks)}  # one of each place
            report.longrepr = f"{item.nodeid} leaves a secret behind:\n" + "\n".join(reversed(first.values()))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that began this one, if there is one."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        watch = session.config.stash[WATCH]
        output["canary"] = (watch.tests, watch.taken, watch.left_out, dict(watch.searched), list(watch.found))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what the processes of a parallel run saw."""
    watch = node.config.stash[WATCH]
    nothing: tuple[int, int, int, Mapping[str, int], list[str]] = (0, 0, 0, {}, [])
    tests, taken, left_out, searched, found = node.workeroutput.get("canary", nothing)
    watch.tests += tests
    watch.taken += taken
    watch.left_out += left_out
    watch.searched.update(searched)
    watch.found += found


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was searched."""
    watch = config.stash[WATCH]
    terminalreporter.write_line(
        f"canary: {watch.tests} tests, {watch.taken} secrets, {watch.searched.total()} texts searched, {watch.left_out} left out, "
        f"{len(watch.found)} tests leave one behind"
    )
    terminalreporter.write_line("canary: " + ", ".join(f"{count} x {name}" for name, count in sorted(watch.searched.items())))
