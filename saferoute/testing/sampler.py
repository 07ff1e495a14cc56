"""Makes a JSON value that fits a JSON Schema: always the same one for the same schema and the same hints.

Hints are words and numbers out of the user's text: "Ada Lovelace is 36" gives a Person(name, age) that looks as if it had been read.
What the sampler cannot fit raises Unsampled; it never returns a value that it knows to be wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from saferoute.testing.patterns import Unsampled, sample_pattern
from saferoute.values.json import Json, as_list, as_mapping, as_text

__all__ = ["Hints", "Unsampled", "sample"]

Schema = Mapping[str, Json]

_DEEP = 3  # from here on only what is required is made, so that recursive schemas end
_TOO_DEEP = 24
_FORMATS = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipv4network": "192.0.2.0/24",
    "uri": "https://example.com/",
    "uri-reference": "/sample",
    "iri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "json-pointer": "/sample",
    "regex": "^sample$",
    "byte": "c2FtcGxl",
    "binary": "sample",
}
_QUOTED = re.compile(r"\"([^\"]{1,80})\"|“([^”]{1,80})”")
_RUN = re.compile(r"\b[A-Z][\w'-]*(?: [A-Z][\w'-]*)*")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+|\n\s*)$")
_OPENINGS = frozenset(
    {"The", "A", "An", "In", "Is", "What", "Where", "Who", "How", "Add", "Find", "Get", "Tell", "Extract", "Use", "Call", "Compare"}
)


@dataclass(slots=True)
class Hints:
    """Words and numbers that the sampler may use, each once, in order."""

    words: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    text: str = ""

    @classmethod
    def read(cls, text: str) -> Hints:
        """Find quoted texts, else names (capitalised runs that do not merely begin a sentence), and numbers."""
        words = [first or second for first, second in _QUOTED.findall(text)]
        if not words:
            for found in _RUN.finditer(text):
                run = found.group(0)
                if " " in run or not _SENTENCE_START.search(text[: found.start()]):
                    words.append(_without_opening(run, text[: found.start()]))
        return cls([word for word in words if word], [float(number) for number in _NUMBER.findall(text)], text.casefold())


def _without_opening(run: str, before: str) -> str:
    """Take the verb or article that begins a sentence off a name: "Compare Paris" is about Paris."""
    first, _, rest = run.partition(" ")
    return rest if first in _OPENINGS and _SENTENCE_START.search(before) else run


def sample(schema: Schema | Json, hints: Hints | None = None) -> Json:
    """Make a value that fits the schema.

    Args:
        schema: a JSON Schema (2020-12 words; `$ref` within the document only).
        hints: what the value may be made of.

    Raises:
        Unsampled: if the schema is unsatisfiable, or asks for something that the sampler does not know.
    """
    root: Json = dict(schema) if isinstance(schema, Mapping) else schema
    return _Sampler(root, hints if hints is not None else Hints()).value(root, "", 0)


class _Sampler:
    def __init__(self, root: Json, hints: Hints) -> None:
        self._root = root
        self._hints = hints

    def value(self, schema: Json, name: str, depth: int) -> Json:
        if depth > _TOO_DEEP:
            msg = "the schema requires itself without end"
            raise Unsampled(msg)
        resolved = self._resolve(_node(schema), depth)
        if "const" in resolved:
            return resolved["const"]
        if "enum" in resolved:
            return self._choice(as_list(resolved["enum"]), name)
        for word in ("anyOf", "oneOf"):
            if word in resolved:
                rest = {key: item for key, item in resolved.items() if key != word}
                return self._first(as_list(resolved[word]), rest, name, depth)
        kind = resolved.get("type")
        if isinstance(kind, list):
            return self._first([{"type": one} for one in kind], {key: v for key, v in resolved.items() if key != "type"}, name, depth)
        return self._typed(as_text(kind) or _implied(resolved), resolved, name, depth)

    def _typed(self, kind: str, schema: Schema, name: str, depth: int) -> Json:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                msg = f"the sampler knows no type {kind!r}"
                raise Unsampled(msg)

    def _resolve(self, schema: Schema, depth: int) -> Schema:
        """Follow `$ref` and fold `allOf` in, until neither is left."""
        for _ in range(_TOO_DEEP):
            if "$ref" in schema:
                rest = {key: item for key, item in schema.items() if key != "$ref"}
                schema = _merged([self._pointed_at(as_text(schema["$ref"])), rest])
            elif "allOf" in schema:
                rest = {key: item for key, item in schema.items() if key != "allOf"}
                schema = _merged([*(self._resolve(_node(part), depth + 1) for part in as_list(schema["allOf"])), rest])
            else:
                return schema
        msg = "the schema's $ref goes round in circles"
        raise Unsampled(msg)

    def _pointed_at(self, ref: str) -> Schema:
        found: Json = self._root
        if not ref.startswith("#"):
            msg = f"the sampler follows no $ref outside the document: {ref!r}"
            raise Unsampled(msg)
        for step in ref[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                msg = f"the $ref {ref!r} points at nothing"
                raise Unsampled(msg)
        return as_mapping(found)

    def _first(self, options: Sequence[Json], rest: Schema, name: str, depth: int) -> Json:
        """The first option that can be made; in the deep, null and scalars go first, because they end a recursion."""
        ordered = sorted(options, key=_weight) if depth > _DEEP else options
        for option in ordered:
            try:
                return self.value(dict(_merged([_node(option), rest])), name, depth + 1)
            except Unsampled:
                continue
        msg = f"no option of anyOf, oneOf or type fits{f' for {name!r}' if name else ''}"
        raise Unsampled(msg)

    def _choice(self, options: Sequence[Json], name: str) -> Json:
        if not options:
            msg = f"nothing fits the schema{f' of {name!r}' if name else ''}: it is false, or its enum is empty"
            raise Unsampled(msg)
        for option in options:
            if isinstance(option, str) and option and option.casefold() in self._hints.text:
                return option
        return options[0]

    def _object(self, schema: Schema, depth: int) -> Json:
        properties = as_mapping(schema.get("properties"))
        required = [name for name in as_list(schema.get("required")) if isinstance(name, str)]
        wanted = [name for name in properties if name in required or depth <= _DEEP]
        made: dict[str, Json] = {}
        for name in wanted + [name for name in required if name not in properties]:
            try:
                made[name] = self.value(properties.get(name, self._additional(schema, name)), name, depth + 1)
            except Unsampled:
                if name in required:
                    raise
        least = schema.get("minProperties")
        for number in range(int(least) - len(made) if isinstance(least, int) else 0):
            name = f"sample_{number + 1}"
            made[name] = self.value(self._additional(schema, name), name, depth + 1)
        return made

    @staticmethod
    def _additional(schema: Schema, name: str) -> Json:
        for pattern, item in as_mapping(schema.get("patternProperties")).items():
            if re.search(pattern, name):
                found: Json = item
                return found
        return schema.get("additionalProperties", True)

    def _array(self, schema: Schema, name: str, depth: int) -> Json:
        prefix = as_list(schema.get("prefixItems"))
        items = schema.get("items", True)
        least, most = schema.get("minItems"), schema.get("maxItems")
        count = max(int(least) if isinstance(least, int) else 0, len(prefix))
        if not isinstance(least, int) and not prefix and depth <= _DEEP and items is not False:
            count = 1
        if isinstance(most, int):
            count = min(count, most)
        made: list[Json] = []
        for number in range(count):
            item = self.value(prefix[number] if number < len(prefix) else items, name, depth + 1)
            if schema.get("uniqueItems") and item in made:
                item = self._another(prefix[number] if number < len(prefix) else items, item, number, made)
            made.append(item)
        return made

    def _another(self, schema: Json, item: Json, number: int, made: Sequence[Json]) -> Json:
        """A different value of the same schema, for arrays of unique items."""
        resolved = self._resolve(as_mapping(schema), 0)
        options: list[Json] = list(as_list(resolved.get("enum")))
        if isinstance(item, str) and not options and not {"pattern", "format", "maxLength"} & resolved.keys():
            options = [f"{item} {number + 1}"]
        elif isinstance(item, int | float) and not isinstance(item, bool) and not options:
            step = resolved.get("multipleOf", 1)
            highest = resolved.get("maximum", math.inf)
            moved = item + number * (step if isinstance(step, int | float) else 1)
            options = [moved] if isinstance(highest, int | float) and moved <= highest else []
        for option in options:
            if option not in made:
                return option
        msg = "the sampler cannot make enough different items for uniqueItems"
        raise Unsampled(msg)

    def _string(self, schema: Schema, name: str) -> str:
        least, most = schema.get("minLength"), schema.get("maxLength")
        shortest, longest = (least if isinstance(least, int) else 0), (most if isinstance(most, int) else None)
        if "pattern" in schema:
            return sample_pattern(as_text(schema["pattern"]), shortest, longest)
        given = _FORMATS.get(as_text(schema.get("format")))
        if given is not None:
            return given
        for word in self._hints.words:
            if len(word) >= shortest and (longest is None or len(word) <= longest):
                self._hints.words.remove(word)
                return word
        made = f"sample {name}".strip().ljust(shortest, ".")
        return made if longest is None else made[:longest]

    def _number(self, schema: Schema, *, whole: bool) -> Json:
        step = schema.get("multipleOf")
        unit = step if isinstance(step, int | float) and step > 0 else (1 if whole else 0)
        low, low_open = _bound(schema, "minimum", "exclusiveMinimum", max)
        high, high_open = _bound(schema, "maximum", "exclusiveMaximum", min)

        def fits(number: float) -> bool:
            if whole and not float(number).is_integer():
                return False
            if number < low or number > high or (low_open and number == low) or (high_open and number == high):
                return False
            return not unit or abs(number / unit - round(number / unit)) < 1e-9  # noqa: PLR2004  rounding of decimal steps

        found: float | None = next((number for number in self._hints.numbers if fits(number)), None)
        if found is not None:
            self._hints.numbers.remove(found)
        else:
            found = next(filter(fits, _candidates(low, high, unit)), None)
        if found is None:
            msg = f"no {'integer' if whole else 'number'} lies between {low:g} and {high:g}"
            raise Unsampled(msg)
        return int(found) if float(found).is_integer() and (whole or isinstance(found, int)) else found


def _candidates(low: float, high: float, unit: float) -> list[float]:
    """Numbers worth trying, the plainest first."""
    made: list[float] = [1, 0]
    size = unit or 1
    for edge, towards in ((low, 1), (high, -1)):
        if math.isfinite(edge):
            nearest = math.ceil(edge / size) * size if towards > 0 else math.floor(edge / size) * size
            made += [edge, nearest, nearest + towards * size]
    if math.isfinite(low) and math.isfinite(high):
        made.append((low + high) / 2)
    return [*made, size, -size]


def _bound(schema: Schema, closed: str, opened: str, pick: object) -> tuple[float, bool]:
    """A bound and whether it is open; draft 4's boolean spelling of the open bound counts too."""
    sign = 1 if pick is max else -1
    edge, value, open_value = -math.inf * sign, schema.get(closed), schema.get(opened)
    is_open = open_value is True
    if isinstance(value, int | float) and not isinstance(value, bool):
        edge = value
    if isinstance(open_value, int | float) and not isinstance(open_value, bool) and open_value * sign >= edge * sign:
        return open_value, True
    return edge, is_open


def _implied(schema: Schema) -> str:
    """The type that a schema without one must mean."""
    if {"properties", "required", "additionalProperties", "minProperties"} & schema.keys():
        return "object"
    if {"items", "prefixItems", "minItems"} & schema.keys():
        return "array"
    if {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"} & schema.keys():
        return "number"
    return "string"


def _node(schema: Json) -> Schema:
    """A schema as an object; `false`, which nothing fits, as one that nothing fits."""
    return {"enum": []} if schema is False else as_mapping(schema)


def _weight(option: Json) -> int:
    kind = as_mapping(option).get("type")
    return 0 if kind == "null" else (1 if kind in {"string", "number", "integer", "boolean"} else 2)


def _merged(parts: Sequence[Schema]) -> Schema:
    """Fold schemas into one that asks for all of them: properties and required add up, other words take the last."""
    made: dict[str, Json] = {}
    for part in parts:
        for key, item in part.items():
            if key in {"properties", "$defs", "definitions"} and key in made:
                made[key] = {**as_mapping(made[key]), **as_mapping(item)}
            elif key == "required" and key in made:
                made[key] = [*as_list(made[key]), *(name for name in as_list(item) if name not in as_list(made[key]))]
            else:
                made[key] = item
    return made
