"""Operations against llama.cpp's llama-server, started with `--embedding --pooling mean`.

Runs where SAFEROUTE_LLAMA_PORT names such a server (key "k", model "smollm2").
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import saferoute
from saferoute.errors import ProviderError
from tests.support.both import KINDS, Face

PORT = int(os.environ.get("SAFEROUTE_LLAMA_PORT", "0"))
pytestmark = [
    pytest.mark.skipif(not PORT, reason="no llama-server: set SAFEROUTE_LLAMA_PORT"),
    pytest.mark.timeout(300),
]


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    def make(kind: type[Any]) -> Any:
        secrets = saferoute.Secrets.of({"llama": ("k", f"http://127.0.0.1:{PORT}")})
        return kind.local(secrets=secrets, servers=[saferoute.loopback("llama", port=PORT, secret="llama")])

    with warnings.catch_warnings(), Face(request.param, make) as made:
        yield made


def wait(face: Face, made: Any) -> Any:
    return made if face.kind == "blocking" else face._wait(made)


def test_embeddings(face: Face) -> None:
    texts = ["The cat sat on the mat.", "A cat is sitting on a mat.", "Interest rates rose by half a point."] * 3
    try:
        found = wait(face, face.client.embed("llama/smollm2", texts))
    except ProviderError as error:
        pytest.skip(f"the server was not started with --embedding: {error}")
    print(found, found.usage)
    assert (len(found), found.dimensions) == (9, 576)
    assert found.usage.input_tokens > 9
    assert all(math.sqrt(sum(number * number for number in vector)) == pytest.approx(1, abs=1e-3) for vector in found)
    # Not compared with each other: this server pools over the tokens that its cache did not have, so that a vector depends on what
    # was asked before. What is asked twice in a row is the same.
    wait(face, face.client.embed("llama/smollm2", texts[2]))
    once = wait(face, face.client.embed("llama/smollm2", texts[2]))
    again = wait(face, face.client.embed("llama/smollm2", texts[2]))
    assert list(once[0]) == pytest.approx(list(again[0]), abs=1e-3)


def test_models_and_counts(face: Face) -> None:
    models = wait(face, face.client.available_models("llama"))
    print(models)
    assert "smollm2" in [model.id for model in models]
    text = "The quick brown fox jumps over the lazy dog. " * 20
    count = wait(face, face.client.count_tokens("llama/smollm2", text))
    reply = face.chat("llama/smollm2", text, max_output_tokens=1)
    print(count, reply.usage.input_tokens)
    assert count.low <= reply.usage.input_tokens <= count.high
