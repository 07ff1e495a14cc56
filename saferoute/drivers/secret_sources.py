"""Opening what `secrets=` describes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from saferoute.drivers import environment
from saferoute.drivers.prompt import PromptSource, ask_passphrase
from saferoute.errors import ConfigurationError, SecretError
from saferoute.secrets.aws_places import AwsEnvironmentPlace, AwsProfilePlace
from saferoute.secrets.document import secret_in
from saferoute.secrets.lookup import AbsentSource, MemorySource, Sources, StoreAbsent
from saferoute.secrets.other_stores import ForeignSource, StorePlace
from saferoute.secrets.platform_places import DirectoryPlace, ProgramPlace, SystemdPlace
from saferoute.secrets.remote_places import AwsStorePlace, OpenBaoPlace
from saferoute.secrets.secret import Passphrase, SecretRecord, SecretSource
from saferoute.secrets.sources import DefaultPlace, EnvironmentPlace, FilePlace, HeldPlace, KeyringPlace, PromptPlace, Secrets, VaultPlace

if TYPE_CHECKING:
    from saferoute.drivers.keyring_store import KeyringStore
    from saferoute.drivers.storage.vault_file import VaultStore
    from saferoute.secrets.sources import CatalogueEnv, Place, SecretsSpec

__all__ = ["open_keyring", "open_sources", "open_vault", "places_of"]

_ENVIRONMENT_NOTE = "Keys come from environment variables, which every child process and crash report of this process may see."


def places_of(spec: SecretsSpec) -> tuple[Place, ...]:
    """Spell out what was given for `secrets=`; None is the keyring, or the default vault on a machine that has no keyring.

    Raises:
        ConfigurationError: a word that is none of "keyring", "vault", "env" and "prompt", or another type. What was given is not shown:
            people have passed the key itself.
    """
    if spec is None:
        return (DefaultPlace(),)
    if isinstance(spec, Secrets):
        return spec.places
    if isinstance(spec, str):
        words: dict[str, Place] = {"keyring": KeyringPlace(), "vault": VaultPlace(), "env": EnvironmentPlace(), "prompt": PromptPlace()}
        if spec in words:
            return (words[spec],)
    elif isinstance(spec, Sequence) and spec and not any(isinstance(one, Sequence) and not isinstance(one, str) for one in spec):
        return tuple(place for one in spec for place in places_of(one))  # type: ignore[arg-type]  # a str is a Sequence to mypy
    msg = (
        'secrets= takes "keyring", "vault", "env", "prompt", a saferoute.Secrets, or a sequence of those; '
        'a key itself goes into a store: saferoute.keys.add("openai")'
    )
    raise ConfigurationError(msg)


def open_sources(spec: SecretsSpec, catalogue_env: CatalogueEnv) -> Sources:
    """Open what `secrets=` describes, in order.

    The environment is read here, once, and only the names that are listed. The keyring and the vault are opened, and a person is
    asked, when the first secret is looked for: a client that never asks them never touches them.

    Args:
        spec: what the caller gave. None is the keyring; on a machine that has no keyring at all, the default vault if that file is
            there; never the environment. A keyring that is there and locked is an error, not a reason to open the vault.
        catalogue_env: of each secret that the catalogue knows, the variables that may hold it and its origin.

    Raises:
        ConfigurationError: that makes no sense.
        SecretError: a variable that the caller named holds something that is no key.
    """
    places = places_of(spec)
    notes = [_ENVIRONMENT_NOTE] if any(isinstance(place, EnvironmentPlace | AwsEnvironmentPlace) for place in places) else []
    sources = [_open(place, catalogue_env) for place in places]
    for source in sources:
        notes += getattr(source, "notes", ())  # such as files that everybody may read
    return Sources(
        sources, places=places, catalogue=catalogue_env, present=environment.present, vault_with=_default_vault_with, notes=notes
    )


def _open(place: Place, catalogue_env: CatalogueEnv) -> SecretSource:
    match place:
        case EnvironmentPlace(variables=None):
            listed = [(name, variable, (origin,)) for name, (variables, origin) in catalogue_env.items() for variable in variables]
            return _environment(listed, place.label)
        case EnvironmentPlace():
            variables = place.variables or ()
            source = _environment(variables, place.label)
            for name, *_ in variables:
                source.find(name)  # a variable that the caller named and that holds no key is an error now, not at the first call
            return source
        case DefaultPlace():
            return _DefaultSource(open_keyring(), place.label)
        case KeyringPlace():
            return open_keyring()
        case VaultPlace():
            return _vault_or_absent(place)
        case FilePlace():
            from saferoute.drivers.secret_files import FileSource  # noqa: PLC0415  who names no files does not need it

            return FileSource(place.files, place.label)
        case PromptPlace():
            known = {name: (origin,) for name, (_, origin) in catalogue_env.items()}
            return PromptSource(known | dict(place.origins))
        case HeldPlace():
            return MemorySource(place.records, label=place.label)
        case _:
            return _open_prepared(place)


def _open_prepared(
    place: AwsEnvironmentPlace | AwsProfilePlace | DirectoryPlace | SystemdPlace | ProgramPlace | StorePlace | OpenBaoPlace | AwsStorePlace,
) -> SecretSource:
    """A place that somebody else prepares: tools of AWS, a platform, a program, a store. Each driver is loaded when its place is named."""
    match place:
        case AwsEnvironmentPlace() | AwsProfilePlace():
            from saferoute.drivers.aws_sources import open_aws  # noqa: PLC0415

            return open_aws(place)
        case DirectoryPlace():
            from saferoute.drivers.secret_directory import DirectorySource  # noqa: PLC0415

            return DirectorySource(place.path, place.keys, place.label)
        case SystemdPlace():
            from saferoute.drivers.secret_directory import open_systemd  # noqa: PLC0415

            return open_systemd(place)
        case ProgramPlace():
            from saferoute.drivers.credential_process import Programs  # noqa: PLC0415

            return ForeignSource(Programs(place), [(name, name, origins) for name, _, origins in place.programs])
        case StorePlace():
            return ForeignSource(place.store, place.keys)
        case OpenBaoPlace() | AwsStorePlace():
            return _open_remote(place)
        case _:
            assert_never(place)


def _open_remote(place: OpenBaoPlace | AwsStorePlace) -> SecretSource:
    """A store that is asked over the network; nobody is connected to yet. What logs in is found in places of its own."""
    if isinstance(place, OpenBaoPlace):
        from saferoute.drivers.openbao import OpenBaoKeys  # noqa: PLC0415

        return ForeignSource(OpenBaoKeys(place, open_sources(place.server.credentials, {}).find), place.keys)
    from saferoute.drivers.aws_secrets_manager import AwsSecretsManager  # noqa: PLC0415

    return ForeignSource(AwsSecretsManager(place, open_sources(place.credentials, {}).find), place.keys)


def _vault_or_absent(place: VaultPlace) -> SecretSource:
    try:
        return open_vault(place)
    except StoreAbsent as error:
        return AbsentSource(place.label, error.message)


def _environment(listed: Sequence[tuple[str, str, tuple[str, ...]]], label: str) -> MemorySource:
    """Read these variables once; of several for one name, the first that is set counts."""
    found = environment.values([variable for _, variable, _ in listed])
    records: dict[str, SecretRecord] = {}
    broken: dict[str, str] = {}
    for name, variable, origins in listed:
        if variable in found and name not in records and name not in broken:
            secret = secret_in(found[variable])
            if isinstance(secret, str):
                broken[name] = f"the variable {variable}: {secret}"
            else:
                records[name] = SecretRecord(name, secret, origins)
    return MemorySource(records.values(), label=label, broken=broken)


class _DefaultSource:
    """The keyring; on a machine that has none at all, the default vault if that file is there. Its label says which it was."""

    __slots__ = ("_keyring", "_lock", "_vault", "label")

    def __init__(self, keyring: KeyringStore, label: str) -> None:
        self.label = label
        self._keyring = keyring
        self._vault: VaultStore | None = None
        self._lock = threading.Lock()

    def find(self, name: str) -> SecretRecord | None:
        """Look a secret up.

        Raises:
            StoreAbsent: there is neither.
            SecretError: the one that is there does not open (SecretStoreLocked) or is damaged.
        """
        try:
            return self._keyring.find(name)
        except StoreAbsent:
            vault = self._instead()
            if vault is None:
                raise
        return vault.find(name)

    def names(self) -> tuple[str, ...]:
        """The names that are stored.

        Raises:
            SecretError: as in `find`.
        """
        try:
            return self._keyring.names()
        except StoreAbsent:
            vault = self._instead()
            return () if vault is None else vault.names()

    def holding(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which of these names are stored: the keyring's list tells, and a vault is opened.

        Raises:
            StoreAbsent: there is neither.
            SecretError: as in `find`.
        """
        try:
            return self._keyring.holding(names)
        except StoreAbsent:
            return tuple(name for name in names if self.find(name) is not None)

    def forget(self, name: str) -> None:
        """Nothing: both are read anew every time."""

    def why_absent(self, name: str) -> str:
        """Why there is neither, for the words of an error."""
        reason = self._keyring.why_absent(name)
        return reason if reason and self._instead() is None else ""

    def _instead(self) -> VaultStore | None:
        with self._lock:  # one store, as it keeps the key that the passphrase gave
            if self._vault is None and (path := _default_vault_file()) is not None:
                self._vault = open_vault(VaultPlace())
                self.label = f"the vault {path}"
            return self._vault


