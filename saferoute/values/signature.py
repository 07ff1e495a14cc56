"""Make a tool out of a pydantic model or a typed Python function."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from saferoute.errors import InvalidMessages
from saferoute.values.tools import Tool

__all__ = ["schema_of", "tool_from_function", "tool_from_model"]

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def tool_from_model(model: type[Any]) -> Tool:
    """Make a tool whose arguments are a pydantic model's fields; its name is the class's, its description the docstring.

    Raises:
        InvalidMessages: if the class is no pydantic model.
    """
    schema = getattr(model, "model_json_schema", None)
    if schema is None:
        msg = f"the class {model.__name__} is no tool: pass a pydantic model, a function, or a dict with a JSON Schema"
        raise InvalidMessages(msg)
    return Tool.from_schema(model.__name__, schema(), description=_own_doc(model))


def _own_doc(thing: type[Any]) -> str:
    return inspect.cleandoc(thing.__dict__.get("__doc__") or "")


def tool_from_function(function: Callable[..., Any]) -> Tool:
    """Make a tool from a function's annotations; its description is the docstring up to the first section.

    Lines `name: text` in the docstring's "Args:" section describe the parameters.

    Raises:
        InvalidMessages: for parameters without an annotation, *args, **kwargs, positional-only ones, and types that have no schema.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        msg = f"tool {name!r}: its annotations cannot be read ({type(error).__name__}); pass a pydantic model or a JSON Schema"
        raise InvalidMessages(msg) from None
    summary, described = _docstring(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            msg = f"tool {name!r}: {parameter} has no schema; a tool's parameters are named"
            raise InvalidMessages(msg)
        if parameter.name not in hints:
            msg = f"tool {name!r}: annotate the parameter {parameter.name!r}, such as {parameter.name}: str"
            raise InvalidMessages(msg)
        schema = schema_of(hints[parameter.name], f"tool {name!r}: parameter {parameter.name!r}")
        if parameter.name in described:
            schema = {**schema, "description": described[parameter.name]}
        properties[parameter.name] = schema
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    parameters = _lift_definitions({"type": "object", "properties": properties, "required": required, "additionalProperties": False})
    return dataclasses.replace(Tool.from_schema(name, parameters, description=summary), function=function)


def _lift_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """Move the $defs of nested pydantic schemas to the root, where their $refs point."""
    definitions: dict[str, Any] = {}

    def walk(node: object) -> object:
        if isinstance(node, dict):
            definitions.update(node.get("$defs", {}))
            return {key: walk(value) for key, value in node.items() if key != "$defs"}
        return [walk(item) for item in node] if isinstance(node, list) else node

    lifted = typing.cast("dict[str, Any]", walk(schema))
    return lifted | ({"$defs": {name: walk(value) for name, value in list(definitions.items())}} if definitions else {})


def schema_of(annotation: Any, where: str) -> dict[str, Any]:  # noqa: ANN401, PLR0911  any annotation may come; one arm a kind
    """Write the JSON Schema of an annotation.

    Raises:
        InvalidMessages: for types that JSON Schema has no word for here; the message starts with `where`.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    if annotation is Any:
        return {}
    if origin is typing.Annotated:
        text = next((extra for extra in arguments[1:] if isinstance(extra, str)), None)
        return schema_of(arguments[0], where) | ({"description": text} if text else {})
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in {Union, types.UnionType}:
        return {"anyOf": [{"type": "null"} if argument is types.NoneType else schema_of(argument, where) for argument in arguments]}
    if annotation in {list, dict}:
        return {"type": "array"} if annotation is list else {"type": "object"}
    if origin in {list, Sequence} and len(arguments) == 1:
        return {"type": "array", "items": schema_of(arguments[0], where)}
    if origin in {dict, Mapping} and arguments and arguments[0] is str:
        return {"type": "object", "additionalProperties": schema_of(arguments[1], where)}
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return {"enum": [member.value for member in annotation]}
    if hasattr(annotation, "model_json_schema"):
        return typing.cast("dict[str, Any]", annotation.model_json_schema())
    usable = "str, int, float, bool, list, dict, Literal, Enum, a union or a pydantic model"
    msg = f"{where} has the type {annotation!r}, which has no JSON Schema here; use {usable}"
    raise InvalidMessages(msg)


_SECTIONS = ("Args:", "Arguments:", "Parameters:", "Returns:", "Raises:", "Yields:", "Example:", "Examples:", "Note:", "Notes:")


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a Google-style docstring into its summary and its parameters' descriptions."""
    summary: list[str] = []
    described: dict[str, str] = {}
    section, last = "", ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped in _SECTIONS and not line.startswith(" "):
            section = stripped
        elif not section:
            summary.append(line)
        elif section in {"Args:", "Arguments:", "Parameters:"} and stripped:
            head, colon, rest = stripped.partition(":")
            name = head.split(" ")[0]
            if colon and name.isidentifier() and len(line) - len(line.lstrip()) <= 4:  # noqa: PLR2004  deeper lines continue
                last = name
                described[name] = rest.strip()
            elif last:
                described[last] += f" {stripped}"
    return "\n".join(summary).strip(), described
