"""The table of `Client.local()`: keys, root, table and release made in memory, to be verified like any other.

Nothing is written, so there is nothing that could be read-only, stale or stolen from a disk; the private keys are dropped as soon as
they have signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import DEFAULT_ATTEMPTS, build_payload
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.issuers import Issuer
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.routing.release import MAX_LIFE_LOCAL
from saferoute.routing.table import LOCAL_PREFIX
from saferoute.routing.written_prices import used_price_lists
from saferoute.signing.keys import PrivateKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.catalogue import Catalogue, CatalogueProvider
    from saferoute.signing.keys import PublicKey
    from saferoute.values.server import Server

__all__ = ["LocalBundle", "local_bundle", "why_not_local"]


@dataclass(frozen=True, slots=True)
class LocalBundle:
    """What `verify_bundle` takes.

    Attributes:
        root: a root file's content.
        sha256: its digest.
        bundle: a `routes.json`'s content.
    """

    root: bytes
    sha256: str
    bundle: bytes


def local_bundle(
    providers: Sequence[str],
    servers: Sequence[Server],
    now: float,
    *,
    keys: tuple[PrivateKey, PrivateKey] | None = None,
    catalogue: Catalogue | None = None,
    issuers: Sequence[tuple[str, PublicKey]] = (),
) -> LocalBundle:
    """Make and sign a table for these providers and servers.

    The aliases `fast` and `smart` go to the first of the providers, in the catalogue's order, that has models of these names; without
    one, to the first server whose model is given. A provider's other doors that take the same key come with it. Rows take data of every
    label: nobody has set ceilings.

    Args:
        providers: names out of the catalogue, of those whose key was found.
        servers: servers on this machine.
        now: seconds since the epoch.
        keys: for tests: the root's and the table's key; None makes new ones.
        catalogue: None reads it.
        issuers: names and keys of who may mint capabilities that this process takes, of a day's life at most.

    Raises:
        ConfigurationError: if there is neither a provider nor a server, one is not in the catalogue, two have one name, or an issuer's
            name or key cannot be one.
    """
    known = load_catalogue() if catalogue is None else catalogue
    unknown = [name for name in providers if all(one.name != name for one in known.complete)]
    if unknown:
        raise ConfigurationError(_why_unknown(known, unknown[0]))
    chosen = [provider for provider in known.complete if provider.name in providers]
    if not chosen and not servers:
        raise ConfigurationError("a local table needs a provider whose key is found, or a server on this machine (servers=[...])")
    rows: dict[str, dict[str, Any]] = {door.name: dict(door.row) for provider in chosen for door in known.with_key_of(provider)}
    for server in servers:
        if server.name in rows:
            raise ConfigurationError(f"two servers or providers are called {server.name!r}")
        rows[server.name] = known.server_row(server)
    plain = {"strategy": "ordered", "max_attempts": DEFAULT_ATTEMPTS}
    written = [{"id": name, "data": "restricted", **row} for name, row in rows.items()]
    body = build_payload(
        written,
        {name: {"targets": [target], **plain} for name, target in _aliases(chosen, servers)},
        price_lists=used_price_lists(written, {}, known.price_list),
    )
    root_key, table_key = keys or (PrivateKey.generate(), PrivateKey.generate())
    name = LOCAL_PREFIX + root_key.public_key.key_id[:12]
    not_after = int(now) + MAX_LIFE_LOCAL
    minters = [Issuer(issuer, [key]) for issuer, key in issuers]
    root = new_root(name, root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=not_after, issuers=minters)
    bundle = sign_release(root, [body], version=1, now=now, signers=[table_key], not_after=not_after)
    return LocalBundle(root, pin(root), bundle)


def _why_unknown(known: Catalogue, name: str) -> str:
    provider = known.provider(name)
    if provider is None:
        return f"the catalogue has no provider {name!r}; it has {', '.join(one.name for one in known.complete)}"
    return why_not_local(provider)


def why_not_local(provider: CatalogueProvider) -> str:
    """Why a local table cannot have a provider with parameters, and what to do; "" for one without."""
    if not provider.parameters:
        return ""
    asked, name = " and ".join(provider.parameters), provider.name
    return f"{name} needs its {asked}, which a local table cannot have: write [providers.{name}] in routes.toml (saferoute init makes one)"


def _aliases(chosen: Sequence[CatalogueProvider], servers: Sequence[Server]) -> list[tuple[str, str]]:
    provider = next((provider for provider in chosen if provider.aliases), None)
    if provider is not None:
        return [(alias, f"{provider.name}/{model}") for alias, model in provider.aliases.items()]
    first = next((server.name for server in servers if server.model != "*"), None)
    return [] if first is None else [("fast", first), ("smart", first)]
