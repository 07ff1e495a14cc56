"""The demo's first part: what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute import keys
from saferoute.cli.demo.stage import KEY_NAME, Step, expect, tell
from saferoute.cli.terminal import show_text

if TYPE_CHECKING:
    from saferoute.cli.demo.stage import Stage

__all__ = ["CALLS"]


def _store_a_key(stage: Stage) -> None:
    stored = keys.add(KEY_NAME, stage.key, origins=stage.provider.origin, store=stage.vault)
    sealed = (stage.folder / "vault.json").read_bytes()
    expect(stage.key.encode() not in sealed, "the key stands in the vault file in the clear")
    tell(f'saferoute.keys.add("{stored.name}", origins="{stage.provider.origin}", store=vault)')
    tell("The vault is an encrypted file with a passphrase of its own; your keyring is not touched.")
    tell(f"The key is bound: it may go to {', '.join(stored.origins)} and to nowhere else.")


def _sign_a_table(stage: Stage) -> None:
    project = stage.open_main()
    tell("One key signs the root of trust, another the table; your program pins the root by its digest:")
    tell(f'  client = Client("routes.json", trust=Trust.pinned("root.json", sha256="{project.sha256[:12]}..."),')
    tell('                  secrets=Secrets.vault("vault.json", passphrase=...), data="internal")')
    tell("Routes: gpt and claude, one in each wire format; the alias fast goes to gpt, then to claude.")


def _chat(stage: Stage) -> None:
    for route in ("gpt", "claude"):
        reply = stage.client.chat(route, "Hello, who is there?")
        expect(reply.text == "You said: Hello, who is there?", f"the answer is {reply.text!r}")
        expect(reply.finish_reason == "stop", f"it ended with {reply.finish_reason}")
        tell(f'client.chat("{route}", "Hello, who is there?").text')
        tell(f"  {reply.text!r}   {reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out")
    doors = [request.path for request in stage.provider.requests]
    expect(doors == ["/v1/chat/completions", "/v1/messages"], f"the requests went to {doors}")
    expect(all(request.carries_key(stage.key) for request in stage.provider.requests), "a request came without the key")
    tell(f"Same code, two wire formats: POST {doors[0]}, POST {doors[1]}. The provider checked the key both times.")


def _stream(stage: Stage) -> None:
    tell('with client.stream("fast", "one word after another") as stream: for text in stream.text(): ...')
    pieces = []
    show_text("      ")
    with stage.client.stream("fast", "one word after another") as stream:
        for text in stream.text():
            show_text(f"{text}|")
            pieces.append(text)
    show_text("\n")
    expect(len(pieces) > 1, "it came in one piece")
    expect("".join(pieces) == stream.reply.text, "the pieces are not the answer")
    tell(f"{len(pieces)} pieces as they came; stream.reply then holds the whole answer and its usage.")


def _call_a_tool(stage: Stage) -> None:
    asked = []

    def get_weather(city: str) -> str:
        """Look up today's weather.

        Args:
            city: where.
        """
        asked.append(city)
        return f"sunny in {city}"

    first = stage.client.chat("claude", "What is the weather in Lisbon?", tools=[get_weather])
    expect(len(first.tool_calls) == 1, f"{len(first.tool_calls)} calls were asked for")
    call = first.tool_calls[0]
    result = get_weather(**call.parse())
    answer = {"role": "tool", "tool_call_id": call.id, "content": result}
    second = stage.client.chat("claude", [*first.messages, answer], tools=[get_weather])
    expect(asked == ["Lisbon"], f"the function was called with {asked}")
    expect("sunny in Lisbon" in second.text, f"the answer is {second.text!r}")
    tell("A typed Python function is the tool: its annotations are the schema, its docstring the description.")
    tell(f"  asked for  {call.name}({call.arguments})")
    tell(f"  it ran     {result!r}, sent back as the tool's result")
    tell(f"  answer     {second.text!r}")


def _ask_for_an_object(stage: Stage) -> None:
    from pydantic import BaseModel

    class Trip(BaseModel):
        city: str
        days: int

    for route in ("gpt", "claude"):
        reply = stage.client.chat(route, "Plan 3 days in Lisbon", output=Trip)
        expect(isinstance(reply.parsed, Trip), f"reply.parsed is a {type(reply.parsed).__name__}")
        tell(f'client.chat("{route}", "Plan 3 days in Lisbon", output=Trip).parsed')
        tell(f"  {reply.parsed!r}")


CALLS = (
    Step("A key that knows where it may go", _store_a_key, part="WHAT IS ALLOWED"),
    Step("A signed routing table", _sign_a_table),
    Step("Chat", _chat),
    Step("Stream", _stream),
    Step("A tool", _call_a_tool),
    Step("A pydantic object", _ask_for_an_object),
)
