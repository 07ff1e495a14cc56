"""A model server on this machine: llama.cpp, Ollama, vLLM, LM Studio. No key, no account.

python own_server.py                 on an embedded provider (no real model)
python own_server.py 8080            llama.cpp's llama-server on its usual port
python own_server.py 11434 llama3.2  Ollama, with a model's name
"""

import sys

import saferoute
from saferoute.testing import EmbeddedProvider


def main(port: int, model: str) -> None:
    servers = [
        saferoute.loopback("mine", port=port),  # OpenAI's dialect, which all of them speak
        saferoute.loopback("mine-too", port=port, dialect="anthropic_messages"),  # llama-server speaks Anthropic's as well
    ]
    with saferoute.Client.local(servers=servers) as client:
        for server in servers:
            reply = client.chat(f"{server.name}/{model}", "Say hello in one short sentence.", max_output_tokens=200)
            print(f"{server.dialect}: {reply.text}")


if len(sys.argv) > 1:
    main(int(sys.argv[1]), sys.argv[2] if sys.argv[2:] else "default")
else:
    with EmbeddedProvider() as provider:
        main(provider.port, "any-model")
