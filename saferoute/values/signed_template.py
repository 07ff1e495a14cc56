"""A prompt template as a signed table names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SignedTemplate", "VariableType"]

VariableType: TypeAlias = Literal["text", "line", "integer", "number", "boolean", "json"]
"""What a variable may be: any text, a text without line breaks, a whole number, a number, true or false, or any JSON value."""


@dataclass(frozen=True, slots=True)
class SignedTemplate:
    """A template by name and digest.

    Attributes:
        name: its name.
        sha256: of its text in UTF-8, in lower case hex.
        variables: the type of each of its variables; `{name}` in the text stands for one, and there is no other substitution.
        text: the text, where the table holds it; None where the caller has to bring it.
    """

    name: str
    sha256: str
    variables: Mapping[str, VariableType]
    text: str | None = None
