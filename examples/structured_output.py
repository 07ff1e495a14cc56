"""Get an object instead of text: a pydantic model, or a plain JSON Schema.

python structured_output.py          on an embedded provider (no account, and no real model)
python structured_output.py smart    on your own: the first provider whose key is found
"""

import sys

from pydantic import BaseModel

import saferoute
from saferoute.testing import EmbeddedProvider


class Trip(BaseModel):
    city: str
    days: int


def main(client: saferoute.Client, route: str) -> None:
    trip = client.chat(route, "Plan 3 days in Lisbon", output=Trip).parsed  # a Trip, for type checkers too
    print(f"{trip.days} days in {trip.city}")

    schema = {"type": "object", "properties": {"sunny": {"type": "boolean"}}, "required": ["sunny"], "additionalProperties": False}
    print(client.chat(route, "Is it sunny there?", output=schema).parsed)

    try:
        client.chat(route, "Plan 3 days in Lisbon", output=Trip, max_output_tokens=1)
    except saferoute.errors.OutputInvalid as error:
        print(f"cut off: {error}")  # error.reply has what was paid for


if len(sys.argv) > 1:
    with saferoute.Client.local() as mine:
        main(mine, sys.argv[1])
else:
    with EmbeddedProvider() as provider, saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as demo:
        main(demo, "demo/any-model")
