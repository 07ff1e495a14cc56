"""What a model lacks is refused, or left out with a notice, alike in every dialect: profiles x dialects, through fit and encode.

The dialects themselves ask no profile about this: what goes out for a model that takes everything but one thing is what goes out for
a request that never asked for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

import saferoute
from saferoute.errors import InvalidMessages, UnsupportedParameter
from saferoute.providers.registry import codec_for
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.signing.keys import PrivateKey
from saferoute.values.messages import Audio, File, Image, Message, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest
from saferoute.values.target import Dialect, Profile, Target
from tests.support.features import CLOCK, FEATURES, PNG, SCHEMA, WEATHER, asks
from tests.support.fitted import fit_and_encode
from tests.support.provider_page import plain_target

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
PICTURE = Image(PNG, media_type="image/png")
TURNS = (
    Message("user", (Text("look"),)),
    Message("assistant", (ToolCall("call_a1", "get_weather", "{}"),)),
)

# What is asked for, what the model lacks, which parameter is named, and what is sent when the caller says drop.
LACKING: dict[str, tuple[ChatRequest, Profile, str, ChatRequest]] = {
    "temperature": (asks(temperature=0.5), Profile(sampling=False), "temperature", asks()),
    "temperature of 0": (asks(temperature=0.0), Profile(sampling=False), "temperature", asks()),
    "top_p": (asks(top_p=0.9), Profile(sampling=False), "top_p", asks()),
    "seed": (asks(seed=0), Profile(seed=False), "seed", asks()),
    "logprobs": (asks(logprobs=0), Profile(logprobs=False), "logprobs", asks()),
    "tools": (asks(tools=(WEATHER,)), Profile(tools=False), "tools", asks()),
    "tools and a choice": (
        asks(tools=(WEATHER, CLOCK), tool_choice="get_time", parallel_tool_calls=False),
        Profile(tools=False),
        "tools",
        asks(),
    ),
    "a forced call": (
        asks(tools=(WEATHER,), tool_choice="required"),
        Profile(tool_choice=False),
        "tool_choice",
        asks(tools=(WEATHER,)),
    ),
    "one call a turn": (
        asks(tools=(WEATHER,), parallel_tool_calls=False),
        Profile(parallel_tools=False),
        "parallel_tool_calls",
        asks(tools=(WEATHER,)),
    ),
    "JSON Schema": (asks(output=SCHEMA), Profile(json_schema=False), "output", asks()),
    "JSON Schema and tools": (
        asks(output=SCHEMA, tools=(WEATHER,)),
        Profile(json_schema=False),
        "output",
        asks(tools=(WEATHER,)),
    ),
    "a word of reasoning": (asks(reasoning="low"), Profile(reasoning="none"), "reasoning", asks()),
    "a budget of reasoning": (asks(reasoning=2048), Profile(reasoning="none"), "reasoning", asks()),
    "a budget for a dial of words": (asks(reasoning=2048), Profile(reasoning="effort"), "reasoning", asks()),
    "picture": (asks(Text("see"), PICTURE), Profile(vision=False), "messages", asks(Text("see"))),
    "picture by URL": (
        asks(Text("see"), Image(url="https://example.com/a.png")),
        Profile(vision=False),
        "messages",
        asks(Text("see")),
    ),
    "picture as a file": (
        asks(Text("see"), File(PNG, media_type="image/png")),
        Profile(vision=False),
        "messages",
        asks(Text("see")),
    ),
    "picture as a file, in capitals": (
        asks(Text("see"), File(PNG, media_type=" IMAGE/PNG")),
        Profile(vision=False),
        "messages",
        asks(Text("see")),
    ),
    "picture in a tool result": (
        ChatRequest((*TURNS, Message("tool", (ToolResult("call_a1", (Text("rain"), PICTURE)),))), tools=(WEATHER,)),
        Profile(vision=False),
        "messages",
        ChatRequest((*TURNS, Message("tool", (ToolResult("call_a1", (Text("rain"),)),))), tools=(WEATHER,)),
    ),
    "picture by the assistant": (
        ChatRequest((*FEATURES["text"].messages, Message("assistant", (Text("there"), PICTURE)), *FEATURES["text"].messages)),
        Profile(vision=False),
        "messages",
        ChatRequest((*FEATURES["text"].messages, Message("assistant", (Text("there"),)), *FEATURES["text"].messages)),
    ),
    "document": (
        asks(Text("read"), File(b"%PDF-1.4", media_type="application/pdf")),
        Profile(files=False),
        "messages",
        asks(Text("read")),
    ),
    "sound": (asks(Text("hear"), Audio(b"RIFF", "wav")), Profile(audio=False), "messages", asks(Text("hear"))),
}


def row(dialect: Dialect, profile: Profile, **changes: Any) -> Target:
    return replace(plain_target(dialect), profile=profile, default_max_output=4000, **changes)


def sent(request: ChatRequest, target: Target) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The body, and the notices without those that any request of this conversation gets."""
    encoded = fit_and_encode(codec_for(target.dialect), request, target)
    return json.loads(encoded.request.body), [(notice.kind, notice.parameter) for notice in encoded.notices]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", LACKING)
