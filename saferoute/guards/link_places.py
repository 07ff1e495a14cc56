"""Where a text has addresses that a page made of it would load or offer: markdown images and links, HTML attributes, style sheets.

Whether a place counts never depends on code blocks: renderers do not agree on where code begins and ends, a page that takes HTML as it
comes knows no fences at all, and in a stream the fence may be far behind. What is found is the same however a text is cut.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Place", "Use", "may_have_places", "places"]

Use = Literal["image", "link", "definition", "markup", "style", "disguised", "autolink", "bare", "unread"]


class Place(NamedTuple):
    """One address.

    Attributes:
        use: what a renderer does with it: "image", "markup" and "style" are loaded without asking; a "definition" may become an image;
            "disguised" is a list or a style whose addresses are not written as they are read; "unread" is the rest of a text that has more
            of one construct than are read.
        start: first character of the address.
        end: behind its last.
        begin: where the construct begins; nothing of it may be shown before it has ended. It is open if it reaches the text's end.
        open: whether more text could change it.
    """

    use: Use
    start: int
    end: int
    begin: int
    open: bool


_MOST: Final = 4096
_FOR_EACH: Final = 32


def _most(text: str) -> int:
    """How many constructs of one kind are read: more than any honest answer has, and so many that a text costs what its length says."""
    return _MOST + len(text) // _FOR_EACH


def _unread(text: str, place: int) -> Place:
    return Place("unread", place, len(text), place, open=True)


# --- markdown -------------------------------------------------------------------------------------------------------------------------

# An alternative text without anything that could hide or move its end; followed by "(" it is an image for every renderer.
_SIMPLE_IMAGE: Final = re.compile(r"!\[[^\[\]`\\<]*+\](\()?")
# An address ends where another construct begins: each character is read once, however many begin.
_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*+\n")
_INLINE: Final = re.compile(r"\]\(")
_INLINE_ADDRESS: Final = re.compile(r"\s*+(?:<([^<>\n]*+)|((?:[^\s<>)\]]|\](?!\())*+))")
_DEFINED: Final = re.compile(r"\]:")
_DEFINED_ADDRESS: Final = re.compile(r"[ \t]*+(?:\r?\n[ \t>]*+)?(?:<([^<>\n]*+)|((?:[^\s<>\]]|\](?!:))*+))")


def _images(text: str) -> tuple[dict[int, int], list[tuple[int, int]], list[Place]]:
    """Simple images, by where their "(" stands; stretches in which a link may be the end of another image; and images that have not ended.

    Where an alternative text has brackets, code or markup in it, renderers find different ends: every link up to the end of the paragraph
    counts as an image.
    """
    simple: dict[int, int] = {}
    stretches: list[tuple[int, int]] = []
    unended: list[Place] = []
    length, left = len(text), _most(text)
    place = text.find("![")
    while place >= 0:
        left -= 1
        if left < 0:
            unended.append(_unread(text, place))
            break
        match = _SIMPLE_IMAGE.match(text, place)
        behind = place + 2
        if match:
            behind = match.end()
            if match[1]:
                simple[behind - 1] = place
            elif behind == length:
                unended.append(Place("image", length, length, place, open=True))
        elif not _plain_until_end(text, place):
            blank = _BLANK_LINE.search(text, place)
            end = blank.start() if blank else length
            if not blank:
                unended.append(Place("image", length, length, place, open=True))
            stretches.append((place, end))
            # Simple images inside are in the stretch anyway.
            behind = max(end, behind)
        else:
            unended.append(Place("image", length, length, place, open=True))
            break
        place = text.find("![", behind)
    return simple, stretches, unended


_ALTERNATIVE: Final = re.compile(r"[^\[\]`\\<]*+\Z")


def _plain_until_end(text: str, place: int) -> bool:
    """Whether an alternative text has not ended, and is simple so far."""
    return _ALTERNATIVE.match(text, place + 2) is not None


def _markdown(text: str) -> Iterator[Place]:
    length = len(text)
    simple, stretches, unended = _images(text) if "![" in text else ({}, [], [])
    yield from unended
    most = _most(text)
    if "](" in text:
        stretch = 0
        for number, match in enumerate(_INLINE.finditer(text)):
            if number == most:
                yield _unread(text, match.start())
                break
            behind = match.end()
            while stretch < len(stretches) and stretches[stretch][1] <= match.start():
                stretch += 1
            begin = simple.get(behind - 1, behind)
            is_image = begin != behind or (stretch < len(stretches) and stretches[stretch][0] < match.start())
            address = _INLINE_ADDRESS.match(text, behind)
            assert address is not None  # noqa: S101  it matches nothing, too
            start, end = address.span(1) if address[1] is not None else address.span(2)
            if start < end or end == length:
                yield Place("image" if is_image else "link", start, end, begin, open=end == length)
    if "]:" in text:
        for number, match in enumerate(_DEFINED.finditer(text)):
            if number == most:
                yield _unread(text, match.start())
                break
            address = _DEFINED_ADDRESS.match(text, match.end())
            assert address is not None  # noqa: S101  as above
            start, end = address.span(1) if address[1] is not None else address.span(2)
            if start < end or end == length:
                yield Place("definition", start, end, match.end(), open=end == length)


# --- HTML -----------------------------------------------------------------------------------------------------------------------------

_PICTURES: Final = frozenset({"img", "image", "picture", "source", "video", "audio", "track", "feimage", "input", "bgsound"})
_ELEMENTS: Final = frozenset(
    {
        "a", "applet", "area", "audio", "base", "bgsound", "body", "button", "div", "embed", "feimage", "form", "frame", "iframe", "image",
        "img", "input", "layer", "link", "meta", "object", "p", "param", "picture", "portal", "script", "source", "span", "style", "svg",
        "table", "tbody", "td", "th", "tr", "track", "use", "video", "xml",
    }
)  # fmt: skip
_TAG: Final = re.compile(r"<([A-Za-z]{1,8})(?=[\s/>]|\Z)")
_UNFINISHED_TAG: Final = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]{0,31}\Z|<\Z")
_ATTRIBUTE: Final = re.compile(r"[\s/]*+([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|[\"']?+([^\s>]*+)))?")
_TAG_END: Final = re.compile(r"[\s/]*+>")
_LOADED: Final = frozenset(
    {
        "action", "background", "classid", "code", "codebase", "data", "dynsrc", "formaction", "href", "icon", "lowsrc", "manifest", "ping",
        "poster", "src", "xlink:href",
    }
)  # fmt: skip
_LISTS: Final = frozenset({"archive", "imagesrcset", "srcdoc", "srcset", "style"})
_LISTS_OF: Final = frozenset({("meta", "content"), ("param", "value")})
_ITEM: Final = re.compile(r"(?:\burl\s{0,4}=\s{0,4})?([^\s,\"'()<>;]+)", re.IGNORECASE)
_ASKING: Final = frozenset({"a", "area"})


def _html(text: str) -> Iterator[Place]:
    place, left = 0, _most(text)
    while tag := _TAG.search(text, place):
        left -= 1
        if left < 0:
            yield _unread(text, tag.start())
            return
        name = tag[1].lower()
        place = tag.end()
        if name not in _ELEMENTS:
            continue
        found: list[tuple[Use, int, int]] = []
        while left >= 0 and (attribute := _ATTRIBUTE.match(text, place)):
            left -= 1
            place = attribute.end()
            found += _of_attribute(name, attribute)
        if left < 0:
            yield _unread(text, tag.start())
            return
        end = _TAG_END.match(text, place)
        place = end.end() if end else len(text)
        if not end:
            yield Place("markup", place, place, tag.start(), open=True)
        for use, start, stop in found:
            yield Place(use, start, stop, tag.start(), open=not end)
    tail = _UNFINISHED_TAG.search(text, max(0, len(text) - 34))
    if tail:
        yield Place("markup", len(text), len(text), tail.start(), open=True)


def _of_attribute(element: str, attribute: re.Match[str]) -> Iterator[tuple[Use, int, int]]:
    """The addresses in an attribute's value, with what becomes of them."""
    group = attribute.lastindex or 1
    value = attribute[group]
    name = attribute[1].lower()
    if group == 1 or not value:
        return
    use: Use = "image" if element in _PICTURES else "markup"
    start, end = attribute.span(group)
    if name in _LOADED:
        yield ("link" if element in _ASKING and name == "href" else use), start, end
    elif name in _LISTS or (element, name) in _LISTS_OF:
        if name == "style":
            use = "style"
        if _is_disguised(value):
            yield "disguised", start, end
            return
        for item in _ITEM.finditer(value):
            first, last = item.span(1)
            yield use, start + first, start + last


