"""Ask once, and go on with the conversation.

python quickstart.py                 on an embedded provider (no account, and no real model)
python quickstart.py fast            on your own: the first provider whose key is found
"""

import sys

import saferoute
from saferoute.testing import EmbeddedProvider


def main(client: saferoute.Client, route: str) -> None:
    reply = client.chat(route, "Say hello")
    print(reply.text)
    print(f"{reply.finish_reason}, {reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out, by {reply.model}")

    again = client.chat(route, [*reply.messages, "And goodbye?"])
    print(again.text)


if len(sys.argv) > 1:
    with saferoute.Client.local() as mine:
        main(mine, sys.argv[1])
else:
    with EmbeddedProvider() as provider, saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as demo:
        main(demo, "demo/any-model")
