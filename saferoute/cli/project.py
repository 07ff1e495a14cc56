"""What `saferoute init` makes, as values: the text of routes.toml, a root, a signed table. The demo makes its own the same way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.routing.table import LOCAL_PREFIX
from saferoute.routing.trust import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.routing.catalogue import Catalogue, CatalogueProvider
    from saferoute.routing.table import RoutingTable
    from saferoute.signing.keys import PrivateKey
    from saferoute.values.server import Server

__all__ = ["DAY", "LABEL", "Project", "constructor", "make_project", "name_from", "routes_toml"]

DAY: Final = 86_400
LABEL: Final = "internal"
"""The data label of what `init` writes: an unlabelled call counts as restricted, and a public ceiling would refuse most first calls."""

_HEAD: Final = """\
# Where calls may go, and what callers may do. Edit it, then sign it: saferoute table sign
# What is signed, in words: saferoute table show
"""
_PROVIDER: Final = """
[providers.{name}]
# From the catalogue: {label} at {origin}, any model, the key called "{secret}".
data = "{data}"          # the highest label that may go there: public, internal, confidential, restricted
"""
_SERVER: Final = """
[routes.{table}]
# A model server on this machine. With the name of one model in place of "*", the route is called "{name}" alone.
{fields}model = "*"
data = "{data}"
"""
_GRANT: Final = """
[grant]
# What callers without a capability may do. Without this section they may do nothing.
operations = ["chat"]
routes = [{routes}]
data = "{data}"          # the highest label that they may send
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A root, its digest, and a table signed under it.

    Attributes:
        root: content of root.json.
        sha256: what a program pins.
        bundle: content of routes.json.
        table: the same, verified as a client verifies it.
    """

    root: bytes
    sha256: str
    bundle: bytes
    table: RoutingTable


def make_project(
    name: str, toml_text: str, *, root_key: PrivateKey, table_key: PrivateKey, now: float, days: int, root_days: int
) -> Project:
    """Build a table, make a root that lists the table's key, sign both, and verify the result.

    Args:
        name: whose table it is.
        toml_text: routes.toml.
        root_key: signs the root.
        table_key: signs the table; another key than the root's.
        now: seconds since the epoch.
        days: how long the table is valid.
        root_days: how long the root is valid.

    Raises:
        ConfigurationError: for a name, a table or a time that makes none.
    """
    if name.startswith(LOCAL_PREFIX):
        raise ConfigurationError(f"names that begin with {LOCAL_PREFIX} are those of tables in memory; choose another")
    body = build(toml_text)
    root = new_root(name, root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + root_days * DAY)
    bundle = sign_release(root, [body], version=1, now=now, signers=[table_key], not_after=now + days * DAY)
    sha256 = pin(root)
    return Project(root, sha256, bundle, verify_bundle(root, sha256, bundle, now, allow_local=False))


def routes_toml(providers: Sequence[CatalogueProvider], servers: Sequence[Server], catalogue: Catalogue) -> str:
    """Write a small routes.toml, with comments, that grants calls to everything in it."""
    aliases: dict[str, list[str]] = {}
    for provider in providers:
        for alias, model in provider.aliases.items():
            aliases.setdefault(alias, []).append(f"{provider.name}/{model}")
    parts = [_HEAD]
    parts += [_PROVIDER.format(name=one.name, label=one.label, origin=one.origin, secret=one.secret, data=LABEL) for one in providers]
    parts += [_SERVER.format(table=_quoted_key(one.name), name=one.name, fields=_fields(one, catalogue), data=LABEL) for one in servers]
    parts.append(_aliases(aliases))
    routes = [*aliases, *(provider.name for provider in providers), *(server.name for server in servers)]
    parts.append(_GRANT.format(routes=_strings(routes), data=LABEL))
    return "".join(parts)


def _fields(server: Server, catalogue: Catalogue) -> str:
    """The lines that say what a server is: the catalogue's row for it where there is one, and otherwise the row's own words."""
    placed, preset = catalogue.door(server)
    where = {"provider": placed.name, "origin": placed.origin}
    fields: dict[str, str | int]
    if preset is not None:
        fields = {"extends": preset.server.name, **where}
    elif placed.dialect == "openai_chat":
        fields = {"extends": "openai-compatible", **where}
    else:
        row = catalogue.server_row(placed)
        words = ("provider", "dialect", "origin", "path", "net", "auth", "default_max_output")
        fields = {name: row[name] for name in words if name in row}
    return "".join(f'{name} = "{value}"\n' if isinstance(value, str) else f"{name} = {value}\n" for name, value in fields.items())


def _aliases(aliases: Mapping[str, Sequence[str]]) -> str:
    if not aliases:
        return ""
    lines = [f"{name} = [{_strings(targets)}]" for name, targets in aliases.items()]
    why = "# Names for your program to call. With several targets, the next answers when one fails.\n"
    return f"\n[aliases]\n{why}" + "\n".join(lines) + "\n"


def _strings(values: Sequence[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def _quoted_key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def name_from(folder: str) -> str:
    """Make a table's name out of a folder's."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:64].strip("-") or "app"


def constructor(table: str, root: str, sha256: str, updates: str, secrets: str | None, *, ledger: str) -> str:
    """Write the Python that opens the table: a whole, small program.

    Args:
        table: path of routes.json, as the program will open it.
        root: path of root.json.
        sha256: the root's digest.
        updates: the folder of the roots that follow it; it need not be there before a key was replaced.
        secrets: where keys are; None where no key is needed.
        ledger: the folder of the records.
    """
    lines = ["import saferoute", "", "client = saferoute.Client(", f"    table={_text(table)},"]
    lines.append(f"    trust=saferoute.Trust.pinned({_text(root)}, sha256={_text(sha256)}, updates={_text(updates)}),")
    lines += [f"    secrets={_text(secrets)},"] if secrets else []
    lines += [f"    data={_text(LABEL)},", f"    ledger=saferoute.Ledger.directory({_text(ledger)}),  # read with: saferoute audit show"]
    return "\n".join([*lines, ")"])


def _text(value: str) -> str:
    """A Python string literal in double quotes."""
    literal = repr(value)
    return f'"{literal[1:-1]}"' if literal[0] == "'" and '"' not in literal else literal
