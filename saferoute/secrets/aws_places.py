"""Descriptions of the two places that AWS' own tools keep keys in: three environment variables, and a profile of the credentials file.

Neither is looked at unless a caller lists it. See `saferoute.secrets.sources`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError
from saferoute.secrets.secret import bound_origins, check_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePath

__all__ = ["AwsEnvironmentPlace", "AwsProfilePlace", "aws_environment", "aws_profile"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PROFILE = re.compile(r"[^\[\]\x00-\x20\x7f](?:[^\[\]\x00-\x1f\x7f]{0,126}[^\[\]\x00-\x20\x7f])?")


@dataclass(frozen=True, slots=True)
class AwsEnvironmentPlace:
    """Environment variables that are one AWS key together; `variables` is access key id, secret access key, session token."""

    name: str
    variables: tuple[str, str, str]
    origins: tuple[str, ...]
    label: str = "the environment"


@dataclass(frozen=True, slots=True)
class AwsProfilePlace:
    """A profile of a shared credentials file; `path` None is `~/.aws/credentials`."""

    name: str
    profile: str
    path: str | None
    origins: tuple[str, ...]
    label: str


def aws_environment(name: str, origins: str | Sequence[str], variables: tuple[str, str, str]) -> AwsEnvironmentPlace:
    """Describe environment variables.

    Raises:
        ConfigurationError: a malformed name, variable or origin, or one variable for two things.
    """
    if len(set(variables)) != len(variables) or not all(isinstance(one, str) and _VARIABLE.fullmatch(one) for one in variables):
        msg = "an AWS key comes from three different environment variables: its id, its secret, and the session token of temporary keys"
        raise ConfigurationError(msg)
    return AwsEnvironmentPlace(check_name(name), variables, bound_origins(origins))


def aws_profile(name: str, origins: str | Sequence[str], profile: str, path: str | PurePath | None) -> AwsProfilePlace:
    """Describe a profile.

    Raises:
        ConfigurationError: a malformed name, profile or origin.
    """
    if not isinstance(profile, str) or _PROFILE.fullmatch(profile) is None:
        msg = "a profile of AWS is named by what stands between [ and ] in the credentials file, such as default"
        raise ConfigurationError(msg)
    where = "~/.aws/credentials" if path is None else str(path)
    label = f"the AWS profile {profile} in {where}"
    return AwsProfilePlace(check_name(name), profile, None if path is None else str(path), bound_origins(origins), label)
