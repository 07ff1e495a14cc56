"""What changes in what rows ask of guards, and in prompt templates: what gets weaker is marked, what gets stricter is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from saferoute.routing.difference_fields import Change, bound_raised, entries_added, shown
from saferoute.routing.guard_profiles import ACTIONS
from saferoute.values.guard_profile import Approval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from saferoute.signing.strict_json import StrictJson

__all__ = ["profile_changes", "row_guard_changes", "template_changes"]

_NONE: Final[Mapping[str, Any]] = {}
_RANKS: Final = (None, *ACTIONS)
_APPROVALS: Final[tuple[str, ...]] = get_args(Approval)
_WHICH: Final = ("kinds", "threshold")
_BEFORE: Final = 20
_SHOWN: Final = 80
_DEFAULTS: Final[Mapping[str, StrictJson]] = {
    "approval": "tainted", "effects": True, "on_error": "block", "restore": False, "reversible": False,
}  # fmt: skip


def profile_changes(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[Change]:
    """Compare the profiles of two payloads.

    Args:
        old: the old payload's `guards`.
        new: the new one's.
    """
    for name in sorted({*old, *new}):
        place = f"guards.{name}"
        if name not in old:
            said = "; ".join(one.text for one in _compared(place, _NONE, new[name]))
            yield Change(place, "", f"is new: {said or 'it asks for nothing'}", None, dict(new[name]))
        elif name not in new:
            yield Change(place, "", "is gone", dict(old[name]), None)
        else:
            yield from _compared(place, old[name], new[name])


def row_guard_changes(
    place: str,
    names: tuple[str | None, str | None],
    old: Mapping[str, Mapping[str, Any]],
    new: Mapping[str, Mapping[str, Any]],
) -> Iterator[Change]:
    """Compare what two rows with one id ask of guards.

    Args:
        place: "routes.ID".
        names: of the profile that the row named, and that it names; None for none.
        old: the old payload's `guards`.
        new: the new one's. A profile that keeps its name is compared by `profile_changes`.
    """
    was, becomes = names
    if was == becomes:
        return
    before = _NONE if was is None else old[was]
    after = _NONE if becomes is None else new[becomes]
    weaker = [one.text for one in _compared(place, before, after) if one.dangerous]
    if becomes is None:
        text = f"guards is no longer {was}: the row asks nothing of guards"
    else:
        text = f"guards is now {becomes}" if was is None else f"guards changes from {was} to {becomes}"
    text += f", which is weaker: {'; '.join(weaker)}" if weaker else ""
    yield Change(place, "guards", text, was, becomes, dangerous=bool(weaker) or becomes is None)


def template_changes(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[Change]:
    """Compare the templates of two payloads. Whatever is new in one is what models are told, so all of it is marked.

    Args:
        old: the old payload's `templates`.
        new: the new one's.
    """
    for name in sorted({*old, *new}):
        place = f"templates.{name}"
        if name not in new:
            yield Change(place, "", "is gone", dict(old[name]), None)
        elif name not in old:
            held = "its text is in the table" if "text" in new[name] else f"its text has the SHA-256 {new[name]['sha256']}"
            yield Change(place, "", f"is new: models may be told what it says; {held}", None, dict(new[name]), dangerous=True)
        else:
            yield from _template(place, old[name], new[name])


def _template(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    other = old["sha256"] != new["sha256"]
    for field in sorted({*old, *new}):
        before, after = old.get(field), new.get(field)
        if before == after or (field == "text" and other):
            continue
        text = _words(field, before, after)
        if field == "sha256":
            texts = _apart(old["text"], new["text"]) if "text" in old and "text" in new else ""
            text = f"models are told something else: {texts or text}"
        elif field == "text":
            text = "the text is the same, and no longer in the table" if after is None else "the text is the same, and now in the table"
        yield Change(place, field, text, before, after, dangerous=field != "text")


def _apart(before: str, after: str) -> str:
    """Where two texts begin to differ, and how they go on there."""
    first = next((at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), min(len(before), len(after)))
    begin = max(0, first - _BEFORE)
    return f"from character {first} on, {before[begin : begin + _SHOWN]!r} becomes {after[begin : begin + _SHOWN]!r}"


def _compared(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Compare two profiles, whatever they are called."""
    yield from _settings(place, old.get("guards", _NONE), new.get("guards", _NONE))
    yield from _tools(place, old.get("tools"), new.get("tools"))
    for field in sorted({*old, *new} - {"guards", "tools"}):
        before, after = old.get(field), new.get(field)
        if before != after:
            yield Change(place, field, _words(field, before, after), before, after, dangerous=_weaker(field, before, after))


