"""Proofs of several records in one file: each stands for itself, and all are about one call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from saferoute.ledger.proof import prove
from saferoute.ledger.proofs import MOST_PROOFS, bundled, check_proofs
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from saferoute.values.receipt import Entry
from tests.support.ledger_story import BEGIN, digest, intent, outcome
from tests.support.ledger_written import Process, key_of

if TYPE_CHECKING:
    import pathlib

CALL, OTHER = digest("one")[:32], digest("other")[:32]


@pytest.fixture
def proofs(tmp_path: pathlib.Path) -> dict[int, bytes]:
    """Of a call with a fallback (1 to 4), then of another one (5 and 6)."""
    process = Process(tmp_path, "web")
    for call, attempt in ((CALL, 1), (CALL, 2), (OTHER, 1)):
        began = intent(call, attempt=attempt)
        process.add(Entry("intent", began, {"asked": b"a"}), BEGIN)
        process.add(Entry("outcome", outcome(began), {"response": b"b"}), BEGIN)
    data = process.close().read_bytes()
    return {seq: prove(data, seq) for seq in range(1, 7)}


def test_several_in_one_file(proofs: dict[int, bytes]) -> None:
    found = check_proofs(bundled([proofs[seq] for seq in (1, 2, 3, 4)]))
    assert [one.record["seq"] for one in found] == [1, 2, 3, 4]
    assert {one.key_id for one in found} == {key_of("web").public_key.key_id}
    assert check_proofs(bundled([proofs[2], proofs[3]]))


def test_a_single_one_stays_what_it_is(proofs: dict[int, bytes]) -> None:
    assert bundled([proofs[3]]) == proofs[3]
    assert [one.record["seq"] for one in check_proofs(proofs[3])] == [3]


@pytest.mark.parametrize(
    ("places", "error"),
    [((1, 1), "twice"), ((1, 6), "not about one call"), ((1, 2, 5, 6), "not about one call"), ((), "1 to 64 proofs")],
)
def test_what_does_not_belong_together(proofs: dict[int, bytes], places: tuple[int, ...], error: str) -> None:
    with pytest.raises(Refused, match=error):
        bundled([proofs[place] for place in places])


def test_an_outcome_of_another_intent_is_refused(tmp_path: pathlib.Path) -> None:
    """Two clients with one call id, or a forger with two: what stands beside each other must name each other."""
    process = Process(tmp_path, "web")
    first = process.add(Entry("intent", intent(CALL)), BEGIN)
    process.add(Entry("intent", intent(CALL)), BEGIN)
    process.add(Entry("outcome", outcome(intent(CALL), first)), BEGIN)
    data = process.close().read_bytes()
    assert bundled([prove(data, 1), prove(data, 3)])
    with pytest.raises(Refused, match="is not that of the intent beside it"):
        bundled([prove(data, 2), prove(data, 3)])


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"proofs": {}}, {"proofs": "x"}, {"proofs": []}, {"proofs": [1]}, {"more": 1}, {"proofs": [{}] * (MOST_PROOFS + 1)}],
)
def test_another_form_is_refused(proofs: dict[int, bytes], change: dict[str, object]) -> None:
    fields = {**json.loads(bundled([proofs[1], proofs[2]])), **change}
    with pytest.raises(Refused):
        check_proofs(canonical(fields))
    with pytest.raises(Refused):
        check_proofs(b"[]")


def test_each_of_them_is_checked(proofs: dict[int, bytes]) -> None:
    made = bundled([proofs[1], proofs[2]])
    with pytest.raises(Refused, match="was altered"):
        check_proofs(made.replace(b'"us":800000', b'"us":800001'))
