"""The file that says who may mint capabilities, and how far.

[issuers.agents]
keys = ["agents.pub.pem"]           # beside this file
max_life = "1h"
max_depth = 4

[issuers.agents.ceiling]            # what their tokens may allow at most
operations = ["chat"]
data = "internal"
budget = "$5/day"
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final

from saferoute.cli.role_keys import read_public
from saferoute.cli.table_files import text_of
from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import spelled_bounds
from saferoute.routing.issuers import Issuer
from saferoute.routing.spellings import duration
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_issuers"]

_FIELDS: Final = frozenset({"ceiling", "keys", "max_depth", "max_life"})


def read_issuers(path: Path) -> tuple[Issuer, ...]:
    """Read the file.

    Raises:
        ConfigurationError: with the place in the file and what to write there.
    """
    try:
        source = tomllib.loads(text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    found = source.get("issuers")
    if source.keys() != {"issuers"} or not isinstance(found, dict):
        raise ConfigurationError(f"{path} must hold sections [issuers.NAME], and nothing else")
    try:
        return tuple(_issuer(path, name, raw) for name, raw in found.items())
    except Refused as refusal:
        raise ConfigurationError(f"{path}: {refusal}") from None


def _issuer(path: Path, name: str, raw: object) -> Issuer:
    place = f"issuers.{name}"
    if not isinstance(raw, dict) or not raw.keys() <= _FIELDS:
        raise Refused(f"{place} has the fields {', '.join(sorted(_FIELDS))}, and no others")
    keys, ceiling = raw.get("keys"), raw.get("ceiling", {})
    if not isinstance(keys, list) or not keys or not all(isinstance(one, str) for one in keys) or not isinstance(ceiling, dict):
        raise Refused(f'{place}.keys must name files of public keys, such as ["{name}.pub.pem"], and {place}.ceiling must be a section')
    more: Mapping[str, Any] = {key: raw[key] for key in ("max_depth",) if key in raw}
    if "max_life" in raw:
        more = {**more, "max_life": max(1, duration(raw["max_life"], f"{place}.max_life") // 1000)}
    public = [read_public(path.parent / one, None) for one in keys]
    return Issuer(name, public, ceiling={**ceiling, **spelled_bounds(ceiling, f"{place}.ceiling")}, **more)
