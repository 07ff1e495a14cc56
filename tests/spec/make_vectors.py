"""Write docs/spec/vectors: `python -m tests.spec.make_vectors`. Keys and times are fixed, so the same files come out every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.capabilities.chain import verify_chain
from saferoute.routing.issuers import compile_issuer
from saferoute.signing.keys import PublicKey
from tests.spec import ledger_vectors, signing_vectors, token_vectors, trust_vectors, vault_vectors
from tests.spec.world import VECTORS, rendered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.issuer import IssuerRecord
    from saferoute.values.permission import Permission


def records(vectors: Mapping[str, Any]) -> dict[str, IssuerRecord]:
    """The issuers of `token.json`, as a verified root gives them."""
    found = {}
    for name, row in vectors["issuers"].items():
        keys = [PublicKey(bytes.fromhex(one)) for one in row["keys"]]
        record = {field: row[field] for field in ("keyids", "max_life", "max_depth", "ceiling")}
        found[name] = compile_issuer(vectors["root"], name, record, keys)
    return found


def plain(permission: Permission) -> dict[str, Any]:
    """A permission as JSON: sets sorted, what it is called left out."""
    said: dict[str, Any] = {}
    for name in permission.__slots__:
        value: Any = getattr(permission, name)
        if isinstance(value, frozenset):
            value = sorted(value)
        elif name == "max_cost" and value is not None:
            value = {"amount": value.amount, "currency": value.currency}
        elif name == "limits":
            value = [{"key": one.key, "kind": one.kind, "limit": one.limit} for one in value]
        elif name == "budgets":
            value = [{field: getattr(one, field) for field in ("key", "limit", "unit", "per", "expires_at", "replicas")} for one in value]
        said[name] = value
    del said["source"]
    return said


def token() -> dict[str, Any]:
    """The token vectors with what each genuine chain allows."""
    vectors = token_vectors.token()
    issuers = records(vectors)
    for case in vectors["chains"]:
        if case["valid"]:
            verified = verify_chain(case["token"], issuers)
            case |= {"digests": list(verified.digests), "tail": verified.tail.hex(), "permission": plain(verified.permission)}
    return vectors


def everything() -> dict[str, dict[str, Any]]:
    """Every file's name and content."""
    return {
        "strict_json": signing_vectors.strict_json(),
        "keys": signing_vectors.keys(),
        "envelope": signing_vectors.envelopes(),
        "trust": trust_vectors.trust(),
        "token": token(),
        "asked": token_vectors.asked(),
        "vault": vault_vectors.vault(),
        "ledger": ledger_vectors.ledger(),
    }


if __name__ == "__main__":
    VECTORS.mkdir(parents=True, exist_ok=True)
    for name, vectors in everything().items():
        (VECTORS / f"{name}.json").write_text(rendered(vectors), encoding="utf-8")
