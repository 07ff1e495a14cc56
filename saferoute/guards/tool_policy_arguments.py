"""The arguments of a tool call: read so that they mean one thing, and compared with the tool's schema and with rules about them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from saferoute.guards.tool_policy_addresses import folded, is_url, leads_to
from saferoute.values.json import decode
from saferoute.values.json_exact import Twice, decode_exact
from saferoute.values.json_schema import misfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from saferoute.values.guard_profile import ArgumentRule

__all__ = ["Arguments", "broken_rules", "misfit_of", "read_arguments"]

_LONGEST: Final = 1_000_000
_DEEPEST: Final = 64
_MOST_TEXTS: Final = 20_000
_LONGEST_PATH: Final = 8192
_LONGEST_TOLD: Final = 80
_MOST_DECODED: Final = 3
_OPEN_WORDS: Final = frozenset({"additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref"})
_ABSENT: Final = object()
_ELSEWHERE: Final = object()


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a model passes to a tool.

    Attributes:
        value: the arguments by name.
        texts: every text in them, and every name, each with its place.
    """

    value: Mapping[str, Any]
    texts: tuple[tuple[tuple[str, ...], str], ...]


def read_arguments(text: str) -> Arguments:
    """Read the arguments of a call. Nothing at all stands for no arguments, as some providers have it.

    Raises:
        ValueError: for anything but one JSON object that every reader reads alike; its words hold nothing of the text.
    """
    if len(text) > _LONGEST:
        msg = f"the arguments have more than {_LONGEST} characters"
        raise ValueError(msg)
    try:
        value: object = decode_exact(text.encode()) if text.strip() else {}
    except ValueError:
        msg = "the arguments are not JSON, or end too early"
        raise ValueError(msg) from None
    if not isinstance(value, dict | Twice):
        msg = "the arguments are no JSON object"
        raise ValueError(msg)  # noqa: TRY004  as for everything else that cannot be read
    texts = tuple(islice(_walked(value), _MOST_TEXTS + 1))
    if len(texts) > _MOST_TEXTS:
        msg = f"the arguments hold more than {_MOST_TEXTS} names and texts"
        raise ValueError(msg)
    return Arguments(value if isinstance(value, dict) else {}, texts)


def _walked(value: object) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every name and text, with its place, without recursion.

    Raises:
        ValueError: two readers might read a value differently, or one of them not at all.
    """
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    while waiting:
        place, inner = waiting.pop()
        if len(place) > _DEEPEST:
            msg = f"the arguments are deeper than {_DEEPEST} levels"
            raise ValueError(msg)
        match inner:
            case str():
                yield place, _readable(inner)
            case dict():
                for key, one in inner.items():
                    yield (*place, key), _readable(key)
                    waiting.append(((*place, key), one))
            case list():
                waiting += [((*place, str(number)), one) for number, one in enumerate(inner)]
            case Twice():
                msg = "the arguments have a name twice, so that two programs may read them differently"
                raise ValueError(msg)
            case float() if not isfinite(inner):
                msg = "the arguments hold a number that is too large for programs to agree on"
                raise ValueError(msg)
            case _:
                pass


def _readable(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            msg = "the arguments hold half a character"
            raise ValueError(msg) from None
    return text


def misfit_of(arguments: Arguments, schema: bytes) -> str:
    """Why arguments do not fit the schema of the tool, in words that hold nothing of them; "" if they do."""
    known = decode(schema)
    found = misfit(_without_nulls(arguments.value, known), known)
    if found is None:
        return ""
    place, keyword = found
    if keyword == "additionalProperties":
        place = place[:-1]  # the name is the model's own word
    return f"the arguments do not fit the tool's schema at {_pointer(_known(place, schema))}: {keyword}"


def _without_nulls(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments but for those that are null and need not be there: many models write null for what they leave out."""
    named, due = schema.get("properties"), schema.get("required", ())
    if not isinstance(named, dict) or not isinstance(due, list | tuple):
        return value
    return {name: one for name, one in value.items() if one is not None or name not in named or name in due}


