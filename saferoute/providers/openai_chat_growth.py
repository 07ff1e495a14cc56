"""Values of the `openai_chat` dialect that grow while an answer streams: kept in pieces, and joined once.

Joining at every piece would cost the square of the length, which a provider chooses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["gathered", "join", "settled"]

_GROWING_STATE: Final = ("text", "summary", "thinking")
_GROWING_METADATA: Final = ("data", "transcript")


class _Grown(list[str]):
    """Pieces of one text."""


def _grow(holder: dict[str, Any], name: str, piece: str) -> None:
    old = holder.get(name)
    if isinstance(old, _Grown):
        old.append(piece)
    else:
        holder[name] = _Grown([str(old), piece])


def _is_text(value: object) -> bool:
    return isinstance(value, str | _Grown)


def join(pieces: list[dict[str, Any]], piece: Mapping[str, Any], *, whole: bool) -> None:
    """Add a piece of reasoning state: streamed pieces of one block join their texts, other fields keep the last value said."""
    last = pieces[-1] if pieces and not whole and "data" not in piece else None
    if last is None or any(piece.get(name) not in (None, last.get(name)) for name in ("type", "index", "id")):
        pieces.append(dict(piece))
        return
    for name, value in piece.items():
        if name in _GROWING_STATE and isinstance(value, str) and _is_text(last.get(name)):
            _grow(last, name, value)
        elif value is not None or name not in last:
            last[name] = value


def gathered(old: object, new: object) -> object:
    """Join metadata that comes in pieces: lists grow, objects join, sound and its transcript are appended, the rest is replaced."""
    if isinstance(old, list) and isinstance(new, list):
        old.extend(new)
        return old
    if isinstance(old, dict) and isinstance(new, dict):
        for name, value in new.items():
            if name in _GROWING_METADATA and isinstance(value, str) and _is_text(old.get(name)):
                _grow(old, name, value)
            elif value is not None:
                old[name] = gathered(old.get(name), value)
        return old
    return new


def settled(value: Any) -> Any:  # noqa: ANN401  any JSON
    """The value with every text that grew joined."""
    if value.__class__ is str:
        return value
    if isinstance(value, _Grown):
        return "".join(value)
    if isinstance(value, dict):
        return {name: settled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [settled(inner) for inner in value]
    return value
