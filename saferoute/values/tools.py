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
_INNER_KEYS = _FLAT_KEYS | {"type"}
_MAPPINGS = (dict, Mapping)  # in this order: dict is what nearly all are, and quicker to tell
_SURELY_READ = 4_300
_SURELY_FLAT = 200
"""JSON of ours that is shorter, and has fewer objects and arrays, is in every reader's bounds: 4,300 digits and 200 levels."""


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
            raise _misnamed(self.name)
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
        return _of_schema(cls, name, parameters, description, strict)


_set = object.__setattr__  # how a frozen dataclass sets its own fields


def _of_schema(kind: type[Tool], name: str, parameters: Mapping[str, Any], description: str, strict: bool | None) -> Tool:  # noqa: FBT001
    if parameters.get("type", "object") != "object":
        msg = f"tool {name!r}: the parameters must be a JSON Schema of type object"
        raise InvalidMessages(msg)
    try:
        encoded = encode(parameters)
    except ValueError as error:
        msg = f"tool {name!r}: the parameters are not JSON: {error}"
        raise InvalidMessages(msg) from None
    # What our encoder has just written of a dict is an object, and within all readers' bounds it can be read: no need to do so.
    is_small = len(encoded) < _SURELY_READ and encoded.count(b"{") + encoded.count(b"[") < _SURELY_FLAT
    if kind is not Tool or parameters.__class__ is not dict or not is_small:
        return kind(name, description, encoded, strict)
    if not _NAME.fullmatch(name):
        raise _misnamed(name)
    tool = object.__new__(Tool)
    _set(tool, "name", name)
    _set(tool, "description", description)
    _set(tool, "parameters", encoded)
    _set(tool, "strict", strict)
    _set(tool, "function", None)
    return tool


def _misnamed(name: str) -> InvalidMessages:
    return InvalidMessages(f'the tool name {name[:40]!r} must be 1 to 128 letters, digits, "_", "-" or "."')


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
    is_nested = "function" in value
    if is_nested or value.get("type") == "function":
        known = _NESTED_KEYS if is_nested else _INNER_KEYS
        unknown = () if known.issuperset(value) else value.keys() - known
        inner = value.get("function", value)
        if unknown or value.get("type", "function") != "function" or not isinstance(inner, _MAPPINGS):
            odd = ", ".join(sorted(map(repr, unknown))) or "its type"
            msg = f"a tool dict is {{'type': 'function', 'function': {{...}}}}; not understood: {odd}"
            raise UnknownOption(msg)
    unknown = () if _INNER_KEYS.issuperset(inner) else inner.keys() - _INNER_KEYS
    if unknown:
        hint = "; `input_schema` is called `parameters` here" if "input_schema" in unknown else ""
        msg = f"unknown key in a tool: {', '.join(sorted(map(repr, unknown)))}; a tool has name, description, parameters and strict{hint}"
        raise UnknownOption(msg)
    said = inner.get
    name, description, strict, parameters = said("name"), said("description"), said("strict"), said("parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    is_described = description is None or isinstance(description, str)
    if not isinstance(name, str) or not is_described or not (strict is None or isinstance(strict, bool)):
        msg = "a tool needs a name (str); description is a str and strict a bool"
        raise InvalidMessages(msg)
    if not isinstance(parameters, _MAPPINGS):
        msg = f"tool {name!r}: parameters must be a dict with a JSON Schema"
        raise InvalidMessages(msg)
    return _of_schema(Tool, name, parameters, description or "", strict)


def tools_from(values: Sequence[ToolLike]) -> tuple[Tool, ...]:
    """Make tools, refusing two of one name.

    Raises:
        InvalidMessages: for anything that makes no tool, and for duplicate names.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence):
        msg = "tools must be a list of tools"
        raise InvalidMessages(msg)
    made: list[Tool] = []
    try:
        for value in values:
            made.append(_from_mapping(value) if value.__class__ is dict else tool_from(value))  # noqa: PERF401  the error tells which
    except (InvalidMessages, UnknownOption) as error:
        raise type(error)(f"tools[{len(made)}]: {error.message}") from None
    if len({tool.name for tool in made}) != len(made):
        msg = "two tools have the same name"
        raise InvalidMessages(msg)
    return tuple(made)
