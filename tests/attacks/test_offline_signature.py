"""A signature that was brought back from elsewhere is of another key, of another document, or over other bytes.

Whoever carries files between the offline machine and this one can swap them; a cloud KMS may sign with the pre-hashed variant.

Guards: saferoute/routing/offline.py::_check_signature(envelope, signers_of(envelope, root), public_key, signature)
Guards: saferoute/routing/offline.py::_check_payload(read)
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.publish import (
    add_signature,
    cosign_release,
    cosign_root,
    new_root,
    next_root,
    pin,
    sign_release,
    sign_revocations,
    sign_status,
    to_sign,
)
from saferoute.routing.trust import TrustFiles, verify_trust
from saferoute.signing.envelope import Envelope, PayloadType, pae
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import (
    DAY,
    NOW,
    ROOT_KEY,
    ROOT_KEY_2,
    STATUS_KEY,
    STRANGER,
    TABLE_KEY,
    TABLE_KEY_2,
    document,
    files,
    table,
)

BODY = canonical(table())
YEAR = NOW + 365 * DAY


def unsigned_root(**changes: Any) -> bytes:
    plain: dict[str, Any] = {
        "root_signers": (), "root_keys": [ROOT_KEY.public_key], "table_keys": [TABLE_KEY.public_key], "status_keys": [STATUS_KEY.public_key],
        "now": NOW, "not_after": YEAR,
    }  # fmt: skip
    return new_root("acme", **{**plain, **changes})


def signed_elsewhere(document: bytes, root: bytes, key: Any) -> bytes:
    return add_signature(document, root, key.public_key, key.sign(to_sign(document)))


UNSIGNED_ROOT = unsigned_root()
ROOT = signed_elsewhere(UNSIGNED_ROOT, UNSIGNED_ROOT, ROOT_KEY)
RELEASE = sign_release(ROOT, [BODY], version=1, now=NOW, signers=())
BUNDLE = signed_elsewhere(RELEASE, ROOT, TABLE_KEY)
STATUS = sign_status(ROOT, BUNDLE, version=1, revoked=["b", "a", "b"], halted=["main"], now=NOW, signers=())
REVOCATIONS = sign_revocations(ROOT, version=1, revoked=["c"], now=NOW, signers=())
DOCUMENTS = {
    "root": (UNSIGNED_ROOT, ROOT_KEY),
    "release": (RELEASE, TABLE_KEY),
    "status": (STATUS, STATUS_KEY),
    "revocations": (REVOCATIONS, TABLE_KEY),
}


def test_everything_can_be_signed_where_the_key_is() -> None:
    status, revocations = signed_elsewhere(STATUS, ROOT, STATUS_KEY), signed_elsewhere(REVOCATIONS, ROOT, TABLE_KEY)
    opened = verify_trust(TrustFiles(ROOT, BUNDLE, (), status, revocations), pin(ROOT), NOW)
    assert (opened.revoked, opened.halted, opened.table.not_after) == ({"a", "b", "c"}, {"main"}, NOW + 7 * DAY)
    assert unsigned_root(root_signers=[ROOT_KEY]) == ROOT
    assert sign_release(ROOT, [BODY], version=1, now=NOW, signers=[TABLE_KEY]) == BUNDLE
    assert status == sign_status(ROOT, BUNDLE, version=1, revoked=["a", "b"], halted=["main"], now=NOW + 0.9, signers=[STATUS_KEY])
    assert revocations == sign_revocations(ROOT, version=1, revoked=["c"], now=NOW, signers=[TABLE_KEY])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_bytes_to_sign_are_those_of_dsse(name: str) -> None:
    unsigned, key = DOCUMENTS[name]
    whole = signed_elsewhere(unsigned, ROOT, key)
    kind = PayloadType[name.upper()]
    assert to_sign(unsigned) == to_sign(whole)
    assert to_sign(unsigned).startswith(b"DSSEv1 %d %s " % (len(kind.value), kind.value.encode()))
    if name != "release":
        assert to_sign(whole) == pae(kind, Envelope.read(whole).payload)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_unsigned_document_is_not_taken(name: str) -> None:
    unsigned, _ = DOCUMENTS[name]
    whole = TrustFiles(ROOT, BUNDLE, (), signed_elsewhere(STATUS, ROOT, STATUS_KEY))
    put = {"root": "root", "release": "bundle", "status": "status", "revocations": "revocations"}[name]
    mixed = TrustFiles(
        **{**{field: getattr(whole, field) for field in ("root", "bundle", "updates", "status", "revocations")}, put: unsigned}
    )
    with pytest.raises(UntrustedTable, match="1 to 16 signatures; this one has 0"):
        verify_trust(mixed, pin(mixed.root), NOW)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_signature_that_does_not_fit_is_not_added(name: str) -> None:
    unsigned, key = DOCUMENTS[name]
    message = to_sign(unsigned)
    others = [other for label, (other, _) in DOCUMENTS.items() if label != name]
    good = key.sign(message)
    wrong = [key.sign(message + b" "), key.sign(b""), key.sign(to_sign(others[0])), STRANGER.sign(message), good[:-1], good + b"\x00", b""]
    for signature in wrong:
        with pytest.raises(ConfigurationError) as caught:
            add_signature(unsigned, ROOT, key.public_key, signature)
        assert str(caught.value) == (
            f"the signature cannot be added: the signature is not one of the key {key.public_key.key_id[:12]} over this document: sign "
            "exactly the bytes that were exported, with plain Ed25519 (not the pre-hashed variant)"
        )
    for other in {ROOT_KEY, TABLE_KEY, STATUS_KEY, STRANGER} - {key}:
        with pytest.raises(ConfigurationError) as caught:
            signed_elsewhere(unsigned, ROOT, other)
        short = other.public_key.key_id[:12]
        assert str(caught.value) == f"the signature cannot be added: the key {short} is in no role that signs it"


def test_a_document_for_another_root_gets_no_signature() -> None:
    other = new_root("other", root_signers=[ROOT_KEY], table_keys=[TABLE_KEY.public_key], now=NOW, not_after=YEAR)
    for unsigned, why in (
        (RELEASE, "it is for 'acme', and the trust root is that of 'other'"),
        (REVOCATIONS, "it is for 'acme', and the trust root is that of 'other'"),
        (STATUS, "the trust root has no status role"),
        (UNSIGNED_ROOT, "root version 1 of 'acme' does not follow version 1 of 'other'"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            signed_elsewhere(unsigned, other, TABLE_KEY)
        assert str(caught.value) == f"the signature cannot be added: {why}"
    named_other = new_root(
        "other", root_signers=[ROOT_KEY], table_keys=[TABLE_KEY.public_key], status_keys=[STATUS_KEY.public_key], now=NOW, not_after=YEAR
    )
    with pytest.raises(ConfigurationError, match="it is for 'acme', and the trust root is that of 'other'"):
        signed_elsewhere(STATUS, named_other, STATUS_KEY)
    with pytest.raises(ConfigurationError, match=r"signatures that are needed|1 to 16 signatures"):
        signed_elsewhere(RELEASE, UNSIGNED_ROOT, TABLE_KEY)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it does not begin with a JSON object"),
        (b"{}", "an envelope has exactly the fields"),
        (b'{"signatures":[]}', "an envelope has exactly the fields"),
        (b'{"release":{},"tables":[]}', "bundle.release.payload is missing"),
        (document(PayloadType.LOG_KEY, b"{}", ROOT_KEY), "a 'application/vnd.saferoute.log-key.v1+json' is not signed here"),
        (document(PayloadType.ROOT, b"{}", ROOT_KEY), "root.schema is missing"),
        (document(PayloadType.STATUS, b"{}", ROOT_KEY), "status.schema is missing"),
        (document(PayloadType.RELEASE, b"{}", ROOT_KEY), "a release, and nothing else, stands in a bundle with its tables"),
        (files(BODY, kind=PayloadType.STATUS).bundle, "a release, and nothing else, stands in a bundle with its tables"),
        (files(BODY, bodies=[b"{}"]).bundle, "the table's bytes are not those that the release names"),
        (files(b"{}").bundle, "table.schema is missing"),
    ],
)
def test_only_what_a_client_would_take_is_exported(data: bytes, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        to_sign(data)
    assert str(caught.value).startswith(f"this cannot be signed: {why}")
    with pytest.raises(ConfigurationError, match="the signature cannot be added"):
        add_signature(data, ROOT, ROOT_KEY.public_key, bytes(64))


def test_a_signature_is_replaced_and_others_stay() -> None:
    keys = [ROOT_KEY.public_key, ROOT_KEY_2.public_key]
    unsigned = unsigned_root(root_keys=keys, root_threshold=2)
    first = signed_elsewhere(unsigned, unsigned, ROOT_KEY)
    assert signed_elsewhere(first, unsigned, ROOT_KEY) == first
    both = signed_elsewhere(first, first, ROOT_KEY_2)
    assert both == cosign_root(cosign_root(unsigned, ROOT_KEY_2), ROOT_KEY)
    assert [key_id for key_id, _ in Envelope.read(both).signatures] == sorted(key.key_id for key in keys)


def test_the_next_root_takes_signatures_of_both_sides() -> None:
    following = next_root(ROOT, signers=(), now=NOW, not_after=YEAR, root_keys=[ROOT_KEY_2.public_key], table_keys=[TABLE_KEY_2.public_key])
    half = signed_elsewhere(following, ROOT, ROOT_KEY)
    whole = signed_elsewhere(half, ROOT, ROOT_KEY_2)
    assert whole == cosign_root(cosign_root(following, ROOT_KEY, ROOT), ROOT_KEY_2, ROOT)
    assert signed_elsewhere(half, half, ROOT_KEY_2) == whole
    with pytest.raises(ConfigurationError, match="is in no role that signs it"):
        signed_elsewhere(following, following, ROOT_KEY)
    after = next_root(whole, signers=(), now=NOW, not_after=YEAR)
    with pytest.raises(ConfigurationError, match="root version 3 of 'acme' does not follow version 1 of 'acme'"):
        signed_elsewhere(after, ROOT, ROOT_KEY)
    bundle = cosign_release(sign_release(whole, [BODY], version=2, now=NOW, signers=()), whole, TABLE_KEY_2)
    status = sign_status(whole, bundle, version=1, now=NOW, signers=[STATUS_KEY])
    assert verify_trust(TrustFiles(ROOT, bundle, (whole,), status), pin(ROOT), NOW).root.version == 2
