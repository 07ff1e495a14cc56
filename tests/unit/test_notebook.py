"""What a notebook shows."""

from __future__ import annotations

import pytest

import saferoute
from saferoute.errors import LocalTrustWarning
from saferoute.testing import EmbeddedProvider


def test_a_client_shows_its_trust_and_routes_and_a_reply_its_text() -> None:
    with EmbeddedProvider() as provider, pytest.warns(LocalTrustWarning):
        with saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)], secrets=saferoute.Secrets.of({})) as client:
            reply = client.chat("demo/m", "hi <b>")
        shown = client._repr_html_()
        asynchronous = saferoute.AsyncClient.local(servers=[saferoute.loopback("demo", port=1)], secrets=saferoute.Secrets.of({}))
    assert "trust=&#x27;local&#x27;" in shown
    assert "<td>demo/*</td>" in shown
    assert "AsyncClient" in asynchronous._repr_html_()
    shown = reply._repr_html_()
    assert "<pre" in shown
    assert "You said: hi &lt;b&gt;" in shown  # a model's markup, and its pictures, stay text
    assert "demo · embedded-1 · stop" in shown
    assert "cost not known" in shown
