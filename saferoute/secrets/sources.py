"""Descriptions of where secrets are looked for (`Secrets`): they open nothing, read nothing, and hold no key but in tests.

`saferoute.drivers.secret_sources.open_sources` makes a `saferoute.secrets.lookup.Sources` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from saferoute.errors import ConfigurationError, SaferouteError, SecretError
from saferoute.secrets.aws_places import AwsEnvironmentPlace, AwsProfilePlace, aws_environment, aws_profile
from saferoute.secrets.secret import Passphrase, Secret, SecretRecord, bound_origins, check_name

if TYPE_CHECKING:
    from pathlib import PurePath

__all__ = [
    "CatalogueEnv",
    "DefaultPlace",
    "EnvironmentPlace",
    "FilePlace",
    "HeldPlace",
    "KeyringPlace",
    "Place",
    "PromptPlace",
    "Secrets",
    "SecretsSpec",
    "VaultPlace",
]

Origins: TypeAlias = str | Sequence[str]
CatalogueEnv: TypeAlias = Mapping[str, tuple[Sequence[str], str]]
"""Of each secret that the catalogue knows: the environment variables that may hold it, in order, and the origin it is bound to."""


@dataclass(frozen=True, slots=True)
class EnvironmentPlace:
    """Environment variables; `variables` is (name, variable, origins) of each, None for those that the catalogue lists."""

    variables: tuple[tuple[str, str, tuple[str, ...]], ...] | None = None
    label: str = "the environment"


@dataclass(frozen=True, slots=True)
class KeyringPlace:
    """The operating system's keyring."""

    label: str = "the keyring"


@dataclass(frozen=True, slots=True)
class DefaultPlace:
    """What `secrets=None` means: the keyring; on a machine that has none at all, the default vault if that file is there."""

    label: str = "the keyring"


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """A vault file; `path` None is the default one, no `passphrase` and no `key_file` asks for the passphrase."""

    path: str | None = None
    passphrase: Passphrase | Callable[[], str] | None = field(default=None, repr=False)
    key_file: str | None = None
    label: str = "the vault"


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Files, one for each secret, read anew whenever a secret is looked for; `files` is (name, path, origins) of each."""

    files: tuple[tuple[str, str, tuple[str, ...]], ...]
    label: str = "the files that were named"


@dataclass(frozen=True, slots=True)
class PromptPlace:
    """The person at the terminal or notebook; `origins` is (name, origins) of names that the catalogue does not know."""

    origins: tuple[tuple[str, tuple[str, ...]], ...] = ()
    label: str = "what was typed in"


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """Records handed over in the program's memory, for tests."""

    records: tuple[SecretRecord, ...]
    label: str = "memory"


