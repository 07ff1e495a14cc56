"""Our code judges each vector of the ledger as it says."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.ledger.certificate import LogRole
from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.commitment import Salts, commit, salt, system_id
from saferoute.ledger.content import decrypt
from saferoute.ledger.merkle import inclusion_path, leaf_hash, root_from_path, root_of
from saferoute.ledger.proof import check_proof
from saferoute.ledger.verify import verify_ledger, verify_segment
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused
from tests.spec.world import load

LEDGER = load("ledger")
SECRET = bytes.fromhex(LEDGER["secret"])


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


def roles(given: list[dict[str, Any]] | None) -> list[LogRole] | None:
    if given is None:
        return None
    return [LogRole(tuple(PublicKey(bytes.fromhex(key)) for key in one["keys"]), one["threshold"], one["version"]) for one in given]


def data(names: list[str], tail: str = "") -> bytes:
    return ("".join(LEDGER["lines"][name] + "\n" for name in names) + tail).encode()


def test_the_tree() -> None:
    tree = LEDGER["tree"]
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in tree["leaves"]]
    assert [root_of(leaves[:size]).hex() for size in range(len(leaves) + 1)] == tree["roots"]
    for row in tree["paths"]:
        path = [bytes.fromhex(node) for node in row["path"]]
        assert inclusion_path(leaves[: row["size"]], row["index"]) == path
        assert root_from_path(leaves[row["index"]], row["index"], row["size"], path).hex() == tree["roots"][row["size"]]


def test_commitments() -> None:
    for row in LEDGER["commitments"]:
        made = salt(SECRET, row["segment"], row["seq"], row["name"])
        assert made.hex() == row["salt"]
        assert commit(made, row["content"].encode()) == row["commitment"]
        at_once = Salts(SECRET, row["segment"]).made(row["seq"], {row["name"]: row["content"].encode()})
        assert at_once == ({row["name"]: made}, {row["name"]: row["commitment"]})
    for row in LEDGER["system_ids"]:
        assert system_id(SECRET, row["text"]) == row["id"]
    sealed = LEDGER["content"]
    assert decrypt(bytes.fromhex(sealed["key"]), sealed["record"]) == sealed["content"].encode()


@pytest.mark.parametrize("case", named(LEDGER["notes"]))
def test_notes(case: dict[str, Any]) -> None:
    key = None if case["key"] is None else PublicKey(bytes.fromhex(case["key"]))
    if case["valid"]:
        said = read_note(case["note"], key)
        assert (said.segment, said.size, said.root.hex(), said.time_us) == (case["segment"], case["size"], case["root"], case["time"])
    else:
        with pytest.raises(Refused):
            read_note(case["note"], key)


@pytest.mark.parametrize("case", named(LEDGER["segments"]))
def test_segments(case: dict[str, Any]) -> None:
    anchors = [read_note(note, None) for note in case["anchors"]]
    report = verify_segment(data(case["lines"], case["tail"]), anchors=anchors, log_roles=roles(case["log_roles"]))
    assert (report.problems[0][0] if report.problems else None) == case["first"], report.problems
    assert report.records == len(case["lines"])
    assert report.torn_tail_bytes == len(case["tail"].encode())
    assert {name: getattr(report, name) for name in ("closed", "unsigned_tail")} == {
        name: case[name] for name in ("closed", "unsigned_tail")
    }
    assert (report.root_version, report.certified) == (case["certified"], case["certified"] is not None)
    assert list(report.maybe_sent) == case["maybe_sent"]


@pytest.mark.parametrize("case", named(LEDGER["ledgers"]))
def test_ledgers(case: dict[str, Any]) -> None:
    files = {name: data(lines) for name, lines in case["segments"].items()}
    report = verify_ledger(files, anchors=[read_note(note, None) for note in case["anchors"]])
    assert ([report.faults[0].name, report.faults[0].place] if report.faults else None) == case["first"], report.faults
    assert list(report.maybe_sent) == case["maybe_sent"]
    assert [link.segment for link in report.removed] == case["removed"]


@pytest.mark.parametrize("case", named(LEDGER["proofs"]))
def test_proofs(case: dict[str, Any]) -> None:
    given = {"log_roles": roles(case["log_roles"])}
    if not case["valid"]:
        with pytest.raises(Refused):
            check_proof(case["proof"].encode(), **given)
        return
    proved = check_proof(case["proof"].encode(), **given)
    assert (proved.id, proved.key_id, proved.root_version, proved.time_us) == (case["id"], case["key_id"], case["certified"], case["time"])
    assert {name: one.hex() for name, one in proved.opened.items()} == case["opened"]
    assert all(proved.holds(name, content.encode()) for name, content in case.get("contents", {}).items())
