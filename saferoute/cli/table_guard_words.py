"""Guard profiles and prompt templates in words, and as JSON for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from saferoute.routing.table import RoutingTable
    from saferoute.values.guard_profile import ArgumentRule, GuardProfile, GuardSetting, ToolRule
    from saferoute.values.signed_template import SignedTemplate

__all__ = ["guard_lines", "profile_json", "template_json"]

_APPROVAL: Final = {
    "never": "nobody has to agree",
    "tainted": "somebody has to agree once untrusted content was read",
    "always": "somebody has to agree every time",
}


def guard_lines(table: RoutingTable) -> list[str]:
    """Say what the table asks of guards, and which templates it has; nothing where it has neither."""
    lines: list[str] = []
    if table.guard_profiles:
        lines += ["", "Guards: what calls pass besides the guards of the client"]
        lines += [line for profile in table.guard_profiles.values() for line in _profile(profile, table)]
    if table.templates:
        lines += ["", "Templates: prompts that programs can name"]
        lines += [line for template in table.templates.values() for line in _template(template)]
    return lines


def _profile(profile: GuardProfile, table: RoutingTable) -> list[str]:
    rows = [name for name, target in table.routes.items() if target.guards == profile]
    facts = [f"guard {name}: {_setting(setting)}" for name, setting in sorted(profile.guards.items())]
    facts += [f"at most {profile.max_characters} characters in all texts of a request"] if profile.max_characters is not None else []
    facts += [f"links and images of answers may lead to {_listed(profile.allowed_hosts)}"] if profile.allowed_hosts else []
    facts += [f"only these templates may stand as instructions: {_listed(profile.templates)}"] if profile.templates else []
    if profile.tools is not None:
        facts += [f"tool {name}: {_rule(rule)}" for name, rule in sorted(profile.tools.items())]
        facts += ["no other tool may be called" if profile.tools else "no tool may be called"]
    return [f"  {profile.name}  for {_listed(rows)}", *(f"      {fact}" for fact in facts or ["asks for nothing"])]


def _setting(setting: GuardSetting) -> str:
    words = ["finds count as what it says"] if setting.action is None else [f"finds at least {setting.action.name}"]
    words += [f"from a score of {setting.threshold / 1000:g} on"] if setting.threshold is not None else []
    words += [f"of the kinds {_listed(setting.kinds)}"] if setting.kinds else []
    words += ["put back into answers"] if setting.reversible else []
    words += ["UNSAFE: a failure of it is only told"] if setting.on_error == "flag" else []
    return ", ".join(words)


def _rule(rule: ToolRule) -> str:
    words = ["has effects" if rule.effects else "no effects", _APPROVAL[rule.approval]]
    words += [f"{argument.path} is {_argument(argument)}" for argument in rule.arguments]
    words += ["what was taken out is put back into its arguments"] if rule.restore else []
    return "; ".join(words)


def _argument(rule: ArgumentRule) -> str:
    words = [f"a URL of {_listed(rule.hosts)}"] if rule.hosts else []
    words += [f"one of {', '.join(map(ascii, rule.one_of))}"] if rule.one_of else []
    words += [f"a text that begins with {' or '.join(map(ascii, rule.prefixes))}"] if rule.prefixes else []
    words += [f"at most {rule.longest} characters long"] if rule.longest is not None else []
    return ", ".join(words)


def _template(template: SignedTemplate) -> list[str]:
    variables = ", ".join(f"{name} ({kind})" for name, kind in sorted(template.variables.items())) or "no variables"
    lines = [f"  {template.name}  {variables}", f"      SHA-256 {template.sha256}"]
    if template.text is None:
        return [*lines, "      programs bring the text"]
    return [*lines, *(f"      | {_readable(line)}" for line in template.text.split("\n"))]


def _readable(line: str) -> str:
    """A line of which a terminal obeys nothing and hides nothing."""
    return line if line.isprintable() else line.encode("unicode_escape").decode()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no row"


def profile_json(profile: GuardProfile) -> dict[str, Any]:
    """A profile for scripts."""
    return {
        "guards": {name: _setting_json(setting) for name, setting in profile.guards.items()},
        "max_characters": profile.max_characters,
        "allowed_hosts": sorted(profile.allowed_hosts),
        "templates": sorted(profile.templates),
        "tools": None if profile.tools is None else {name: _rule_json(rule) for name, rule in profile.tools.items()},
    }


def _setting_json(setting: GuardSetting) -> Mapping[str, Any]:
    return {
        "action": None if setting.action is None else setting.action.name.lower(),
        "threshold": setting.threshold,
        "on_error": setting.on_error,
        "kinds": sorted(setting.kinds),
        "reversible": setting.reversible,
    }


def _rule_json(rule: ToolRule) -> Mapping[str, Any]:
    arguments = [
        {"path": one.path, "hosts": sorted(one.hosts), "one_of": one.one_of, "prefixes": one.prefixes, "longest": one.longest}
        for one in rule.arguments
    ]
    return {"effects": rule.effects, "approval": rule.approval, "arguments": arguments, "restore": rule.restore}


def template_json(template: SignedTemplate) -> dict[str, Any]:
    """A template for scripts."""
    return {"sha256": template.sha256, "variables": dict(template.variables), "text": template.text}