def test_what_a_model_lacks_is_refused_in_every_dialect(name: str, dialect: Dialect) -> None:
    request, profile, parameter, _ = LACKING[name]
    with pytest.raises(UnsupportedParameter) as caught:
        fit_and_encode(codec_for(dialect), request, row(dialect, profile))
    assert caught.value.parameter == parameter
    assert str(caught.value).startswith(f"{parameter}: {plain_target(dialect).model} ")
    assert "Leave it out, choose another route, or pass on_unsupported=" in str(caught.value)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", LACKING)
def test_what_a_model_lacks_is_left_out_with_a_notice_in_every_dialect(name: str, dialect: Dialect) -> None:
    request, profile, parameter, without = LACKING[name]
    target = row(dialect, profile)
    body, notices = sent(replace(request, on_unsupported="drop"), target)
    expected, usual = sent(without, target)
    assert body == expected
    assert notices == [("dropped", parameter), *usual]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("asked", ["none", 0])
def test_no_reasoning_is_what_a_model_without_it_does_anyway(asked: Any, dialect: Dialect) -> None:
    target = row(dialect, Profile(reasoning="none"))
    assert sent(asks(reasoning=asked), target) == sent(asks(), target)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("most", "profile"), [(100, Profile()), (None, Profile(max_output=100)), (200, Profile(max_output=100))])
def test_the_bound_of_output_holds_in_every_dialect(most: int | None, profile: Profile, dialect: Dialect) -> None:
    target = row(dialect, profile, max_output=most)
    with pytest.raises(
        UnsupportedParameter, match=r"max_output_tokens=101 is over the 100 .* Pass max_output_tokens=100 or less"
    ) as caught:
        sent(asks(max_output_tokens=101), target)
    assert caught.value.parameter == "max_output_tokens"
    exact = sent(asks(max_output_tokens=100), target)
    assert "100" in json.dumps(exact[0])
    for policy in ("drop", "emulate"):
        lowered = sent(asks(max_output_tokens=101, on_unsupported=policy), target)
        assert lowered == (exact[0], [("changed", "max_output_tokens"), *exact[1]])


# -------------------------------------------------------------------------------------------- a choice among the tools

ROW = """
[routes.{dialect}]
provider = "demo"
dialect = "{dialect}"
origin = "https://api.demo.example"
path = "/v1"
net = "public"
model = "m"
secret = "demo"
auth = "bearer"
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[saferoute.Client]:
    folder: Path = tmp_path_factory.mktemp("table")
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    now = int(time.time())
    root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
    toml = "".join(ROW.format(dialect=dialect) for dialect in DIALECTS)
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(sign_release(root, [build(toml)], version=1, now=now, signers=[table_key]))
    trust = saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))
    with saferoute.Client(folder / "routes.json", trust=trust, secrets=saferoute.Secrets.of({})) as made:
        yield made


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tool_choice": "required"}, "needs tools"),
        ({"tool_choice": "weather"}, "'weather', which is not among tools"),
        ({"tool_choice": "alarm", "tools": [{"name": "clock"}]}, "'alarm', which is not among tools"),
    ],
)
def test_a_tool_choice_needs_its_tool_whatever_the_dialect(
    client: saferoute.Client, options: dict[str, Any], words: str, dialect: Dialect
) -> None:
    with pytest.raises(InvalidMessages, match=words):
        client.chat(dialect, "hi", **options)  # nothing is sent: there is nobody at that origin, and no key for it
