"""The catalogue: rows for providers and local servers that need no looking up, as data beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast, get_args

from saferoute.values.server import Server
from saferoute.values.target import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["Catalogue", "CatalogueProvider", "load_catalogue"]


@dataclass(frozen=True, slots=True)
class CatalogueProvider:
    """A provider that the catalogue knows.

    Attributes:
        name: what routes.toml calls it, and the id of its row.
        label: what people call it.
        evidence: how its row is known: "S" official SDK, "D" documentation, "L" measured, "I" inferred.
        environment: variables that its key is usually kept in.
        aliases: alias -> model.
        row: the row as routes.toml would write it, without id and data ceiling.
    """

    name: str
    label: str
    evidence: str
    environment: tuple[str, ...]
    aliases: Mapping[str, str]
    row: Mapping[str, Any]

    @property
    def secret(self) -> str:
        """The name of its key."""
        return str(self.row["secret"])

    @property
    def origin(self) -> str:
        """Where its key may go."""
        return str(self.row["origin"])


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the catalogue knows.

    Attributes:
        providers: in the order of preference.
        presets: servers on this machine, each at its usual port.
        loopback: dialect -> what the rows of such servers have in common.
    """

    providers: tuple[CatalogueProvider, ...]
    presets: Mapping[str, Server]
    loopback: Mapping[str, Mapping[str, Any]]

    def provider(self, name: str) -> CatalogueProvider | None:
        """The provider of this name; None if the catalogue does not know it."""
        return next((provider for provider in self.providers if provider.name == name), None)

    def server_row(self, server: Server) -> dict[str, Any]:
        """A loopback server's row as routes.toml would write it, without id and data ceiling."""
        row: dict[str, Any] = {
            "provider": server.name,
            "dialect": server.dialect,
            "origin": server.origin,
            "path": server.prefix,
            "net": "loopback",
            "model": server.model,
            "auth": "none",
            **self.loopback[server.dialect],
        }
        if server.secret is not None:
            row |= {"secret": server.secret, "auth": _KEY_SCHEMES[server.dialect]}
        return row


_KEY_SCHEMES: Mapping[Dialect, str] = MappingProxyType(
    dict.fromkeys(get_args(Dialect), "bearer") | {"anthropic_messages": "x-api-key", "gemini_generate": "x-goog-api-key"}
)


def load_catalogue() -> Catalogue:
    """Read the catalogue out of the package; it is not kept, so ask once per client."""
    import tomllib  # noqa: PLC0415  neither is needed by a process that opens a signed table
    from importlib.resources import files  # noqa: PLC0415

    data = tomllib.loads(files("saferoute.routing").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    providers = tuple(
        CatalogueProvider(
            name, raw["label"], raw["evidence"], tuple(raw["environment"]), MappingProxyType(raw["aliases"]), MappingProxyType(raw["row"])
        )
        for name, raw in data["providers"].items()
    )
    presets = {name: Server(name, cast("int", raw["port"])) for name, raw in data["servers"].items()}
    return Catalogue(providers, MappingProxyType(presets), MappingProxyType(data["loopback"]))
