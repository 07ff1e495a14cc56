"""Descriptions of the places where secrets are looked for. See `saferoute.secrets.sources`, which offers them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from saferoute.secrets.secret import Passphrase, SecretRecord

__all__ = [
    "CatalogueEnv",
    "DefaultPlace",
    "EnvironmentPlace",
    "FilePlace",
    "HeldPlace",
    "KeyringPlace",
    "Origins",
    "PromptPlace",
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
