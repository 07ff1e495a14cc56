"""Runs inside a peer's own environment: one action of one adapter; says as one JSON line what came of it.

    python -I child.py ADAPTER.py    with {"action", "bases", "key", "prompt", "attempts"} on standard input

Nothing leaves loopback: an audit hook refuses names and addresses of anywhere else before they are looked up or connected to.
"""

import importlib.util
import io
import json
import logging
import sys
import traceback


class RefusedError(OSError):
    """Something wanted to go beyond loopback."""


def stay_on_loopback(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # None: a socket file
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in {None, "", "localhost", "::1"} and not str(host).startswith("127."):
        raise RefusedError(f"the probe stays on loopback; {host!r} is not looked up or connected to")


def run(adapter, action, base, asked):
    try:
        if action == "stream":
            return {"outcome": "answer", "text": "".join(adapter.stream(base, asked["key"], asked["prompt"]))}
        if action == "limited":
            return {"outcome": "answer", "text": adapter.limited(base, asked["key"], asked["prompt"], asked["attempts"])}
        return {"outcome": "answer", "text": adapter.chat(base, asked["key"], asked["prompt"])}
    except Exception as error:  # noqa: BLE001  whatever a peer raises is its answer
        return {"outcome": "error", "text": type(error).__name__, "traceback": traceback.format_exc()}


def main():
    asked = json.load(sys.stdin)
    log = io.StringIO()
    logging.basicConfig(level=logging.DEBUG, stream=log)
    sys.addaudithook(stay_on_loopback)
    spec = importlib.util.spec_from_file_location("adapter", sys.argv[1])
    adapter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(adapter)
    answers = [run(adapter, asked["action"], base, asked) for base in asked["bases"]]
    sys.stdout.write("\nPROBE " + json.dumps({"answers": answers, "log": log.getvalue()}) + "\n")


if __name__ == "__main__":
    main()
