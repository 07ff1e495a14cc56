"""What is decided before the first byte leaves, through the public client."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

import saferoute
from saferoute.errors import (
    BudgetExceeded,
    ConfigurationError,
    InvalidMessages,
    LocalTrustWarning,
    NoRoute,
    RequestError,
    SecretStoreLocked,
    UnknownOption,
)
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.secrets.lookup import Sources
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider
from saferoute.values.messages import Audio, File, Image, Message, Text, ToolCall, ToolResult

TOML = """
[routes.row]
provider = "demo"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "m"
auth = "none"
data = "internal"
default_max_output = 10
prices = {{ input = "$1/M", output = "$1/M" }}

[aliases.quick]
targets = ["row"]
max_attempts = 2
deadlines = {{ total = "7s" }}

[grant]
operations = ["chat"]
routes = ["row", "quick"]
data = "internal"
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def client(provider: EmbeddedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[saferoute.Client]:
    folder: Path = tmp_path_factory.mktemp("table")
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    now = int(time.time())
    root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
    bundle = sign_release(root, [build(TOML.format(origin=provider.origin))], version=1, now=now, signers=[table_key])
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(bundle)
    trust = saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))
    with saferoute.Client(folder / "routes.json", trust=trust, secrets=saferoute.Secrets.of({}), data="internal") as made:
        yield made


def prepared(client: saferoute.Client, route: str, messages: Any = "hi", **options: Any) -> Any:
    return client._core.call(route, messages, None, None, options, stream=False)


def test_an_alias_brings_its_attempts_and_deadlines_and_the_call_may_change_them(client: saferoute.Client) -> None:
    call = prepared(client, "quick")
    assert (call.max_attempts, call.targets[0].deadlines.total, call.total) == (2, 7.0, None)
    call = prepared(client, "quick", max_attempts=1, timeout=3)
    assert (call.max_attempts, call.total) == (1, 3.0)
    assert prepared(client, "row").max_attempts == 3


def test_a_changed_deadline_still_passes_the_check_of_the_row(client: saferoute.Client) -> None:
    assert client.chat("quick", "hi").text == "You said: hi"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tool_choice": "required"}, "needs tools"),
        ({"tool_choice": "f"}, "not among tools"),
        ({"tool_choice": "g", "tools": [{"name": "f"}]}, "not among tools"),
    ],
)
def test_a_tool_choice_needs_its_tool(client: saferoute.Client, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidMessages, match=words):
        prepared(client, "row", **options)
    for fine in ("auto", "none"):
        assert prepared(client, "row", tool_choice=fine).request.tool_choice == fine
    assert prepared(client, "row", tool_choice="f", tools=[{"name": "f"}]).request.tool_choice == "f"


def test_provider_options_for_somebody_else_are_refused(client: saferoute.Client) -> None:
    with pytest.raises(UnknownOption, match=r"'other'.*'demo'"):
        prepared(client, "row", provider_options={"other": {"x": 1}})


BIG = 10_000
COSTLY: list[Any] = [
    "x" * BIG,
    Message("user", (Text("x"),), name="x" * BIG),
    Message("assistant", (Text("x" * BIG),)),
    Message("assistant", (ToolCall("1", "f", "x" * BIG),)),
    Message("assistant", (ToolCall("1", "x" * BIG, "{}"),)),
    Message("assistant", (ToolCall("x" * BIG, "f", "{}"),)),
]

UNBOUNDED: list[Any] = [
    Message("user", (Image(data=b"tiny", media_type="image/png"),)),
    Message("user", (Image(url="https://example.com/a.png"),)),
    Message("user", (Audio(b"tiny", "wav"),)),
    Message("user", (File(data=b"tiny", media_type="application/pdf"),)),
]


@pytest.mark.parametrize("message", COSTLY, ids=range(len(COSTLY)))
def test_every_kind_of_part_counts_towards_the_worst_case(client: saferoute.Client, message: Any) -> None:
    """At $1 per million, 10,000 bytes of input may cost a cent; a cap below that must deny, one well above must not."""
    calls = message.tool_calls if isinstance(message, Message) else ()
    results = [Message("tool", (ToolResult(call.id, (Text("x"),)),)) for call in calls]
    conversation = ["q", message, *results]
    with pytest.raises(BudgetExceeded, match="worst case is"):
        prepared(client, "row", conversation, max_cost="$0.009", max_output_tokens=1)
    assert prepared(client, "row", conversation, max_cost="$1", max_output_tokens=1).targets


def test_tool_results_tools_and_schemas_count_too(client: saferoute.Client) -> None:
    call = Message("assistant", (ToolCall("1", "f", "{}"),))
    result = Message("tool", (ToolResult("1", (Text("x" * BIG),)),))
    for options in ({"messages": ["q", call, result]}, {"tools": [{"name": "f", "description": "x" * BIG}]}):
        with pytest.raises(BudgetExceeded):
            prepared(client, "row", max_cost="$0.009", max_output_tokens=1, **options)


