"""What was refused while it was being made can still be shown: reporters of tracebacks show the locals of every frame."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import saferoute
from saferoute.errors import SaferouteError
from saferoute.signing.keys import PrivateKey, PublicKey
from saferoute.signing.refusal import Refused


def _client(folder: Path) -> None:
    (folder / "root.json").write_bytes(b"{}")
    (folder / "routes.json").write_bytes(b"{}")
    saferoute.Client(folder / "routes.json", trust=saferoute.Trust.pinned(folder / "root.json", sha256="0" * 64))


def _foreign_capability(_: Path) -> None:
    issuer = saferoute.Issuer.generate("i")
    text = saferoute.Capability.mint(issuer, audience="a", expires_in=60, models="m", providers="p").chain
    saferoute.Capability.receive(text, PrivateKey.generate())


@pytest.mark.parametrize("make", [_client, _foreign_capability, lambda _: PublicKey(b"\0" * 32)])
def test_a_traceback_with_locals_shows_it(tmp_path: Path, make: Callable[[Path], None]) -> None:
    with pytest.raises((SaferouteError, Refused)) as refused:
        make(tmp_path)
    shown = "".join(traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
    assert "self = " in shown
