"""A signed statement is presented as another kind of statement: a status as a release, a revocation list as a status.

GHSA-7hp6-4w63-5g45 is a case of one signature that was good in two places. Each kind has its own payload type, which is signed too.

Guards: saferoute/signing/envelope.py::raise Refused(f"it is a {envelope.payload_type[:80]!r}, not a {payload_type.value!r}")
"""

from __future__ import annotations

import pytest

from saferoute.errors import UntrustedTable
from saferoute.signing.envelope import Envelope, PayloadType
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import (
    ROOT_KEY,
    STATUS_KEY,
    TABLE_KEY,
    document,
    files,
    release_payload,
    revocations_payload,
    status_payload,
    status_root,
    table,
)

BODY = canonical(table())
RELEASE = canonical(release_payload(BODY))
EVERYBODY = (ROOT_KEY, STATUS_KEY, TABLE_KEY)
PAYLOADS = {
    PayloadType.ROOT: canonical(status_root()),
    PayloadType.RELEASE: RELEASE,
    PayloadType.STATUS: canonical(status_payload(RELEASE)),
    PayloadType.REVOCATIONS: canonical(revocations_payload()),
    PayloadType.LOG_KEY: b"{}",
}
PAIRS = [(kind, place) for place in list(PayloadType)[:4] for kind in PayloadType if kind != place]


def open_with(place: PayloadType, kind: PayloadType, payload: bytes) -> None:
    """Open with a document of one kind where another belongs; every key has signed it, so that only its kind is wrong."""
    root, status = status_root(), document(PayloadType.STATUS, PAYLOADS[PayloadType.STATUS], STATUS_KEY)
    put = document(kind, payload, *EVERYBODY)
    if place == PayloadType.ROOT:
        files(BODY, root=root).trusted(updates=[put], status=status)
    elif place == PayloadType.RELEASE:
        files(BODY, root=root, release=payload, kind=kind, signers=EVERYBODY).trusted(status=status)
    elif place == PayloadType.STATUS:
        files(BODY, root=root).trusted(status=put)
    else:
        files(BODY, root=root).trusted(status=status, revocations=put)


def test_each_kind_opens_in_its_own_place() -> None:
    for place in (PayloadType.RELEASE, PayloadType.STATUS, PayloadType.REVOCATIONS):
        open_with(place, place, PAYLOADS[place])


@pytest.mark.parametrize(("kind", "place"), PAIRS)
def test_no_kind_passes_as_another(kind: PayloadType, place: PayloadType) -> None:
    with pytest.raises(UntrustedTable):
        open_with(place, kind, PAYLOADS[kind])


@pytest.mark.parametrize(("kind", "place"), PAIRS)
def test_not_even_with_the_right_payload(kind: PayloadType, place: PayloadType) -> None:
    with pytest.raises(UntrustedTable) as caught:
        open_with(place, kind, PAYLOADS[place])
    assert f"it is a {kind.value!r}, not a {place.value!r}" in str(caught.value)


def test_a_signature_does_not_fit_another_type() -> None:
    envelope = Envelope.read(document(PayloadType.STATUS, PAYLOADS[PayloadType.REVOCATIONS], TABLE_KEY))
    moved = Envelope(PayloadType.REVOCATIONS.value, envelope.payload, envelope.signatures).to_bytes()
    with pytest.raises(UntrustedTable, match=r"the signature of key .* is wrong: the payload was altered after signing"):
        files(BODY).trusted(revocations=moved)
