"""A name that ends its own JSON text: a provider, a guard or a tag writes fields of its own choice into the record of a call.

Guards: saferoute/ledger/lines.py::return to_json(text).decode() => return f'"{text}"'
Guards: saferoute/ledger/lines.py::if not _is_call(new["call"]): => if False:
Guards: saferoute/ledger/lines.py::if attempt == 0 or (intent is not None and not _is_record(intent)) or (cost is not None and not _is_cost(cost)): => if False:
Guards: saferoute/ledger/lines.py::if number.__class__ is not int or not 0 <= number <= MAX_INTEGER: => if False:
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.ledger.lines import _PARTS
from saferoute.ledger.record import parse_line
from saferoute.signing.refusal import Refused
from saferoute.values.receipt import Entry
from tests.support.ledger_cases import NOW, A, intent, outcome, writer

FORGED = ['x","cost":"0","why":"', '","verdicts":[]}\n{"kind":"outcome', "\\", '\\",', "\x00\x1f", "\u2028", '1,"more":1', '0"']
TEXTS = {
    "intent": ["why", "model", "operation", "origin", "provider", "purpose", "route", "secret", "target"],
    "outcome": ["model", "finish_reason", "request_id", "outcome", "deny", "route", "target"],
}
NO_TEXTS = {
    "intent": ["call", "attempt", "stream", "max_cost", "data", "capabilities", "tags", "rejected", "templates", "verdicts", "table"],
    "outcome": [
        "call", "attempt", "cost", "currency", "estimated", "first_us", "intent", "requests", "status", "us", "usage", "capabilities", "tags",
        "verdicts",
    ],
}  # fmt: skip
ENTRIES = {"intent": intent(), "outcome": outcome(f"{A}:1")}


def said(kind: str, name: str, value: Any) -> Entry:
    """An entry as a call makes it, with one field that somebody else chose."""
    whole, parts = {**ENTRIES[kind].fields, name: value}, _PARTS[kind]
    new = {key: one for key, one in whole.items() if key not in parts}
    return ENTRIES[kind]._replace(fields=new, common={key: one for key, one in whole.items() if key in parts})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in TEXTS.items() for name in names])
@pytest.mark.parametrize("forged", FORGED)
def test_a_text_says_nothing_but_itself(kind: str, name: str, forged: str) -> None:
    made = writer()
    for _ in range(2):  # when it is new, and when it is known
        entry = said(kind, name, forged)
        fields = parse_line(made.add(entry, NOW).line.removesuffix(b"\n")).fields
        assert fields.items() >= entry.said.items()
        assert fields[name] == forged


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NO_TEXTS.items() for name in names])
@pytest.mark.parametrize("forged", FORGED)
def test_what_is_no_text_takes_none(kind: str, name: str, forged: str) -> None:
    made = writer()
    for _ in range(2):
        with pytest.raises(Refused):
            made.add(said(kind, name, forged), NOW)
    assert made.size == 1


@pytest.mark.parametrize("kind", ["intent", "outcome"])
@pytest.mark.parametrize("forged", FORGED)
def test_tags_and_what_guards_say_are_no_more_than_texts(kind: str, forged: str) -> None:
    verdict = dict.fromkeys(("action", "guard", "path", "stage", "version"), forged) | {"reasons": [forged]}
    for name, value in (("tags", {forged: forged}), ("verdicts", [verdict])):
        made = writer()
        fields = parse_line(made.add(said(kind, name, value), NOW).line.removesuffix(b"\n")).fields
        assert fields[name] == value
