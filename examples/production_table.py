"""From nothing to a signed table and a production client, with the same commands as on the command line.

python production_table.py           on an embedded provider (no account, and no real model)

saferoute init shop --server demo=PORT
saferoute table show shop/routes.json
(edit shop/routes.toml)
saferoute table sign shop/routes.toml
"""

import hashlib
import os
import pathlib
import sys
import tempfile

import saferoute
from saferoute.cli import main as command
from saferoute.testing import EmbeddedProvider


def run(*words: str) -> None:
    print(f"$ saferoute {' '.join(words)}", flush=True)
    if command(words) != 0:
        sys.exit(f"saferoute {words[0]} failed")


def pinned(folder: str) -> saferoute.Trust:
    """What belongs into your source: `saferoute init` prints this line with the digest in it."""
    digest = hashlib.sha256(pathlib.Path(folder, "root.json").read_bytes()).hexdigest()
    return saferoute.Trust.pinned(f"{folder}/root.json", sha256=digest)


with tempfile.TemporaryDirectory() as name, EmbeddedProvider() as provider:
    os.chdir(name)
    # On your machine leave the last option out: the signing keys are then encrypted with a passphrase that is asked for.
    run("init", "shop", "--server", f"demo={provider.port}", "--unsafe-plaintext-keys")

    with saferoute.Client("shop/routes.json", trust=pinned("shop"), data="internal") as client:
        print(client.chat("demo/any-model", "Hello from production").text)

    routes = pathlib.Path("shop/routes.toml")
    routes.write_text(routes.read_text(encoding="utf-8").replace("[grant]", "[grant]\nmax_output = 3"), encoding="utf-8")
    run("table", "sign", "shop/routes.toml")
    run("table", "verify", "shop/routes.json")

    with saferoute.Client("shop/routes.json", trust=pinned("shop"), data="internal") as client:
        print(client)
        reply = client.chat("demo/any-model", "Now at most three tokens of answer")
        print(f"{reply.text!r}, {reply.finish_reason}; {reply.warnings[0].message}")
    os.chdir("/")