@pytest.mark.parametrize("message", UNBOUNDED, ids=range(len(UNBOUNDED)))
def test_pictures_sound_and_documents_have_no_bound_and_a_cap_denies(client: saferoute.Client, message: Any) -> None:
    """They are billed by what is in them: a picture of 600 bytes can cost as much as one of 600 kB."""
    with pytest.raises(BudgetExceeded, match="not known"):
        prepared(client, "row", [message], max_cost="$100", max_output_tokens=1)


def test_options_count_too(client: saferoute.Client) -> None:
    with pytest.raises(BudgetExceeded):
        prepared(client, "row", "q", stop="x" * BIG, max_cost="$0.009", max_output_tokens=1)


def test_the_attempts_of_a_signed_alias_are_an_upper_bound(client: saferoute.Client) -> None:
    assert prepared(client, "quick", max_attempts=9).max_attempts == 2
    assert prepared(client, "quick", max_attempts=1).max_attempts == 1


def test_outputs_are_made_once_and_do_not_pile_up(client: saferoute.Client) -> None:
    class Fixed(pydantic.BaseModel):
        x: int

    first = client._core.call("row", "hi", Fixed, None, {}, stream=False).output
    assert client._core.call("row", "hi", Fixed, None, {}, stream=False).output is first
    for number in range(300):
        client._core.call("row", "hi", pydantic.create_model(f"M{number}", x=(int, ...)), None, {}, stream=False)
    assert len(client._core.shared._outputs) <= 256


def test_a_locked_store_is_no_reason_to_refuse_a_server_that_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(self: Sources, name: str) -> None:
        msg = "locked"
        raise SecretStoreLocked(msg)

    monkeypatch.setattr(Sources, "holding", locked)
    with pytest.raises(SecretStoreLocked):
        saferoute.Client.local(secrets=saferoute.Secrets.of({}))
    with pytest.warns(LocalTrustWarning):
        saferoute.Client.local(servers=[saferoute.loopback("x", port=9)], secrets=saferoute.Secrets.of({})).close()


def test_the_prompt_is_asked_for_one_key_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "sk-typed-0123456789"

    monkeypatch.setattr("saferoute.drivers.prompt.ask_hidden", ask)
    monkeypatch.setattr("saferoute.drivers.prompt.PromptSource.__init__.__kwdefaults__", {"ask": ask}, raising=False)
    with pytest.warns(LocalTrustWarning), saferoute.Client.local(secrets="prompt") as client:
        assert [info.name for info in client.models()] == ["fast", "smart", "openai/*", "openai_responses/*"]
    assert len(asked) == 1


def test_a_call_without_its_result_is_refused_before_it_is_sent(client: saferoute.Client) -> None:
    asked = Message("assistant", (ToolCall("c1", "weather", "{}"), ToolCall("c2", "weather", "{}")))
    first = {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
    for conversation in (["q", asked], ["q", asked, "and tomorrow?"], ["q", asked, first, "and tomorrow?"]):
        with pytest.raises(InvalidMessages, match="has no result"):
            prepared(client, "row", conversation)
    assert prepared(client, "row", ["q", asked, first, {**first, "tool_call_id": "c2"}, "and tomorrow?"]).targets


WRONG_TYPES: list[tuple[Any, str]] = [
    (lambda: saferoute.Client("routes.json", trust="root.json"), "trust="),  # type: ignore[arg-type]
    (lambda: saferoute.Client.local(servers="demo"), "servers="),  # type: ignore[arg-type]
    (lambda: saferoute.Client.local(servers=["demo"]), "servers="),  # type: ignore[list-item]
    (lambda: saferoute.Client.local(servers=saferoute.loopback("x", port=9)), "servers="),  # type: ignore[arg-type]
    (lambda: saferoute.Client.local(servers=[saferoute.loopback("x", port=9)], data="secret"), "data="),  # type: ignore[arg-type]
    (lambda: saferoute.Client.local(servers=[saferoute.loopback("x", port=9)], telemetry="yes"), "telemetry="),
]


@pytest.mark.parametrize(("make", "words"), WRONG_TYPES, ids=range(len(WRONG_TYPES)))
def test_constructors_say_what_they_want(make: Any, words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LocalTrustWarning)
        with pytest.raises(ConfigurationError, match=words):
            make()


@pytest.mark.parametrize("route", [None, 1, b"row"])
def test_a_route_is_a_text(client: saferoute.Client, route: Any) -> None:
    with pytest.raises(NoRoute, match="must be a str"):
        prepared(client, route)


def test_every_answer_asked_for_counts_towards_the_worst_case(client: saferoute.Client) -> None:
    """Ten answers of 10,000 tokens at $1 per million: ten cents and the question."""
    assert prepared(client, "row", "q", max_cost="$0.02", max_output_tokens=10_000).targets
    assert prepared(client, "row", "q", max_cost="$0.11", max_output_tokens=10_000, n=10).targets
    with pytest.raises(BudgetExceeded, match=r"worst case is 0\.10"):
        prepared(client, "row", "q", max_cost="$0.09", max_output_tokens=10_000, n=10)


def test_a_stream_holds_one_answer(client: saferoute.Client) -> None:
    with pytest.raises(RequestError, match=r"call client\.chat"):
        client.stream("row", "q", n=2)
