"""The recorded provider traffic of the shared folder, and the runners that put it through saferoute.

Two runners give the same kind of result: `decode_record` goes through codec and decoder without a network, `client_under_test` goes
through the public client against the corpus' own replay server.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import lzma
import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from saferoute.errors import ProviderError, SaferouteError
from saferoute.providers.decoder import Decoder
from saferoute.providers.registry import codec_for
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall
from saferoute.values.target import Dialect, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Content
    from saferoute.values.reply import Reply
    from saferoute.values.usage import Usage

    ClientUnderTest = Callable[[dict[str, Any], str], dict[str, Any]]

DIALECTS = get_args(Dialect)
# The corpus' names of dialects, where they are not ours.
_DIALECTS = {"cohere_v2_chat": "cohere_chat"}
CORE = ("text", "tools", "finish", "error")
# The corpus' words for finish reasons.
FINISH = {"tool_call": "tool_calls", "refusal": "content_filter", "stop_sequence": "stop", "context_overflow": "length"}


def shared_corpus() -> Path | None:
    """The corpus' folder, None where there is none."""
    root = Path(os.environ.get("SAFEROUTE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    folder = root / "corpus"
    return folder if (folder / "dev.jsonl.xz").is_file() else None


@cache
def replay() -> ModuleType:
    """The corpus' own comparison rules and replay server."""
    folder = shared_corpus()
    assert folder is not None
    spec = importlib.util.spec_from_file_location("corpus_replay", folder / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _everything() -> tuple[dict[str, Any], ...]:
    folder = shared_corpus()
    assert folder is not None
    with lzma.open(folder / "dev.jsonl.xz", "rt") as lines:
        return tuple(map(json.loads, lines))


@cache
def records(dialect: str) -> tuple[dict[str, Any], ...]:
    """The records that saferoute reads in a dialect, each with that dialect; Mistral's are in two."""
    if dialect == "mistral_chat":
        chosen = [record for record in _everything() if record["provider"] == "mistral"]
    else:
        chosen = [record for record in _everything() if _DIALECTS.get(record["endpoint"], record["endpoint"]) == dialect]
    return tuple({**record, "dialect": dialect} for record in chosen)


def every_record_once() -> tuple[dict[str, Any], ...]:
    """The whole corpus; Mistral's in the dialect of their own."""
    found = [record for dialect in DIALECTS for record in records(dialect) if dialect != "openai_chat" or record["provider"] != "mistral"]
    assert len(found) == len(_everything())
    return tuple(found)


def body_of(record: dict[str, Any]) -> bytes:
    response = record["response"]
    return base64.b64decode(response["body"]) if response.get("base64") else response["body"].encode("utf-8", "surrogateescape")


def is_answered(record: dict[str, Any]) -> bool:
    """Whether the record is an answer, and no error."""
    return record["response"]["status"] < 400 and not record["expected"]["error"]


def head_of(record: dict[str, Any]) -> Head:
    """The head as the replay server sends it."""
    response = record["response"]
    headers = {name: value for name, value in response["headers"].items() if value.isascii()}
    if "content-type" not in headers:
        headers["content-type"] = "application/json" if body_of(record).lstrip()[:1] in {b"{", b"["} else "text/event-stream"
    return Head(response["status"], headers)


def target_for(record: dict[str, Any]) -> Target:
    model = (record["request"]["body"] or {}).get("model") or "m"
    return Target(
        id=record["id"],
        provider_name=record["provider"],
        dialect=record["dialect"],
        origin="https://api.example.com",
        path="/v1",
        net=NetClass(),
        model=model,
        secret=None,
        auth="none",
    )


def decode(record: dict[str, Any], data: bytes, cuts: Sequence[int] = (), head: Head | None = None) -> list[DecodedEvent]:
    """Put an answer through codec and decoder, cut at the given positions; may raise what they raise."""
    target = target_for(record)
    decoder = Decoder(codec_for(target.dialect).reader(target), target.provider_name)
    decoder.head(head or head_of(record))
    events: list[DecodedEvent] = []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        events += decoder.feed(data[begin:end])
    return events + decoder.close()


def folded(events: Iterable[DecodedEvent]) -> Fold:
    fold = Fold()
    fold.add(events)
    return fold


def result_of(fold: Fold) -> dict[str, Any]:
    """A fold in the corpus' words."""
    completed = fold.completed
    assert completed is not None, "an answer without its last event"
    return _result(fold.content(), completed.finish_reason, completed.raw_finish_reason, completed.usage)


def result_of_reply(reply: Reply[Any]) -> dict[str, Any]:
    """A reply of the public client in the corpus' words: what a `client_under_test` returns."""
    return _result(reply.message.content, reply.finish_reason, reply.raw_finish_reason, reply.usage)


def answers_over_http(chosen: Sequence[dict[str, Any]], client_under_test: ClientUnderTest) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The second runner: every record over a real socket, from the corpus' replay server to `client_under_test(view, base_url)`."""
    rows = replay().score(chosen, client_under_test, plain=True)  # one address, so that one client serves all
    by_id = {record["id"]: record for record in chosen}
    answers = []
    for row in rows:
        if len(row["asked"]) == 1 and not row["kind_mismatch"]:
            answers.append((by_id[row["id"]], row["got"]))
        else:
            message = f"asked for {row['asked']}, not once for the right kind of answer; {row['got'].get('error')}"
            answers.append((by_id[row["id"]], {"error": {"status": -1, "message": message}}))
    return answers


def _result(content: Content, finish: str, raw_finish: str, usage: Usage) -> dict[str, Any]:
    return {
        "text": "".join(part.text for part in content if isinstance(part, Text)),
        "thinking": "".join(part.text for part in content if isinstance(part, Reasoning)),
        "refusal": "".join(part.text for part in content if isinstance(part, Refusal)),
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in content if isinstance(c, ToolCall)],
        "finish": FINISH.get(finish, finish),
        "finish_raw": raw_finish,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cache_read_input_tokens,
        "reasoning_tokens": usage.reasoning_output_tokens,
        "error": None,
    }


def decode_record(record: dict[str, Any], cuts: Sequence[int] = ()) -> dict[str, Any]:
    """The pure runner: a record through codec and decoder."""
    try:
        return result_of(folded(decode(record, body_of(record), cuts)))
    except SaferouteError as error:
        status = error.status if isinstance(error, ProviderError) else None
        return {"error": {"status": status, "type": type(error).__name__, "message": str(error)}}


@dataclass(frozen=True, slots=True)
class Score:
    """How much of the traffic is read as the official SDK reads it.

    Attributes:
        count: how many records.
        core: share of the records whose text, tools, finish reason and error are right.
        everything: share of those where ids and counts are right, too.
        missed: the ids of the others.
        providers: records, and share where everything is right, by provider.
        table: all of it, to be read.
    """

    count: int
    core: float
    everything: float
    missed: frozenset[str]
    providers: Mapping[str, tuple[int, float]]
    table: str


def score(rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Score:
    """Compare (record, result) pairs."""
    total, core, everything = (Counter[tuple[str, str, str]]() for _ in range(3))
    misses: dict[str, str] = {}
    for record, got in rows:
        verdict = replay().compare(record["expected"], got)
        key = (record["provider"], record["dialect"], "stream" if record["stream"] else "whole")
        wrong = [name for name, right in verdict.items() if right is False]
        total[key] += 1
        core[key] += not set(CORE) & set(wrong)
        everything[key] += not wrong
        if wrong:
            misses[record["id"]] = f"{' '.join(key)}: {', '.join(wrong)}; {got.get('error') or got.get('finish_raw')}"
    lines = [f"{' '.join(key):48} n={n:4} core={core[key] / n:7.2%} all={everything[key] / n:7.2%}" for key, n in total.most_common()]
    lines += [f"  miss {name} {what}" for name, what in misses.items()]
    by_provider = {
        name: (n, sum(everything[key] for key in total if key[0] == name) / n)
        for name in {key[0] for key in total}
        if (n := sum(total[key] for key in total if key[0] == name))
    }
    count = max(1, total.total())
    return Score(count, core.total() / count, everything.total() / count, frozenset(misses), by_provider, "\n".join(lines))