def _known(place: Sequence[int | str], schema: bytes) -> Iterator[str]:
    """The steps of a place, without words that the schema does not have."""
    text = schema.decode()
    for step in place:
        yield str(step) if isinstance(step, int) or f'"{step}"' in text else "*"


def _pointer(steps: Iterator[str]) -> str:
    return "/" + "/".join(steps)[:_LONGEST_TOLD]


def broken_rules(arguments: Arguments, rules: Sequence[ArgumentRule], schema: bytes | None) -> Iterator[str]:
    """What the arguments break of the rules of their tool, in words that hold nothing of the arguments.

    Args:
        arguments: what the model passes.
        rules: about single arguments.
        schema: the tool's; None if it is not known. Where there are rules, and the schema says nothing about further arguments, those that
            it does not name are refused: a rule would not see what is passed under another name.
    """
    for rule in rules:
        reason = _broken(rule, _at(arguments.value, rule.path))
        if reason:
            yield f"the argument {rule.path[:_LONGEST_TOLD] or '/'} {reason}"
    if rules and schema is not None and _unnamed(arguments.value, decode(schema)):
        yield "an argument that the tool's schema does not name"
    hosts = frozenset(host for rule in rules for host in rule.hosts)
    if hosts and any(is_url(text) and not leads_to(text, hosts) for _, text in arguments.texts):
        yield "an address of a host that no rule of the tool allows"


def _unnamed(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    named = schema.get("properties")
    return isinstance(named, dict) and not _OPEN_WORDS & schema.keys() and not value.keys() <= named.keys()


def _at(value: object, path: str) -> object:
    """What stands at a JSON pointer; `_ABSENT` for nothing or null; `_ELSEWHERE` for another form, or a name that looks the same."""
    for step in path.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            plain = folded(name)
            if any(key != name and folded(key).strip() == plain for key in value):
                return _ELSEWHERE
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and name.isascii():
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return _ELSEWHERE
        if value is None:
            return _ABSENT
    return value


def _broken(rule: ArgumentRule, value: object) -> str:
    if value is _ABSENT:
        return ""
    if value is _ELSEWHERE:
        return "stands in another form or under another spelling than its rule says"
    if not isinstance(value, str):
        return "is no text"
    if rule.longest is not None and len(value) > rule.longest:
        return f"has more than {rule.longest} characters"
    if rule.one_of and value not in rule.one_of:
        return "is none of the texts that are allowed"
    if rule.hosts and not leads_to(value, rule.hosts):
        return "leads to no host that is allowed, or is not written plainly"
    if rule.prefixes and not _begins(value, rule.prefixes):
        return "begins with nothing that is allowed, or leads back up"
    return ""


def _begins(value: str, prefixes: Sequence[str]) -> bool:
    if len(value) > _LONGEST_PATH:
        return False
    return value.isprintable() and any(map(value.startswith, prefixes)) and not _climbs(value) and _ends_a_host(value, prefixes)


def _ends_a_host(value: str, prefixes: Sequence[str]) -> bool:
    """Whether a prefix that is a URL up to its host is followed by the end of the host: not by more of its name, or an "@"."""
    return any(
        value.startswith(prefix) and ("/" in prefix.partition("://")[2] or "://" not in prefix or value[len(prefix) :][:1] in {"", "/"})
        for prefix in prefixes
    )


def _climbs(value: str) -> bool:
    """Whether a path has a step up, in any spelling; or is so written that it cannot be told."""
    for _ in range(_MOST_DECODED + 1):
        plain = folded(value).replace("\\", "/")
        steps = (step.partition(";")[0] for step in plain.split("/"))  # some servers drop what stands behind a semicolon
        if any(not step.strip(". ") and step.count(".") > 1 for step in steps):
            return True
        if "%" not in value:
            return False
        try:
            further = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            return True
        if further == value:
            return False
        if not further.isprintable():
            return True
        value = further
    return True
