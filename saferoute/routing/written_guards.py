"""A guard profile and a prompt template as people write them in routes.toml, in the signed table's own words."""

from __future__ import annotations

from typing import Any

from saferoute.routing.guard_profiles import GUARD_PROFILE, PROFILE_NAME, TEMPLATE, TEMPLATE_NAME
from saferoute.routing.schema import check
from saferoute.signing.refusal import Refused
from saferoute.values.template_text import template_digest

__all__ = ["written_profile", "written_template"]


def written_profile(raw: object, path: str) -> dict[str, Any]:
    """Read a `[guards.NAME]`.

    Args:
        raw: as it stands in the file.
        path: where, for errors.

    Raises:
        Refused: for what no profile can be; whether its templates are there is found out when it is compiled.
    """
    check(path.partition(".")[2], PROFILE_NAME, path)
    check(raw, GUARD_PROFILE, path)
    return dict(raw)  # type: ignore[call-overload,no-any-return]  # the shape says so


def written_template(raw: object, path: str) -> dict[str, Any]:
    """Read a `[templates.NAME]`; the digest of a text that is there need not be written.

    Args:
        raw: as it stands in the file.
        path: where, for errors.

    Raises:
        Refused: for what no template can be; whether text, digest and variables fit is found out when it is compiled.
    """
    check(path.partition(".")[2], TEMPLATE_NAME, path)
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be a table such as {{ text = "Answer in {{language}}.", variables = {{ language = "line" }} }}')
    fields: dict[str, Any] = {"variables": {}, **raw}
    if "sha256" not in fields:
        if not isinstance(fields.get("text"), str):
            raise Refused(f"{path} needs its text, or the sha256 of a text that the program brings")
        fields["sha256"] = template_digest(fields["text"])
    check(fields, TEMPLATE, path)
    return fields
