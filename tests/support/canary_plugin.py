"""Search everything that every test of a run leaves behind for the secrets that the test used.

    python -m pytest -p tests.support.canary_plugin --log-level=DEBUG

A secret is whatever became a `Secret` or a `Passphrase`, at least 12 characters long. What a test leaves behind: what it printed and logged (the root
logger at DEBUG), every error of ours that was made, raised or not: its texts, its pickle, and the locals of the package's frames that it
leads to, every record that a ledger wrote, proof and report that was made of them, and every span that ended. A test that leaves a secret
behind fails at its end.

A test that shows a key on purpose is named in `ON_PURPOSE`, with the reason.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.leak_search import shown_by_error, where

SHORTEST = 12
MOST_ERRORS = 300
MOST_WRITTEN = 2_000
WRITTEN = (
    # module, class or "", function, and what of its result or its object is text
    ("saferoute.ledger.segment", "SegmentWriter", "_append", lambda _, made: made.line.decode()),
    ("saferoute.ledger.segment", "SegmentWriter", "checkpoint", lambda _, made: made[1]),
    ("saferoute.ledger.proof", "", "prove", lambda _, made: made.decode()),
    ("saferoute.cli.audit_report", "", "page", lambda _, made: made),
    ("opentelemetry.sdk.trace", "Span", "end", lambda span, _: span.to_json()),
)
ON_PURPOSE = {
    "test_a_key_in_the_place_of_its_source_is_not_repeated": "the caller's own frame has the key in the wrong place; the message does not",
    "test_a_passphrase_is_not_shown": "the argument of Secrets.vault is a plain str when it is refused; the message does not show it",
    "test_a_path_that_could_be_something_else_is_refused": "the secret that the test stores is the same text as the path in the table",
    "test_a_reference_is_never_resolved": "the secret that the test stores is the same text as its reference",
    "test_d11_no_reader_takes_what_is_another_readers[keyring entry-": "the test hands a stored key's document to every other reader",
}


class Watch:
    """What was made since the test began."""

    def __init__(self) -> None:
        self.secrets: dict[str, None] = {}
        self.errors: list[BaseException] = []
        self.written: list[tuple[str, str]] = []
        self.found: list[str] = []
        self.tests = self.searched = self.taken = 0
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

        for name, owner, function, text_of in WRITTEN:
            module = sys.modules.get(name)
            if module is not None and f"{name}.{function}" not in self._patched:
                self._patched.add(f"{name}.{function}")
                self._collect(getattr(module, owner) if owner else module, function, text_of)

    def _collect(self, place: Any, function: str, text_of: Any) -> None:
        plain = getattr(place, function)

        def followed(*arguments: Any, **named: Any) -> Any:
            made = plain(*arguments, **named)
            if len(self.written) < MOST_WRITTEN:
                self.written.append((function, text_of(arguments[0] if arguments else None, made)))
            return made

        setattr(place, function, followed)

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

    def leaks(self, sections: list[tuple[str, str]]) -> Iterator[str]:
        """Places where a secret shows."""
        secrets = tuple(self.secrets)
        for name, text in [*sections, *self.written]:
            self.searched += 1
            if place := where(text, secrets):
                yield f"{name}: {place}"
        for error in self.errors:
            for name, text in shown_by_error(error):
                self.searched += 1
                if place := where(text, secrets):
                    yield f"{name}: {place}"


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
        leaks = list(dict.fromkeys(watch.leaks(report.sections)))
        watch.errors.clear()
        watch.written.clear()
        if leaks:
            watch.found.append(item.nodeid)
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} leaves a secret behind:\n" + "\n".join(leaks[:5])
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that began this one, if there is one."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        watch = session.config.stash[WATCH]
        output["canary"] = (watch.tests, watch.taken, watch.searched, list(watch.found))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what the processes of a parallel run saw."""
    watch = node.config.stash[WATCH]
    tests, taken, searched, found = node.workeroutput.get("canary", (0, 0, 0, []))
    watch.tests += tests
    watch.taken += taken
    watch.searched += searched
    watch.found += found


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was searched."""
    watch = config.stash[WATCH]
    terminalreporter.write_line(
        f"canary: {watch.tests} tests, {watch.taken} secrets, {watch.searched} texts searched, {len(watch.found)} tests leave one behind"
    )