Place: TypeAlias = (
    EnvironmentPlace
    | DefaultPlace
    | KeyringPlace
    | VaultPlace
    | FilePlace
    | PromptPlace
    | HeldPlace
    | AwsEnvironmentPlace
    | AwsProfilePlace
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where a client looks for its keys: a description that opens nothing, reads nothing and (but for `of`) holds no key.

    Give one to `secrets=`, or several in a sequence to look in order.
    """

    places: tuple[Place, ...]

    @classmethod
    def from_env(cls, variables: Mapping[str, tuple[str, Origins]]) -> Secrets:
        """Take secrets from environment variables that you name, read once when the client is made.

        Args:
            variables: for each secret's name, the variable and the origin (or origins) that the key may go to, as in
                `{"openai": ("OPENAI_API_KEY", "https://api.openai.com")}`.

        Raises:
            ConfigurationError: a malformed name, variable or origin.
        """
        rows = []
        for name, pair in variables.items():
            variable, origins = _pair(name, pair)
            if not variable or "=" in variable or not variable.isprintable() or not variable.isascii():
                msg = f"the variable for {name!r} is not the name of an environment variable"
                raise ConfigurationError(msg)
            rows.append((check_name(name), variable, bound_origins(origins)))
        return cls((EnvironmentPlace(tuple(rows)),))

    @classmethod
    def from_aws_env(
        cls,
        *,
        origins: Origins,
        name: str = "aws",
        access_key: str = "AWS_ACCESS_KEY_ID",
        secret_key: str = "AWS_SECRET_ACCESS_KEY",  # noqa: S107  a variable's name
        session_token: str = "AWS_SESSION_TOKEN",  # noqa: S107  a variable's name
    ) -> Secrets:
        """Take an AWS key, for rows with auth = "sigv4", from the environment variables that AWS' own tools use, or others that you name.

        They are read once, when the client is made; the session token is optional.

        Args:
            origins: the origin (or origins) that requests may be signed for, such as "https://bedrock-runtime.us-east-1.amazonaws.com".
            name: what the routing table calls the secret.
            access_key: the variable with the access key id.
            secret_key: the variable with the secret access key.
            session_token: the variable with the session token of temporary keys.

        Raises:
            ConfigurationError: a malformed name, variable or origin.
        """
        return cls((aws_environment(name, origins, (access_key, secret_key, session_token)),))

    @classmethod
    def from_aws_profile(
        cls, profile: str = "default", *, origins: Origins, path: str | PurePath | None = None, name: str = "aws"
    ) -> Secrets:
        """Take an AWS key, for rows with auth = "sigv4", from a profile of the shared credentials file, read once when the client is made.

        Only aws_access_key_id, aws_secret_access_key and aws_session_token are taken. A profile that starts a program, assumes a role or
        names an address is refused, as nothing in the file is followed. The file must be the user's own and closed to others.

        Args:
            profile: what stands between [ and ].
            origins: the origin (or origins) that requests may be signed for.
            path: the file; None for `~/.aws/credentials`.
            name: what the routing table calls the secret.

        Raises:
            ConfigurationError: a malformed name, profile or origin.
        """
        return cls((aws_profile(name, origins, profile, path),))

    @classmethod
    def from_file(cls, files: Mapping[str, tuple[str | PurePath, Origins]]) -> Secrets:
        """Take secrets from files that you name, such as a workload's token or a service account's key.

        A file is read when its secret is looked for, and again for every short-lived credential that is made from it, so that a token
        that the platform rotates stays right. It must be a regular file of yours or of root's that others cannot write; a symbolic link
        may lead no further than into the file's own directory. A line end is cut off; a JSON document is taken as a whole.

        Args:
            files: for each secret's name, the file and the origin (or origins) that the secret may go to, as in
                `{"vertex-key": ("/etc/acme/vertex.json", "https://oauth2.googleapis.com")}`.

        Raises:
            ConfigurationError: a malformed name, path or origin.
        """
        rows = []
        for name, pair in files.items():
            if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004  a pair
                msg = f'write {check_name(name)!r} as a pair with the origin, such as ("/etc/acme/key", "https://api.example.com")'
                raise ConfigurationError(msg)
            path, origins = str(pair[0]), pair[1]
            if not path or not path.isprintable():
                msg = f"the file for {name!r} is not a path"
                raise ConfigurationError(msg)
            rows.append((check_name(name), path, bound_origins(origins)))
        return cls((FilePlace(tuple(rows)),))

    @classmethod
    def keyring(cls) -> Secrets:
        """Take secrets from the operating system's keyring (Secret Service, macOS Keychain, Windows Credential Manager, KWallet)."""
        return cls((KeyringPlace(),))

    @classmethod
    def vault(
        cls,
        path: str | PurePath | None = None,
        *,
        passphrase: str | Callable[[], str] | None = None,
        key_file: str | PurePath | None = None,
    ) -> Secrets:
        """Take secrets from an encrypted vault file.

        Args:
            path: the file; None for `~/.config/saferoute/vault.json`.
            passphrase: the passphrase, or a function that returns it when the vault is first opened.
            key_file: a file that holds the passphrase, readable by its owner only. With neither, the passphrase is asked for.

        Raises:
            ConfigurationError: both a passphrase and a key file.
            SecretError: an empty passphrase.
        """
        if passphrase is not None and key_file is not None:
            msg = "give the vault a passphrase or a key_file, not both"
            raise ConfigurationError(msg)
        hidden = Passphrase(passphrase) if isinstance(passphrase, str) else passphrase
        return cls((VaultPlace(_path(path), hidden, _path(key_file)),))

    @classmethod
    def prompt(cls, origins: Mapping[str, Origins] | None = None) -> Secrets:
        """Ask the person at the terminal or notebook, without echo, once for each secret; nothing is stored.

        Args:
            origins: for secrets that the catalogue does not know, the origin (or origins) that the key may go to.

        Raises:
            ConfigurationError: a malformed name or origin.
        """
        rows = tuple((check_name(name), bound_origins(where)) for name, where in (origins or {}).items())
        return cls((PromptPlace(rows),))

    @classmethod
    def of(cls, secrets: Mapping[str, tuple[str, Origins]]) -> Secrets:
        """Hold secrets in memory: for tests, where the key is made up.

        Args:
            secrets: for each name, the key and the origin (or origins) that it may go to.

        Raises:
            ConfigurationError: a malformed name or origin.
            SecretError: a malformed key.
        """
        made = _held(secrets)
        del secrets  # no traceback that shows this frame's locals shows a key
        if isinstance(made, SaferouteError):
            raise type(made)(made.message)
        return cls((HeldPlace(made),))

    @property
    def labels(self) -> tuple[str, ...]:
        """What each place is called, in order."""
        return tuple(place.label for place in self.places)


SecretsSpec: TypeAlias = (
    Secrets | Literal["keyring", "vault", "env", "prompt"] | Sequence[Secrets | Literal["keyring", "vault", "env", "prompt"]] | None
)


def _pair(name: str, pair: object) -> tuple[str, Origins]:
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str):  # noqa: PLR2004  a pair
        msg = f'write {check_name(name)!r} as a pair with the origin, such as ("OPENAI_API_KEY", "https://api.openai.com")'
        del pair
        raise ConfigurationError(msg)
    return pair[0], pair[1]


def _held(secrets: Mapping[str, tuple[str, Origins]]) -> tuple[SecretRecord, ...] | SaferouteError:
    """Make records, or the error. Nothing is raised from here: this frame holds the keys."""
    records = []
    try:
        for name, pair in secrets.items():
            value, origins = _pair(name, pair)
            records.append(SecretRecord(check_name(name), Secret(value), bound_origins(origins)))
    except (ConfigurationError, SecretError) as error:
        return error
    return tuple(records)


def _path(path: str | PurePath | None) -> str | None:
    return None if path is None else str(path)
