"""Keys in a store: add, list, remove, rotate, import from the environment, check against a table.

There is no way to get one back out: a client takes them from where they are.

    saferoute.keys.add("openai")            # asks without echo; bound to https://api.openai.com
    saferoute.keys.list()
    saferoute.keys.rotate("openai", overlap=timedelta(days=1))
    saferoute.keys.import_env("OPENAI_API_KEY")
    saferoute.keys.remove("openai")

`store` is "keyring", "vault" (the encrypted file `~/.config/saferoute/vault.json`), a `saferoute.Secrets.keyring()` or
`saferoute.Secrets.vault(path, ...)`, or "auto": for `add` the keyring, and the vault on a machine that has none; for the others,
wherever the key is. A keyring that is there and locked is an error in every case, never a reason to use the vault.
"""

from __future__ import annotations

import math
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from saferoute.drivers import environment
from saferoute.drivers.prompt import ask_hidden
from saferoute.drivers.secret_sources import open_keyring, open_vault
from saferoute.errors import ConfigurationError, SecretError, SecretNotFound
from saferoute.routing.catalogue import load_catalogue
from saferoute.secrets.document import secret_in
from saferoute.secrets.key_check import KeyNeed, RowKey, check_rows
from saferoute.secrets.lookup import StoreAbsent, StoredKey
from saferoute.secrets.secret import Secret, SecretRecord, bound_origins, check_name, make_secret
from saferoute.secrets.sources import KeyringPlace, Secrets, VaultPlace
from saferoute.values.origin import parse_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.catalogue import Catalogue, CatalogueProvider
    from saferoute.routing.table import RoutingTable
    from saferoute.secrets.lookup import SecretStore

__all__ = ["RowKey", "StoredKey", "add", "check", "import_env", "list", "remove", "rotate"]

_LONGEST_OVERLAP = 90 * 86_400

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})  # where routing tables may use plain http, and nowhere else

Store: TypeAlias = Literal["auto", "keyring", "vault"] | Secrets


def add(name: str, value: str | None = None, *, origins: str | Sequence[str] | None = None, store: Store = "auto") -> StoredKey:
    """Store a key, bound to the origins that it may be sent to.

    Args:
        name: what the routing table calls it, such as "openai".
        value: the key, or a JSON document such as a service account's key file; None asks for it without echo, which keeps it out of
            notebooks and shell histories.
        origins: where it may go, such as "https://api.example.com"; None for the catalogue's origin of that name.
        store: where to keep it.

    Returns:
        What was stored, without the key; its `store` says where.

    Raises:
        ConfigurationError: a malformed name or origin, plain http to another machine, no origin for a name that the catalogue does not
            know, an unknown store.
        SecretError: a malformed key, a name that is stored already (`rotate` replaces it), or a store that cannot be written;
            SecretStoreLocked if it does not open.
    """
    made = _made(value)
    del value  # from here on no frame of ours holds the key in the clear
    where = _origins(check_name(name), origins)
    target = _writable(store)
    if target.holds(name):
        raise SecretError(f'{target.label} has a key for {name} already; saferoute.keys.rotate("{name}") puts another in its place')
    secret = _asked(name, where) if made is None else _usable(made)
    return target.add(SecretRecord(name, secret, where))


def list(*, store: Store = "auto") -> tuple[StoredKey, ...]:  # noqa: A001  keys.list reads as it should
    """List what is stored: names, origins and revisions, never a key.

    A vault is listed without its passphrase, so its lines are authenticated only when it is opened.

    Raises:
        ConfigurationError: an unknown store.
        SecretError: a store is damaged; SecretStoreLocked if it does not open.
    """
    found: dict[tuple[str, str], StoredKey] = {}
    for place in _present(store):
        found |= {(key.name, key.store): key for key in place.stored()}
    return tuple(key for _, key in sorted(found.items()))


def remove(name: str, *, store: Store = "auto") -> StoredKey:
    """Take a key out of its store. Revoke it at the provider as well, if it may have been seen.

    Returns:
        What was removed, without the key.

    Raises:
        ConfigurationError: a malformed name, an unknown store.
        SecretNotFound: no store has it.
        SecretError: two stores have it, or it cannot be written; SecretStoreLocked if it does not open.
    """
    return _holder(check_name(name), store).remove(name)


