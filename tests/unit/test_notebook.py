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
    markdown = reply._repr_markdown_()
    assert markdown.startswith("You said: hi <b>\n")
    assert "demo · embedded-1 · stop" in markdown
    assert "cost not known" in markdown
