"""The catalogue: rows for providers and local servers that need no looking up, as data beside this file.

Every client asks which keys there may be, and few rows are ever used: what only rows need (families of models, prices, the clouds' rows,
servers on this machine) is read when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias, cast, get_args

from saferoute.errors import ConfigurationError
from saferoute.values.server import Server
from saferoute.values.target import Dialect

__all__ = ["Catalogue", "CatalogueProvider", "Preset", "load_catalogue"]

_FIRST, _COMPATIBLE, _CLOUDS = "catalogue.toml", "catalogue_compatible.toml", "catalogue_clouds.toml"
_FAMILIES, _SERVERS, _PRICES = "catalogue_families.toml", "catalogue_servers.toml", "catalogue_prices.json"
_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"dialect": "openai_chat", "path": "/v1", "net": "public", "model": "*", "auth": "bearer"}
)  # what a provider's row leaves out, besides its name and its secret's

# The section of a provider's row, which is parsed when the row is asked for: reading TOML is what making a client would spend its time on.
_ROW = re.compile(r"^\[providers\.([a-z0-9_]+)\.row\]\n((?:[^\[\n].*\n|\n)*)", re.MULTILINE)

_Reader: TypeAlias = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class CatalogueProvider:
    """A provider that the catalogue knows.

    Attributes:
        name: what routes.toml calls it, and the id of its row.
        label: what people call it.
        evidence: how its row is known: "S" official SDK, "D" documentation, "L" measured, "I" inferred.
        environment: variables that its key is usually kept in.
        aliases: alias -> model.
        parameters: what only the customer knows and a row of routes.toml gives; they stand in braces in the row.
        origins: parameter -> its values that have an origin of their own, with that origin.
        secret: the name of its key.
        origin: where its key may go; parameters stand in braces.
    """

    name: str
    label: str
    evidence: str
    environment: tuple[str, ...]
    aliases: Mapping[str, str]
    parameters: tuple[str, ...]
    origins: Mapping[str, Mapping[str, str]]
    secret: str
    origin: str
    _families: str | None = field(repr=False)
    _price_list: str | None = field(repr=False)
    _row: str = field(repr=False)
    _read: _Reader = field(repr=False, compare=False)

    @property
    def row(self) -> Mapping[str, Any]:
        """The row as routes.toml would write it, without id and data ceiling."""
        row = {"provider": self.name, "secret": self.secret, "origin": self.origin, **_DEFAULTS, **_parsed(self._row)}
        if self._families is not None:
            row["families"] = self._read(_FAMILIES)[self._families]
        if self._price_list is not None:
            row["price_list"] = self._price_list
        return row


@dataclass(frozen=True, slots=True)
class Preset:
    """A model server of some kind on this machine.

    Attributes:
        server: at its usual port.
        door_of: the kind that it is another door of; its own name if it is none.
        evidence: as of a provider.
        quirks: where it departs from its dialect, besides what all such servers of the dialect have in common.
        profile: what it can do.
    """

    server: Server
    door_of: str
    evidence: str
    quirks: Mapping[str, Any]
    profile: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the catalogue knows.

    Attributes:
        complete: the providers that need nothing but a key, in the order of preference.
    """

    complete: tuple[CatalogueProvider, ...]
    _read: _Reader = field(repr=False, compare=False)

    @property
    def providers(self) -> tuple[CatalogueProvider, ...]:
        """Of the complete ones the first of each key: what a local client and `saferoute init` offer."""
        first: dict[str, CatalogueProvider] = {}
        for provider in self.complete:
            first.setdefault(provider.secret, provider)
        return tuple(first.values())

    @property
    def common(self) -> tuple[CatalogueProvider, ...]:
        """Of these the ones that have models called `fast` and `smart`: those that are named to somebody who has no key yet."""
        return tuple(provider for provider in self.providers if provider.aliases)

    @property
    def entries(self) -> tuple[CatalogueProvider, ...]:
        """All providers, those with parameters last."""
        return (*self.complete, *_providers(_CLOUDS, self._read))

    @property
    def kinds(self) -> Mapping[str, Preset]:
        """Kinds of servers on this machine."""
        return {name: _preset(name, raw) for name, raw in self._read(_SERVERS)["servers"].items()}

    @property
    def presets(self) -> Mapping[str, Server]:
        """Servers on this machine, each at its usual port."""
        return {name: kind.server for name, kind in self.kinds.items()}

    @property
    def loopback(self) -> Mapping[str, Mapping[str, Any]]:
        """Of each dialect, what the rows of such servers have in common."""
        common: Mapping[str, Mapping[str, Any]] = self._read(_SERVERS)["loopback"]
        return common

    def price_list(self, name: str) -> Mapping[str, Any] | None:
        """What models cost, in the signed table's words, with source, licence and date as annotations; None for a list that it has not."""
        data = self._read(_PRICES)
        return None if name not in data["lists"] else {**data["lists"][name], "annotations": data["annotations"]}

    def provider(self, name: str) -> CatalogueProvider | None:
        """The provider of this name; None if the catalogue does not know it."""
        found = next((provider for provider in self.complete if provider.name == name), None)
        return found or next((provider for provider in _providers(_CLOUDS, self._read) if provider.name == name), None)

    def with_key_of(self, provider: CatalogueProvider) -> tuple[CatalogueProvider, ...]:
        """The provider, and its other doors: those that take the same key and nothing else."""
        return (provider, *(one for one in self.complete if one.secret == provider.secret and one.name != provider.name))

    def door(self, server: Server) -> tuple[Server, Preset | None]:
        """The server with port and dialect filled in from its kind, and what is known of that kind's door for the dialect.

        Returns:
            The preset is None without a kind, and for a dialect of which nothing is known of the kind.

        Raises:
            ConfigurationError: for a kind that the catalogue does not know.
        """
        if server.kind is None:
            return server, None
        kinds = self.kinds
        kind = kinds.get(server.kind)
        if kind is None:
            raise ConfigurationError(f"server: the catalogue knows no kind {server.kind!r}; it knows {', '.join(kinds)}")
        placed = replace(server, port=server.port or kind.server.port, dialect=server.dialect or kind.server.dialect)
        doors = [kind, *(one for one in kinds.values() if one.door_of == kind.door_of)]
        return placed, next((one for one in doors if one.server.dialect == placed.dialect), None)

    def server_row(self, server: Server) -> dict[str, Any]:
        """A loopback server's row as routes.toml would write it, without id and data ceiling.

        Raises:
            ConfigurationError: for a kind that the catalogue does not know.
        """
        placed, known = self.door(server)
        dialect = cast("Dialect", placed.dialect)
        row: dict[str, Any] = {
            "provider": placed.name,
            "dialect": dialect,
            "origin": placed.origin,
            "path": placed.prefix,
            "net": "loopback",
            "model": placed.model,
            "auth": "none",
            **self.loopback[dialect],
        }
        if placed.secret is not None:
            row |= {"secret": placed.secret, "auth": _KEY_SCHEMES[dialect]}
        if known is not None:
            for part, more in (("quirks", known.quirks), ("profile", known.profile)):
                if more:
                    row[part] = {**row.get(part, {}), **more}
        return row

    def preset_row(self, name: str) -> dict[str, Any] | None:
        """The row of a kind of server at its usual port; None if the catalogue does not know it."""
        kind = self.kinds.get(name)
        return None if kind is None else self.server_row(kind.server)


