"""Attack: a caller writes a reference (`os.environ/HOME`, `file:///etc/passwd`, `oidc/...`) where the gateway would look it up and send it on.

A gateway that resolved such references in call arguments gave out its own environment and files (GHSA-g5ff-637f-6q2m, GHSA-4g5m-c9r5-49xf).
Here secret references stand in the signed table only, as plain names; in arguments they are text: sent as it is, or refused.

Guards: saferoute/secrets/secret.py::if not isinstance(name, str) or len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None:
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import saferoute
from saferoute.errors import ConfigurationError, SaferouteError
from saferoute.routing.authoring import build
from saferoute.testing import EmbeddedProvider
from tests.support.audited import audited
from tests.support.both import KINDS, Face

REFERENCES = [
    "os.environ/HOME", "os.environ['HOME']", "env:HOME", "env://HOME", "$HOME", "${HOME}", "%HOME%", "file:///etc/passwd", "file:/etc/passwd", "@/etc/passwd", "<(cat /etc/passwd)",
    "oidc/google/https://example.com", "oidc/file//etc/passwd", "oidc/env/HOME", "op://vault/item/key", "vault:secret/data/x",  "{{secrets.key}}", "{{ env.HOME }}",
    "!ENV HOME", "arn:aws:secretsmanager:us-east-1:1:secret:x", "secret://x", "keyring:x", "cmd:id", "`id`", "$(id)",
]  # fmt: skip


# What another library resolves and we do not: a slash may stand in a name, and the name is looked up as it is.
NAMES = ["aws_secret/x", "google_secret_manager/x", "azure_kv/x"]
PACKAGE = str(pathlib.Path(saferoute.__file__).parent)


class Opened:
    """Every file that is opened while it watches; modules may load at first use."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._audited = contextlib.ExitStack()

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"open", "os.listdir", "os.scandir", "os.putenv", "subprocess.Popen"}:
            name = str(arguments[0])
            if (
                not name.endswith((".py", ".pyc", ".so"))
                and "site-packages" not in name
                and "__pycache__" not in name
                and not name.startswith(PACKAGE)
            ):
                self.files.append(f"{event} {name}")

    def __enter__(self) -> Opened:
        self.files.clear()
        self._audited.enter_context(audited(self._hook))
        return self

    def __exit__(self, *_: object) -> None:
        self._audited.close()


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider(extra_fields=["grammar", "user"]) as running:
        yield running


@pytest.fixture(scope="module", params=KINDS)
def face(request: pytest.FixtureRequest, provider: EmbeddedProvider) -> Iterator[Face]:
    servers = [saferoute.loopback("row", port=provider.port, secret="row")]
    secrets = saferoute.Secrets.of({"row": ("sk-canary-41f7b2", provider.origin)})
    with Face(request.param, lambda client: client.local(servers=servers, secrets=secrets)) as made:
        made.chat("row/m", "warm up", provider_options={"row": {"grammar": "x"}})
        yield made


FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "system": lambda text: {"system": text},
    "stop": lambda text: {"stop": [text]},
    "a tool's description": lambda text: {"tools": [{"name": "f", "description": text, "parameters": {"type": "object", "properties": {}}}], "tool_choice": "none"},
    "a schema": lambda text: {
        "tools": [{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": text}}}}], "tool_choice": "none"
    },
    "an option of the provider": lambda text: {"provider_options": {"row": {"grammar": text}}},
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_d3_a_reference_in_an_option_is_sent_as_it_is(face: Face, provider: EmbeddedProvider, opened: Opened, field: str) -> None:
    for text in REFERENCES:
        provider.forget()
        with opened:
            face.chat("row/m", "hi", **FIELDS[field](text))
        assert opened.files == []
        assert json.dumps(text)[1:-1] in json.dumps(provider.requests[-1].body)


MESSAGES: dict[str, Callable[[str], Any]] = {
    "text": lambda text: text,
    "part": lambda text: {"role": "user", "content": [{"type": "text", "text": text}]},
    "arguments": lambda text: [
        "q", {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": json.dumps({"path": text})}}]}, {"role": "tool", "tool_call_id": "1", "content": "r"}
    ],
    "result": lambda text: ["q", {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "1", "content": text}],
}  # fmt: skip


@pytest.mark.parametrize("place", MESSAGES)
def test_d3_a_reference_in_a_message_is_sent_as_it_is(face: Face, provider: EmbeddedProvider, opened: Opened, place: str) -> None:
    for text in REFERENCES:
        provider.forget()
        with opened:
            face.chat("row/m", MESSAGES[place](text))
        assert opened.files == []
        assert text in json.dumps(provider.requests[-1].body).replace("\\\\", "\\").replace('\\"', '"')


REFUSED: dict[str, Callable[[Face, str], Any]] = {
    "a picture's url": lambda face, text: face.chat(
        "row/m", {"role": "user", "content": [{"type": "image_url", "image_url": {"url": text}}]}
    ),
    "a file's data": lambda face, text: face.chat(
        "row/m", {"role": "user", "content": [{"type": "file", "file": {"file_data": text, "filename": "a.pdf"}}]}
    ),
    "sound": lambda face, text: face.chat(
        "row/m", {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": text, "format": "wav"}}]}
    ),
    "a route": lambda face, text: face.chat(text, "hi"),
    "a tool's name": lambda face, text: face.chat("row/m", "hi", tools=[{"name": text, "parameters": {"type": "object"}}]),
    "an output": lambda face, text: face.chat("row/m", "hi", output=text),
    "a timeout": lambda face, text: face.chat("row/m", "hi", timeout=text),
    "a label": lambda face, text: face.chat("row/m", "hi", data=text),
    "all messages": lambda face, text: face.chat("row/m", [text.encode()]),
    "an audio to transcribe": lambda face, text: face.wait(face.client.transcribe("row/m", text)),
}


@pytest.mark.parametrize("place", REFUSED)
def test_d3_a_reference_where_no_text_belongs_is_refused_and_not_opened(
    face: Face, provider: EmbeddedProvider, opened: Opened, place: str
) -> None:
    provider.forget()
    for text in REFERENCES:
        with opened, pytest.raises(SaferouteError):
            REFUSED[place](face, text)
        assert opened.files == []
    assert len(provider.requests) == 0


ROW = """
[routes.row]
provider = {provider}
dialect = "openai_chat"
origin = {origin}
path = "/v1"
net = "public"
model = "m"
auth = "bearer"
secret = {secret}
data = "internal"
"""


@pytest.mark.parametrize("field", ["provider", "origin", "secret"])
@pytest.mark.parametrize("text", REFERENCES)
def test_d3_a_table_holds_names_and_no_references(opened: Opened, field: str, text: str) -> None:
    good = {"provider": "demo", "origin": "https://api.example.com", "secret": "row"}
    build(ROW.format(**{name: json.dumps(value) for name, value in good.items()}))
    bad = ROW.format(**{name: json.dumps(value) for name, value in {**good, field: text}.items()})
    with opened, pytest.raises((SaferouteError, ValueError)):
        build(bad)
    assert opened.files == []


@pytest.mark.parametrize("text", REFERENCES)
def test_d3_a_secret_is_a_plain_name(opened: Opened, text: str) -> None:
    with opened, pytest.raises(ConfigurationError):
        saferoute.Secrets.of({text: ("sk-canary-41f7b2", "https://api.example.com")})
    assert opened.files == []


@pytest.mark.parametrize("text", NAMES)
def test_d3_a_name_that_another_library_would_resolve_is_a_name(opened: Opened, text: str) -> None:
    build(ROW.format(provider='"demo"', origin='"https://api.example.com"', secret='"row"'))
    with opened:
        made = saferoute.Secrets.of({text: ("sk-canary-41f7b2", "https://api.example.com")})
        build(ROW.format(provider='"demo"', origin='"https://api.example.com"', secret=json.dumps(text)))
    assert made.labels
    assert opened.files == []
