"""The table's `guards` and `templates`: what rows ask of guards, and the prompt templates that may stand as instructions.

A row names a profile. Profile and template stand in the same signed bytes as the row, so nobody but the table's signer makes a guard
weaker, allows a tool or changes a template.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from saferoute.routing.schema import Flag, ListOf, MapOf, Record, Text, Whole
from saferoute.signing.refusal import Refused
from saferoute.values.guard_profile import Approval, ArgumentRule, GuardProfile, GuardSetting, ToolRule
from saferoute.values.guarding import Action, OnError
from saferoute.values.signed_template import SignedTemplate, VariableType
from saferoute.values.template_text import template_digest, variables_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "ACTIONS", "GUARD_PROFILE", "PROFILE_NAME", "TEMPLATE", "TEMPLATE_NAME", "TOOL_NAME", "compile_profiles", "compile_templates",
]  # fmt: skip

ACTIONS: Final = MappingProxyType({action.name.lower(): action for action in (Action.FLAG, Action.REDACT, Action.BLOCK)})
"""What a find can be made to be, by the word for it."""

_WORD: Final = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_MAX_TEXT: Final = 64 * 1024
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL})*"
# One token or more: the arguments as a whole are no text that a rule could be about. Control characters are none of any name's.
_POINTER: Final = r"(?:/(?:[^~/\x00-\x1f\x7f]|~[01])*)+"

PROFILE_NAME: Final = Text(re.compile(_WORD), longest=64, what='a name of lower-case letters and digits, joined by single ".", "-" or "_"')
TEMPLATE_NAME: Final = Text(
    re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*"),
    longest=64,
    what='a name of lower-case letters and digits that begins with a letter, joined by single ".", "-" or "_"',
)
TOOL_NAME: Final = Text(re.compile(r"[A-Za-z0-9_.-]{1,128}"), longest=128, what="a tool's name")

_kind = Text(re.compile(r"[a-z][a-z0-9_.-]{0,63}"), longest=64, what='a kind of find such as "pii" or "pii.email"')
_guard_name = Text(re.compile(r"[a-z][a-z0-9_.-]{0,63}"), longest=64, what="a guard's name")
_variable = Text(
    re.compile(r"[a-z][a-z0-9_]*"), longest=64, what="a variable's name: lower-case letters, digits and _, beginning with a letter"
)
_any = re.compile(r"(?s:.+)")
_setting = Record(
    {},
    {
        "action": Text(choices=tuple(ACTIONS)),
        "threshold": Whole(0, 1000),
        "on_error": Text(choices=get_args(OnError)),
        "kinds": ListOf(_kind, 64, 1, distinct=True),
        "reversible": Flag(),
    },
)
_argument = Record(
    {"path": Text(re.compile(_POINTER), longest=200, what='a JSON pointer into the arguments, such as "/url"')},
    {
        "hosts": ListOf(
            Text(re.compile(rf"\.?{_HOST}"), longest=253, what='a host, or ".example.com" for those below it'), 200, 1, distinct=True
        ),
        "one_of": ListOf(Text(longest=1000), 200, 1, distinct=True),
        "prefixes": ListOf(Text(_any, longest=500, what="a beginning of at least one character"), 100, 1, distinct=True),
        "longest": Whole(0, 10_000_000),
    },
)
_tool = Record(
    {},
    {
        "effects": Flag(),
        "approval": Text(choices=get_args(Approval)),
        "arguments": ListOf(_argument, 64, 1),
        "restore": Flag(),
    },
)
GUARD_PROFILE: Final = Record(
    {},
    {
        "guards": MapOf(_guard_name, _setting, 64, 1),
        "max_characters": Whole(1, 1_000_000_000),
        "allowed_hosts": ListOf(
            Text(re.compile(rf"(?:\*\.)?{_HOST}"), longest=253, what='a host, or "*.example.com" for those below it'), 200, 1, distinct=True
        ),
        "templates": ListOf(TEMPLATE_NAME, 200, 1, distinct=True),
        "tools": MapOf(TOOL_NAME, _tool, 200),
    },
)
"""The shape of a profile."""

TEMPLATE: Final = Record(
    {
        "sha256": Text(re.compile(r"[0-9a-f]{64}"), longest=64, what="64 lower-case hexadecimal digits"),
        "variables": MapOf(_variable, Text(choices=get_args(VariableType)), 64),
    },
    {"text": Text(_any, longest=_MAX_TEXT, what="a text of at least one character")},
)
"""The shape of a template."""


def compile_templates(raw: Mapping[str, Mapping[str, Any]], path: str) -> dict[str, SignedTemplate]:
    """Compile the templates of a payload.

    Args:
        raw: templates by name, each fitting its shape.
        path: where they stand, for errors.

    Raises:
        Refused: for a text that is not the digest's, is too long, or has other placeholders than there are variables.
    """
    return {name: _template(name, one, f"{path}.{name}") for name, one in raw.items()}


def _template(name: str, raw: Mapping[str, Any], path: str) -> SignedTemplate:
    variables, text = raw["variables"], raw.get("text")
    if text is not None:
        if (size := len(text.encode())) > _MAX_TEXT:
            raise Refused(f"{path}.text has {size} bytes; at most {_MAX_TEXT} are allowed")
        if (found := template_digest(text)) != raw["sha256"]:
            raise Refused(f"{path}.sha256 is not that of the text, which is {found}")
        try:
            named = variables_in(text)
        except ValueError as error:
            raise Refused(f"{path}.text: {error}") from None
        for variable in sorted(named.symmetric_difference(variables)):
            where = "stands in the text and not among the variables" if variable in named else "does not stand in the text"
            raise Refused(f"{path}.variables: {variable!r} {where}")
    return SignedTemplate(name, raw["sha256"], MappingProxyType(dict(variables)), text)


def compile_profiles(raw: Mapping[str, Mapping[str, Any]], templates: Collection[str], path: str) -> dict[str, GuardProfile]:
    """Compile the profiles of a payload.

    Args:
        raw: profiles by name, each fitting its shape.
        templates: names of the payload's templates.
        path: where the profiles stand, for errors.

    Raises:
        Refused: for a template that is not there, a setting or a rule that has no effect, and secrets that would be put back.
    """
    return {name: _profile(name, one, templates, f"{path}.{name}") for name, one in raw.items()}


def _profile(name: str, raw: Mapping[str, Any], templates: Collection[str], path: str) -> GuardProfile:
    for template in raw.get("templates", ()):
        if template not in templates:
            raise Refused(f"{path}.templates: the table has no template {template!r}")
    guards = {guard: _compiled_setting(guard, one, f"{path}.guards.{guard}") for guard, one in raw.get("guards", {}).items()}
    tools = raw.get("tools")
    return GuardProfile(
        name,
        MappingProxyType(guards),
        raw.get("max_characters"),
        frozenset(raw.get("allowed_hosts", ())),
        frozenset(raw.get("templates", ())),
        None if tools is None else MappingProxyType({tool: _rule(one, f"{path}.tools.{tool}") for tool, one in tools.items()}),
    )


def _compiled_setting(guard: str, raw: Mapping[str, Any], path: str) -> GuardSetting:
    for field in ("threshold", "kinds"):
        if field in raw and "action" not in raw:
            raise Refused(f"{path}.{field} says which finds become `action`, and there is none: add it, or take {field} out")
    if guard == "secrets" and raw.get("reversible"):
        raise Refused(f"{path}.reversible: a secret that was taken out is never put back")
    return GuardSetting(
        ACTIONS[raw["action"]] if "action" in raw else None,
        raw.get("threshold"),
        raw.get("on_error", "block"),
        frozenset(raw.get("kinds", ())),
        raw.get("reversible", False),
    )


def _rule(raw: Mapping[str, Any], path: str) -> ToolRule:
    arguments = []
    for position, one in enumerate(raw.get("arguments", ())):
        if len(one) == 1:
            raise Refused(f"{path}.arguments[{position}] allows anything: name hosts, one_of, prefixes or longest, or take it out")
        arguments.append(
            ArgumentRule(
                one["path"],
                frozenset(one.get("hosts", ())),
                tuple(one.get("one_of", ())),
                tuple(one.get("prefixes", ())),
                one.get("longest"),
            )
        )
    return ToolRule(raw.get("effects", True), raw.get("approval", "tainted"), tuple(arguments), raw.get("restore", False))
