"""`saferoute chat`: ask a model. The answer goes to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from saferoute.cli.opening import add_options, open_client
from saferoute.cli.program import UsageError
from saferoute.cli.terminal import printable, say, show, show_text
from saferoute.cli.words import in_options
from saferoute.errors import RequestError, SaferouteError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from saferoute import Client, Message, Reply

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("route", metavar="ROUTE", help="an alias, a route, or provider/model; saferoute models lists them")
    parser.add_argument("prompt", nargs="*", metavar="PROMPT", help="what to ask; - stands for standard input, as does no prompt at all")
    parser.add_argument("--system", metavar="TEXT", help="instructions to put first")
    parser.add_argument("--max-output-tokens", type=int, metavar="N", help="the longest answer")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for each call, retries included")
    parser.add_argument("--no-stream", action="store_true", help="show the answer when it is whole")
    parser.add_argument("--json", action="store_true", help="show one JSON object with the text, the usage, and who answered")
    parser.add_argument("-v", "--verbose", action="store_true", help="show usage, cost and who answered, on stderr")
    add_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    prompt = _prompt(options.prompt)
    if prompt is None and options.json:
        raise UsageError("--json needs a prompt")
    with open_client(options) as client:
        if options.verbose:
            say(repr(client))
        if prompt is None:
            return _converse(client, options)
        reply = _ask(client, options, [prompt])
        if options.json:
            show(json.dumps(_as_json(reply)))
        _remark(reply, verbose=options.verbose)
    return 0


def _prompt(words: Sequence[str]) -> str | None:
    """The prompt; None for a conversation at the terminal."""
    if not words and sys.stdin.isatty():
        return None
    if not words or "-" in words:
        piped = _standard_input()
        before = " ".join(word for word in words if word != "-")
        prompt = f"{before}\n\n{piped}" if before and piped else before or piped
    else:
        prompt = " ".join(words)
    if not prompt.strip():
        raise RequestError("the prompt is empty")
    return prompt


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode().strip("\n")
    except UnicodeDecodeError:
        raise RequestError("standard input is not text in UTF-8") from None


def _ask(client: Client, options: argparse.Namespace, messages: list[str | Message]) -> Reply[None]:
    """Ask once, and show the answer as it comes, unless it is wanted whole."""
    wanted: dict[str, Any] = {"max_output_tokens": options.max_output_tokens, "timeout": options.timeout}
    given: Any = {name: value for name, value in wanted.items() if value is not None}
    system = options.system if len(messages) == 1 else None  # later in a conversation it is among the messages
    if options.json:
        return client.chat(options.route, messages, system=system, **given)
    if options.no_stream:
        reply = client.chat(options.route, messages, system=system, **given)
        show_text(f"{reply.text}\n")
        return reply
    with client.stream(options.route, messages, system=system, **given) as stream:
        ended = True
        try:
            for text in stream.text():
                show_text(text)
                ended = text.endswith("\n")
        finally:
            if not ended:
                show_text("\n")
    return stream.reply


def _converse(client: Client, options: argparse.Namespace) -> int:
    say("Ctrl-D ends the conversation.")
    messages: list[str | Message] = []
    while (line := _line()) is not None:
        if not line.strip():
            continue
        try:
            reply = _ask(client, options, [*messages, line])
        except SaferouteError as error:
            say(printable(f"error: {in_options(error.message)}"))  # the conversation goes on without this turn
            continue
        _remark(reply, verbose=options.verbose)
        messages = list(reply.messages)
    return 0


def _line() -> str | None:
    """What the person types next; None at the end."""
    try:
        if sys.stdout.isatty():
            return input("> ")
        print("> ", end="", file=sys.stderr, flush=True)  # stdout is for answers only
        line = sys.stdin.readline()
    except EOFError:
        say()
        return None
    return line.rstrip("\n") if line else None


def _remark(reply: Reply[None], *, verbose: bool) -> None:
    if reply.refusal:
        say(printable(f"note: the model declined: {reply.refusal}"))
    if reply.finish_reason not in {"stop", "stop_sequence"}:
        say(printable(f"note: the answer ended early: {reply.finish_reason} ({reply.raw_finish_reason})"))
    for notice in reply.warnings:
        if verbose or notice.kind != "filled":
            say(printable(f"note: {notice.parameter}: {notice.message}"))
    if not verbose:
        return
    usage = reply.usage
    counts = f"{_count(usage.input_tokens)} tokens in, {_count(usage.output_tokens)} out"
    cost = "cost not known" if reply.cost is None else f"cost {reply.cost:f}"
    say(printable(f"{reply.target}, model {reply.model}: {counts}, {cost}, {len(reply.attempts)} request(s)"))


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)


def _as_json(reply: Reply[None]) -> dict[str, object]:
    usage = reply.usage
    return {
        "text": reply.text,
        "refusal": reply.refusal,
        "finish_reason": reply.finish_reason,
        "route": reply.route,
        "target": reply.target,
        "provider_name": reply.provider_name,
        "model": reply.model,
        "id": reply.id,
        "request_id": reply.request_id,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens,
            "reasoning_output_tokens": usage.reasoning_output_tokens,
        },
        "cost": None if reply.cost is None else f"{reply.cost:f}",
        "attempts": [{"target": one.target, "model": one.model, "outcome": one.outcome} for one in reply.attempts],
        "warnings": [{"kind": one.kind, "parameter": one.parameter, "message": one.message} for one in reply.warnings],
    }
