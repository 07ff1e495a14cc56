"""Descriptions of where secrets are looked for (`Secrets`): they open nothing, read nothing, and hold no key but in tests.

`saferoute.drivers.secret_sources.open_sources` makes a `saferoute.secrets.lookup.Sources` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from saferoute.errors import ConfigurationError, SaferouteError, SecretError
from saferoute.secrets.aws_places import AwsEnvironmentPlace, AwsProfilePlace, aws_environment, aws_profile
from saferoute.secrets.other_stores import StorePlace, store_place
from saferoute.secrets.places import (
    CatalogueEnv,
    DefaultPlace,
    EnvironmentPlace,
    FilePlace,
    HeldPlace,
    KeyringPlace,
    Origins,
    PromptPlace,
    VaultPlace,
)
from saferoute.secrets.platform_places import DirectoryPlace, ProgramPlace, SystemdPlace, directory_place, program_place, systemd_place
from saferoute.secrets.remote_places import AwsStorePlace, OpenBaoPlace, aws_store_place, bao_server, openbao_place
from saferoute.secrets.secret import Passphrase, Secret, SecretRecord, bound_origins, check_name

if TYPE_CHECKING:
    from pathlib import PurePath

    from saferoute.secrets.other_stores import ForeignStore

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
    | DirectoryPlace
    | SystemdPlace
    | ProgramPlace
    | StorePlace
    | OpenBaoPlace
    | AwsStorePlace
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
    def directory(cls, path: str | PurePath, keys: Mapping[str, Origins]) -> Secrets:
        """Take secrets from a mounted directory with one file each, of the secret's name, such as a Kubernetes secret's volume.

        Files are read when their secret is looked for, and again when they change. Links may lead anywhere inside the directory.

        Args:
            path: the directory.
            keys: for each secret's name, the origin (or origins) that it may go to.

        Raises:
            ConfigurationError: a malformed path, name or origin.
        """
        return cls((directory_place(path, keys),))

    @classmethod
    def systemd(cls, keys: Mapping[str, Origins]) -> Secrets:
        """Take secrets from this systemd service's credentials (LoadCredential=), whose directory $CREDENTIALS_DIRECTORY names.

        Args:
            keys: for each secret's name, which is the credential's too, the origin (or origins) that it may go to.

        Raises:
            ConfigurationError: a malformed name or origin.
        """
        return cls((systemd_place(keys),))

    @classmethod
    def from_process(
        cls,
        programs: Mapping[str, tuple[Sequence[str], Origins]],
        *,
        timeout: float = 10.0,
        environment: Mapping[str, str] | None = None,
    ) -> Secrets:
        """Take secrets from programs that write them to their output: the key alone, or {"v": 1, "secret": "..."}.

        Args:
            programs: for each secret's name, the program as a list of words that begins with its absolute path, and the origin (or
                origins) that the key may go to, as in `{"openai": (["/usr/bin/pass", "show", "openai"], "https://api.openai.com")}`.
            timeout: seconds for one run, at most 120.
            environment: variables for the programs, beside PATH, HOME and LC_ALL; they get nothing of this process's own.

        Raises:
            ConfigurationError: a malformed name, command, origin, time or environment.
        """
        return cls((program_place(programs, timeout, environment),))

    @classmethod
    def from_store(cls, store: ForeignStore, keys: Mapping[str, tuple[str, Origins]]) -> Secrets:
        """Take secrets from a store of your own: any object with a `label` and `fetch(reference)`.

        Args:
            store: the store; it is asked once for each secret, and again after the secret was refused.
            keys: for each secret's name, what `fetch` is given, and the origin (or origins) that the key may go to.

        Raises:
            ConfigurationError: it is no store, or a malformed name, reference or origin.
        """
        return cls((store_place(store, keys),))

    @classmethod
    def openbao(
        cls,
        address: str,
        keys: Mapping[str, tuple[str, Origins]],
        *,
        credentials: SecretsSpec = None,
        token: str | None = None,
        approle: tuple[str, str] | None = None,
        kubernetes: tuple[str, str] | None = None,
        mount: str = "secret",
        namespace: str | None = None,
        networks: Sequence[str] = (),
        ca_pem: str | None = None,
    ) -> Secrets:
        """Take secrets from a key-value store (version 2) of OpenBao, or of a server that speaks its protocol.

        Args:
            address: the server's origin; https, or http on 127.0.0.1.
            keys: for each secret's name, its path, and the origin (or origins) that the key may go to.
            credentials: where the secret is found that logs in, as `secrets=` of a client. It must be bound to the address.
            token: the name of that secret, if it is a token.
            approle: role id, and the name of that secret, if it is an AppRole's secret id.
            kubernetes: role, and the name of that secret, if it is a workload's JWT.
            mount: where the store is mounted.
            namespace: the namespace, if there is one.
            networks: CIDR blocks that the address may resolve to, for a server in a private network.
            ca_pem: roots as PEM text, in place of certifi's.

        Raises:
            ConfigurationError: a malformed address, name, path, origin or login.
        """
        server = bao_server(
            address, credentials=credentials, token=token, approle=approle, kubernetes=kubernetes,
            namespace=namespace, networks=networks, ca_pem=ca_pem,
        )  # fmt: skip
        return cls((openbao_place(server, keys, mount),))

    @classmethod
    def aws_secrets_manager(
        cls,
        region: str,
        keys: Mapping[str, tuple[str, Origins]],
        *,
        credentials: SecretsSpec = None,
        key: str = "aws",
        endpoint: str | None = None,
        networks: Sequence[str] = (),
    ) -> Secrets:
        """Take secrets from AWS Secrets Manager.

        Args:
            region: such as "eu-central-1".
            keys: for each secret's name, its name or ARN there, and the origin (or origins) that the key may go to.
            credentials: where the AWS key is found, as `secrets=` of a client. It must be bound to the endpoint.
            key: what that AWS key is called there.
            endpoint: an origin other than "https://secretsmanager.REGION.amazonaws.com", such as a VPC endpoint's.
            networks: CIDR blocks that the endpoint may resolve to, if it is in a private network.

        Raises:
            ConfigurationError: a malformed region, name, id, origin or endpoint.
        """
        return cls((aws_store_place(region, keys, credentials=credentials, key=key, endpoint=endpoint, networks=networks),))

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
