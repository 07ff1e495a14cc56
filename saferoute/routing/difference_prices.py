"""What changes in lists of prices: where money is bounded, whatever may let a budget last longer is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.routing.difference_fields import Change, cheaper, fields_changed, prices_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["price_list_changes"]


def price_list_changes(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]], *, money: bool) -> Iterator[Change]:
    """Compare the lists of two payloads, model by model.

    Args:
        old: the old payload's `price_lists`.
        new: the new one's.
        money: the new grant bounds money, so that prices decide something.
    """
    for name in sorted({*old, *new}):
        place = f"price_lists.{name}"
        if name not in old:
            text = f"is new, in {new[name]['currency']}: {_counted(new[name])}{_source(new[name])}"
            yield Change(place, "", text, None, dict(new[name]), dangerous=money)
        elif name not in new:
            yield Change(place, "", f"is gone: {_counted(old[name])}", dict(old[name]), None, dangerous=money)
        else:
            yield from _models(place, old[name], new[name], money=money)


def _models(place: str, old: Mapping[str, Any], new: Mapping[str, Any], *, money: bool) -> Iterator[Change]:
    before, after = ({field: value for field, value in side.items() if field != "models"} for side in (old, new))
    yield from fields_changed(place, before, after, lambda field, *_: field != "annotations")
    was, becomes = old["models"], new["models"]
    for model in sorted({*was, *becomes}):
        for field in sorted({*was.get(model, {}), *becomes.get(model, {})}):
            one, other = was.get(model, {}).get(field), becomes.get(model, {}).get(field)
            if one != other:
                text = f"{field} of {model} changes from {_shown(one)} to {_shown(other)}"
                yield Change(place, f"{model}.{field}", text, one, other, dangerous=money and cheaper(one, other))


def _shown(value: Any) -> str:  # noqa: ANN401  a price, tiers or multipliers
    if value is None:
        return "not known"
    return f"{value / 1000:g} per million tokens" if isinstance(value, int) else prices_in_words(value)


def _counted(one: Mapping[str, Any]) -> str:
    models = one["models"]
    return f"prices of {len(models)} models" if len(models) != 1 else f"prices of {next(iter(models))}"


def _source(one: Mapping[str, Any]) -> str:
    notes = one.get("annotations", {})
    return "".join(f", {name.replace('_', ' ')} {notes[name]}" for name in ("source", "as_of", "overridden") if name in notes)
