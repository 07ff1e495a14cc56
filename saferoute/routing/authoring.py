"""From routes.toml, which people write and review, to the canonical table that is signed.

    [providers.openai]            # a row out of the catalogue: any model, the key named "openai"
    data = "internal"

    [aliases]
    fast = "openai/gpt-5.4-mini"

    [grant]                       # what callers without a capability may do; without it production refuses
    data = "internal"

Sections: defaults (for every row), providers (out of the catalogue, with changes, and with what its row leaves to you, such as
`resource = "acme"` for azure_openai), routes (rows of your own; `extends` takes over another row, a catalogue provider or a catalogue
server), credentials (short-lived ones, and how they are made), aliases, guards (profiles that rows name), templates (of prompts),
price_lists (what models cost, over what the catalogue says), grant, annotations, and assertions, which are not signed. Errors name the
place in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.errors import ConfigurationError
from saferoute.routing.assertions import read_assertions
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.credentials import written_credential
from saferoute.routing.guard_profiles import compile_profiles, compile_templates
from saferoute.routing.parameters import filled
from saferoute.routing.price_lists import compile_price_list
from saferoute.routing.release import Release
from saferoute.routing.rows import compile_row, family_name
from saferoute.routing.schema import check
from saferoute.routing.shapes import GRANT, ROW, SCHEMA
from saferoute.routing.spellings import money, written_proxy
from saferoute.routing.table import compile_table
from saferoute.routing.written_alias import DEFAULT_ATTEMPTS, written_alias, written_deadlines
from saferoute.routing.written_guards import written_profile, written_template
from saferoute.routing.written_prices import used_price_lists, written_price_lists, written_prices
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.routing.assertions import Assertion
    from saferoute.routing.catalogue import Catalogue, CatalogueProvider
    from saferoute.values.guard_profile import GuardProfile

__all__ = ["DEFAULT_ATTEMPTS", "assertions_of", "build", "build_payload", "spelled_bounds"]

_SECTIONS = (
    "aliases", "annotations", "assertions", "credentials", "defaults", "grant", "guards", "ledger", "price_lists", "providers", "routes",
    "schema", "templates",
)  # fmt: skip
_DEFAULTABLE = ("connect_proxy", "data", "deadlines", "default_max_output", "guards", "headers", "max_output", "region", "tls")
_NESTED = ("deadlines", "headers", "limits", "profile", "quirks")  # what `extends` merges field by field
_MAX_EXTENDS = 8
_MAX_TOML_BYTES = 2_000_000


def build(toml_text: str) -> bytes:
    """Turn a routes.toml into the table to sign.

    Args:
        toml_text: the file's text.

    Returns:
        The table's canonical bytes. It was compiled as a client will compile it, so what is signed will open.

    Raises:
        ConfigurationError: with the place in the file and what to write there.
    """
    try:
        return _build(_source(toml_text), load_catalogue())
    except Refused as refusal:
        raise ConfigurationError(f"routes.toml: {refusal}") from None


def assertions_of(toml_text: str) -> tuple[Assertion, ...]:
    """Read the `[[assertions]]` of a routes.toml: what its table must do, which `saferoute table test` tries.

    Raises:
        ConfigurationError: with the place in the file and what to write there.
    """
    try:
        return read_assertions(_source(toml_text).get("assertions", []))
    except Refused as refusal:
        raise ConfigurationError(f"routes.toml: {refusal}") from None


def _source(toml_text: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  a client that opens a signed table does not need it

    if len(toml_text) > _MAX_TOML_BYTES:
        raise ConfigurationError(f"routes.toml has {len(toml_text)} characters; at most {_MAX_TOML_BYTES} are read")
    try:
        return tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"routes.toml is not TOML: {error}") from None


def build_payload(
    rows: Sequence[Mapping[str, Any]],
    aliases: Mapping[str, Any],
    grant: Mapping[str, Any] | None = None,
    annotations: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
    *,
    price_lists: Mapping[str, Any] | None = None,
) -> bytes:
    """Write rows, aliases, grant, credentials and lists of prices, already in the signed table's own words, as canonical bytes.

    Raises:
        ConfigurationError: if a client would refuse the table.
    """
    try:
        return _payload(rows, aliases, grant, {"annotations": annotations, "credentials": credentials, "price_lists": price_lists})
    except Refused as refusal:
        raise ConfigurationError(f"this makes no routing table: {refusal}") from None


def _payload(
    rows: Sequence[Mapping[str, Any]],
    aliases: Mapping[str, Any],
    grant: Mapping[str, Any] | None,
    others: Mapping[str, Mapping[str, Any] | None],
    ledger: object = None,
) -> bytes:
    payload: dict[str, Any] = {"schema": SCHEMA, "routes": list(rows), "aliases": dict(aliases)}
    if grant is not None:
        payload["grant"] = grant
    if ledger is not None:
        payload["ledger"] = ledger
    payload |= {section: dict(held) for section, held in others.items() if held}  # what is empty is not written
    body = canonical(payload)
    compile_table(body, Release("draft", 1, 1, 0, 1, ()))
    return body


def _build(source: Mapping[str, Any], catalogue: Catalogue) -> bytes:
    for section in source:
        if section not in _SECTIONS:
            raise Refused(f"{section} is no section of routes.toml; the sections are {', '.join(_SECTIONS)}")
    if source.get("schema", SCHEMA) != SCHEMA:
        raise Refused(f"schema is {source['schema']!r}; this version writes schema {SCHEMA}")
    read_assertions(source.get("assertions", []))  # a mistake in one is found when the file is built, not when it is tested
    templates = {name: written_template(raw, f"templates.{name}") for name, raw in _table(source, "templates").items()}
    guards = {name: written_profile(raw, f"guards.{name}") for name, raw in _table(source, "guards").items()}
    profiles = compile_profiles(guards, compile_templates(templates, "templates"), "guards")
    own = written_price_lists(_table(source, "price_lists"), catalogue.price_list)
    rows, lists = _Rows(source, catalogue).all(profiles, own)
    if not rows:
        raise Refused("there is no route: add a [providers.NAME] or a [routes.NAME]")
    aliases = {name: written_alias(raw, f"aliases.{name}") for name, raw in _table(source, "aliases").items()}
    grant = _grant(source["grant"], rows, aliases) if "grant" in source else None
    sections = _table(source, "credentials")
    paths = {name: f"credentials.{name}" for name in sections}
    made = {name: written_credential(name, _table(sections, name, path), rows, path) for name, path in paths.items()}
    others = {"annotations": _table(source, "annotations"), "credentials": made, "guards": guards, "templates": templates}
    others["price_lists"] = lists
    return _payload(rows, aliases, grant, others, source.get("ledger"))


def _table(source: Mapping[str, Any], name: str, path: str = "") -> Mapping[str, Any]:
    value = source.get(name, {})
    if not isinstance(value, dict):
        raise Refused(f"{path or name} must be a table")
    return value


class _Rows:
    """The rows of one file, `extends` followed; made and dropped while a file is built."""

    __slots__ = ("_catalogue", "_defaults", "_own")

    def __init__(self, source: Mapping[str, Any], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._defaults = _table(source, "defaults")
        for name in self._defaults:
            if name not in _DEFAULTABLE:
                raise Refused(f"defaults.{name} cannot be a default; these can: {', '.join(_DEFAULTABLE)}")
        self._own: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for name in _table(source, "providers"):
            if catalogue.provider(name) is None:
                known = ", ".join(provider.name for provider in catalogue.entries)
                raise Refused(f"providers.{name} is not in the catalogue ({known}); write a row of your own: [routes.{name}]")
            path = f"providers.{name}"
            changes = _table(source["providers"], name, path)
            if "extends" in changes:
                raise Refused(f"{path}.extends: it is the catalogue's row already; use [routes.NAME] for another")
            self._own[name] = (path, {**changes, "extends": name})
        for name in _table(source, "routes"):
            path = f"routes.{name}"
            if name in self._own:
                raise Refused(f"{path} has the name of providers.{name}; put the changes there")
            self._own[name] = (path, _table(source["routes"], name, path))

    def all(
        self, profiles: Mapping[str, GuardProfile], own: Mapping[str, Mapping[str, Any]]
    ) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
        """Every row in the signed table's own words, checked one by one so that errors name the file's place, and the lists of prices."""
        rows = []
        for name, (path, _) in self._own.items():
            fields, base = self._extended(name, ())
            if base is not None:
                fields = filled(fields, base.parameters, base.origins, path)
            row = _spelled({"data": "public", **_merged(_fitting(self._defaults, fields), fields)}, path)
            row["id"] = name
            check(row, ROW, path)
            rows.append(row)
        lists = used_price_lists(rows, own, self._catalogue.price_list)
        compiled = {name: compile_price_list(raw, f"price_lists.{name}") for name, raw in lists.items()}
        for row in rows:
            compile_row(row, self._own[row["id"]][0], profiles, compiled)
        return rows, lists

    def _extended(self, name: str, above: tuple[str, ...]) -> tuple[dict[str, Any], CatalogueProvider | None]:
        """The fields of a row, those that it takes over among them, and the provider of the catalogue that it comes from."""
        path, own = self._own[name]
        base = own.get("extends")
        fields = {key: value for key, value in own.items() if key != "extends"}
        if "id" in fields:
            raise Refused(f"{path}.id: the name of the section is the id")
        if base is None:
            return fields, None
        if not isinstance(base, str):
            raise Refused(f"{path}.extends must be a name")
        if base in above or len(above) == _MAX_EXTENDS:
            raise Refused(f"{path}.extends leads to itself or too far: {' -> '.join([*above, name, base])}")
        if base != name and base in self._own:
            taken, origin = self._extended(base, (*above, name))
            return _merged(taken, fields), origin
        provider = self._catalogue.provider(base)
        if provider is not None:
            return _merged(provider.row, fields), provider
        preset = self._catalogue.preset_row(base)
        if preset is None:
            known = [*self._own, *(one.name for one in self._catalogue.entries), *self._catalogue.kinds]
            raise Refused(f"{path}.extends is {base!r}; it can be {', '.join(one for one in known if one != name)}")
        return _merged(preset, fields), None


def _fitting(defaults: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The defaults without those that a row cannot have: no proxy before a private server, no certificates where there is no TLS."""
    unfit = {"connect_proxy"} if fields.get("net") != "public" else set()
    if not str(fields.get("origin", "")).startswith("https://"):
        unfit.add("tls")
    return {name: value for name, value in defaults.items() if name not in unfit}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put fields over others; a wildcard row's families and the like go when the row names its own model."""
    merged = {**base, **over}
    for name in _NESTED:
        if isinstance(base.get(name), dict) and isinstance(over.get(name), dict):
            merged[name] = {**base[name], **over[name]}
    if merged.get("model") != "*" and "families" not in over and "families" in merged:
        families = merged.pop("families")
        model = family_name(str(merged["model"]), str(merged["dialect"]))
        own: Mapping[str, Any] = next((one["profile"] for one in families if model.startswith(one["prefix"])), {})
        merged["profile"] = {**base.get("profile", {}), **own, **over.get("profile", {})}
    if merged.get("origin") != base.get("origin", merged.get("origin")) and "price_list" not in over:
        merged.pop("price_list", None)  # who stands there asks for prices of his own
    if merged.get("auth") == "none" and "secret" not in over:
        merged.pop("secret", None)
    return merged


