"""How an extractor says what of a body is text: rules that take the body's JSON apart, and refuse what they do not name.

A dialect's extractor is one rule, made of smaller ones: `fields` names the keys of an object, `tagged` chooses by an object's kind, and
what is text `says` so. Texts come in wire order. An object that has one key twice, which two readers can take for two different things,
is refused wherever a rule takes it apart.

A signed row can open fields that nobody here knows. Where such a field may stand, `opening` passes over one that the caller gave with this
very value; anything else of that name is as unknown as before.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from saferoute.errors import ProtocolError
from saferoute.providers.text_memory import Known
from saferoute.providers.wire_text import NOTHING_OPENED, WireText, unknown_place
from saferoute.values.json_exact import NOT_CANONICAL, Twice, decode_at_length, decode_canonical, decode_exact, exact_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.wire_text import Opened, Raw, WireTextKind

__all__ = [
    "Rule",
    "anything",
    "either",
    "extracted",
    "fields",
    "items",
    "opening",
    "remembered",
    "says",
    "says_json",
    "scalar",
    "tag_of",
    "tagged",
]

Rule: TypeAlias = "Callable[[Any, str, list[Raw]], None]"
"""Takes a value of a body apart, which has this JSON pointer, and adds its texts to those found so far."""

_NESTED: Final = frozenset({dict, list, Twice})

# Fields that stand for words which the provider keeps: what leaves would not be what was approved, whoever opened and gave them.
_REFERENCES: Final = frozenset(
    {
        "cachedContent",
        "cached_content",
        "conversation",
        "preset",
        "previous_interaction_id",
        "previous_response_id",
        "prompt",
        "prompt_id",
        "promptVariables",
    }
)

# The class itself would be two calls more for every text of every request.
_MADE: Final = cast("Callable[[Raw], WireText]", partial(tuple.__new__, WireText))


class _Says:
    """A string that a model reads. `fields` looks inside, and saves a call for every text."""

    __slots__ = ("kind",)

    def __init__(self, kind: WireTextKind) -> None:
        self.kind = kind

    def __call__(self, value: object, path: str, found: list[Raw]) -> None:
        if value.__class__ is not str:
            raise unknown_place(path)
        found += ((self.kind, path, value),)


class _SaysJson:
    """Any value that a model reads as JSON; the same for `fields`."""

    __slots__ = ("kind",)

    def __init__(self, kind: WireTextKind) -> None:
        self.kind = kind

    def __call__(self, value: object, path: str, found: list[Raw]) -> None:
        found += ((self.kind, path, exact_text(value)),)


class _SaysOr:
    """A string that a model reads, or something else; the same for `fields`."""

    __slots__ = ("kind", "other")

    def __init__(self, kind: WireTextKind, other: Rule) -> None:
        self.kind = kind
        self.other = other

    def __call__(self, value: object, path: str, found: list[Raw]) -> None:
        if value.__class__ is str:
            found += ((self.kind, path, value),)
        else:
            self.other(value, path, found)


class _Opened(list["Raw"]):
    """Texts found, and by name the values of the caller's own options that can be passed over."""

    __slots__ = ("options",)

    def __init__(self, options: Opened) -> None:
        super().__init__()
        self.options = options


def extracted(
    rule: Rule, body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None, key: str = "tools"
) -> tuple[WireText, ...]:
    """Read a body.

    Args:
        rule: what its dialect has.
        body: the bytes.
        opened: what the caller passes through, in the places that are open.
        memory: what the client has read before; of a body with something passed through, nothing is taken from there or kept.
        key: what the body has its tools under. The rule reads it with one that is `remembered`.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a place that the rule does not name.
    """
    found: list[Raw] = _Opened(opened) if opened else []
    whole = opening(rule) if opened else rule
    try:
        if memory is not None and not opened:
            return _with_memory(rule, body, found, memory, key)
        whole(decode_exact(body), "", found)
    except ValueError:
        msg = "the request's body is not JSON; nothing was sent"
        raise ProtocolError(msg) from None
    return tuple(map(_MADE, found))


def _with_memory(rule: Rule, body: bytes, found: list[Raw], memory: TextMemory, key: str) -> tuple[WireText, ...]:
    """Read a body in which nothing is passed through."""
    value: Any = memory.recall(rule, key, body)
    if value is not None:
        rule(value, "", found)
        return tuple([one if one.__class__ is WireText else _MADE(one) for one in found])
    value = decode_canonical(body)
    is_canonical = value is not NOT_CANONICAL
    rule(value if is_canonical else decode_at_length(body), "", found)
    texts = tuple(map(_MADE, found))
    if is_canonical:
        memory.keep(rule, key, body, value, texts)
    return texts


