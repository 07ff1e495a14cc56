"""An agent loop: the model asks for tools, your functions run, their results go back, until it answers.

python tools.py                      on an embedded provider (no account, and no real model)
python tools.py smart                on your own: the first provider whose key is found
"""

import sys

import saferoute
from saferoute.testing import EmbeddedProvider

MAX_STEPS = 5


def get_weather(city: str) -> str:
    """Look up today's weather.

    Args:
        city: the city's name.
    """
    return {"Lisbon": "sunny, 24 degrees", "Oslo": "rain, 11 degrees"}.get(city, "no report")


TOOLS = {"get_weather": get_weather}


def answer(call: saferoute.ToolCall) -> saferoute.Message:
    """Run one call. What the model may run is this table, and arguments that do not fit come back to it as an error."""
    try:
        text, failed = TOOLS[call.name](**call.parse()), False
    except (KeyError, TypeError, saferoute.errors.InvalidMessages) as error:
        text, failed = f"{type(error).__name__}: {error}", True
    print(f"  {call.name}({call.arguments}) -> {text}")
    return saferoute.Message("tool", (saferoute.ToolResult(call.id, (saferoute.Text(text),), is_error=failed),))


def main(client: saferoute.Client, route: str) -> None:
    messages: list[str | saferoute.Message] = ["What is the weather in Lisbon and Oslo?"]
    for _ in range(MAX_STEPS):
        reply = client.chat(route, messages, tools=list(TOOLS.values()))
        if not reply.tool_calls:
            print(reply.text)
            return
        messages = [*reply.messages, *(answer(call) for call in reply.tool_calls)]
    print(f"no answer after {MAX_STEPS} steps")


if len(sys.argv) > 1:
    with saferoute.Client.local() as mine:
        main(mine, sys.argv[1])
else:
    with EmbeddedProvider() as provider, saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as demo:
        main(demo, "demo/any-model")