_KEY_SCHEMES: Mapping[Dialect, str] = MappingProxyType(
    dict.fromkeys(get_args(Dialect), "bearer") | {"anthropic_messages": "x-api-key", "gemini_generate": "x-goog-api-key"}
)


def load_catalogue() -> Catalogue:
    """Read the catalogue out of the package; it is not kept, so ask once per client."""
    read = lru_cache(maxsize=None)(_read_file)  # each file once, for as long as this catalogue is in use
    return Catalogue((*_providers(_FIRST, read), *_providers(_COMPATIBLE, read)), read)


def _read_file(name: str) -> Mapping[str, Any]:
    from importlib.resources import files  # noqa: PLC0415  not needed by a process that opens a signed table

    text = files("saferoute.routing").joinpath(name).read_text(encoding="utf-8")
    if name.endswith(".json"):
        import json  # noqa: PLC0415  as above

        return MappingProxyType(json.loads(text))
    rows = dict(_ROW.findall(text))
    return MappingProxyType({**_parsed(_ROW.sub("", text)), "rows": rows})


def _parsed(text: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  as above

    return tomllib.loads(text)


def _providers(file: str, read: _Reader) -> tuple[CatalogueProvider, ...]:
    data = read(file)
    return tuple(_provider(name, raw, data["rows"].get(name, ""), read) for name, raw in data["providers"].items())


def _provider(name: str, raw: Mapping[str, Any], row: str, read: _Reader) -> CatalogueProvider:
    return CatalogueProvider(
        name,
        raw["label"],
        raw["evidence"],
        tuple(raw["environment"]),
        MappingProxyType(raw.get("aliases", {})),
        tuple(raw.get("parameters", ())),
        MappingProxyType(raw.get("origins", {})),
        raw.get("secret", name),
        raw["origin"],
        raw.get("families"),
        raw.get("price_list"),
        row,
        read,
    )


def _preset(name: str, raw: Mapping[str, Any]) -> Preset:
    server = Server(name, cast("int", raw["port"]), cast("Dialect", raw.get("dialect", "openai_chat")), kind=name)
    return Preset(server, raw.get("door_of", name), raw["evidence"], raw.get("quirks", {}), raw.get("profile", {}))
