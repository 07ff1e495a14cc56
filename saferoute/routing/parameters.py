"""Rows that name the customer: the parts of an origin or a path that a row of routes.toml gives, each with a strict form.

They are filled in when a table is written, so that what is signed has whole origins, and nothing else can give them: no environment, no
caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PARAMETERS", "Parameter", "filled"]

_HOLE = re.compile(r"\{([a-z_]+)\}")
_FIELDS = ("origin", "path", "region")  # where parameters may stand; a parameter called like one of them stays as that field


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter may be.

    Attributes:
        form: what its value matches as a whole: one label of a host name, or one segment of a path, unless it lists whole host names.
        example: a value to write.
        what: what it is, for people.
    """

    form: re.Pattern[str]
    example: str
    what: str


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "account": Parameter(
            re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9-]{1,30}(?:\.(?:aws|azure|gcp))?)?"),
            "acme-prod",
            "the account's identifier, as in the host name, with dashes",
        ),
        "account_id": Parameter(re.compile(r"[0-9a-f]{32}"), "0123456789abcdef0123456789abcdef", "the account's id, 32 hexadecimal digits"),
        "location": Parameter(re.compile(r"[a-z]{2,16}(?:-[a-z]{2,16}[0-9]{1,2})?"), "europe-west4", "a location, or global, us or eu"),
        "project": Parameter(re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]"), "acme-prod", "the project's id"),
        "region": Parameter(
            re.compile(r"[a-z]{2}(?:-[a-z]{2,12}){1,3}(?:-[0-9]{1,2})?"), "eu-central-1", "a region, as this cloud calls it"
        ),
        "resource": Parameter(re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"), "acme", "the resource's name"),
        "workspace": Parameter(
            re.compile(
                r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.cloud\.databricks\.com"
                r"|adb-[0-9]{1,20}\.[0-9]{1,3}\.azuredatabricks\.net"
                r"|[0-9]{1,20}\.[0-9]{1,3}\.gcp\.databricks\.com"
            ),
            "dbc-a1b2c3d4-e5f6.cloud.databricks.com",
            "the workspace's host name",
        ),
    }
)
"""Every parameter that a row of the catalogue may have."""


def filled(row: Mapping[str, Any], parameters: Sequence[str], origins: Mapping[str, Mapping[str, str]], path: str) -> dict[str, Any]:
    """Fill the parameters of a row in.

    Args:
        row: the row, its parameters among its fields.
        parameters: those that the row's origin in the catalogue declares.
        origins: parameter -> its values that have an origin of their own, with that origin.
        path: where the row stands, for errors.

    Returns:
        The row with whole origin, path and region, and without the parameters.

    Raises:
        Refused: for a parameter that is missing, not of its form, or of no use because the row has an origin or a path of its own.
    """
    needed = [name for name in parameters if any(f"{{{name}}}" in str(row.get(field, "")) for field in _FIELDS)]
    values: dict[str, str] = {}
    for name in parameters:
        given = row.get(name) if row.get(name) != f"{{{name}}}" else None
        if given is None and name in needed:
            known = PARAMETERS[name]
            raise Refused(f'{path}.{name} is missing: write {known.what}, such as {name} = "{known.example}"')
        if given is not None and name not in needed and name not in _FIELDS:
            raise Refused(f"{path}.{name} has nothing to fill in: this row has an origin and a path of its own; leave it out")
        if given is not None and name in needed:
            values[name] = _checked(name, given, path)
    whole = {field: value for field, value in row.items() if field not in parameters or field in _FIELDS}
    if _HOLE.search(str(row.get("origin", ""))):
        whole["origin"] = next((own[values[name]] for name, own in origins.items() if values.get(name) in own), row["origin"])
    for field in _FIELDS:
        if isinstance(whole.get(field), str):
            whole[field] = _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), whole[field])
    return whole


def _checked(name: str, value: object, path: str) -> str:
    known = PARAMETERS[name]
    if not isinstance(value, str) or not known.form.fullmatch(value):
        raise Refused(f'{path}.{name} is {str(value)[:60]!r}; write {known.what}, such as {name} = "{known.example}"')
    return value
