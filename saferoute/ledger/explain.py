"""A call in words: what was asked, by which table and permission, where it went and why, what was passed over, how it ended, what it cost.

Words say what records say and no more. What nobody knows, such as the fate of what was maybe sent, is said to be unknown.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from saferoute.ledger.attempts import Told, is_left, verdicts_of
from saferoute.ledger.plain import amount_of, count, money, plain, span, when
from saferoute.ledger.reasons import error_in_words, grant_in_words, why_there

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

__all__ = ["cost_in_words", "explained", "record_in_words"]

_KINDS: Final[Mapping[str, str]] = {
    "intent": "an intent: a request was about to leave",
    "outcome": "an outcome: how a request ended",
    "denial": "a refusal: nothing more was sent",
}
_COMMITTED: Final[Mapping[str, str]] = {
    "asked": "what was asked",
    "system": "the system prompt",
    "request": "the request as it was sent",
    "response": "the answer",
}
_TOKENS = (
    ("input", "in"), ("cache_read", "of them from cache"), ("cache_write", "of them into cache"), ("output", "out"),
    ("reasoning", "of them reasoning"),
)  # fmt: skip


def explained(story: Sequence[Told], receipt: str | None = None) -> list[str]:
    """Say what a call's records tell, line by line.

    Args:
        story: its attempts in order, and its denial if there is one; at least one of them.
        receipt: the id of the record that was asked about, to be pointed at; None for the call as a whole.
    """
    first = story[0].first
    attempts = [told for told in story if told.kind == "attempt"]
    lines = [
        f'Call {story[0].call}: {_operation(story)}, asked for "{plain(str(first["route"]))}" on {when(story[0].time)}',
        *(f"  {line}" for line in _ending(story, attempts)),
        f"  cost: {cost_in_words(attempts)}",
    ]
    sections = (
        ("Table", _table(first)),
        ("Permission", _permission(first)),
        ("Instructions", _instructions(story)),
        ("Guards", _guards(story)),
    )
    for heading, said in sections:
        lines += ["", heading, *(f"  {line}" for line in said)]
    if attempts:
        lines += ["", "Attempts, in order"]
        for place, told in enumerate(attempts, 1):
            lines += _attempt(place, told, receipt, attempts)
    for told in story:
        if told.kind == "denial":
            lines += ["", "Refusal", *(f"  {line}" for line in _denial(told, receipt))]
    return lines


def record_in_words(record: Mapping[str, Any]) -> list[str]:
    """Say what one record tells, for who has no other: an intent alone does not say that there was no outcome.

    Args:
        record: its fields.
    """
    kind = str(record["kind"])
    if kind not in _KINDS:
        return [f"a record of the kind {plain(kind)}, written {when(record['time'], exact=True)}"]
    lines = [
        f"{_KINDS[kind]}, written {when(record['time'], exact=True)}",
        f"call {plain(str(record['call']))}, asked for {plain(str(record['route']))}",
    ]
    if kind == "outcome":
        told = Told("attempt", "", None, record, None, record["time"])
        lines += [f"target: {plain(str(record['target']))}", *_ended(told)]
    else:
        told = Told("denial" if kind == "denial" else "attempt", "", record, None, None, record["time"])
        refused = f"refused: {error_in_words(told.outcome, record.get('deny'))}"
        lines += _sent(told, record) if kind == "intent" else [refused, *_passed_over(record)]
        lines += [f"table: {'; '.join(_table(record))}", *_permission(record)]
        lines += _instructions([told]) if kind == "intent" else []
    return [*lines, *(f"guard: {said}" for said in _guards([told])), _fingerprints(record["commit"])]


def _sent(told: Told, began: Mapping[str, Any], before: Sequence[Told] = ()) -> list[str]:
    return [
        f"to {_target(told)}",
        f"why there: {why_there(began, before)}",
        *_passed_over(began),
        f"key presented: {plain(str(began['secret']))}" if began["secret"] else "no key was presented",
    ]


def _operation(story: Sequence[Told]) -> str:
    first = story[0].first
    return f"{plain(str(first.get('operation', 'a call')))}{', as a stream' if first.get('stream') else ''}"


def _ending(story: Sequence[Told], attempts: Sequence[Told]) -> list[str]:
    last = story[-1]
    if last.kind == "denial":
        before = f"after {count(len(attempts), 'attempt')}" if attempts else "before anything was sent"
        return [f"refused {before}: {error_in_words(last.outcome, last.first.get('deny'))}"]
    if any(told.maybe_sent for told in attempts):
        held = [told for told in attempts if told.maybe_sent]
        return [f"MAYBE SENT: {count(len(held), 'attempt has', 'attempts have')} no outcome; the process ended, or it is still under way"]
    answered = next((told for told in reversed(attempts) if told.outcome == "ok"), None)
    if answered is None:
        if is_left(last):
            return [f"left by the caller after {count(len(attempts), 'attempt')}, before the answer had ended: neither failed nor refused"]
        return [f"failed after {count(len(attempts), 'attempt')}: {error_in_words(last.outcome, (last.ended or {}).get('deny'))}"]
    ended = answered.ended or {}
    by = _target(answered)
    return [f"answered by {by}, attempt {_number(answered)} of {len(attempts)}, in {span(ended.get('us'))}"]


def _number(told: Told) -> int:
    return int(told.first["attempt"])


def _target(told: Told) -> str:
    asked, reported = (record.get("model") for record in (told.began or {}, told.ended or {}))
    target = plain(str(told.first["target"]))
    if told.began is None:
        return f"{target}, model {plain(str(reported))} (its intent is not in these records)"
    model = plain(str(asked))
    if reported is not None and reported != asked:
        model += f" (the provider says {plain(str(reported))})"
    return f"{target}, model {model}, at {plain(str(told.began['origin']))} ({plain(str(told.began['provider']))})"


def _table(first: Mapping[str, Any]) -> list[str]:
    table = first.get("table")
    if not table:
        return ["none is recorded"]
    return [
        f"{plain(table['name'])} version {table['version']}, trust: {plain(str(table['trust']))}",
        f"SHA-256 {plain(table['sha256'])}",
    ]


def _permission(first: Mapping[str, Any]) -> list[str]:
    digests = first.get("capabilities") or ()
    if digests:
        several = (
            "a capability, the digest of its chain:" if len(digests) == 1 else "all of several capabilities, the digests of their chains:"
        )
        lines = [several, *(f"  {plain(digest)}" for digest in digests)]
    else:
        lines = [grant_in_words(first.get("table"))]
    labels = [f"data {plain(str(first['data']))}"] if first.get("data") else []
    labels += [f"purpose {plain(str(first['purpose']))}"] if first.get("purpose") else []
    labels += [f"tag {plain(name)}={plain(value)}" for name, value in first.get("tags", {}).items()]
    return [*lines, *([", ".join(labels)] if labels else [])]


def _instructions(story: Iterable[Told]) -> list[str]:
    lines: list[str] = []
    for told in story:
        began = told.began or {}
        lines += [f"template {plain(one['name'])}, SHA-256 {plain(one['sha256'])}" for one in began.get("templates", ())]
        if began.get("system_id"):
            lines.append(f"system prompt, fingerprint {plain(began['system_id'])}: the same text has the same one under this log secret")
    return list(dict.fromkeys(lines)) or ["no template and no system prompt is recorded"]


def _guards(story: Iterable[Told]) -> list[str]:
    lines = [
        f"{plain(one['guard'])} {plain(one['version'])}: {plain(one['action'])}, {plain(one['stage'])} {plain(one['path']) or '/'}"
        + "".join(f"; {plain(reason)}" for reason in one["reasons"])
        for told in story
        for one in verdicts_of(told)
    ]
    return list(dict.fromkeys(lines)) or ["no finding of a guard is recorded"]


def _attempt(place: int, told: Told, receipt: str | None, attempts: Sequence[Told]) -> list[str]:
    began = told.began or {}
    lines = [f"  {place}. {_target(told)}"]
    said = [f"at {when(told.time, exact=True)}"]
    said += [*(_sent(told, began, attempts[: place - 1])[1:] if began else ()), *_ended(told)]
    if is_left(told) and any(other.outcome == "ok" for other in attempts):
        said.append("another attempt had answered: nobody waited for this one any longer")
    said.append(_fingerprints(_commitments(told)))
    said += _receipts(told, receipt)
    return [*lines, *(f"       {line}" for line in said)]


def _passed_over(record: Mapping[str, Any]) -> list[str]:
    return [f"passed over: {plain(name)}: {plain(why)}" for name, why in record.get("rejected", ())]


def _fingerprints(names: Container[str]) -> str:
    """What can be shown later to be what this record was made of."""
    words = [said for name, said in _COMMITTED.items() if name in names]
    return f"can be proved later, by fingerprints in the record: {', '.join(words)}" if words else "no fingerprint of a content is recorded"


def _commitments(told: Told) -> set[str]:
    return {name for record in (told.began, told.ended) if record is not None for name in record.get("commit", {})}


def _ended(told: Told) -> list[str]:
    if told.ended is None:
        worst = (told.began or {}).get("max_cost")
        amount = amount_of(worst)
        held = "" if worst is None or amount is None else f"; held back for it: {money(amount, worst['currency'])}"
        return [f"no outcome: it was maybe sent{held}"]
    ended = told.ended
    status = "" if ended["status"] is None else f", status {ended['status']}"
    first = "" if ended["first_us"] is None else f" (first token after {span(ended['first_us'])})"
    sent = count(ended["requests"], "request")
    lines = [f"ended: {error_in_words(told.outcome, ended['deny'])}{status}, after {span(ended['us'])}{first}, {sent} sent"]
    if ended["finish_reason"] is not None:
        lines.append(f"finish reason: {plain(ended['finish_reason'])}")
    if ended["request_id"] is not None:
        lines.append(f"the provider's request id: {plain(ended['request_id'])}")
    return [*lines, f"tokens: {_tokens(ended['usage'])}", f"cost: {cost_in_words([told])}"]


def _tokens(usage: Mapping[str, int | None] | None) -> str:
    known = [f"{usage[name]:,} {words}" for name, words in _TOKENS if usage is not None and usage[name]]
    return ", ".join(known) or "the provider reported none"


def _receipts(told: Told, receipt: str | None) -> list[str]:
    ids = [("intent" if told.began is not None else "outcome", told.ref)]
    if told.ended_ref is not None and told.began is not None:
        ids.append(("outcome", told.ended_ref))
    return [f"{name}: {plain(one)}{'  <- asked about' if one == receipt else ''}" for name, one in ids]


def _denial(told: Told, receipt: str | None) -> list[str]:
    first = told.first
    mark = "  <- asked about" if told.ref == receipt else ""
    return [
        f"{error_in_words(told.outcome, first.get('deny'))}, on {when(told.time, exact=True)}",
        *_passed_over(first),
        f"denial: {plain(told.ref)}{mark}",
    ]


def cost_in_words(attempts: Iterable[Told]) -> str:
    """What attempts cost together, per currency; what is estimated, unknown and held back is said apart."""
    known: defaultdict[str, Decimal] = defaultdict(Decimal)
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    estimated = unknown = 0
    for told in attempts:
        worst = (told.began or {}).get("max_cost")
        ended = told.ended
        amount = None if ended is None else amount_of(ended["cost"])
        if ended is not None and amount is not None:
            known[str(ended["currency"])] += amount
            estimated += bool(ended["estimated"])
        elif ended is None or ended["estimated"] or ended["outcome"] == "ok":
            unknown += 1
            if (most := amount_of(worst)) is not None and worst is not None and (ended is None or ended["estimated"]):
                held[str(worst["currency"])] += most
    parts = [money(amount, currency) for currency, amount in known.items()]
    parts += [f"estimated for {count(estimated, 'attempt')}: its usage is not known"] if estimated else []
    parts += [f"not known for {count(unknown, 'attempt')}"] if unknown else []
    parts += [f"at most {money(amount, currency)} more is held back" for currency, amount in held.items()]
    return "; ".join(parts) or "nothing"
