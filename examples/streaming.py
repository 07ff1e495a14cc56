"""Show an answer while it arrives: as text, as typed events, and leaving early.

python streaming.py                  on an embedded provider (no account, and no real model)
python streaming.py fast             on your own: the first provider whose key is found
"""

import sys

import saferoute
from saferoute.testing import EmbeddedProvider


def main(client: saferoute.Client, route: str) -> None:
    with client.stream(route, "Count from one to ten in words") as stream:
        for text in stream.text():
            print(text, end="", flush=True)
    print(f"\n[{stream.reply.finish_reason}, {stream.reply.usage.output_tokens} tokens]")

    with client.stream(route, "Once more, please") as stream:
        for event in stream:
            match event.type:
                case "started":
                    print(f"started: {event.model}")
                case "text":
                    print(f"text: {event.text!r}")
                case "finished":
                    print(f"finished: {event.reply.finish_reason}")
                case _:
                    pass  # reasoning, tool calls, notices: see saferoute.StreamEvent

    with client.stream(route, "A very long story, please") as stream:
        for text in stream.text():
            print(f"left after {text!r}")
            break  # leaving the block cancels the request: nothing more is generated or paid for


if len(sys.argv) > 1:
    with saferoute.Client.local() as mine:
        main(mine, sys.argv[1])
else:
    with EmbeddedProvider() as provider, saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as demo:
        main(demo, "demo/any-model")