def rotate(name: str, value: str | None = None, *, overlap: timedelta | float | None = None, store: Store = "auto") -> StoredKey:
    """Put a new key in the place of a stored one. Its origins stay; its revision counts up.

    Args:
        name: which.
        value: the new key; None asks for it without echo.
        overlap: how long the old key is kept beside it, in seconds or as a timedelta, at most 90 days; None drops it now. Meanwhile a
            client whose provider refuses the one presents the other, once a call, and says so in `reply.warnings`.
        store: where it is.

    Raises:
        ConfigurationError: a malformed name, an overlap that makes no sense, an unknown store.
        SecretNotFound: no store has it.
        SecretError: a malformed key, two stores have the name, or it cannot be written; SecretStoreLocked if it does not open.
    """
    made = _made(value)
    del value
    lasts = _seconds(overlap)
    target = _holder(check_name(name), store)
    secret = _asked(name, ()) if made is None else _usable(made)
    return target.rotate(SecretRecord(name, secret, ()), until=None if lasts is None else math.ceil(time.time() + lasts))


def import_env(*variables: str, origins: str | Sequence[str] | None = None, store: Store = "auto") -> tuple[StoredKey, ...]:
    """Take keys out of environment variables that you name, and store them. The variables stay set: unset them where they were set.

    Args:
        variables: each the name of a variable that the catalogue knows, such as "OPENAI_API_KEY", or "NAME=VARIABLE" with the key's name.
        origins: where keys go whose names the catalogue does not know; None for the catalogue's origins only.
        store: where to keep them.

    Returns:
        What was stored, without the keys.

    Raises:
        ConfigurationError: a variable that the catalogue does not know, a malformed name or origin, plain http to another machine, an
            unknown store. Nothing was stored.
        SecretError: a variable that is not set or holds no key, a name that is stored already, or a store that cannot be written. It
            says what was stored before.
    """
    wanted = [_wanted(text, origins) for text in variables]
    if not wanted or len({name for name, _, _ in wanted}) != len(wanted):
        raise ConfigurationError("name at least one variable to import, and each key once, such as OPENAI_API_KEY")
    target = _writable(store)
    records = _records(wanted, target)
    return tuple(target.add(record) for record in records)


def check(table: RoutingTable, *, store: Store = "auto") -> tuple[RowKey, ...]:
    """Say of every row of a table whether its key is stored here, and may go where the row goes. Nothing is sent, and no key is read out.

    Args:
        table: a verified table, such as `saferoute table show` opens.
        store: where keys are looked for.

    Returns:
        One line for each row, in the table's order, with what to do.

    Raises:
        ConfigurationError: an unknown store.
        SecretError: a store is damaged; SecretStoreLocked if it does not open.
    """
    needs = []
    for row in table.routes.values():
        spec = table.credentials.get(row.secret) if row.secret is not None else None
        needs.append(KeyNeed(row.id, row.secret, row.origin) if spec is None else KeyNeed(row.id, spec.secret, spec.origin))
    return check_rows(needs, list(store=store), time.time())


def _wanted(text: str, origins: str | Sequence[str] | None) -> tuple[str, str, tuple[str, ...]]:
    """Name of the key, variable, origins."""
    name, equals, variable = text.rpartition("=")
    if not variable.isidentifier() or not variable.isascii():
        raise ConfigurationError("a key to import is written OPENAI_API_KEY, or NAME=VARIABLE; its value is not given here")
    known = next((provider for provider in load_catalogue().entries if variable in provider.environment), None)
    if not equals and known is None:
        raise ConfigurationError(
            f"the catalogue does not know {variable}: say what the key is called, as in NAME={variable}, and its origins"
        )
    name = check_name(name if equals or known is None else known.secret)
    given = None if any(provider.secret == name for provider in load_catalogue().providers) else origins
    return name, variable, _origins(name, given)


def _records(wanted: Sequence[tuple[str, str, tuple[str, ...]]], target: SecretStore) -> Sequence[SecretRecord]:
    """Read the variables and check everything before anything is stored; a frame that raises has no key."""
    found = _read(wanted)
    for name, variable, _ in wanted:
        secret = found.get(name, "it is not set, or empty")
        if isinstance(secret, str):
            raise SecretError(f"the variable {variable}: {secret}. Nothing was stored")
        if target.holds(name):
            there = f"{target.label} has a key for {name} already. Nothing was stored"
            raise SecretError(f'{there}; saferoute.keys.rotate("{name}") puts another in its place')
    return [SecretRecord(name, secret, where) for name, _, where in wanted if isinstance(secret := found[name], Secret)]


def _read(wanted: Sequence[tuple[str, str, tuple[str, ...]]]) -> dict[str, Secret | str]:
    """Nothing is raised from here: this frame has the values."""
    values = environment.values([variable for _, variable, _ in wanted])
    return {name: secret_in(values[variable].strip()) for name, variable, _ in wanted if variable in values}


def _seconds(overlap: timedelta | float | None) -> float | None:
    """The length of an overlap.

    Raises:
        ConfigurationError: it is none.
    """
    if overlap is None:
        return None
    seconds = overlap.total_seconds() if isinstance(overlap, timedelta) else overlap
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_OVERLAP:
        raise ConfigurationError("an overlap is a timedelta or a number of seconds, above 0 and at most 90 days")
    return float(seconds)


