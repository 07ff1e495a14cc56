"""What a notebook shows."""

from __future__ import annotations

from array import array

import pytest

import saferoute
from saferoute import operations
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


def test_vectors_and_counts_are_shown_without_what_they_are_of() -> None:
    facts = {"route": "r", "target": "t<1>", "model": "m", "provider_name": "p"}
    embeddings = operations.Embeddings(vectors=(array("f", [0.25, 0.5]), array("f", [1.0, 2.0])), **facts)
    shown = embeddings._repr_html_()
    assert shown == "2 vectors of 2 numbers<br><small>t&lt;1&gt; · m · tokens not known · cost not known</small>"
    assert "0.25" not in shown
    counted = operations.TokenCount(tokens=7, method="provider", low=7, high=7, **facts)
    assert counted._repr_html_().startswith("7 tokens, counted by the provider<br>")
    guessed = operations.TokenCount(tokens=7, method="estimate", low=2, high=90, **facts)
    assert guessed._repr_html_().startswith("about 7 tokens, from 2 to 90<br>")
    open_ended = operations.TokenCount(tokens=7, method="estimate", low=2, high=None, **facts)
    assert open_ended._repr_html_().startswith("about 7 tokens, from 2 to no known bound<br>")