# What is written in a list of addresses or in a style is not what is read: entities, escapes of slashes, and escapes beside them.
_DISGUISE: Final = re.compile(r"&#|&sol|&bsol|&colon|\\{2}|\\0{0,4}2f", re.IGNORECASE)


def _is_disguised(value: str) -> bool:
    return _DISGUISE.search(value) is not None or ("\\" in value and "//" in value)


# --- style sheets, and addresses that stand alone -------------------------------------------------------------------------------------

_STYLE: Final = re.compile(r"(?:\burl\(|@import\b|\bimage-set\(|\bsrc\()(?=([\s\"'(]*+)((?:[^\s\"'()<>;,@]|@(?!import))*+))", re.IGNORECASE)
_AUTOLINK: Final = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*+)")
_BARE: Final = re.compile(r"(?:https?|ftp|wss?):[/\\]{2}[^\s<>\"'`)\]]*+", re.IGNORECASE)
_UNFINISHED_BARE: Final = re.compile(r"(?:https?|ftp|wss?|htt?|h|ft?|w):?[/\\]?\Z", re.IGNORECASE)


def _style(text: str) -> Iterator[Place]:
    most = _most(text)
    for number, match in enumerate(_STYLE.finditer(text)):
        if number == most:
            yield _unread(text, match.start())
            break
        start, end = match.span(2)
        yield Place("style", start, end, match.end(), open=end == len(text))


