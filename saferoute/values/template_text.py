"""The text of a prompt template: what stands between its variables, and its digest.

There is one thing that a template can do: `{name}` stands for a value. `{{` and `}}` are braces. Nothing else is read, so that no value and
no template can reach an attribute, an index, a conversion or a width.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LONGEST_TEMPLATE", "is_template_name", "is_variable_name", "source_of", "split_template", "template_digest", "variables_in"]

LONGEST_TEMPLATE: Final = 262_144
"""Characters that a template may have."""

_MOST_PLACES: Final = 512
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_VARIABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_BRACES: Final = re.compile(r"([{}])(?:\1|(?<=\{)([a-z][a-z0-9_]{0,63})\})?")  # begins with a class, which is found fast


def is_template_name(name: object) -> bool:
    """Whether this may name a template: lower case letters of ASCII, digits and `_.-`, up to 64."""
    return type(name) is str and _NAME.match(name) is not None


def is_variable_name(name: object) -> bool:
    """Whether this may name a variable: lower case letters of ASCII, digits and `_`, up to 64."""
    return type(name) is str and _VARIABLE.match(name) is not None


def split_template(text: str) -> tuple[tuple[str, str], ...]:
    """Read a template, in time that grows with its length only.

    Args:
        text: the template.

    Returns:
        Pairs in the order of the text: its own words and "", or "" and the name of a variable. No two pairs of words stand together, and
        braces in words are single.

    Raises:
        ValueError: for a brace that is neither doubled nor part of `{name}`, and for a text beyond the bounds.
    """
    if len(text) > LONGEST_TEMPLATE:
        msg = f"the template has {len(text)} characters, and at most {LONGEST_TEMPLATE} are allowed"
        raise ValueError(msg)
    pairs: list[tuple[str, str]] = []
    words: list[str] = []
    done = places = 0
    for match in _BRACES.finditer(text):
        words.append(text[done : match.start()])
        done = match.end()
        found = match[0]
        if match[2] is not None:
            places += 1
            pairs += ((said, ""), ("", match[2])) if (said := "".join(words)) else (("", match[2]),)
            words = []
        elif len(found) == 1:
            line = text.count("\n", 0, match.start()) + 1
            msg = f"the template has a {found} in line {line} that means nothing: a variable is {{name}}, a brace is {found}{found}"
            raise ValueError(msg)
        else:
            words.append(found[0])
        if places > _MOST_PLACES:
            msg = f"the template names variables in more than {_MOST_PLACES} places"
            raise ValueError(msg)
    words.append(text[done:])
    return (*pairs, (said, "")) if (said := "".join(words)) else tuple(pairs)


def variables_in(text: str) -> frozenset[str]:
    """The names of a template's variables.

    Raises:
        ValueError: if this is no template.
    """
    return frozenset(name for _, name in split_template(text) if name)


def source_of(pairs: Iterable[tuple[str, str]]) -> str:
    """The template that `split_template` reads as these pairs: there is exactly one."""
    return "".join(f"{{{name}}}" if name else words.replace("{", "{{").replace("}", "}}") for words, name in pairs)


def template_digest(text: str) -> str:
    """SHA-256 of a template's text in UTF-8, in lower case hex: what a table names it by.

    Raises:
        ValueError: for half a surrogate pair, which UTF-8 does not have.
    """
    return hashlib.sha256(text.encode()).hexdigest()
