"""The lines of what every call writes, an intent and an outcome, put together from what they have in common and what is new.

The walk of a schema's validator over both records would be the dearest thing that a ledger does for a call. But most of what it would
walk over is the same from call to call: the route, the row, its model and origin, the table. A call says so (`Entry.common`), and that
part is checked and written once, as a form with gaps; what goes into the gaps is checked each time, here, by the same bounds and patterns
(`saferoute.ledger.record.KINDS`).

A line from here is the line that `write_record` makes of the same fields. What is not as it nearly always is makes no line, and
`write_record` cuts it then, or refuses it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic_core import to_json

from saferoute.ledger.record import KINDS, VERSION
from saferoute.ledger.shapes import LONGEST, MOST_ITEMS, Part
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import MAX_INTEGER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.values.receipt import Entry

__all__ = ["CallLines", "Made", "Place"]

Made: TypeAlias = "tuple[Mapping[str, str], str | None]"
"""A record's commitments in hex, by name; and the fingerprint of the system prompt, None for none."""

Place: TypeAlias = "tuple[int, str, int]"
"""A record's place, the leaf hash of the record before it in hex, and the time, in microseconds since 1970."""

_INTENT: Final = KINDS["intent"]
_OUTCOME: Final = KINDS["outcome"]
_COMMON: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "intent": (("data", "kind"), ("model", "operation", "origin"), ("provider", "purpose"), ("route", "secret"), ("table",), ("target",)),
    "outcome": (("currency",), ("route",), ("target",)),
}
"""What calls may have in common, by the kind of the record: fields that follow each other in it. Everything else is new with each call."""
_PARTS: Final[Mapping[str, Mapping[str, Part]]] = {
    kind: {name: Part(KINDS[kind][name]) for fields in runs for name in fields if name != "kind"} for kind, runs in _COMMON.items()
}
_ADDED: Final = frozenset({"v", "kind", "seq", "prev", "time", "commit", "system_id"})  # by the ledger, to what a call says
_NEW: Final[Mapping[str, int]] = {kind: len(KINDS[kind].keys() - _ADDED - parts.keys()) for kind, parts in _PARTS.items()}
"""How many fields of a record are new with each call."""
_COMMITTED: Final[Mapping[tuple[str, ...], str]] = {
    ("intent",): "{}",
    ("intent", "asked", "request"): '{"asked":"%s","request":"%s"}',
    ("intent", "asked", "request", "system"): '{"asked":"%s","request":"%s","system":"%s"}',
    ("outcome",): "{}",
    ("outcome", "response"): '{"response":"%s"}',
}
"""How the usual commitments stand in a record, by its kind and their names."""
_OF_WORST: Final = 2
_OF_USAGE: Final = 5
_MOST_KNOWN: Final = 256

_REJECTED: Final = Part(_INTENT["rejected"])
_TAGS: Final = Part(_INTENT["tags"])
_TEMPLATES: Final = Part(_INTENT["templates"])
_VERDICTS: Final = Part(_INTENT["verdicts"])


def _pattern(shape: Mapping[str, Any]) -> Callable[[str], object]:
    """What says whether a text is one of a shape that `matching` made."""
    return re.compile(shape["pattern"]).fullmatch


_is_call: Final = _pattern(_INTENT["call"])
_is_record: Final = _pattern(_OUTCOME["intent"]["schema"])
_is_cost: Final = _pattern(_OUTCOME["cost"]["schema"])
_is_digest: Final = _pattern(_INTENT["capabilities"]["items_schema"])
_is_currency: Final = _pattern(_OUTCOME["currency"]["schema"])


class _UnusualError(Exception):
    """A part is not as it nearly always is. What is wrong with it, if anything, `write_record` finds out."""


class _Known(dict[Any, str]):
    """Texts as JSON, each checked and written when it is first asked for. They are forgotten when there are too many.

    Args:
        fits: whether a text is one of these.
        null: whether there may be none.
    """

    __slots__ = ("_fits", "_null")

    def __init__(self, fits: Callable[[str], object], *, null: bool = False) -> None:
        super().__init__()
        self._fits = fits
        self._null = null

    def __missing__(self, text: object) -> str:
        written = "null" if text is None and self._null else _quoted(text, self._fits)
        if len(self) >= _MOST_KNOWN:
            self.clear()
        self[text] = written
        return written


