"""A client that lacks the roots that follow is told so, in the refusal of the release that names them; and nothing more is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from saferoute.errors import UntrustedTable
from saferoute.routing.release import Bundle
from tests.attacks.test_root_chain import BODY, SECOND
from tests.support.trust_cases import (
    ROOT_KEY,
    STRANGER,
    TABLE_KEY,
    TABLE_KEY_2,
    files,
    key_id,
    key_row,
    release_payload,
    role_row,
    root_payload,
)

if TYPE_CHECKING:
    from saferoute.signing.keys import PrivateKey

DEPLOY = 'deploy the roots that follow (Trust.pinned(..., updates="roots")), or the folder is missing one'
TOO_FEW = "the routing table is refused: 0 of the 1 signatures that are needed are there"
TWO = root_payload(
    keys={key_id(key): key_row(key) for key in (ROOT_KEY, TABLE_KEY, TABLE_KEY_2)},
    roles={"root": role_row(ROOT_KEY), "table": role_row(TABLE_KEY, TABLE_KEY_2, threshold=2)},
)


@pytest.mark.parametrize(
    ("version", "name", "signer", "updates", "said"),
    [
        (3, "acme", STRANGER, [], f"{TOO_FEW}; it names root version 3, and this client knows version 1: {DEPLOY}"),
        (2, "acme", TABLE_KEY_2, [], f"{TOO_FEW}; it names root version 2, and this client knows version 1: {DEPLOY}"),
        (3, "acme", STRANGER, [SECOND], f"{TOO_FEW}; it names root version 3, and this client knows version 2: {DEPLOY}"),
        (2, "acme", STRANGER, [SECOND], TOO_FEW),
        (1, "acme", STRANGER, [SECOND], TOO_FEW),
        (1, "acme", STRANGER, [], TOO_FEW),
        (3, "evil", STRANGER, [], TOO_FEW),
        (
            3,
            "acme",
            TABLE_KEY,
            [],
            f"the routing table is refused: it was signed under root version 3, and the root is version 1: {DEPLOY}",
        ),
    ],
)
def test_a_client_that_lacks_a_root_is_told_so_and_believes_nothing(
    version: int, name: str, signer: PrivateKey, updates: list[bytes], said: str
) -> None:
    release = release_payload(BODY, root_version=version, name=name)
    with pytest.raises(UntrustedTable) as caught:
        files(BODY, release=release, signers=[signer]).trusted(updates=updates)
    assert str(caught.value) == said


def test_a_payload_that_is_no_release_or_was_altered_tells_nothing_of_roots() -> None:
    with pytest.raises(UntrustedTable) as caught:
        files(BODY, release={"root_version": 3}, signers=[STRANGER]).trusted()
    assert str(caught.value) == TOO_FEW
    made = files(BODY, release=release_payload(BODY, root_version=3))
    bundle = Bundle.read(made.bundle)
    (key, signature) = bundle.release.signatures[0]
    other = replace(bundle.release, signatures=((key, bytes([signature[0] ^ 1]) + signature[1:]),))
    with pytest.raises(UntrustedTable) as altered:
        replace(made, bundle=replace(bundle, release=other).to_bytes()).trusted()
    assert (
        str(altered.value)
        == f"the routing table is refused: the signature of key {key[:12]} is wrong: the payload was altered after signing"
    )


def test_half_of_the_signers_of_a_later_root_are_not_enough_and_the_root_is_named() -> None:
    release = release_payload(BODY, root_version=2)
    with pytest.raises(UntrustedTable) as caught:
        files(BODY, root=TWO, release=release, signers=[TABLE_KEY_2]).trusted()
    assert str(caught.value) == (
        "the routing table is refused: 1 of the 2 signatures that are needed are there; it names root version 2, and this client knows "
        f"version 1: {DEPLOY}"
    )
