"""Records as rows of plain values, for other programs: one row per attempt or refusal.

A column has one type. Times are microseconds since 1970 and text in UTC, money is decimal text with its currency beside it, and what has
several values is a list of texts, written as JSON where the form has no lists. In CSV each tag has a column of its own, no cell begins with
what a spreadsheet takes for a formula, and nothing in a cell acts on a terminal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from saferoute.ledger.attempts import verdicts_of
from saferoute.ledger.plain import amount_of, plain, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.ledger.attempts import Told

__all__ = ["COLUMNS", "ColumnType", "csv_head", "csv_line", "json_line", "row_of"]

ColumnType: TypeAlias = Literal["text", "integer", "boolean", "texts"]
Value: TypeAlias = "str | int | bool | list[str] | None"

COLUMNS: Final[Mapping[str, ColumnType]] = {
    "receipt": "text", "outcome_receipt": "text", "kind": "text", "time_us": "integer", "time": "text", "call": "text",
    "attempt": "integer", "operation": "text", "stream": "boolean", "route": "text", "target": "text", "provider": "text",
    "origin": "text", "model": "text", "model_reported": "text", "why": "text", "rejected": "texts", "table": "text",
    "table_version": "integer", "table_sha256": "text", "table_trust": "text", "capabilities": "texts", "data": "text",
    "purpose": "text", "tags": "texts", "templates": "texts", "secret": "text", "verdicts": "texts", "outcome": "text", "deny": "text",
    "status": "integer", "requests": "integer", "finish_reason": "text", "request_id": "text", "input_tokens": "integer",
    "output_tokens": "integer", "cache_read_tokens": "integer", "cache_write_tokens": "integer", "reasoning_tokens": "integer",
    "cost": "text", "currency": "text", "estimated": "boolean", "may_be_billed": "text", "max_cost": "text", "max_cost_currency": "text",
    "duration_us": "integer", "first_us": "integer",
}  # fmt: skip
"""The columns in order, and what each holds; a value that is not known is null, in CSV empty.

`estimated` is said of a cost only. `may_be_billed`, "yes" or "no", is said of every row: also where what it cost is not known.
"""

_NOTHING: Final[Mapping[str, Any]] = {}
_FORMULA: Final = tuple("=+-@'\uff1d\uff0b\uff0d\uff20")
"""With what a spreadsheet lets a formula begin, the full-width spellings too, and the mark that is put before it, so that none is lost."""


def row_of(told: Told) -> dict[str, Value]:
    """An attempt or a denial as a row; every column is there."""
    began, ended = told.began or _NOTHING, told.ended or _NOTHING
    first = told.first
    table, usage = first.get("table") or _NOTHING, ended.get("usage") or _NOTHING
    worst = began.get("max_cost") or _NOTHING
    most = amount_of(worst)
    found: dict[str, Value] = {
        "receipt": told.ref,
        "outcome_receipt": told.ended_ref,
        "kind": told.kind,
        "time_us": told.time,
        "time": when(told.time, exact=True),
        "model_reported": ended.get("model"),
        "model": began.get("model"),
        "rejected": [f"{name}: {why}" for name, why in first.get("rejected", ())],
        "table": table.get("name"),
        "table_version": table.get("version"),
        "table_sha256": table.get("sha256"),
        "table_trust": table.get("trust"),
        "capabilities": list(first.get("capabilities", ())),
        "tags": [f"{name}={value}" for name, value in first.get("tags", {}).items()],
        "templates": [f"{one['name']} {one['sha256']}" for one in began.get("templates", ())],
        "verdicts": [
            " ".join((one["guard"], one["version"], one["stage"], one["action"], one["path"], *one["reasons"])) for one in verdicts_of(told)
        ],
        "outcome": told.outcome,
        "deny": (told.ended or first).get("deny"),
        **{f"{name}_tokens": usage.get(name) for name in ("input", "output", "cache_read", "cache_write", "reasoning")},
        "estimated": None if told.ended is None else ended["estimated"] and amount_of(ended["cost"]) is not None,
        "may_be_billed": "yes" if _may_be_billed(told) else "no",
        "max_cost": None if most is None else f"{most:f}",
        "max_cost_currency": worst.get("currency"),
        "duration_us": ended.get("us"),
    }
    return {name: found[name] if name in found else ended.get(name, began.get(name, first.get(name))) for name in COLUMNS}


def _may_be_billed(told: Told) -> bool:
    ended = told.ended
    if ended is None:
        return told.maybe_sent
    return bool(ended["estimated"] or ended["outcome"] == "ok" or amount_of(ended["cost"]))


def json_line(row: Mapping[str, Value]) -> str:
    """A row as one line of JSON, ASCII only: what a terminal would act upon stands there as an escape."""
    return json.dumps(row, separators=(",", ":"))


def csv_head(tags: Sequence[str]) -> list[str]:
    """The headings of a CSV file: those of `COLUMNS`, and in the place of the tags one for each of them."""
    return [cell for name in COLUMNS for cell in ([f"tag:{plain(tag)}" for tag in tags] if name == "tags" else [name])]


def csv_line(row: Mapping[str, Value], told: Told, tags: Sequence[str]) -> list[str]:
    """A row's cells for a CSV file, in the order of `csv_head`.

    Args:
        row: as `row_of` gives it.
        told: what it is of.
        tags: the tags that have a column.
    """
    found = told.first.get("tags", _NOTHING)
    return [cell for name in COLUMNS for cell in ([_cell(found.get(tag)) for tag in tags] if name == "tags" else [_cell(row[name])])]


def _cell(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case list():
            text = json.dumps([plain(item) for item in value], ensure_ascii=False)
        case _:
            text = plain(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
