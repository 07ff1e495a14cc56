"""What mutants of the ledger showed that no other test sees: single fields, edges and words of commitments, paths, certificates and proofs."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.ledger.certificate import LogRole
from saferoute.ledger.commitment import message_bytes
from saferoute.ledger.proof import check_proof, prove
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from saferoute.values.messages import Audio, File, Image, Message, Part, Text, ToolCall, ToolResult
from tests.support.ledger_cases import LOG_ROLE, NOW, book_of, certificate, writer

PDF, PNG = b"%PDF-1.7 one", b"\x89PNG\r\n\x1a\n one"
DAY = 86_400_000_000
ROLE = LogRole((LOG_ROLE.public_key,))
PROOF = prove(book_of(40, every=10).data, 5)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        (File(url="https://a.example/1"), File(url="https://a.example/2")),
        (File(file_id="file-1"), File(file_id="file-2")),
        (File(file_id="file-1"), File(url="https://a.example/file-1")),
        (File(PDF, media_type="application/pdf"), File(PDF + b"!", media_type="application/pdf")),
        (File(PDF, media_type="application/pdf"), File(PDF, media_type="text/plain")),
        (File(PDF, filename="a.pdf"), File(PDF, filename="b.pdf")),
        (Image(url="https://a.example/1"), Image(url="https://a.example/2")),
        (Image(PNG, media_type="image/png"), Image(PNG + b"!", media_type="image/png")),
        (Image(PNG, media_type="image/png"), Image(PNG, media_type="image/jpeg")),
        (Image(PNG, media_type="image/png", detail="low"), Image(PNG, media_type="image/png", detail="high")),
        (Audio(b"RIFF", "wav"), Audio(b"RIFF!", "wav")),
        (Audio(b"RIFF", "wav"), Audio(b"RIFF", "mp3")),
        (ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")),
        (ToolCall("c1", "f", "{}"), ToolCall("c1", "g", "{}")),
        (ToolCall("c1", "f", "{}"), ToolCall("c1", "f", '{"a":1}')),
        (ToolResult("c1", (Text("a"),)), ToolResult("c2", (Text("a"),))),
        (ToolResult("c1", (Text("a"),)), ToolResult("c1", (Text("b"),))),
        (ToolResult("c1", (Text("a"),)), ToolResult("c1", (Text("a"),), is_error=True)),
    ],
)
def test_a_commitment_is_over_every_field(part: Part, other: Part) -> None:
    """Otherwise somebody could exchange what was sent for something else, and prove that it was that."""
    made = {message_bytes(Message("user", (one,))) for one in (part, other)}
    assert len(made) == 2


def changed(name: str, value: Any) -> bytes:
    return canonical({**parse(PROOF.removesuffix(b"\n")), name: value})


@pytest.mark.parametrize("openings", [["asked"], {"answer": "0" * 64}, "asked", None])
def test_openings_are_of_the_records_own_commitments(openings: object) -> None:
    with pytest.raises(Refused, match=r"^a proof's openings are salts of commitments that its record has$"):
        check_proof(changed("openings", openings))


def test_the_longest_path_is_read_and_a_longer_one_is_not() -> None:
    """A tree of 2^64 records: as many as a segment could ever have."""
    with pytest.raises(Refused) as longest:
        check_proof(changed("path", ["0" * 64] * 64))
    assert "a proof's path is a list" not in str(longest.value)
    with pytest.raises(Refused, match=r"^a proof's path is a list of at most 64 hashes$"):
        check_proof(changed("path", ["0" * 64] * 65))


@pytest.mark.parametrize(("after", "certified"), [(0, True), (DAY, True), (DAY + 1, False)])
def test_a_certificate_holds_from_its_first_to_its_last_moment(after: int, certified: bool) -> None:
    made = writer(certificate=certificate())
    data = made.first() + made.checkpoint(NOW + after)[0]
    assert check_proof(prove(data, 0), log_roles=[ROLE]).certified is certified


def test_a_certificate_does_not_hold_before() -> None:
    made = writer(certificate=certificate(issued=NOW // 1_000_000 + 1))
    data = made.first() + made.checkpoint(NOW)[0]
    assert check_proof(prove(data, 0), log_roles=[ROLE]).certified is False
