"""Descriptions of places that a platform prepares: mounted directories, systemd's credentials, and a program that hands a key over.

They open nothing and read nothing. See `saferoute.secrets.sources`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from saferoute.errors import ConfigurationError
from saferoute.secrets.secret import bound_origins, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePath

__all__ = ["DirectoryPlace", "ProgramPlace", "SystemdPlace", "directory_place", "program_place", "systemd_place"]

_MOST_WORDS: Final = 64
_MOST_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """A directory with one file for each secret, of the secret's name; `keys` is (name, origins) of each."""

    path: str
    keys: tuple[tuple[str, tuple[str, ...]], ...]
    label: str


@dataclass(frozen=True, slots=True)
class SystemdPlace:
    """The directory of a systemd service's credentials, which $CREDENTIALS_DIRECTORY names; `keys` as in DirectoryPlace."""

    keys: tuple[tuple[str, tuple[str, ...]], ...]
    label: str = "the credentials of this systemd service"


@dataclass(frozen=True, slots=True)
class ProgramPlace:
    """Programs that write a secret to their output; `programs` is (name, words, origins) of each."""

    programs: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    timeout: float
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    label: str = "the program that was named"


def directory_place(path: str | PurePath, keys: Mapping[str, str | Sequence[str]]) -> DirectoryPlace:
    """Describe a directory.

    Raises:
        ConfigurationError: a malformed path, name or origin.
    """
    text = str(path)
    if not text or not text.isprintable():
        msg = "Secrets.directory takes the path of a directory and, for each secret in it, where that secret may go"
        raise ConfigurationError(msg)
    return DirectoryPlace(text, _file_keys(keys), f"the directory {text}")


def systemd_place(keys: Mapping[str, str | Sequence[str]]) -> SystemdPlace:
    """Describe a systemd service's credentials.

    Raises:
        ConfigurationError: a malformed name or origin.
    """
    return SystemdPlace(_file_keys(keys))


def _file_keys(keys: Mapping[str, str | Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    rows = []
    for name, origins in keys.items():
        if "/" in check_name(name):
            msg = f"the secret {name!r} cannot be a file of one directory, as its name has a slash; Secrets.from_file takes any path for it"
            raise ConfigurationError(msg)
        rows.append((name, bound_origins(origins)))
    return tuple(rows)


def program_place(
    programs: Mapping[str, tuple[Sequence[str], str | Sequence[str]]], timeout: float, environment: Mapping[str, str] | None
) -> ProgramPlace:
    """Describe programs.

    Raises:
        ConfigurationError: a malformed name, command, origin, time or environment.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not math.isfinite(timeout) or not 0 < timeout <= _MOST_SECONDS:
        msg = f"the timeout of a credential program is a number of seconds, above 0 and at most {_MOST_SECONDS:g}"
        raise ConfigurationError(msg)
    given = tuple((environment or {}).items())
    if not all(_is_variable(name) and isinstance(value, str) and "\0" not in value for name, value in given):
        msg = "the environment of a credential program is a mapping of variable names to texts"
        del given, environment
        raise ConfigurationError(msg)
    rows = []
    for name, pair in programs.items():
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004  a pair
            msg = f'write {check_name(name)!r} as a pair, such as (["/usr/bin/pass", "show", "openai"], "https://api.openai.com")'
            raise ConfigurationError(msg)
        rows.append((check_name(name), _words(name, pair[0]), bound_origins(pair[1])))
    return ProgramPlace(tuple(rows), float(timeout), given)


def _words(name: str, command: Sequence[str]) -> tuple[str, ...]:
    """A command as words. One text is refused: it would need a shell, or something that reads like one."""
    words = () if isinstance(command, str) or not all(isinstance(word, str) for word in command) else tuple(command)
    if not 1 <= len(words) <= _MOST_WORDS or any("\0" in word for word in words) or not words[0].startswith(("/", "C:\\")):
        msg = (
            f"the program for {name!r} is a list of words whose first is the absolute path of the program, such as "
            '["/usr/bin/pass", "show", "openai"]: nothing is looked up in PATH, and no shell reads it'
        )
        raise ConfigurationError(msg)
    return words


def _is_variable(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
