"""Attack: somebody who reads logs, traces, crash reports, pickles, files and reprs looks for a key there.

One key goes through both drivers, local and production clients, both readers of answers, chat, streams, operations, errors of every kind,
redirects, timeouts, a refused key and its rotation. All that can be seen afterwards is searched, in five spellings of the key.

Guards: saferoute/errors/provider.py::return KEY_SHAPED.sub("[removed]", said[:4000])[:2000] => return said[:2000]
"""

from __future__ import annotations

import io
import logging
import pickle
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

import saferoute
from saferoute.errors import SaferouteError
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.signing.keys import PrivateKey
from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream, Drip, Hang, HtmlErrorPage, InBandError, NotJson, Redirect, Reset, ShortBody
from tests.support.both import KINDS, Face
from tests.support.leak_search import forms_of, our_frames, reachable, shown_by_error, where

TABLE = """
[routes.row]
provider = "demo"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "embedded-1"
auth = "bearer"
secret = "row"
data = "internal"

[grant]
operations = ["chat", "embed", "models", "moderate", "rerank"]
routes = ["row"]
data = "internal"
"""


def fresh_key() -> str:
    """A key that stands in no source file."""
    return f"sk-{token_hex(14)}-a/b"


def steps(key: str) -> list[Any]:
    """What the provider does, one after the other; it echoes the key where it can."""
    said = f"Incorrect API key provided: {key}"
    return [
        "fine",
        Answer("your key is safe"),
        ErrorAnswer(401, message=said),
        ErrorAnswer(403, message=said),
        ErrorAnswer(404, message=said),
        ErrorAnswer(400, message=said),
        ErrorAnswer(429, message=said),
        ErrorAnswer(500, message=said),
        *(Answer("a b c d", fault=fault) for fault in (CutStream(2), ShortBody(), Drip(), InBandError(), NotJson(), Reset(), Redirect())),
        Answer("x", fault=HtmlErrorPage()),
        Answer("x", fault=Hang()),
    ]


class Logged:
    """The root logger at DEBUG, with what a careless formatter would add."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self._handler = logging.StreamHandler(self.text)
        self._handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s %(exc_text)s"))

    def __enter__(self) -> Logged:
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self._handler)
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level)


def spans() -> tuple[Any, Any]:
    """A tracer provider, and what remembers its spans."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    tracers = sdk.TracerProvider()
    tracers.add_span_processor(export.SimpleSpanProcessor(memory))
    return tracers, memory


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, so that every file that is written can be searched."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    return folder


def production(kind: type[Any], provider: EmbeddedProvider, folder: Path, secrets: Any, **options: Any) -> Any:
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    now = int(time.time())
    root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(
        sign_release(root, [build(TABLE.format(origin=provider.origin))], version=1, now=now, signers=[table_key])
    )
    trust = saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))
    return kind(folder / "routes.json", trust=trust, secrets=secrets, data="internal", **options)


def local(kind: type[Any], provider: EmbeddedProvider, folder: Path, secrets: Any, **options: Any) -> Any:
    return kind.local(secrets=secrets, servers=[saferoute.loopback("row", port=provider.port, secret="row", model="embedded-1")], **options)


MADE = {"local": local, "production": production}


def calls(face: Face) -> Iterator[Any]:
    """Every door of a client."""
    client = face.client
    yield lambda: face.chat("row", "hi", max_attempts=2, timeout=0.25)
    yield lambda: face.stream("row", "hi", max_attempts=2, timeout=0.25)
    yield lambda: face.chat("row", "hi", output={"type": "object", "properties": {}}, max_attempts=1, timeout=0.25)
    yield lambda: face.wait(client.embed("row", ["a", "b"], max_attempts=1, timeout=0.25))
    yield lambda: face.wait(client.available_models("row", max_attempts=1, timeout=0.25))
    yield lambda: face.wait(client.moderate("row", "a", max_attempts=1, timeout=0.25))
    yield lambda: face.chat("nowhere", "hi")


def seen_of(value: Any) -> Iterator[tuple[str, str]]:
    """What a result shows."""
    yield "repr of a result", repr(value)
    yield "text of a result", str(value)
    for thing in value if isinstance(value, (list, tuple)) else [value]:
        try:
            yield "pickle of a result", pickle.dumps(thing).decode("latin-1")
        except (TypeError, AttributeError, pickle.PicklingError) as refused:
            yield "refusal to pickle a result", str(refused)


