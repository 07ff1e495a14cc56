"""Reading one profile out of AWS' shared credentials file: two or three values, and nothing is followed anywhere.

The file's other settings can start programs, open addresses and name more files. A profile that has one of those is refused whole,
since the keys beside it are not what AWS' own tools would use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from saferoute.secrets.signer import joined_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.secrets.secret import Secret

__all__ = ["key_in_profile"]

_HEADING = re.compile(r"\[([^\[\]]+)\]\s*")
_SETTING = re.compile(r"([A-Za-z0-9_.-]{1,128})[ \t]*=[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_PARTS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_QUOTES = ("'", '"')

_EXPORT = (
    "what it makes can be handed over in variables, by `aws configure export-credentials --format env` and Secrets.from_aws_env, or as a "
    "stored key"
)
_ROW = "a row of the routing table's credentials does that (aws_web_identity, aws_container, aws_instance)"
_ADDRESS = "where a call goes is said by its row in the routing table"
_NOT_FOLLOWED: Mapping[str, str] = {
    "aws_security_token": "its present name is aws_session_token",
    "ca_bundle": "whom a call trusts is said by its route and the operating system",
    "credential_process": _EXPORT,
    "credential_source": _ROW,
    "endpoint_url": _ADDRESS,
    "external_id": _ROW,
    "login_session": _EXPORT,
    "mfa_serial": _EXPORT,
    "role_arn": _ROW,
    "services": _ADDRESS,
    "source_profile": _ROW,
    "web_identity_token_file": _ROW,
}


def key_in_profile(data: bytes, profile: str) -> Secret | str | None:
    """Read a profile's key.

    Args:
        data: the whole file.
        profile: what stands between [ and ].

    Returns:
        The key as it would be stored; None if the file has no such profile; or what is wrong, with nothing of the file but the names of
        its settings. Nothing is raised: this frame has the keys.
    """
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return "the file is not UTF-8"
    found = _settings(lines, profile)
    if found is None or isinstance(found, str):
        return found
    problem = _unusable(found)
    return problem or joined_key(found[_PARTS[0]], found[_PARTS[1]], found.get(_PARTS[2]))


def _settings(lines: list[str], profile: str) -> dict[str, str] | str | None:
    """The settings of a profile; of lines that belong to a setting above them, only the keys' own are refused."""
    found: dict[str, str] | None = None
    inside, last = False, ""
    for number, whole in enumerate(lines, start=1):
        line = whole.removesuffix("\r")
        if "\r" in line:  # AWS' own reader takes it for the end of a line
            return f"line {number} holds a carriage return that does not end it"
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        if line.startswith("["):
            heading = _HEADING.fullmatch(line)
            if heading is None:
                return f"line {number} begins with [ and is no heading"
            inside, last = heading[1] == profile, ""
            if inside and found is not None:
                return f"line {number} begins the profile a second time"
            found = {} if inside else found
        elif inside and found is not None:
            if line[0].isspace():
                if last in {"", *_PARTS}:
                    return f"line {number} begins with a blank, which makes it a part of the line above"
                continue
            setting = _SETTING.fullmatch(line)
            last = setting[1].lower() if setting else ""
            if setting is None or last in found:
                return f"line {number} is not name = value, or names a setting a second time"
            found[last] = setting[2].strip()
    return found


def _unusable(found: Mapping[str, str]) -> str:
    """What keeps these settings from being a key; "" if nothing does."""
    for name in found:
        plain = "endpoint_url" if name.startswith("endpoint_url") else "credential_process" if name.startswith("sso_") else name
        if plain in _NOT_FOLLOWED:
            return f"it has {name}, which saferoute does not follow: {_NOT_FOLLOWED[plain]}"
    for name in _PARTS:
        value = found.get(name)
        if not value and (name in found or name != _PARTS[2]):
            return f"it has no {name}" if value is None else f"its {name} is empty"
        if value and value[0] in _QUOTES:
            return f"its {name} is in quotes, which AWS takes for a part of the value"
    return ""
