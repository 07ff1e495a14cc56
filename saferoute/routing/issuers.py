"""Capability issuers as the trust root names them: their keys, and what their tokens may allow at most."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saferoute.routing.shapes import MAX_TOKEN_BLOCKS
from saferoute.routing.shared_limits import shared_quotas, shared_scope
from saferoute.signing.envelope import encode_base64
from saferoute.signing.strict_json import canonical
from saferoute.values.issuer import IssuerRecord
from saferoute.values.permission import Budget, Cost, Permission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.signing.keys import PublicKey
    from saferoute.signing.strict_json import StrictJson

__all__ = ["Issuer", "compile_issuer"]

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who may mint capabilities, for a root that is being made.

    Attributes:
        name: the tokens' `iss`.
        keys: its public keys; a signature of any of them counts. None of them may have another role.
        max_life: the longest life of a token, in seconds; a day unless you say otherwise, 366 days at most.
        max_depth: the most blocks of a token.
        ceiling: what its tokens may allow at most, in the root's words: operations, models, providers, routes (ids of rows), tools,
            data, regions, max_output, max_cost {amount, currency}, budget {amount, currency, per, scope, replicas}, limits
            {requests_per_minute, tokens_per_minute, concurrent, scope}. A field that is left out bounds nothing.
    """

    name: str
    keys: Sequence[PublicKey]
    max_life: int = _DAY
    max_depth: int = MAX_TOKEN_BLOCKS
    ceiling: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, StrictJson]:
        """The issuer's record in a root."""
        key_ids: list[StrictJson] = [key.key_id for key in self.keys]
        return {"keyids": key_ids, "max_life": self.max_life, "max_depth": self.max_depth, "ceiling": dict(self.ceiling)}


def compile_issuer(root: str, name: str, record: Mapping[str, Any], keys: Sequence[PublicKey]) -> IssuerRecord:
    """Compile an issuer's record that fits its shape.

    Args:
        root: the root's name: the ceiling's budget and limits are counted under it, whatever version the root has.
        name: the issuer's name.
        record: the payload's record.
        keys: its keys, loaded strictly.
    """
    publics: list[StrictJson] = [encode_base64(raw) for raw in sorted(key.raw for key in keys)]
    # The keys themselves are hashed too, and not only what they are called.
    digest = hashlib.sha256(canonical({"root": root, "issuer": name, "record": dict(record), "keys": publics})).hexdigest()
    return IssuerRecord(
        name=name,
        keys=frozenset(key.raw for key in keys),
        max_life=record["max_life"],
        max_depth=record["max_depth"],
        ceiling=_ceiling(root, name, record["ceiling"]),
        digest=digest,
    )


def _ceiling(root: str, name: str, ceiling: Mapping[str, Any]) -> Permission:
    cost, budget, limits = ceiling.get("max_cost"), ceiling.get("budget"), ceiling.get("limits")
    return Permission(
        f"the ceiling of the issuer {name!r}",
        operations=_set(ceiling, "operations"),
        routes=_set(ceiling, "routes"),
        models=_set(ceiling, "models"),
        providers=_set(ceiling, "providers"),
        tools=_set(ceiling, "tools"),
        regions=_set(ceiling, "regions"),
        data=ceiling.get("data"),
        max_output=ceiling.get("max_output"),
        max_cost=Cost(cost["amount"], cost["currency"]) if cost is not None else None,
        scope=shared_scope(budget, limits),
        budgets=() if budget is None else (_budget(root, name, budget),),
        limits=shared_quotas(limits, _key(root, name), _owner(name)),
    )


def _budget(root: str, name: str, budget: Mapping[str, Any]) -> Budget:
    """The account that all of an issuer's tokens share."""
    shares = budget.get("replicas", 1)
    return Budget(_key(root, name), budget["amount"], budget["currency"], budget["per"], owner=_owner(name), replicas=shares)


def _key(root: str, name: str) -> str:
    return f"issuer:{root}:{name}"


def _owner(name: str) -> str:
    """Whose accounts and counters these are: a message about them must not name the token at hand alone."""
    return f"the issuer {name} (all capabilities that it minted)"


def _set(ceiling: Mapping[str, Any], name: str) -> frozenset[str] | None:
    return frozenset(ceiling[name]) if name in ceiling else None
