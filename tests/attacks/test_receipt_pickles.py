"""Attack: an error is pickled, for another process, a queue or a cache; whoever reads it tests guesses of the prompt against its receipt.

What was tried and what is on record goes with the error. The salts do not: without them the commitments of the record prove nothing.

Guards: saferoute/errors/root.py::kept["receipt"] = self.receipt.without_opening() => kept["receipt"] = self.receipt
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import saferoute
from saferoute.errors import BadRequest, GuardBlocked, OutputInvalid, SaferouteError
from saferoute.guards import Action
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, fails, says
from tests.support.guarded import Words
from tests.support.leak_search import where

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("kind_of_error", "step", "asked", "tried", "tells", "commitments"),
    [
        (BadRequest, fails(400), "hi", ["BadRequest"], "outcome", set()),  # an outcome without an answer commits to nothing
        (OutputInvalid, says("no JSON"), "hi", ["OutputInvalid"], "outcome", {"response"}),
        (GuardBlocked, says("never"), "a falcon", [], "denial", {"asked"}),
    ],
)
def test_a_receipt_survives_the_pickle_of_its_error_and_its_salts_do_not(
    kind: str, kind_of_error: type[SaferouteError], step: Any, asked: str, tried: list[str], tells: str, commitments: set[str]
) -> None:
    words = Words("falcon", action=Action.BLOCK)
    with CountingServer(step) as server:
        row = saferoute.loopback("row", port=server.port, path="/v1")
        opened = Face(kind, lambda client: client.local(servers=[row], secrets=saferoute.Secrets.of({}), guards=[words]))
        with opened as face, pytest.raises(kind_of_error) as caught:
            face.chat("row/m", asked, output=SCHEMA, on_unsupported="emulate", max_attempts=1)
    error = caught.value
    assert error.receipt is not None
    salts = error.receipt.opening()
    assert set(salts) == commitments
    again: Any
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert [one.outcome for one in again.attempts] == tried
        assert (again.receipt.id, again.receipt.record) == (error.receipt.id, error.receipt.record)
        assert (again.receipt.record["kind"], again.receipt.opening()) == (tells, {})
    pickled = pickle.dumps(error)
    assert where(pickled.decode("latin-1"), tuple(salts.values())) is None
    assert [name for name, salt in salts.items() if bytes.fromhex(salt) in pickled] == []


def test_an_error_without_a_receipt_has_none_after_a_pickle() -> None:
    again: SaferouteError = pickle.loads(pickle.dumps(SaferouteError("so")))
    assert (again.receipt, again.attempts) == (None, ())
