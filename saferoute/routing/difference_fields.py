"""What changes in one row, credential or alias, field by field, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from saferoute.signing.strict_json import write_parsed
from saferoute.values.permission import data_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from saferoute.signing.strict_json import StrictJson
    from saferoute.values.request import DataLabel

__all__ = [
    "Change",
    "bound_raised",
    "cheaper",
    "credential_changes",
    "entries_added",
    "entries_gone",
    "fields_changed",
    "label_raised",
    "limit_raised",
    "prices_in_words",
    "row_changes",
    "shown",
    "unusual",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is otherwise in the new table.

    Attributes:
        place: what changes, such as "routes.fast", "grant" or "keys.openai".
        field: which field of it, such as "deadlines.total"; "" for the whole.
        text: the change in words, without the place.
        before: the old value; None for none.
        after: the new one.
        dangerous: it lets a key, data or money go where it could not go before, or nobody can say whether it does.
    """

    place: str
    field: str
    text: str
    before: StrictJson = None
    after: StrictJson = None
    dangerous: bool = False


# What changes how a call is made, and not where it goes, who can read it, or what it may cost. Whatever is not listed, here or below with
# a rule of its own, is marked: an origin, a net class, TLS, a proxy, and fields that are newer than this list.
_HARMLESS: Final = frozenset(
    {"annotations", "auth", "deadlines", "default_max_output", "dialect", "families", "headers", "profile", "quirks", "quota_group"}
)
_NESTED: Final = frozenset({"annotations", "deadlines", "headers", "limits", "prices", "profile", "quirks", "tagged", "weights"})


_ORDINARY: Final = frozenset(
    {"guards", "id", "model", "net", "networks", "origin", "path", "price_list", "prices", "provider", "region", "secret"}
)


def unusual(row: Mapping[str, Any]) -> str:
    """What a new row has besides what every row has: TLS of its own, a proxy, plain text, and fields that are newer than these lists."""
    names = sorted(row.keys() - _ORDINARY - _HARMLESS - _ROW_RULES.keys())
    return "".join(f", {name} {shown(name, row[name])}" for name in names)


def row_changes(place: str, old: Mapping[str, Any], new: Mapping[str, Any], *, money: bool) -> Iterator[Change]:
    """Compare two rows with one id.

    Args:
        place: "routes.ID".
        old: the row as the old payload has it.
        new: as the new one has it.
        money: the new grant bounds money, so that prices decide something.
    """
    return fields_changed(place, old, new, lambda field, before, after: _row_danger(field, before, after, money=money))


def credential_changes(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Compare two credentials with one name: whatever it is made from, and as what, decides what the key that is made can do."""
    return fields_changed(place, old, new, lambda field, *_: field != "annotations")


def fields_changed(place: str, old: Mapping[str, Any], new: Mapping[str, Any], danger: Callable[..., bool]) -> Iterator[Change]:
    """Compare field by field, and maps of known fields entry by entry.

    Args:
        place: what is compared.
        old: the old fields.
        new: the new ones.
        danger: whether a field's change is marked; it gets the outer field's name and the values.
    """
    for field in sorted({*old, *new}):
        before, after = old.get(field), new.get(field)
        if before == after:
            continue
        inner = sorted({*(before or {}), *(after or {})}) if field in _NESTED else []
        pairs = [(f"{field}.{name}", (before or {}).get(name), (after or {}).get(name)) for name in inner] or [(field, before, after)]
        for name, was, becomes in pairs:
            if was != becomes:
                yield Change(place, name, _words(name, was, becomes), was, becomes, dangerous=danger(field, was, becomes))


def label_raised(before: DataLabel | None, after: DataLabel | None) -> bool:
    """Whether data of a higher label passes; None bounds nothing."""
    return data_rank(after or "restricted") > data_rank(before or "restricted")


def bound_raised(before: int | None, after: int | None) -> bool:
    """Whether a bound went up, or away."""
    return before is not None and (after is None or after > before)


def limit_raised(before: int | bool | None, after: int | bool | None) -> bool:  # noqa: FBT001  a payload's value
    """Whether one of the limits went up, or away; whether it adapts raises none."""
    return not isinstance(before, bool) and not isinstance(after, bool) and bound_raised(before, after)


def entries_added(before: Sequence[str] | None, after: Sequence[str] | None) -> bool:
    """Whether a list has entries that it had not."""
    return not set(after or ()) <= set(before or ())


def entries_gone(before: Sequence[str] | None, after: Sequence[str] | None) -> bool:
    """Whether a list of what is demanded has fewer entries."""
    return entries_added(after, before)


def _any_model(_: str, after: str) -> bool:
    return after == "*"


def cheaper(before: StrictJson, after: StrictJson) -> bool:
    """Whether a budget may last longer than it did, or cannot be counted; whatever is not one amount and another counts as both."""
    return not (isinstance(before, int) and isinstance(after, int)) or after < before


_ROW_RULES: Final[Mapping[str, Callable[..., bool]]] = {
    "data": label_raised,
    "extra_params": entries_added,
    "limits": limit_raised,
    "max_output": bound_raised,
    "model": _any_model,
}


def _row_danger(field: str, before: StrictJson, after: StrictJson, *, money: bool) -> bool:
    if field in ("prices", "price_list"):
        return money and cheaper(before, after)
    rule = _ROW_RULES.get(field)
    return field not in _HARMLESS if rule is None else rule(before, after)


def _words(field: str, before: StrictJson, after: StrictJson) -> str:
    if before is None:
        return f"{field} is now {shown(field, after)}"
    if after is None:
        return f"{field} is no longer {shown(field, before)}, but not set"
    change = "changes"
    if field.startswith("limits.") and not isinstance(after, bool):
        change = "is raised" if limit_raised(before, after) else "is lowered"  # type: ignore[arg-type]  # the shape says so
    return f"{field} {change} from {shown(field, before)} to {shown(field, after)}"


def shown(field: str, value: StrictJson) -> str:
    """Write a value of a payload for people: durations, prices and amounts in the units that they are thought of in."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if field.startswith("deadlines."):
            return f"{value / 1000:g} s"
        return f"{value / 1000:g} per million tokens" if field.startswith("prices.") else str(value)
    if field.startswith("prices.") and isinstance(value, list | dict):
        return prices_in_words(value)
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(map(str, value)) or "none"
    return write_parsed(value).decode()


def prices_in_words(value: list[Any] | dict[str, Any]) -> str:
    """Write tiers or multipliers for people."""
    if isinstance(value, dict):
        return ", ".join(f"{term} x{factor / 1000:g}" for term, factor in sorted(value.items()))
    tiers = [(tier["above"], {name: amount for name, amount in tier.items() if name != "above"}) for tier in value]
    return "; ".join(
        f"above {above} input tokens: {', '.join(f'{name} {amount / 1000:g}' for name, amount in rates.items())} per million tokens"
        for above, rates in tiers
    )