def _made(value: str | None) -> Secret | str | None:
    return None if value is None else secret_in(value)


def _usable(made: Secret | str) -> Secret:
    if isinstance(made, str):
        raise SecretError(f"{made}. Nothing was stored")
    return made


def _asked(name: str, origins: tuple[str, ...]) -> Secret:
    binding = f"may go to {', '.join(origins)}; " if origins else ""
    return _usable(make_secret(ask_hidden(f"Key for {name} ({binding}not shown): ")))


def _origins(name: str, given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is not None:
        return _safe(bound_origins(given))
    catalogue = load_catalogue()
    known = next((provider.origin for provider in catalogue.providers if provider.secret == name), None)
    if known is None:
        raise ConfigurationError(_not_known(name, catalogue))
    return bound_origins(known)


def _not_known(name: str, catalogue: Catalogue) -> str:
    """Why there is no origin for a key of this name, and what to write."""
    row = catalogue.provider(name)
    users = [provider for provider in catalogue.entries if provider.secret == name]
    if not users and row is not None and row.parameters:
        return f'the key of {name} is called {row.secret}: saferoute.keys.add("{row.secret}", origins="{_to_fill_in(row)}")'
    if not users and row is not None:
        return f'the key of {name} is called {row.secret}: saferoute.keys.add("{row.secret}")'
    if not users:
        return (
            f"the catalogue does not know where a key called {name} may go: "
            f'say it, as in saferoute.keys.add("{name}", origins="https://api.example.com")'
        )
    example = f'say it, as in saferoute.keys.add("{name}", origins="{_to_fill_in(users[0])}")'
    more = ""
    if users[0].row["auth"] == "sigv4":
        more = ". Such a key is ACCESS_KEY_ID:SECRET_ACCESS_KEY, and :SESSION_TOKEN behind it for temporary keys"
    elif not users[0].environment:
        more = f". A token that ends soon is made rather than stored: [credentials.{name}] in routes.toml"
    elif row is not None and row.secret != name:
        more = f". The key of the row {name} is another one, called {row.secret}"
    return f"where a key called {name} may go depends on your {' and '.join(users[0].parameters)}: {example}{more}"


def _to_fill_in(provider: CatalogueProvider) -> str:
    """The provider's origin with its parameters in capitals, which no origin has: pasted as it is, it is refused."""
    return re.sub(r"\{([a-z_]+)\}", lambda hole: hole[1].upper(), provider.origin)


def _safe(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse plain http to another machine: the key would be read by everybody on the way, and no routing table goes there."""
    for text in origins:
        origin = parse_origin(text)
        if origin.scheme != "https" and origin.host not in _THIS_MACHINE:
            msg = (
                f"{text} is plain http, which shows the key to everybody on the way: use https://{origin.host}. Plain http is for "
                "model servers on this machine only (localhost, 127.0.0.1, [::1])"
            )
            raise ConfigurationError(msg)
    return origins


def _stores(store: Store) -> tuple[SecretStore, ...]:
    """The stores that are meant, in order; none is opened."""
    match store:
        case "auto":
            return open_keyring(), open_vault(VaultPlace())
        case "keyring" | Secrets(places=(KeyringPlace(),)):
            return (open_keyring(),)
        case "vault":
            return (open_vault(VaultPlace()),)
        case Secrets(places=(VaultPlace() as place,)):
            return (open_vault(place),)
        case _:
            raise ConfigurationError('store= takes "auto", "keyring", "vault", Secrets.keyring() or Secrets.vault(path)')


def _writable(store: Store) -> SecretStore:
    return open_keyring() if store == "auto" and _has_keyring() else _stores(store)[-1]


def _has_keyring() -> bool:
    return not open_keyring().why_absent("")


def _present(store: Store) -> tuple[SecretStore, ...]:
    """The stores that are meant and that this machine has. One that was named and is absent is an error when it is used."""
    if store != "auto":
        return _stores(store)
    keyring: tuple[SecretStore, ...] = (open_keyring(),) if _has_keyring() else ()
    try:
        return (*keyring, open_vault(VaultPlace()))
    except StoreAbsent:
        return keyring


def _holder(name: str, store: Store) -> SecretStore:
    holders = [place for place in _present(store) if place.holds(name)]
    if not holders:
        places = " or ".join(place.label for place in _present(store)) or "any store"
        raise SecretNotFound(f"there is no key for {name} in {places}; saferoute.keys.list() shows what is stored")
    if len(holders) > 1:
        raise SecretError(f'both the keyring and the vault have a key for {name}: say which, with store="keyring" or store="vault"')
    return holders[0]
