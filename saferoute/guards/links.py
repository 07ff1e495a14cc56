"""Takes out of answers what would send data away or run when the answer is shown: remote images, frames and styles, and script addresses.

An image in markdown is loaded by whoever shows it, and everything that its address holds is then known to the host of the address: the way
in which an injected instruction gets data out. Hosts that the application names may be loaded from. A link that a person has to follow is
left alone, unless it is a script.

Code blocks are no exception: renderers disagree about where one begins and ends, and a page that takes HTML as it comes knows none. An
application that shows code, and whose renderer is known, uses `LinkGuard(markup=False)`, which judges images only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from saferoute.guards.destinations import destination, is_allowed
from saferoute.guards.link_places import may_have_places, places
from saferoute.values.guarding import ALLOWED, Action, Span, Verdict

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from saferoute.guards.link_places import Place, Use
    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["LinkGuard"]

_MOST: Final = 4096
_HEAD: Final = 4096
_SHORT: Final = 256
_HARMLESS: Final = ("https://", "http://", "/", "#")
_LARGEST_FILE: Final = 64 * 1024
_CONTEXT: Final = 1024
_OVERLAP: Final = 16

_REMOTE: Final[dict[Use, tuple[str, str]]] = {
    "image": ("link.image", "image from a host that is not allowed"),
    "definition": ("link.definition", "definition of a link or image to a host that is not allowed"),
    "markup": ("link.markup", "HTML that loads from a host that is not allowed"),
    "style": ("link.style", "style sheet that loads from a host that is not allowed"),
    "disguised": ("link.disguised", "HTML that hides what it loads"),
    "link": ("link.text", "link to a host that is not allowed"),
    "autolink": ("link.text", "link to a host that is not allowed"),
    "bare": ("link.text", "link to a host that is not allowed"),
}
_SCRIPT: Final = ("link.script", "address that is a script")
_DATA: Final = ("link.data", "address that holds a page or a file")
_UNREAD: Final = ("link.unread", "more links, images or tags than are read")
_ON_REQUEST: Final[frozenset[Use]] = frozenset({"link", "autolink", "bare"})


@dataclass(frozen=True, slots=True)
class LinkGuard:
    """Redacts addresses in answers.

    Attributes:
        links: also addresses that a person has to follow: links, and addresses in the text as they are. Images are always judged.
        markup: also scripts, frames, style sheets and other HTML that loads something; False judges images and script addresses only.
    """

    links: bool = False
    markup: bool = True

    name: ClassVar[str] = "links"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"output"})
    quick: ClassVar[bool] = True
    pure: ClassVar[bool] = True
    passes_numbers: ClassVar[bool] = True

    @property
    def passes_plain(self) -> bool:
        """See `Active.passes_plain`: an address that stands in the text as it is needs none of the signs of markup."""
        return not self.links

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge an answer.

        Args:
            segment: the answer's text.
            context: `allowed_hosts` may be loaded from: names, or `*.name` for all hosts below one.

        Returns:
            ALLOW; or REDACT with the place of every address that is to go. An address of a reference (`[1]: https://...`) goes wherever it
            comes, for the image that uses it may come before or after.
        """
        text = segment.text
        if not (self.links or may_have_places(text)):
            return ALLOWED
        allowed = frozenset(map(str.lower, context.allowed_hosts))
        spans: list[Span] = []
        reasons: set[str] = set()
        judged: dict[tuple[Use, str], tuple[str, str] | None] = {}  # a text that repeats itself is judged once
        for place in places(text, bare=self.links):
            if place.end == place.start or (place.use == "link" and not self.links and text.startswith(_HARMLESS, place.start)):
                continue
            if place.end - place.start > _SHORT:
                found = self._judged(place, text, allowed)
            elif (same := (place.use, text[place.start : place.end])) in judged:
                found = judged[same]
            else:
                found = judged[same] = self._judged(place, text, allowed)
            if found:
                kind, reason = found
                spans.append(Span(place.start, place.end, kind))
                reasons.add(reason)
                if len(spans) == _MOST:  # whoever writes so many wants something else; the rest of the text goes
                    spans.append(Span(place.start, len(text), kind))
                    break
        if not spans:
            return ALLOWED
        return Verdict(Action.REDACT, tuple(sorted(reasons)), tuple(sorted(set(spans))))

    def _judged(self, place: Place, text: str, allowed: AbstractSet[str]) -> tuple[str, str] | None:
        use = place.use
        if use == "unread":
            return _UNREAD
        if use == "disguised":
            return _REMOTE[use] if self.markup else None
        found = destination(text[place.start : min(place.end, place.start + _HEAD)])
        match found.kind:
            case "script":
                return _SCRIPT
            case "page":
                return _DATA
            case "drawing" if use != "image":
                return _DATA
            case "drawing" | "file":
                return _DATA if place.end - place.start > _LARGEST_FILE else None
            case "remote" if not is_allowed(found.host, allowed):
                if (use in _ON_REQUEST and not self.links) or (use in {"markup", "style"} and not self.markup):
                    return None
                return _REMOTE[use]
            case _:
                return None

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:  # noqa: ARG002  nothing is held of it
        """See `PlainTexts`."""
        if self.links or may_have_places(text[plain - _OVERLAP :] if plain > _OVERLAP else text):
            return -1
        return len(text)

    def open_candidate(self, text: str, start: int = 0) -> int:
        """The earliest place at or after `start` where an address might begin that has not ended; len(text) for none."""
        seen = max(0, start - _CONTEXT)
        view = text[seen:] if seen else text
        first = min((place.begin for place in places(view, bare=self.links) if place.open), default=len(view))
        return max(start, seen + first)
