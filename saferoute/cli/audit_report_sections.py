"""The report's parts about what calls did: cost and tokens, times, refusals, guards, targets, what was maybe sent, which keys were used."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from saferoute.cli.audit_report_charts import band, columns, share_bar, spark
from saferoute.cli.audit_report_markup import Html, tag
from saferoute.cli.audit_report_tables import MOST_ROWS, Column, costs, empty, figure, figures, legend, section, table
from saferoute.ledger.plain import amount_of, count, money, plain, share, span, when
from saferoute.ledger.stats import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.cli.audit_report_facts import Facts
    from saferoute.ledger.attempts import Told
    from saferoute.ledger.stats import Stats

__all__ = ["guards", "keys", "maybe_sent", "money_and_tokens", "refusals", "targets", "times", "totals"]

_MOST_CURRENCIES: Final = 3
_THOUSAND: Final = 1_000
_ACTIONS: Final[Mapping[str, str]] = {"flag": "Flagged", "redact": "Redacted", "block": "Blocked"}
_BREAKDOWN: Final = (
    Column("Calls", "number"), Column("Answered", "number"), Column("Refused", "number"), Column("Left", "number"),
    Column("Failed", "number"), Column("Tokens in", "number"), Column("Tokens out", "number"), Column("Cost", "number"),
    Column("Not known", "number"), Column("p50", "number"), Column("p95", "number"), Column("Over time"),
)  # fmt: skip
_EXPLAINED: Final = (
    "Calls are counted by how they ended: one that was answered after a fallback is answered, and one that its caller left neither failed "
    "nor was refused. p50 and p95: half of the answers, and 95 of 100, took at most this."
)
_MOST_TAGS: Final = 20
_NOTHING: Final = Tally()


def _tallies(facts: Facts, labels: Sequence[str]) -> list[Tally]:
    return [facts.by_time.groups.get((label,), _NOTHING) for label in labels]


def money_and_tokens(facts: Facts, labels: Sequence[str]) -> Html:
    """Cost and tokens over time, and by route, model and tag."""
    intro = "Cost is what the signed prices say of the usage that providers reported. What is not known is counted, and is never 0."
    if not facts.total.attempts:
        return section("cost", "Cost and tokens", intro, empty("No attempt was made in this time."))
    tallies, total = _tallies(facts, labels), facts.total
    content: list[Html] = []
    is_drawn = len(labels) > 1  # of a single hour or day a chart shows nothing that its line of figures does not
    currencies = sorted(total.cost, key=lambda name: -total.cost[name])[:_MOST_CURRENCIES]
    for currency in currencies if is_drawn else ():
        values = [float(tally.cost.get(currency, 0)) for tally in tallies]
        words = f"Columns: cost per {facts.unit}, {costs({currency: total.cost[currency]})} in all; the table below has the figures."
        content.append(figure(f"Cost per {facts.unit}, {plain(currency)}", columns(labels, [("bar", values)], _short, words)))
    if not currencies:
        content.append(empty("No cost is known: the table has no prices, or no usage was reported."))
    tokens = [
        ("bar", [float(tally.tokens["input"]) for tally in tallies]),
        ("second", [float(tally.tokens["output"]) for tally in tallies]),
    ]
    words = f"Columns: tokens per {facts.unit}, {total.tokens['input']:,} in and {total.tokens['output']:,} out in all."
    if is_drawn:
        keys = [legend("bar", "in"), legend("second", "out")]
        content.append(figure(f"Tokens per {facts.unit}", columns(labels, tokens, _short, words), keys))
    content.append(_by_time(facts, labels, tallies))
    content.append(tag("p", *_honest(total), class_="note"))
    content.append(tag("p", _EXPLAINED, class_="note"))
    for name, (whole, over_time) in facts.by.items():
        asked_for = name.partition(":")[2]
        if asked_for and not facts.tags_given and len(whole.groups) == 1:
            continue  # what all calls have in common divides nothing
        content.append(tag("h3", f"By the tag {plain(asked_for)}" if asked_for else f"By {name}"))
        content.append(_unknown_tag(asked_for, facts) if asked_for in facts.unknown_tags else _breakdown(name, whole, over_time, labels))
    return section("cost", "Cost and tokens", intro, *content)


def _unknown_tag(name: str, facts: Facts) -> Html:
    here = ", ".join(plain(one) for one in list(facts.tags_seen)[:_MOST_TAGS]) or "none"
    return empty(f"No record of this time has the tag {plain(name)}; tags here: {here}.")


def _by_time(facts: Facts, labels: Sequence[str], tallies: Sequence[Tally]) -> Html:
    heads = ("Calls", "Answered", "Attempts", "Tokens in", "Tokens out", "Cost", "Cost not known")
    rows = [
        (
            label, f"{one.calls:,}", f"{one.ends['answered']:,}", f"{one.attempts:,}",
            f"{one.tokens['input']:,}", f"{one.tokens['output']:,}", costs(one.cost),
            f"{one.costs_unknown:,}",
        )
        for label, one in zip(labels, tallies, strict=True)
    ]  # fmt: skip
    return figures(
        f"Calls, tokens and cost per {facts.unit}", (Column(facts.unit.capitalize()), *(Column(head, "number") for head in heads)), rows
    )


def _honest(total: Tally) -> list[str]:
    """What the sum of costs leaves out."""
    said = []
    if total.costs_unknown:
        said.append(f"The cost of {count(total.costs_unknown, 'attempt')} is not known. ")
    if any(total.estimated.values()):
        said.append(f"{costs(total.estimated)} of the cost is an estimate: what was sent had no usage reported. ")
    if any(total.held_back.values()):
        said.append(f"At most {costs(total.held_back)} more may be due for what has no outcome or no usage: so much is held back for it.")
    return said or ["The cost of every attempt is known."]


def _breakdown(name: str, whole: Stats, over_time: Stats, labels: Sequence[str]) -> Html:
    without = {"model": "refused before a model was chosen", "route": "no route"}.get(name, "without this tag")
    found = sorted(whole.groups.items(), key=lambda item: (-sum(item[1].cost.values(), Decimal(0)), -item[1].calls, str(item[0])))
    rows, shown = [], _BREAKDOWN if len(labels) > 1 else _BREAKDOWN[:-1]
    for (label,), one in found[:MOST_ROWS]:
        course = [over_time.groups.get((label, bucket), _NOTHING) for bucket in labels]
        by_cost = any(tally.cost for tally in course)
        values = [float(sum(tally.cost.values(), Decimal(0))) if by_cost else float(tally.attempts + tally.denials) for tally in course]
        picture = spark(values, f"{'cost' if by_cost else 'calls'} over time; the highest is {_short(max(values))}")
        rows.append(
            (
                without if label is None else label, f"{one.calls:,}",
                *(f"{one.ends[end]:,}" for end in ("answered", "refused", "left", "failed")),
                f"{one.tokens['input']:,}", f"{one.tokens['output']:,}", costs(one.cost), f"{one.costs_unknown:,}", span(one.p50),
                span(one.p95), picture,
            )[: len(shown) + 1]
        )  # fmt: skip
    heading = name.partition(":")[2] or name.capitalize()
    rest = (
        tag("p", f"and {len(found) - MOST_ROWS} more, with less cost: saferoute audit stats --by {name}", class_="note")
        if len(found) > MOST_ROWS
        else None
    )
    return tag("div", table("", (Column(heading), *shown), rows), rest)


def times(facts: Facts, labels: Sequence[str]) -> Html:
    """How long answers took."""
    intro = "From the moment an attempt began to its whole answer; attempts that failed are left out."
    tallies = _tallies(facts, labels)
    if not facts.total.times:
        return section("times", "How long answers took", intro, empty("No attempt was answered in this time."))
    low, high = [one.p50 for one in tallies], [one.p95 for one in tallies]
    all_of_it = f"{span(facts.total.p50)} and {span(facts.total.p95)} in all"
    words = f"Band per {facts.unit} between the median and the 95th percentile, {all_of_it}."
    picture = figure(
        f"Half and 95 of 100 answers within, per {facts.unit}",
        band(labels, low, high, _at_axis, words),
        [legend("bar", "p50"), legend("second", "up to p95")],
    )
    rows = [(label, f"{one.ok:,}", span(one.p50), span(one.p95)) for label, one in zip(labels, tallies, strict=True)]
    drawn = [picture] if len(labels) > 1 else []
    heads = (Column(facts.unit.capitalize()), Column("Answered", "number"), Column("p50", "number"), Column("p95", "number"))
    return section("times", "How long answers took", intro, *drawn, figures(f"Times per {facts.unit}", heads, rows))


def refusals(facts: Facts, labels: Sequence[str]) -> Html:
    """Calls that were refused, by code and over time."""
    intro = (
        "Calls that saferoute itself ended: a capability or budget that did not allow them, a guard that objected, no row that was ready."
    )
    total = sum(facts.by_deny.values())
    if not total:
        return section("refusals", "Refusals", intro, empty("No call was refused in this time."))
    values = [float(facts.by_deny_time.get(label, 0)) for label in labels]
    picture = figure(
        f"Refused calls per {facts.unit}",
        columns(labels, [("bar", values)], _short, f"Columns: {count(total, 'refused call')} per {facts.unit}."),
    )
    timed = figures(
        f"Refused calls per {facts.unit}", (Column(facts.unit.capitalize()), Column("Refused", "number")),
        [(label, f"{int(value):,}") for label, value in zip(labels, values, strict=True)],
    )  # fmt: skip
    rows = [
        (error, tag("code", code) if code else "-", f"{number:,}", share(number, total), share_bar(number / total))
        for (error, code), number in facts.by_deny.most_common(MOST_ROWS)
    ]
    heads = (Column("Error"), Column("Code"), Column("Calls", "number"), Column("Share", "number"), Column(""))
    drawn = [picture] if len(labels) > 1 else []
    return section("refusals", "Refusals", intro, *drawn, timed, tag("h3", "By code"), table("", heads, rows))


def guards(facts: Facts) -> Html:
    """What guards said."""
    intro = "What guards found in requests and answers, and what was done about it. A guard that found nothing leaves no record."
    if not facts.verdicts:
        return section("guards", "Guards", intro, empty("No guard found anything in this time, or none was asked."))
    by_guard: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (guard, action), number in facts.verdicts.items():
        by_guard[guard][action if action in _ACTIONS else "other"] += number
    stages: defaultdict[str, list[str]] = defaultdict(list)
    for (guard, stage), number in facts.stages.most_common():
        stages[guard].append(f"{stage} {number:,}")
    most = max(sum(counts.values()) for counts in by_guard.values())
    rows = [
        (
            guard, *(f"{counts[action]:,}" for action in _ACTIONS), f"{sum(counts.values()):,}", share_bar(sum(counts.values()) / most),
            ", ".join(stages[guard][:6]),
        )
        for guard, counts in sorted(by_guard.items(), key=lambda item: (-sum(item[1].values()), item[0]))[:MOST_ROWS]
    ]  # fmt: skip
    heads = (
        Column("Guard"),
        *(Column(head, "number") for head in _ACTIONS.values()),
        Column("All", "number"),
        Column(""),
        Column("Where", "wide"),
    )
    return section("guards", "Guards", intro, table("", heads, rows))


def targets(facts: Facts) -> Html:
    """Which rows answered, failed, and stood in for others."""
    intro = "Every row of a table that was asked. Instead: the row was asked because another one had failed or was passed over."
    if not facts.by_target.groups:
        return section("targets", "Targets, failures and fallbacks", intro, empty("No row was asked in this time."))
    rows = []
    for (label,), one in sorted(facts.by_target.groups.items(), key=lambda item: -item[1].attempts)[:MOST_ROWS]:
        name = label or "?"
        why = Counter({outcome: number for (target, outcome), number in facts.failures.items() if target == name}).most_common(6)
        chosen = [facts.chosen[name, how] for how in ("first", "instead", "again", "hedge", "copy")]
        failed = one.failed + one.maybe_sent
        rows.append(
            (
                name, f"{one.attempts:,}", share(one.ok, one.attempts), *(f"{number:,}" for number in (*chosen, one.left, failed)),
                share_bar(failed / one.attempts, "bad"), ", ".join(f"{outcome} {number:,}" for outcome, number in why) or "-",
            )
        )  # fmt: skip
    heads = ("Attempts", "Answered", "First", "Instead", "Again", "Hedge", "Copy", "Left", "Not answered")
    columns_ = (Column("Target"), *(Column(head, "number") for head in heads), Column(""), Column("How it ended", "wide"))
    return section("targets", "Targets, failures and fallbacks", intro, table("", columns_, rows))


def maybe_sent(facts: Facts) -> Html:
    """Attempts whose fate nobody knows."""
    intro = (
        "An intent without an outcome: the process ended in between, or it is still under way. The request may have reached the provider, "
        "and may be billed."
    )
    title = "Maybe sent"
    if not facts.maybe_sent:
        return section("maybe-sent", title, intro, empty("Every attempt of this time has an outcome."))
    rows = []
    for _, ref, told in sorted(facts.maybe_sent, reverse=True)[:MOST_ROWS]:
        first = told.first
        rows.append(
            (
                when(told.time),
                str(first["target"]),
                str(first["model"]),
                str(first["secret"] or "no key"),
                _held_back(told),
                tag("code", ref),
            )
        )
    heads = (Column("Began"), Column("Target"), Column("Model"), Column("Key"), Column("Held back", "number"), Column("Receipt", "wide"))
    number = facts.total.maybe_sent
    rest = tag("p", f"These are the last {len(rows)} of {number:,}.", class_="note") if number > len(rows) else None
    return section("maybe-sent", title, intro, table("", heads, rows), rest)


def _held_back(told: Told) -> str:
    worst = told.first["max_cost"]
    amount = amount_of(worst)
    return "-" if worst is None or amount is None else money(amount, worst["currency"])


def keys(facts: Facts) -> Html:
    """Which provider keys were presented, and where."""
    intro = "By the names that tables give keys; no key is in a ledger. If one leaks, saferoute audit find lists all that presented it."
    if not facts.secrets:
        return section("keys", "Keys presented", intro, empty("No key was presented in this time."))
    rows = [
        (name, f"{seen.count:,}", when(seen.first), when(seen.last), ", ".join(sorted(seen.origins)[:10]))
        for name, seen in sorted(facts.secrets.items(), key=lambda item: -item[1].count)[:MOST_ROWS]
    ]
    heads = (Column("Key"), Column("Attempts", "number"), Column("First", "time"), Column("Last", "time"), Column("Sent to", "wide"))
    return section("keys", "Keys presented", intro, table("", heads, rows))


def _short(value: float) -> str:
    """A value at an axis."""
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * (10 if mark == "k" else 1):
            return f"{value / size:.3g} {mark}"
    if value >= _THOUSAND:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _rounded(amount: Decimal, currency: str) -> str:
    """An amount to the cent, where it has as much as one."""
    return f"{amount:,.2f} {plain(currency)}" if amount >= Decimal("0.01") else money(amount, currency)


def _at_axis(microseconds: float) -> str:
    """A time at an axis."""
    seconds = microseconds / 1e6
    return "0" if not seconds else f"{seconds:g} s" if seconds >= 1 else f"{seconds * _THOUSAND:g} ms"


def totals(facts: Facts) -> Mapping[str, tuple[str, str]]:
    """The figures at the head of the report, of calls and not of attempts: what each is called, the figure, and what stands below it."""
    total, ends = facts.total, facts.ends
    others = [f"{ends['refused']:,} refused", f"{ends['left']:,} left by the caller", f"{ends['failed']:,} failed"]
    others += [f"{ends['maybe sent']:,} maybe sent"] if ends["maybe sent"] else []
    not_known = f"not known for {count(total.costs_unknown, 'attempt')}" if total.costs_unknown else "known for every attempt"
    return {
        "Calls answered": (f"{ends['answered']:,} of {facts.calls:,}", f"{', '.join(others)}; {count(total.attempts, 'attempt')}"),
        "Cost": (" + ".join(_rounded(amount, currency) for currency, amount in sorted(total.cost.items())) or "-", not_known),
        "Tokens": (
            f"{_short(total.tokens['input'])} in",
            f"{_short(total.tokens['output'])} out, {_short(total.tokens['cache_read'])} from cache",
        ),
        "Median time": (span(total.p50), f"95 of 100 within {span(total.p95)}"),
        "Calls refused": (f"{ends['refused']:,}", f"{total.blocked:,} ended by a guard"),
        "Maybe sent": (f"{total.maybe_sent:,}", "no outcome is recorded" if total.maybe_sent else "every attempt has an outcome"),
        "Keys presented": (f"{len(facts.secrets):,}", "by the names that tables give them"),
        "Table versions": (f"{len(facts.tables):,}", "decided where calls go"),
    }
