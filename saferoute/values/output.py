"""Structured output: the schema that goes out, and the reading of what comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import partial
from typing import Any, TypeAlias

from typing_extensions import is_typeddict

from saferoute.errors import InvalidMessages, OutputInvalid
from saferoute.values.json import decode, encode
from saferoute.values.json_schema import misfit
from saferoute.values.request import OutputSchema

__all__ = ["JsonSchema", "Output", "output_from"]

JsonSchema: TypeAlias = Mapping[str, Any]

_SHOWN_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Output:
    """What a call's answer must fit.

    Attributes:
        schema: what the provider is told.
        read: turns the answer's text into the parsed value; raises ValueError with a reason that holds no content.
    """

    schema: OutputSchema
    read: Callable[[str], object]

    def parse(self, text: str, *, fenced: bool = False) -> object:
        """Read the answer.

        Args:
            text: the answer.
            fenced: whether it may stand in a Markdown fence, as models write JSON that they were asked for in words.

        Raises:
            OutputInvalid: if it does not fit; the message names fields and reasons, never content.
        """
        try:
            return self.read(_unfenced(text) if fenced else text)
        except ValueError as error:
            raise OutputInvalid(_reason(error, _names(decode(self.schema.schema)))) from None


def _unfenced(text: str) -> str:
    """What stands in the fence, if the whole text is one."""
    inner = text.strip()
    if not inner.startswith("```") or not inner.endswith("```") or len(inner) < 2 * len("```"):
        return text
    word, _, rest = inner[3:-3].partition("\n")
    return rest if word.strip().lower() in {"", "json"} else text


def _names(node: object) -> frozenset[str]:
    """The names of all properties of a schema: what of an error's place may be shown, since other names are the model's words."""
    if isinstance(node, list):
        return frozenset().union(*map(_names, node))
    if not isinstance(node, dict):
        return frozenset()
    properties = node.get("properties")
    own = frozenset(properties) if isinstance(properties, dict) else frozenset()
    return own.union(*map(_names, node.values()))


def _reason(error: ValueError, names: frozenset[str]) -> str:
    if isinstance(error, _MisfitError):
        return f"the answer does not fit the output schema: {_place(error.place, names)}: {error.keyword}"
    problems = getattr(error, "errors", None)
    if problems is None:
        return "the answer is not JSON that fits the output schema"
    listed = problems(include_input=False, include_url=False, include_context=False)  # pydantic's own words without its input
    shown = "; ".join(f"{_place(problem['loc'], names)}: {problem['type']}" for problem in listed[:_SHOWN_PROBLEMS])
    more = f" and {len(listed) - _SHOWN_PROBLEMS} more" if len(listed) > _SHOWN_PROBLEMS else ""
    return f"the answer does not fit the output model: {shown}{more}"


def _place(steps: tuple[int | str, ...], names: frozenset[str]) -> str:
    shown = (str(step) if isinstance(step, int) or step in names else "(a name of the model's own)" for step in steps)
    return ".".join(shown) or "the answer"


def output_from(value: object) -> Output:
    """Make an Output from a pydantic model class, a dataclass, a TypedDict or a JSON Schema.

    Raises:
        InvalidMessages: for anything else.
    """
    if isinstance(value, Mapping):
        name = value.get("title")
        schema = _schema(name if isinstance(name, str) else "output", value)
        return Output(schema, partial(_read_fitting, schema.schema))
    if isinstance(value, type) and hasattr(value, "model_json_schema") and hasattr(value, "model_validate_json"):
        return Output(_schema(value.__name__, tightened(value.model_json_schema())), value.model_validate_json)
    if isinstance(value, type) and (is_dataclass(value) or is_typeddict(value)):
        return _adapted(value)
    msg = "output must be a pydantic model class, a dataclass, a TypedDict or a dict with a JSON Schema"
    raise InvalidMessages(msg)


def _adapted(kind: type[Any]) -> Output:
    from pydantic import PydanticUserError, TypeAdapter  # noqa: PLC0415  a class of pydantic's own brings it along

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        schema = adapter.json_schema()
    except PydanticUserError as error:
        msg = f"output={kind.__name__} makes no JSON Schema: {error.message}"
        raise InvalidMessages(msg) from None
    return Output(_schema(kind.__name__, tightened(schema)), adapter.validate_json)


class _MisfitError(ValueError):
    """An answer that is JSON and does not fit its JSON Schema."""

    def __init__(self, place: tuple[int | str, ...], keyword: str) -> None:
        super().__init__()
        self.place = place
        self.keyword = keyword


def _read_fitting(schema: bytes, text: str) -> object:
    value = decode(text)
    found = misfit(value, decode(schema))
    if found is not None:
        raise _MisfitError(*found)
    return value


def _schema(name: str, schema: JsonSchema) -> OutputSchema:
    try:
        encoded = encode(schema)
    except ValueError as error:
        msg = f"the output schema is not JSON: {error}"
        raise InvalidMessages(msg) from None
    return OutputSchema(re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "output", encoded, is_strict(schema))


def tightened(node: Any) -> Any:  # noqa: ANN401  any JSON
    """Close every object of a schema: all properties required, none besides; what providers can enforce token by token."""
    if isinstance(node, list):
        return [tightened(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: value if key in {"enum", "const", "required"} else tightened(value) for key, value in node.items()}
    properties = result.get("properties")
    if isinstance(properties, dict) and result.get("type") == "object":
        result.setdefault("additionalProperties", False)
        result["required"] = list(properties)
        for field in properties.values():
            if isinstance(field, dict):
                field.pop("default", None)
    return result


def is_strict(node: Any) -> bool:  # noqa: ANN401  any JSON
    """Whether every object of a schema is closed and requires all its properties."""
    if isinstance(node, list):
        return all(map(is_strict, node))
    if not isinstance(node, Mapping):
        return True
    if node.get("type") == "object" or "properties" in node:
        properties = node.get("properties")
        if node.get("additionalProperties") is not False or not isinstance(properties, Mapping):
            return False
        if set(properties) - set(node.get("required") or ()):
            return False
    return all(is_strict(value) for key, value in node.items() if key not in {"enum", "const", "required", "default", "examples"})