def scalar(value: object, path: str, found: list[Raw]) -> None:
    """A string, number, truth or null that no model reads.

    Raises:
        ProtocolError: for an object or array.
    """
    del found
    if value.__class__ in _NESTED:
        raise unknown_place(path)


def anything(value: object, path: str, found: list[Raw]) -> None:
    """Any value, of which no model reads anything."""
    del value, path, found


def says(kind: WireTextKind) -> Rule:
    """A string that a model reads."""
    return _Says(kind)


def says_json(kind: WireTextKind) -> Rule:
    """Any value that a model reads as JSON."""
    return _SaysJson(kind)


def items(rule: Rule) -> Rule:
    """An array, all of whose items this rule reads."""

    def read(value: Any, path: str, found: list[Raw]) -> None:  # noqa: ANN401  any JSON
        if value.__class__ is not list:
            raise unknown_place(path)
        for index, one in enumerate(value):
            rule(one, f"{path}/{index}", found)

    return read


def fields(rules: Mapping[str, Rule]) -> Rule:
    """An object, each of whose keys has a rule, and none besides."""
    # What is in most objects is done without a call: None stands for `scalar`, and a kind for what says a text of it.
    steps: dict[str, Rule | WireTextKind | None] = {
        key: None if rule is scalar else rule.kind if isinstance(rule, _Says) else rule for key, rule in rules.items()
    }

    def read(value: Any, path: str, found: list[Raw]) -> None:  # noqa: ANN401  any JSON
        if value.__class__ is not dict:
            raise _no_object(value, path)
        for key in value:
            if key not in steps:
                raise _unknown_key(path, key)
            step, inner = steps[key], value[key]
            if step is None:
                if inner.__class__ in _NESTED:
                    raise _unknown_key(path, key)
            elif step.__class__ is str:
                if inner.__class__ is not str:
                    raise _unknown_key(path, key)
                found += ((step, f"{path}/{key}", inner),)
            elif step.__class__ is _SaysOr and inner.__class__ is str:
                found += ((step.kind, f"{path}/{key}", inner),)
            elif step.__class__ is _SaysJson:
                found += ((step.kind, f"{path}/{key}", exact_text(inner)),)
            else:
                step(inner, f"{path}/{key}", found)  # type: ignore[operator]  # a rule: mypy does not take the kinds away

    return read


def opening(rule: Rule) -> Rule:
    """An object that may hold, besides what its rule names, what the caller passes through."""

    def read(value: Any, path: str, found: list[Raw]) -> None:  # noqa: ANN401  any JSON
        if isinstance(found, _Opened) and value.__class__ is dict:
            options = found.options
            value = {key: inner for key, inner in value.items() if not _is_opened(options, key, inner)}
        rule(value, path, found)

    return read


def _is_opened(options: Opened, key: str, value: object) -> bool:
    return key in options and key not in _REFERENCES and exact_text(value) in options[key]


def remembered(rule: Rule) -> Rule:
    """Any value, which need not be taken apart if the client has read it before."""

    def read(value: Any, path: str, found: list[Raw]) -> None:  # noqa: ANN401  any JSON
        if value.__class__ is Known:
            found += value.texts
        else:
            rule(value, path, found)

    return read


def tagged(tag: str, rules: Mapping[str, Rule]) -> Rule:
    """An object whose rule depends on the string under this key."""

    def read(value: Any, path: str, found: list[Raw]) -> None:  # noqa: ANN401  any JSON
        said = value[tag] if value.__class__ is dict and tag in value else None
        if said.__class__ is not str or said not in rules:
            raise _no_object(value, path) if value.__class__ is Twice else _unknown_key(path, tag)
        rules[said](value, path, found)

    return read


def either(text: Rule, other: Rule) -> Rule:
    """A string that the first rule reads, or something else that the second does."""
    if isinstance(text, _Says):
        return _SaysOr(text.kind, other)

    def read(value: object, path: str, found: list[Raw]) -> None:
        (text if value.__class__ is str else other)(value, path, found)

    return read


def tag_of(value: object, tag: str) -> object:
    """What an object has under a key; None if it has no such key, or is no object."""
    return value.get(tag) if isinstance(value, dict) else None


def _no_object(value: object, path: str) -> ProtocolError:
    return _unknown_key(path, value.key) if isinstance(value, Twice) else unknown_place(path)


def _unknown_key(path: str, key: str) -> ProtocolError:
    return unknown_place(f"{path}/{key.replace('~', '~0').replace('/', '~1')}")