def _settings(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        inner = f"guards.{name}"
        if name not in new:
            yield Change(place, inner, f"the guard {name} is no longer asked for", dict(old[name]), None, dangerous=True)
            continue
        changes = list(_fields(place, f"{inner}.", old.get(name, _NONE), new[name]))
        if name not in old:
            said = "".join(f"; {one.text}" for one in changes)
            weak = any(one.dangerous for one in changes if one.field.endswith((".on_error", ".reversible")))
            yield Change(place, inner, f"the guard {name} is asked for{said}", None, dict(new[name]), dangerous=weak)
        else:
            yield from changes


def _tools(place: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[Change]:
    if new is None:
        if old is not None:
            yield Change(place, "tools", "tools that are not listed may be called again", dict(old), None, dangerous=True)
        return
    if old is None:
        # Before, every tool had the rule of one that nothing is said about.
        weaker = [one.text for name in sorted(new) for one in _fields(place, f"tools.{name}.", _NONE, new[name]) if one.dangerous]
        text = f"only these tools may be called: {', '.join(sorted(new)) or 'none'}{''.join(f'; {one}' for one in weaker)}"
        yield Change(place, "tools", text, None, dict(new), dangerous=bool(weaker))
        return
    for name in sorted({*old, *new}):
        inner = f"tools.{name}"
        if name not in old:
            said = "".join(f"; {one.text}" for one in _fields(place, f"{inner}.", _NONE, new[name]))
            yield Change(place, inner, f"the tool {name} may be called too{said}", None, dict(new[name]), dangerous=True)
        elif name not in new:
            yield Change(place, inner, f"the tool {name} may no longer be called", dict(old[name]), None)
        else:
            yield from _fields(place, f"{inner}.", old[name], new[name])


def _fields(place: str, begin: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Compare two settings, or two rules of a tool; what is left out is the default."""
    for field in sorted({*old, *new}):
        before, after = old.get(field, _DEFAULTS.get(field)), new.get(field, _DEFAULTS.get(field))
        if before != after:
            # Where no find was raised, saying which ones are raised weakens nothing.
            weaker = _weaker(field, before, after) and (field not in _WHICH or "action" in old)
            yield Change(place, begin + field, _words(begin + field, before, after), before, after, dangerous=weaker)


def _words(field: str, before: StrictJson, after: StrictJson) -> str:
    if before is None:
        return f"{field} is now {shown(field, after)}"
    if after is None:
        return f"{field} is no longer {shown(field, before)}, but not set"
    return f"{field} changes from {shown(field, before)} to {shown(field, after)}"


def _action(before: str | None, after: str | None) -> bool:
    return _RANKS.index(after) < _RANKS.index(before)


def _threshold(before: int | None, after: int | None) -> bool:
    return (after or 0) > (before or 0)


def _narrowed(before: Sequence[str] | None, after: Sequence[str] | None) -> bool:
    """Whether fewer kinds are meant: none means all, and "pii" those below it."""
    every = tuple(f"{kind}." for kind in after or ())
    return after is not None and (before is None or not all(f"{kind}.".startswith(every) for kind in before))


def _pinned(before: Sequence[str] | None, after: Sequence[str] | None) -> bool:
    return before is not None and (after is None or entries_added(before, after))


def _rules(before: Sequence[Mapping[str, Any]] | None, after: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether a rule is gone, or reads otherwise: every one has to be kept, so more of them allow less."""
    return any(rule not in (after or ()) for rule in before or ())


_WEAKER: Final[Mapping[str, Callable[..., bool]]] = {
    "action": _action,
    "allowed_hosts": entries_added,
    "approval": lambda before, after: _APPROVALS.index(after) < _APPROVALS.index(before),
    "arguments": _rules,
    "effects": lambda _, after: not after,
    "kinds": _narrowed,
    "max_characters": bound_raised,
    "on_error": lambda _, after: after == "flag",
    "restore": lambda _, after: bool(after),
    "reversible": lambda _, after: bool(after),
    "templates": _pinned,
    "threshold": _threshold,
}


def _weaker(field: str, before: StrictJson, after: StrictJson) -> bool:
    rule = _WEAKER.get(field)
    return rule is None or rule(before, after)
