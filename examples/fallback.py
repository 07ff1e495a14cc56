"""Fallback is the table's business: an alias with two targets. Here the first is overloaded, and the second answers.

    python fallback.py                   on embedded providers (no account, and no real model)

The files that `saferoute init` writes are made in a temporary folder; production_table.py has that step explained.
"""

import pathlib
import tempfile
import time

import saferoute
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider, ErrorAnswer, Script

ROUTES = """
[routes.first]
extends = "llama.cpp"
provider = "first"
origin = "{first}"
model = "small"
data = "internal"

[routes.second]
extends = "first"
provider = "second"
origin = "{second}"

[aliases.fast]
targets = ["first", "second"]
max_attempts = 2

[grant]
data = "internal"
"""


def open_table(folder: pathlib.Path, toml_text: str) -> saferoute.Client:
    root_key, table_key, now = PrivateKey.generate(), PrivateKey.generate(), time.time()
    root = new_root("example", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(sign_release(root, [build(toml_text)], version=1, now=now, signers=[table_key]))
    return saferoute.Client(folder / "routes.json", trust=saferoute.Trust.pinned(folder / "root.json", sha256=pin(root)), data="internal")


with tempfile.TemporaryDirectory() as name, EmbeddedProvider() as first, EmbeddedProvider() as second:
    first.script(Script([ErrorAnswer(503, message="no capacity")], then="repeat"))
    with open_table(pathlib.Path(name), ROUTES.format(first=first.origin, second=second.origin)) as client:
        reply = client.chat("fast", "Anybody there?")
        print(reply.text)
        for attempt in reply.attempts:
            print(f"{attempt.target}: {attempt.outcome}")
        try:
            client.chat("first", "Only you", max_attempts=1)
        except saferoute.errors.Overloaded as error:
            print(f"without the alias: {error}")
