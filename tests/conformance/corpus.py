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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saferoute.errors import ProviderError, SaferouteError
from saferoute.providers.decoder import Decoder
from saferoute.providers.registry import codec_for
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall
from saferoute.values.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType

    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Content
    from saferoute.values.reply import Reply
    from saferoute.values.usage import Usage

    ClientUnderTest = Callable[[dict[str, Any], str], dict[str, Any]]

DIALECTS = ("openai_chat", "anthropic_messages")
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
def records(dialect: str) -> tuple[dict[str, Any], ...]:
    """The records of one dialect."""
    folder = shared_corpus()
    assert folder is not None
    with lzma.open(folder / "dev.jsonl.xz", "rt") as lines:
        return tuple(record for line in lines if (record := json.loads(line))["endpoint"] == dialect)


def body_of(record: dict[str, Any]) -> bytes:
    response = record["response"]
    return base64.b64decode(response["body"]) if response.get("base64") else response["body"].encode("utf-8", "surrogateescape")


def is_one_answer(record: dict[str, Any]) -> bool:
    """Whether the record is one answer: two fixtures of the corpus are several recorded streams written one after the other."""
    return body_of(record).count(b'"type":"message_start"') <= 1


def is_answered(record: dict[str, Any]) -> bool:
    """Whether the record is an answer, and no error."""
    return record["response"]["status"] < 400 and not record["expected"]["error"]


def terminal_at(dialect: str, data: bytes) -> int:
    """Where the event that ends the answer begins: the finish reason, or Anthropic's message_stop."""
    at = 0
    for line in data.replace(b"\r\n", b"\n\n").replace(b"\r", b"\n").split(b"\n"):  # every line end stays as long as it was
        text = line.partition(b":")[2].strip() if line.startswith(b"data:") else b""
        chunk = json.loads(text) if text.startswith(b"{") else {}
        if dialect == "anthropic_messages":
            ends = chunk.get("type") == "message_stop"
        else:
            ends = any(c.get("finish_reason") and not c.get("index") for c in chunk.get("choices") or [])
        if ends:
            return at
        at += len(line) + 1
    return len(data)


def text_before(dialect: str, data: bytes) -> str:
    """The text in the events that are whole, read from the wire format and not by our decoders."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    texts: list[str] = []
    for line in lines[: max(0, lines.rfind(b"\n\n"))].split(b"\n"):
        payload = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or not payload.startswith(b"{"):
            continue
        chunk = json.loads(payload)
        texts += _anthropic_text(chunk) if dialect == "anthropic_messages" else _openai_text(chunk)
    return "".join(texts)


def _anthropic_text(event: dict[str, Any]) -> list[str]:
    part = {"content_block_start": event.get("content_block"), "content_block_delta": event.get("delta")}.get(event["type"]) or {}
    return [part["text"]] if part.get("type") in {"text", "text_delta"} else []


def _openai_text(chunk: dict[str, Any]) -> list[str]:
    contents = [(c.get("delta") or {}).get("content") or "" for c in chunk.get("choices") or [] if not c.get("index")]
    blocks = [block for content in contents for block in ([{"type": "text", "text": content}] if isinstance(content, str) else content)]
    return [block["text"] for block in blocks if block["type"] == "text"]


def cut_places(dialect: str, data: bytes, count: int) -> list[int]:
    """Where to cut a stream: at `count` places, evenly, the last one right before the event that ends the answer."""
    terminal = terminal_at(dialect, data)
    return sorted({max(1, terminal * n // count) for n in range(1, count + 1)})


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
        dialect=record["endpoint"],
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


def score_over_http(chosen: Sequence[dict[str, Any]], client_under_test: ClientUnderTest) -> tuple[float, float, str]:
    """The second runner: every record over a real socket, from the corpus' replay server to `client_under_test(view, base_url)`."""
    rows = replay().score(chosen, client_under_test, plain=True)  # one address, so that one client serves all
    by_id = {record["id"]: record for record in chosen}
    unasked = {"error": {"status": -1, "message": "the server was never asked"}}
    return score([(by_id[row["id"]], row["got"] if row["asked"] else unasked) for row in rows])


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


def score(rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> tuple[float, float, str]:
    """Compare (record, result) pairs: percentages of core and of all fields, and a table with every miss."""
    right: dict[str, Counter[tuple[str, str, str]]] = {"n": Counter(), "core": Counter(), "all": Counter()}
    misses = []
    for record, got in rows:
        verdict = replay().compare(record["expected"], got)
        core, everything = all(verdict[f] is not False for f in CORE), all(v is not False for v in verdict.values())
        key = (record["provider"], record["endpoint"], "stream" if record["stream"] else "whole")
        right["n"][key] += 1
        right["core"][key] += core
        right["all"][key] += everything
        if not everything:
            wrong = [name for name, value in verdict.items() if value is False]
            misses.append(f"  miss {record['id']} {' '.join(key)}: {', '.join(wrong)}; {got.get('error') or got.get('finish_raw')}")
    lines = [
        f"{' '.join(key):48} n={n:4} core={right['core'][key] / n:7.2%} all={right['all'][key] / n:7.2%}"
        for key, n in right["n"].most_common()
    ]
    total = max(1, sum(right["n"].values()))
    core_share, all_share = sum(right["core"].values()) / total, sum(right["all"].values()) / total
    lines.append(f"{'together':48} n={total:4} core={core_share:7.2%} all={all_share:7.2%}")
    return core_share, all_share, "\n".join(lines + misses)
