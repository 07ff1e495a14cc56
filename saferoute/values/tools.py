"""Tools that a model may ask for: from a JSON Schema, a pydantic model, or a typed Python function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from saferoute.errors import InvalidMessages, UnknownOption
from saferoute.values.json import decode, encode

__all__ = ["Tool", "ToolLike", "tool_from", "tools_from"]

ToolLike: TypeAlias = "Tool | Mapping[str, Any] | type[Any] | Callable[..., Any]"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_FLAT_KEYS = frozenset({"name", "description", "parameters", "strict"})
_NESTED_KEYS = frozenset({"type", "function"})


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may ask for.

    Attributes:
        name: letters, digits, "_", "-" and "."; at most 128.
        description: what it does, for the model.
        parameters: JSON Schema of its arguments, as compact JSON in UTF-8.
        strict: enforce the schema where the provider can; None leaves it to the provider.
        function: the Python function behind it, if it was made from one; never called by `chat`.
    """

    name: str
    description: str
    parameters: bytes
    strict: bool | None = None
    function: Callable[..., Any] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            msg = f'the tool name {self.name[:40]!r} must be 1 to 128 letters, digits, "_", "-" or "."'
            raise InvalidMessages(msg)
        try:
            value = decode(self.parameters) if isinstance(self.parameters, bytes) else None
        except (ValueError, TypeError):
            value = None
        if not isinstance(value, dict):  # the bytes go into the request's body as they are: anything but one object could rewrite it
            msg = f"tool {self.name!r}: parameters must be the JSON text of one object, as bytes; Tool.from_schema takes a dict"
            raise InvalidMessages(msg)

    @classmethod
    def from_schema(cls, name: str, parameters: Mapping[str, Any], *, description: str = "", strict: bool | None = None) -> Tool:
        """Make a tool from a JSON Schema of its arguments.

        Raises:
            InvalidMessages: if the schema is not JSON or not a schema of an object.
        """
        if parameters.get("type", "object") != "object":
            msg = f"tool {name!r}: the parameters must be a JSON Schema of type object"
            raise InvalidMessages(msg)
        try:
            encoded = encode(parameters)
        except ValueError as error:
            msg = f"tool {name!r}: the parameters are not JSON: {error}"
            raise InvalidMessages(msg) from None
        return cls(name, description, encoded, strict)


def tool_from(value: ToolLike) -> Tool:
    """Make a tool from whatever describes one.

    Args:
        value: a Tool; a dict `{"name", "description", "parameters", "strict"}`, also wrapped as
            `{"type": "function", "function": {...}}`; a pydantic model class (its fields are the arguments); or a function with
            annotated parameters and a docstring.

    Raises:
        UnknownOption: for a key that a tool does not have.
        InvalidMessages: for anything that makes no tool.
    """
    if isinstance(value, Tool):
        return value
    if isinstance(value, Mapping):
        return _from_mapping(value)
    from saferoute.values.signature import tool_from_function, tool_from_model  # noqa: PLC0415  only who needs it pays for it

    if isinstance(value, type):
        return tool_from_model(value)
    if callable(value):
        return tool_from_function(value)
    msg = f"a {type(value).__name__} is no tool: pass a function, a pydantic model, a dict with a JSON Schema, or saferoute.Tool"
    raise InvalidMessages(msg)


def _from_mapping(value: Mapping[str, Any]) -> Tool:
    inner: Any = value
    if "function" in value or value.get("type") == "function":
        unknown = value.keys() - (_NESTED_KEYS if "function" in value else _FLAT_KEYS | {"type"})
        inner = value.get("function", value)
        if unknown or value.get("type", "function") != "function" or not isinstance(inner, Mapping):
            odd = ", ".join(sorted(map(repr, unknown))) or "its type"
            msg = f"a tool dict is {{'type': 'function', 'function': {{...}}}}; not understood: {odd}"
            raise UnknownOption(msg)
    unknown = inner.keys() - _FLAT_KEYS - {"type"}
    if unknown:
        hint = "; `input_schema` is called `parameters` here" if "input_schema" in unknown else ""
        msg = f"unknown key in a tool: {', '.join(sorted(map(repr, unknown)))}; a tool has name, description, parameters and strict{hint}"
        raise UnknownOption(msg)
    name, description, strict = inner.get("name"), inner.get("description"), inner.get("strict")
    parameters = inner.get("parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    if not isinstance(name, str) or not isinstance(description, str | None) or not isinstance(strict, bool | None):
        msg = "a tool needs a name (str); description is a str and strict a bool"
        raise InvalidMessages(msg)
    if not isinstance(parameters, Mapping):
        msg = f"tool {name!r}: parameters must be a dict with a JSON Schema"
        raise InvalidMessages(msg)
    return Tool.from_schema(name, parameters, description=description or "", strict=strict)


def _placed(value: ToolLike, index: int) -> Tool:
    try:
        return tool_from(value)
    except (InvalidMessages, UnknownOption) as error:
        raise type(error)(f"tools[{index}]: {error.message}") from None


def tools_from(values: Sequence[ToolLike]) -> tuple[Tool, ...]:
    """Make tools, refusing two of one name.

    Raises:
        InvalidMessages: for anything that makes no tool, and for duplicate names.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence):
        msg = "tools must be a list of tools"
        raise InvalidMessages(msg)
    made = tuple(_placed(value, index) for index, value in enumerate(values))
    if len({tool.name for tool in made}) != len(made):
        msg = "two tools have the same name"
        raise InvalidMessages(msg)
    return made
