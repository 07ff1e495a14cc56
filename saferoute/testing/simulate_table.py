"""A routing table for a simulation, signed or not: nothing is sent by it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import build
from saferoute.routing.release import Bundle, Release, parse_release
from saferoute.routing.shapes import MAX_BUNDLE_BYTES
from saferoute.routing.table import RoutingTable, compile_table
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["one_alias", "table_of"]

_DRAFT: Final = Release("draft", 1, 1, 0, 1, ())


def table_of(source: RoutingTable | str | PathLike[str]) -> RoutingTable:
    """Open a table.

    Args:
        source: a table; the text of a routes.toml, which has more than one line; or a path.

    Raises:
        ConfigurationError: it makes no table, or cannot be read.
    """
    if isinstance(source, RoutingTable):
        return source
    if isinstance(source, str) and "\n" in source:
        return compile_table(build(source), _DRAFT)
    path = Path(source)
    data = read_bounded(path, MAX_BUNDLE_BYTES)
    try:
        if path.suffix == ".toml":
            return compile_table(build(data.decode()), _DRAFT)
        if data.startswith(b'{"release":'):
            bundle = Bundle.read(data)
            return compile_table(bundle.body(parse_release(bundle.release.payload)), _DRAFT)
        return compile_table(data.removesuffix(b"\n"), _DRAFT)
    except (Refused, UnicodeDecodeError) as refusal:
        raise ConfigurationError(f"{path} makes no routing table: {refusal}") from None


def one_alias(table: RoutingTable) -> str:
    """The name to call where none is given: the table's only alias.

    Raises:
        ConfigurationError: it has none, or several.
    """
    if len(table.aliases) == 1:
        return next(iter(table.aliases))
    listed = f"the aliases {', '.join(table.aliases)}" if table.aliases else f"no alias, and the routes {', '.join(table.routes)}"
    raise ConfigurationError(f"the table has {listed}: say which name is called (route=...)")