def _default_vault_file() -> Path | None:
    """The default vault's path if there is a file."""
    from saferoute.drivers.storage.vault_file import default_vault_path  # noqa: PLC0415

    try:
        path = default_vault_path()
    except StoreAbsent:
        return None
    return path if os.path.exists(path) else None  # noqa: PTH110  Path.exists raises where the folder is somebody else's


def _default_vault_with(names: Sequence[str]) -> str:
    """What the default vault is called if it lists one of these names: no passphrase is needed to tell."""
    if _default_vault_file() is None:
        return ""
    vault = open_vault(VaultPlace())
    try:
        return vault.label if not set(names).isdisjoint(vault.names()) else ""
    except SecretError:  # it is no vault, or others can read it: it was not asked for, and the missing key is the error to tell
        return ""


def open_keyring() -> KeyringStore:
    """The keyring, not yet touched."""
    from saferoute.drivers.keyring_store import KeyringStore  # noqa: PLC0415

    return KeyringStore()


def open_vault(place: VaultPlace) -> VaultStore:
    """The vault that a description names, not yet opened.

    Raises:
        StoreAbsent: the default vault was meant, and this user has no home directory.
    """
    from saferoute.drivers.storage.vault_file import VaultStore, default_vault_path, passphrase_of_file  # noqa: PLC0415

    path = default_vault_path() if place.path is None else Path(place.path)

    def passphrase(new: bool) -> Passphrase:  # noqa: FBT001  the one question
        if place.key_file is not None:
            return passphrase_of_file(Path(place.key_file))
        if isinstance(place.passphrase, Passphrase):
            return place.passphrase
        if place.passphrase is not None:
            return _returned(place.passphrase())
        return ask_passphrase(f"the vault {path}", twice=new)

    return VaultStore(path, passphrase)


def _returned(value: object) -> Passphrase:
    made: object = "it returned no text"
    if isinstance(value, str):
        try:
            made = Passphrase(value)
        except SecretError as error:
            made = error.message
    del value
    if isinstance(made, Passphrase):
        return made
    raise ConfigurationError(f"the passphrase function of the vault: {made}")