def _autolinks(text: str) -> Iterator[Place]:
    most = _most(text)
    for number, match in enumerate(_AUTOLINK.finditer(text)):
        if number == most:
            yield _unread(text, match.start())
            break
        start, end = match.span(1)
        yield Place("autolink", start, end, start, open=end == len(text))


def _bare(text: str) -> Iterator[Place]:
    most = _most(text)
    for number, match in enumerate(_BARE.finditer(text)):
        if number == most:
            yield _unread(text, match.start())
            break
        yield Place("bare", match.start(), match.end(), match.start(), open=match.end() == len(text))
    tail = _UNFINISHED_BARE.search(text, max(0, len(text) - 8))
    if tail:
        yield Place("bare", len(text), len(text), tail.start(), open=True)


def may_have_places(text: str) -> bool:
    """Whether a text holds what each construct begins with; without it there is no place but a bare address."""
    return "<" in text or ("]" in text and ("](" in text or "]:" in text)) or ("[" in text and "![" in text) or _may_have_style(text)


def _may_have_style(text: str) -> bool:
    if "(" in text or "@" in text:
        lowered = text.lower()
        return "url(" in lowered or "src(" in lowered or "@import" in lowered or "image-set(" in lowered
    return False


def places(text: str, *, bare: bool = False) -> Iterator[Place]:
    """Every address in a text that a renderer loads or offers, and every construct that has begun and not ended.

    Args:
        text: an answer, or as much of it as there is.
        bare: also addresses that stand in the text as they are.
    """
    if "![" in text or "](" in text or "]:" in text:
        yield from _markdown(text)
    if "<" in text:
        yield from _html(text)
        yield from _autolinks(text)
    if _may_have_style(text):
        yield from _style(text)
    if bare:
        yield from _bare(text)