def _spelled(row: dict[str, Any], path: str) -> dict[str, Any]:
    """Turn the friendly spellings of a row into the signed table's own."""
    if "deadlines" in row:
        row["deadlines"] = written_deadlines(row["deadlines"], f"{path}.deadlines")
    if "prices" in row:
        row["prices"] = written_prices(row["prices"], f"{path}.prices")
    if isinstance(row.get("net"), list):
        row |= {"net": "private", "networks": row["net"]}
    if "connect_proxy" in row:
        row["connect_proxy"] = written_proxy(row["connect_proxy"], f"{path}.connect_proxy")
    return row


def _grant(raw: object, rows: Sequence[Mapping[str, Any]], aliases: Mapping[str, Any]) -> dict[str, Any]:
    """A grant; the routes that it does not name are written out now, so that none is added to it later by accident."""
    if not isinstance(raw, dict):
        raise Refused("grant must be a table")
    grant: dict[str, Any] = {"operations": ["chat"], "routes": sorted({*aliases, *(row["id"] for row in rows)}), **raw}
    grant |= spelled_bounds(raw, "grant")
    check(grant, GRANT, "grant")
    return grant


def spelled_bounds(raw: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The bounds on money of a grant, or of an issuer's ceiling, in the signed words; those that are there.

    Raises:
        Refused: for what is no amount.
    """
    bounds: dict[str, Any] = {}
    if "max_cost" in raw:
        amount, currency = money(raw["max_cost"], f"{path}.max_cost")
        bounds["max_cost"] = {"amount": amount, "currency": currency}
    if "budget" in raw:
        bounds["budget"] = _budget(raw["budget"], f"{path}.budget")
    return bounds


def _budget(raw: object, path: str) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if isinstance(raw, dict):
        extra = {key: value for key, value in raw.items() if key != "amount"}
        raw = raw.get("amount")
    text, slash, per = raw.rpartition("/") if isinstance(raw, str) else ("", "", "")
    if not slash:
        raise Refused(f'{path} is {raw!r}; write "$5/day"')
    amount, currency = money(text, path)
    return {"amount": amount, "currency": currency, "per": per, **extra}
