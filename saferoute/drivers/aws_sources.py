"""Opening the places that AWS' own tools keep keys in: each is read once, when the client is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.drivers import environment
from saferoute.drivers.storage.private_file import read_private
from saferoute.errors import SecretError, SecretStoreLocked
from saferoute.secrets.aws_places import AwsEnvironmentPlace
from saferoute.secrets.aws_profile import key_in_profile
from saferoute.secrets.lookup import AbsentSource, MemorySource
from saferoute.secrets.secret import SecretRecord
from saferoute.secrets.signer import joined_key

if TYPE_CHECKING:
    from saferoute.secrets.aws_places import AwsProfilePlace
    from saferoute.secrets.secret import Secret, SecretSource

__all__ = ["open_aws"]

_MAX_FILE = 1_048_576


def open_aws(place: AwsEnvironmentPlace | AwsProfilePlace) -> SecretSource:
    """Read what a place describes; what is not there at all counts as empty.

    Raises:
        SecretStoreLocked: the credentials file cannot be read, or others can read it too.
        SecretError: half a key is there, or something that is no key.
    """
    return _open_environment(place) if isinstance(place, AwsEnvironmentPlace) else _open_profile(place)


def _open_environment(place: AwsEnvironmentPlace) -> SecretSource:
    """Read the variables.

    Raises:
        SecretError: one of the two that belong together is missing, or they are no key.
    """
    identity, secret, _ = place.variables
    names = environment.present(place.variables)
    if identity not in names and secret not in names:
        return AbsentSource(place.label, f"{identity} and {secret} are not set.")
    if identity not in names or secret not in names:
        here, missing = (identity, secret) if identity in names else (secret, identity)
        msg = f"{here} is set and {missing} is not: an AWS key has both"
        raise SecretError(msg)
    found = _joined(place.variables)
    if isinstance(found, str):
        msg = f"the variables {identity} and {secret}: {found}"
        raise SecretError(msg)
    return MemorySource([SecretRecord(place.name, found, place.origins)], label=place.label)


def _joined(variables: tuple[str, str, str]) -> Secret | str:
    """Nothing is raised from here: this frame has the keys."""
    values = environment.values(variables)
    identity, secret, token = variables
    return joined_key(values[identity], values[secret], values.get(token))


def _open_profile(place: AwsProfilePlace) -> SecretSource:
    """Read the profile.

    Raises:
        SecretStoreLocked: the file cannot be read, or others can.
        SecretError: the profile holds no key, or more than one: something that would have to be followed.
    """
    path = _default_path() if place.path is None else Path(place.path)
    if path is None:
        return AbsentSource(place.label, "This user has no home directory: name the credentials file.")
    try:
        found = _read(path, place.profile)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if found is None or found == "":
            there = f"The file {path} has no profile {place.profile}." if found is None else f"There is no file {path}."
            return AbsentSource(place.label, there)
        if isinstance(found, str):
            msg = f"{place.label} cannot be used: {found}"
            raise SecretError(msg)
        return MemorySource([SecretRecord(place.name, found, place.origins)], label=place.label)
    msg = f"{place.label} cannot be read: {reason}"
    raise SecretStoreLocked(msg)


def _read(path: Path, profile: str) -> Secret | str | None:
    """The profile's key, None if there is no such profile, "" if there is no file; this frame has the file's content."""
    data = read_private(path, max_bytes=_MAX_FILE)
    return "" if data is None else key_in_profile(data, profile)


def _default_path() -> Path | None:
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ".aws" / "credentials" if home.is_absolute() else None
