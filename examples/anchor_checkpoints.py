"""Anchor a ledger's checkpoints at another host, so that records which are cut off at its end are missed.

python anchor_checkpoints.py                              to a notary on this machine, made for the purpose
python anchor_checkpoints.py https://anchors.example/notes  to one that keeps what is posted to it
"""

import contextlib
import http.server
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx

import saferoute
from saferoute.ledger.checkpoint import Checkpoint, read_note
from saferoute.ledger.verify import verify_ledger
from saferoute.testing import EmbeddedProvider


class HttpAnchor:
    """Posts each checkpoint's signed note. If the post fails, the ledger warns, and the next checkpoint covers the same records."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(timeout=5, trust_env=False)

    def __call__(self, checkpoint: Checkpoint, note: str) -> None:
        headers = {"content-type": "text/plain; charset=utf-8", "x-segment": checkpoint.segment}
        self._client.post(self._url, content=note.encode(), headers=headers).raise_for_status()


@contextlib.contextmanager
def notary() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that keeps what is posted to it."""
    kept: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/notes", kept
        server.shutdown()


def main(url: str, directory: Path) -> saferoute.Ledger:
    ledger = saferoute.Ledger.directory(directory, on_checkpoint=(HttpAnchor(url),))
    with EmbeddedProvider() as provider:
        servers = [saferoute.loopback("mine", port=provider.port)]
        with saferoute.Client.local(servers=servers, ledger=ledger) as client:
            for number in range(3):
                client.chat("mine/any-model", f"hello {number}")
    ledger.close()
    return ledger


with tempfile.TemporaryDirectory() as folder:
    if len(sys.argv) > 1:
        main(sys.argv[1], Path(folder) / "audit")
    else:
        with notary() as (address, notes):
            kept = main(address, Path(folder) / "audit").read()
        anchors = [read_note(note, None) for note in notes]
        print(f"anchored: {len(anchors)}, whole ledger ok: {verify_ledger(kept, anchors=anchors).ok}")
        cut = {name: b"".join(data.splitlines(keepends=True)[:3]) for name, data in kept.items()}
        print(f"cut off at its end: {verify_ledger(cut, anchors=anchors).faults[0].words}")
