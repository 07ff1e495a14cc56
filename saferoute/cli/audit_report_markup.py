"""HTML in which no text acts: whatever is not markup made here is made visible and escaped.

Every text of a record that reaches the page comes through `tag`, as content or as an attribute's value.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Final, TypeAlias

from saferoute.ledger.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Content", "Html", "document", "joined", "tag"]

_VOID: Final = frozenset({"br", "meta"})


class Html(str):
    """Markup that was made by `tag`."""

    __slots__ = ()


Content: TypeAlias = "Html | str | None"


def tag(name: str, /, *content: Content, **attributes: str | float | bool | None) -> Html:
    """An element.

    Args:
        name: of the element.
        content: markup, or texts to be escaped; None for nothing.
        attributes: `class_` and `for_` without their line, others with "-" for "_"; None and False leave one out.
    """
    said = "".join(
        f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items() if value not in (None, False)
    )
    if name in _VOID:
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{joined(content)}</{name}>")


def joined(content: Iterable[Content]) -> Html:
    """Pieces one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(plain(part)) for part in content if part is not None))


def _value(value: str | float | bool | None) -> str:  # noqa: FBT001  an attribute's value
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return "" if value is True else escape(plain(str(value)))


def document(title: str, style: str, body: Sequence[Html]) -> str:
    """A page that may load nothing and run nothing: its one style is named by its digest.

    Args:
        title: of the page.
        style: CSS; nothing of a record goes in.
        body: what it shows.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        Html(f"<style>{style}</style>"),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"