class CallLines:
    """Writes lines, and remembers what they have in common. It is not for several threads at once."""

    __slots__ = ("_call", "_currency", "_digest", "_maybe", "_runs", "_tags", "_text")

    def __init__(self) -> None:
        self._runs: dict[int, tuple[Mapping[str, Any], tuple[str, ...]]] = {}  # by the identity of what is kept with them
        self._call = "0" * 32  # the last one: most have two records
        self._tags: tuple[dict[str, str], str] = {}, "{}"  # the last ones
        self._text = _Known(_is_short)
        self._maybe = _Known(_is_short, null=True)
        self._digest = _Known(_is_digest)
        self._currency = _Known(_is_currency)

    def line(self, entry: Entry, made: Made, place: Place) -> bytes | None:
        """A record's line, without its line feed; None if `write_record` has to make it.

        Args:
            entry: what a call has to say.
            made: what the ledger made of its contents.
            place: where the record stands.
        """
        kind, new, _, _, _, common = entry
        committed, system_id = made
        form = _COMMITTED.get((kind, *committed))
        if form is None or len(new) != _NEW[kind]:
            return None
        commit = form % (*committed.values(),)
        try:
            runs = (self._runs.get(id(common)) or self._written(kind, common))[1]
            if new["call"] != self._call:
                if not _is_call(new["call"]):
                    return None
                self._call = new["call"]
            if kind == "intent":
                return self._intent(new, runs, commit, system_id, place).encode()
            return self._outcome(new, runs, commit, place).encode()
        except (_UnusualError, Refused, KeyError, TypeError, ValueError):  # also for what is missing, or of another type altogether
            return None

    def _written(self, kind: str, common: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """What calls have in common, written as it stands in a record; remembered."""
        parts = _PARTS[kind]
        if common.keys() != parts.keys():
            raise _UnusualError
        written = {"kind": f'"{kind}"'} | {name: part.write(common[name]) for name, part in parts.items()}
        if len(self._runs) >= _MOST_KNOWN:
            self._runs.clear()
        runs = tuple(",".join(f'"{name}":{written[name]}' for name in run) for run in _COMMON[kind])
        self._runs[id(common)] = found = common, runs
        return found

    def _intent(self, new: Mapping[str, Any], runs: tuple[str, ...], commit: str, system_id: str | None, place: Place) -> str:
        seq, prev, now_us = place
        kind, model, provider, route, table, target = runs
        attempt, chains, worst, tags, stream = new["attempt"], new["capabilities"], new["max_cost"], new["tags"], new["stream"]
        rejected, templates, verdicts = new["rejected"], new["templates"], new["verdicts"]
        if attempt.__class__ is not int or now_us.__class__ is not int or not 0 < attempt <= MAX_INTEGER or not 0 <= now_us <= MAX_INTEGER:
            raise _UnusualError
        held = "null"
        if worst is not None:
            if len(worst) != _OF_WORST:
                raise _UnusualError
            held = f'{{"currency":{self._currency[worst["currency"]]},"nano":{_count(worst["nano"])}}}'
        return (
            f'{{"attempt":{attempt},"call":"{self._call}","capabilities":{"[]" if chains == [] else self._chains(chains)},'
            f'"commit":{commit},{kind},"max_cost":{held},{model},"prev":"{prev}",{provider},'
            f'"rejected":{"[]" if rejected == [] else _REJECTED.write(rejected)},{route},"seq":{seq},'
            f'"stream":{"false" if stream is False else _true(stream)},"system_id":{_bare(system_id)},{table},'
            f'"tags":{"{}" if tags == {} else self._tagged(tags)},{target},'
            f'"templates":{"[]" if templates == [] else _TEMPLATES.write(templates)},"time":{now_us},"v":{VERSION},'
            f'"verdicts":{"[]" if verdicts == [] else _VERDICTS.write(verdicts)},"why":{self._text[new["why"]]}}}'
        )

    def _outcome(self, new: Mapping[str, Any], runs: tuple[str, ...], commit: str, place: Place) -> str:
        seq, prev, now_us = place
        currency, route, target = runs
        maybe, attempt, chains, cost, intent = self._maybe, new["attempt"], new["capabilities"], new["cost"], new["intent"]
        requests, request_id, tags, took, verdicts = new["requests"], new["request_id"], new["tags"], new["us"], new["verdicts"]
        estimated = new["estimated"]
        if request_id is not None:
            request_id = _quoted(request_id, _is_short)
        for number in (attempt, requests, took, now_us):
            if number.__class__ is not int or not 0 <= number <= MAX_INTEGER:
                raise _UnusualError
        if attempt == 0 or (intent is not None and not _is_record(intent)) or (cost is not None and not _is_cost(cost)):
            raise _UnusualError
        return (
            f'{{"attempt":{attempt},"call":"{self._call}","capabilities":{"[]" if chains == [] else self._chains(chains)},'
            f'"commit":{commit},"cost":{_bare(cost)},{currency},"deny":{maybe[new["deny"]]},'
            f'"estimated":{"false" if estimated is False else _true(estimated)},"finish_reason":{maybe[new["finish_reason"]]},'
            f'"first_us":{_maybe_count(new["first_us"])},"intent":{_bare(intent)},"kind":"outcome","model":{maybe[new["model"]]},'
            f'"outcome":{self._text[new["outcome"]]},"prev":"{prev}",'
            f'"request_id":{"null" if request_id is None else request_id},"requests":{requests},{route},"seq":{seq},'
            f'"status":{_maybe_count(new["status"])},"tags":{"{}" if tags == {} else self._tagged(tags)},{target},"time":{now_us},'
            f'"us":{took},"usage":{_used(new["usage"])},"v":{VERSION},"verdicts":{"[]" if verdicts == [] else _VERDICTS.write(verdicts)}}}'
        )

    def _chains(self, digests: Any) -> str:  # noqa: ANN401  what a call says is not yet checked
        if digests.__class__ is not list or len(digests) > MOST_ITEMS:
            raise _UnusualError
        known = self._digest
        return f"[{','.join([known[one] for one in digests])}]"

    def _tagged(self, tags: Any) -> str:  # noqa: ANN401  what a call says is not yet checked
        if tags.__class__ is not dict:
            raise _UnusualError
        last = self._tags
        if tags != last[0]:  # both records of a call have the same, and most calls of a client
            own = {name: tags[name] for name in sorted(tags)}
            self._tags = last = own, _TAGS.write(own)
        return last[1]


def _is_short(text: str) -> bool:
    return len(text) <= LONGEST


def _quoted(text: Any, fits: Callable[[str], object]) -> str:  # noqa: ANN401  what a call says is not yet checked
    if text.__class__ is not str or not fits(text):
        raise _UnusualError
    return to_json(text).decode()


def _bare(text: str | None) -> str:
    """A text of digits, letters, points and colons, or none."""
    return "null" if text is None else f'"{text}"'


def _true(value: object) -> str:
    if value is not True:
        raise _UnusualError
    return "true"


def _count(value: Any) -> int:  # noqa: ANN401  what a call says is not yet checked
    if value.__class__ is not int or not 0 <= value <= MAX_INTEGER:
        raise _UnusualError
    number: int = value
    return number


def _maybe_count(value: object) -> int | str:
    return "null" if value is None else _count(value)


def _used(usage: Any) -> str:  # noqa: ANN401  what a call says is not yet checked
    if usage is None:
        return "null"
    if len(usage) != _OF_USAGE:
        raise _UnusualError
    read, write, asked, said, thought = (
        usage["cache_read"], usage["cache_write"], usage["input"], usage["output"], usage["reasoning"],
    )  # fmt: skip
    for count in (read, write, asked, said, thought):
        if count.__class__ is not int or not 0 <= count <= MAX_INTEGER:
            if count is not None:
                raise _UnusualError
            read, write, asked, said, thought = map(_maybe_count, (read, write, asked, said, thought))
            break
    return f'{{"cache_read":{read},"cache_write":{write},"input":{asked},"output":{said},"reasoning":{thought}}}'
