"""One stolen key is made to count for two: in two roles of the root, or twice in one.

python-tuf, php-tuf, tough, rust-tuf and go-tuf once counted one key under two ids as two signatures.

Guards: saferoute/routing/root.py::_check_disjoint(holders)
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import UntrustedTable
from saferoute.signing.envelope import encode_base64
from tests.support.trust_cases import (
    ISSUER_KEY,
    LOG_KEY,
    ROOT_KEY,
    STATUS_KEY,
    TABLE_KEY,
    files,
    full_root,
    issuer_row,
    key_id,
    key_row,
    role_row,
)

HOLDERS = {"log": LOG_KEY, "root": ROOT_KEY, "status": STATUS_KEY, "table": TABLE_KEY, "issuer ci": ISSUER_KEY}
PAIRS = [(first, second) for position, first in enumerate(HOLDERS) for second in list(HOLDERS)[position + 1 :]]


def refusal(root: dict[str, Any]) -> str:
    with pytest.raises(UntrustedTable) as caught:
        files(root=root).trusted()
    return str(caught.value).removeprefix("the trust root is refused: ")


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_no_key_has_two_roles(first: str, second: str) -> None:
    root = full_root()
    key = HOLDERS[first]
    if second.startswith("issuer"):
        root["issuers"]["ci"]["keyids"].append(key_id(key))
    else:
        root["roles"][second] = role_row(HOLDERS[second], key)
    assert refusal(root) == f"root: the key {key_id(key)[:12]} is in both roles: {first} and {second}; give each role keys of its own"


def test_no_key_has_two_issuers() -> None:
    root = full_root()
    root["issuers"]["nightly"] = issuer_row(ISSUER_KEY)
    named = f"root: the key {key_id(ISSUER_KEY)[:12]} is in both roles: issuer ci and issuer nightly"
    assert refusal(root) == f"{named}; give each role keys of its own"


@pytest.mark.parametrize("name", ["status", "log"])
def test_thresholds_of_the_other_roles_hold_too(name: str) -> None:
    root = full_root()
    root["roles"][name]["threshold"] = 2
    assert refusal(root) == f"root.roles.{name}.threshold is 2, and the role has 1 keys"
    root["roles"][name] = {"keyids": [key_id(LOG_KEY)] * 2, "threshold": 2}
    assert refusal(root) == f"root.roles.{name}.keyids holds an entry twice"


def test_an_issuers_key_is_in_the_root_under_its_hash() -> None:
    root = full_root()
    root["issuers"]["ci"]["keyids"] = ["d" * 64]
    assert refusal(root) == f"root.issuers.ci.keyids: there is no key {'d' * 64}"
    root["keys"]["d" * 64] = key_row(ISSUER_KEY)
    assert refusal(root) == f"root.keys.{'d' * 64}: the id of this key is {key_id(ISSUER_KEY)}"
    root["keys"]["d" * 64] = {"algorithm": "ed25519", "public": encode_base64((1).to_bytes(32, "little"))}
    assert refusal(root) == f"root.keys.{'d' * 64}: the public key is a point of small order: anybody can sign for it"
