"""What a client says about its own security, and whether it is ready: findings, for people, scripts and notebooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Area", "Finding", "Level", "Report"]

Level: TypeAlias = Literal["problem", "warning", "note", "ok"]
Area: TypeAlias = Literal["trust", "permissions", "budgets", "keys", "routes", "receipts", "files", "environment", "host"]

_ORDER = ("problem", "warning", "note", "ok")
_COLOURS = {"problem": "#b00020", "warning": "#9a6700", "note": "#57606a", "ok": "#1a7f37"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: "problem": calls fail or trust is broken; "warning": somebody should act; "note": worth knowing; "ok".
        area: what it is about.
        text: a sentence, with what to do about it. It never holds a key.
    """

    level: Level
    area: Area
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """Findings, the most urgent first.

    Attributes:
        title: what was looked at.
        facts: what is the case, by name: numbers, texts and lists of texts.
        findings: what was found.
    """

    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        """Put the most urgent first; what is equally urgent stays in its order."""
        object.__setattr__(self, "findings", tuple(sorted(self.findings, key=lambda one: _ORDER.index(one.level))))

    @property
    def ok(self) -> bool:
        """Whether nothing is a problem; warnings are none."""
        return not any(finding.level == "problem" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The same, as values that `json.dumps` takes."""
        findings = [{"level": one.level, "area": one.area, "text": one.text} for one in self.findings]
        return {"title": self.title, "ok": self.ok, "facts": dict(self.facts), "findings": findings}

    @override
    def __str__(self) -> str:
        width = max((len(name) for name in self.facts), default=0)
        facts = [f"  {name.ljust(width)}  {_shown(value)}" for name, value in self.facts.items()]
        return "\n".join([self.title, *facts, *(f"{one.level.upper():8}{one.area:13}{one.text}" for one in self.findings)])

    def _repr_html_(self) -> str:
        facts = "".join(f"<tr><th>{escape(name)}</th><td>{escape(_shown(value))}</td></tr>" for name, value in self.facts.items())
        rows = "".join(
            f'<tr><td style="color:{_COLOURS[one.level]}"><b>{one.level}</b></td><td>{one.area}</td>'
            f'<td style="text-align:left">{escape(one.text)}</td></tr>'
            for one in self.findings
        )
        return f"<p><b>{escape(self.title)}</b></p><table>{facts}</table><table>{rows}</table>"


def _shown(value: Any) -> str:  # noqa: ANN401  a fact
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