def files_below(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield f"file {path.name}", path.read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("kind", "trust", "parser"), [*((kind, trust, "own") for kind in KINDS for trust in MADE), ("blocking", "local", "h11")]
)
def test_d13_a_key_shows_nowhere(
    kind: str, trust: str, parser: str, provider: EmbeddedProvider, home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("h11") if parser == "h11" else None
    key = fresh_key()
    tracers, memory = spans()
    secrets = saferoute.Secrets.of({"row": (key, provider.origin)})
    texts: list[tuple[str, str]] = []
    results = errors = 0
    with (
        Logged() as logged,
        warnings.catch_warnings(record=True) as warned,
        Face(kind, lambda made: MADE[trust](made, provider, tmp_path, secrets, telemetry=tracers, transport=parser)) as face,
    ):
        warnings.simplefilter("always")
        for number, step in enumerate(steps(key)):
            provider.script([step], then="repeat")
            for call in list(calls(face))[: None if number < 3 else 2]:  # the operations are not scripted: they answer the same each time
                try:
                    result = call()
                except SaferouteError as error:
                    errors += 1
                    texts += shown_by_error(error)
                else:
                    results += 1
                    texts += seen_of(result)
        texts += [(f"repr of {type(one).__name__}", repr(one)) for one in reachable(face.client)]
        texts += [("html", face.client._repr_html_()), ("str of the client", str(face.client))]
    texts += [("log", logged.text.getvalue()), *(("span", span.to_json()) for span in memory.get_finished_spans())]
    texts += [("warning", str(warning.message)) for warning in warned]
    texts += [("output", "".join(capfd.readouterr())), *files_below(tmp_path)]
    assert provider.saw_key(key)
    assert (results > 5, errors > 20, len(memory.get_finished_spans()) > 40, len(texts) > 300) == (True, True, True, True)
    assert {f"{name}: {place}" for name, text in texts if (place := where(text, (key,)))} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_d13_neither_of_two_keys_shows_when_one_replaces_the_other(
    kind: str, provider: EmbeddedProvider, home: Path, tmp_path: Path
) -> None:
    old, new = fresh_key() + "old", fresh_key() + "new"
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    file = mounted / "key"
    file.write_text(old)
    secrets = saferoute.Secrets.from_file({"row": (str(file), provider.origin)})
    texts: list[tuple[str, str]] = []
    with Logged() as logged, Face(kind, lambda made: local(made, provider, tmp_path, secrets, telemetry=False)) as face:
        texts += seen_of(face.chat("row", "hi"))
        file.write_text(new)
        provider.script([ErrorAnswer(401, message=f"{old} {new}")], then="repeat")
        for _ in range(2):
            with pytest.raises(SaferouteError) as caught:
                face.chat("row", "hi", max_attempts=2, timeout=2)
            texts += shown_by_error(caught.value)
        texts += [(f"repr of {type(one).__name__}", repr(one)) for one in reachable(face.client)]
    texts += [("log", logged.text.getvalue()), *files_below(home)]
    assert (provider.saw_key(old), provider.saw_key(new)) == (True, True)
    assert {f"{name}: {place}" for name, text in texts if (place := where(text, (old, new)))} == set()


@pytest.mark.parametrize("form", range(len(forms_of(fresh_key()))))
@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_the_search_finds_every_form(form: int, before: str) -> None:
    """Otherwise finding nothing would say nothing."""
    key = fresh_key()
    assert where(f"{before}{forms_of(key)[form]} and so on", (key,)) is not None
    assert where(f"{before} and so on", (key,)) is None


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(7))
def test_the_search_finds_base64_wherever_it_begins(before: int, after: int) -> None:
    import base64

    key = fresh_key()
    raw = b"\xffprompt"[:before] + key.encode() + b"\xfeanswer"[:after]
    assert where(base64.b64encode(raw).decode(), (key,)) is not None
    assert where(base64.urlsafe_b64encode(raw).decode(), (key,)) is not None


def test_the_search_finds_locals_of_the_package_only() -> None:
    """A frame of the package with a key among its locals is found, and one of a test is not."""
    import saferoute.values.origin as module

    key = fresh_key()
    code = compile(f"def leaky():\n    held = {key!r}\n    raise ValueError('x')\n", module.__file__, "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    with pytest.raises(ValueError, match="x") as caught:
        names["leaky"]()
    assert [where(text, (key,)) is not None for _, text in our_frames(caught.value)] == [True]
