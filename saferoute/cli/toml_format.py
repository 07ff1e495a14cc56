"""One way to write routes.toml: sections in one order, one blank line between them, one spacing. Comments stay.

The standard library reads TOML and does not write it, so this moves and spaces the text as it is, and is careful: what spans several lines
(arrays and texts that were broken by hand) keeps its own layout. Whoever writes the result to a file checks that it still says the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["SECTIONS", "comments_of", "format_toml"]

SECTIONS: Final = ("defaults", "providers", "routes", "credentials", "aliases", "guards", "templates", "grant", "assertions", "annotations")
"""The order of sections; within one kind, the file's order stays."""

_GAP: Final = 2
_TOKEN: Final = re.compile(
    r"""
      (?P<string>\"\"\"(?:[^\\]|\\.)*?\"{3,5}|'''.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')
    | (?P<comment>\#[^\n]*)
    | (?P<mark>[{}\[\],=])
    | (?P<space>[ \t]+)
    | (?P<end>\r?\n)
    | (?P<word>[^"'\#{}\[\],=\s]+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as TOML means it: a value that goes on over several lines of the file is one."""

    tokens: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.tokens).strip()

    @property
    def broken(self) -> bool:
        return "\n" in self.text


@dataclass(frozen=True, slots=True)
class _Block:
    """A section with the comments right above it."""

    above: tuple[str, ...]
    header: str
    body: tuple[str, ...]


def format_toml(text: str) -> str:
    """Write a TOML text the one way.

    Args:
        text: valid TOML.

    Returns:
        The same values and comments. Formatting the result again changes nothing.
    """
    lines = [_formatted(line) for line in _lines(text)]
    top, blocks = _blocks(lines)
    ordered = sorted(blocks, key=lambda block: _rank(block.header))
    parts = [*([_trimmed(top)] if any(top) else []), *([*block.above, block.header, *_trimmed(block.body)] for block in ordered)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _lines(text: str) -> Iterator[_Line]:
    tokens: list[tuple[str, str]] = []
    depth = 0
    for match in _TOKEN.finditer(text.removeprefix("\ufeff")):
        kind = str(match.lastgroup)
        if kind == "end" and depth == 0:
            yield _Line(tuple(tokens))
            tokens = []
            continue
        if kind == "mark":
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match[0], 0)
        tokens.append((kind, match[0].replace("\r\n", "\n") if kind == "end" else match[0]))
    if tokens:
        yield _Line(tuple(tokens))


def _formatted(line: _Line) -> str:
    tokens = [token for token in line.tokens if token[0] != "space"]
    if not tokens or tokens[0][0] == "comment":
        return line.text
    if tokens[0] == ("mark", "["):
        return _with_comment(line, "".join(text for kind, text in tokens if kind != "comment"))
    equals = next(index for index, token in enumerate(line.tokens) if token == ("mark", "="))
    key = "".join(text for kind, text in line.tokens[:equals] if kind != "space")
    value = line.tokens[equals + 1 :]
    if line.broken:
        return f"{key} = {''.join(text for _, text in value).strip()}"
    return _with_comment(line, f"{key} = {_value(value)}")


def _with_comment(line: _Line, text: str) -> str:
    kind, comment = line.tokens[-1]
    if kind != "comment":
        return text
    before, space = line.tokens[-2] if len(line.tokens) > 1 else ("", "")
    gap = len(space.expandtabs(8)) if before == "space" else 0
    return f"{text}{' ' * max(gap, _GAP)}{comment.rstrip()}"


def _value(tokens: Sequence[tuple[str, str]]) -> str:
    kept = [text for kind, text in tokens if kind not in {"space", "comment"}]
    written = ""
    for index, text in enumerate(kept):
        following = kept[index + 1] if index + 1 < len(kept) else ""
        match text:
            case ",":
                written += "" if following == "]" else ", "
            case "=":
                written += " = "
            case "{":
                written += "{" if following == "}" else "{ "
            case "}":
                written += "}" if kept[index - 1] == "{" else " }"
            case _:  # two words are a date and a time
                written += f" {text}" if written[-1:].isalnum() else text
    return written


def _blocks(lines: Sequence[str]) -> tuple[list[str], list[_Block]]:
    """Take the lines apart; a comment belongs to the section below it if nothing stands between."""
    top: list[str] = []
    blocks: list[_Block] = []
    body = top
    header = ""
    above: tuple[str, ...] = ()
    for line in lines:
        if not line.startswith("["):
            body.append(line)
            continue
        taken: list[str] = []
        while body and body[-1].startswith("#"):
            taken.insert(0, body.pop())
        if header:
            blocks.append(_Block(above, header, tuple(body)))
        header, above, body = line, tuple(taken), []
    if header:
        blocks.append(_Block(above, header, tuple(body)))
    return top, blocks


def _rank(header: str) -> int:
    first = re.split(r"[.\]\s]", header.lstrip("[").replace('"', ""), maxsplit=1)[0]
    return SECTIONS.index(first) if first in SECTIONS else len(SECTIONS)


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Without blank lines at either end, and with at most one between two others."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def comments_of(text: str) -> list[str]:
    """The comments of a TOML text, in order."""
    return [found.rstrip() for line in _lines(text) for kind, found in line.tokens if kind == "comment"]
