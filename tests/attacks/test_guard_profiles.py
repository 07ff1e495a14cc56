"""Attack: a call is brought to pass fewer guards, or milder ones, than the signed table asks for.

It is made to go to a row with a milder profile; the guard is not there; another one has its name, or it was told to look for less; a guard
says less, or points outside the text, so that its find is not raised; a row's profile is changed in memory; the template that may stand as instructions is another one; or a weaker profile
passes review because nobody points at it.

Guards: saferoute/guards/profiles.py::action=max((one.action for one in raising if one.action is not None), default=None), => action=min((one.action for one in raising if one.action is not None), default=None),
Guards: saferoute/guards/profiles.py::on_error="flag" if all(one.on_error == "flag" for one in every) else "block", => on_error="flag" if any(one.on_error == "flag" for one in every) else "block",
Guards: saferoute/guards/profiles.py::reversible=all(one.reversible for one in every), => reversible=any(one.reversible for one in every),
Guards: saferoute/guards/profiles.py::return frozenset(host for hosts in every for host in hosts if all(is_allowed(host, others) for others in every)) => return frozenset().union(*every)
Guards: saferoute/guards/profiles.py::return frozenset.intersection(*pinned) or frozenset({NO_TEMPLATE}) => return frozenset.intersection(*pinned)
Guards: saferoute/guards/profiles.py::approval=max((one.approval for one in every), key=_APPROVALS.index), => approval=min((one.approval for one in every), key=_APPROVALS.index),
Guards: saferoute/guards/profiles.py::raise GuardFailed(msg) => return Active(FunctionGuard(name, "1", frozenset(), print))
Guards: saferoute/guards/profiles.py::if type(own) is not type(guard): => if own is None:
Guards: saferoute/guards/profiles.py::return wide and getattr(own, "model", None) == getattr(guard, "model", None) => return wide
Guards: saferoute/guards/profiles.py::return wide and getattr(own, "model", None) == getattr(guard, "model", None) => return getattr(own, "model", None) == getattr(guard, "model", None)
Guards: saferoute/guards/stricter.py::if type(outcome) is not Verdict or any(span.end > len(segment.text) for span in outcome.spans): => if type(outcome) is not Verdict:
Guards: saferoute/guards/stricter.py::if action is None or outcome.action is Action.ALLOW or outcome.action >= action: => if action is None or outcome.action is Action.ALLOW:
Guards: saferoute/guards/stricter.py::return self.inner.stages => return frozenset(self.inner.guard.stages)
Guards: saferoute/routing/table.py::"extra_params", "quirks", "region", "digest", "limits", "quota_group", "guards", => "extra_params", "quirks", "region", "digest", "limits", "quota_group",
Guards: saferoute/routing/rows.py::if "guards" in row and row["guards"] not in guards: => if "guards" in row and not (guards := {row["guards"]: None, **guards}):
Guards: saferoute/routing/guard_profiles.py::if (found := template_digest(text)) != raw["sha256"]: => if (found := template_digest(text)) == "":
Guards: saferoute/routing/guard_profiles.py::for variable in sorted(named.symmetric_difference(variables)): => for variable in ():
Guards: saferoute/routing/guard_profiles.py::if template not in templates:
Guards: saferoute/routing/guard_profiles.py::if guard == "secrets" and raw.get("reversible"):
Guards: saferoute/routing/difference_guards.py::return rule is None or rule(before, after) => return rule is not None and rule(before, after)
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from saferoute.errors import GuardFailed, UntrustedTable
from saferoute.guards import ALLOWED, Action, Context, InjectionModelGuard, LinkGuard, PiiGuard, Segment, Span, ToolPolicyGuard, Verdict
from saferoute.guards.function import active_guards
from saferoute.guards.injection_model import InjectionModel
from saferoute.guards.pipeline import judge
from saferoute.guards.profiles import active_under, union
from saferoute.routing.difference_guards import profile_changes
from saferoute.values.guard_profile import NO_TEMPLATE, ArgumentRule, GuardProfile, GuardSetting, ToolRule
from tests.support.guarded import Saying
from tests.support.trust_cases import files, full_profile, row, table

STRICT = GuardProfile(
    "strict",
    {"pii": GuardSetting(Action.BLOCK)},
    100,
    frozenset({"docs.example.com"}),
    frozenset({"support-v1"}),
    {"send": ToolRule(approval="always", arguments=(ArgumentRule("/to", longest=9),))},
)
MILD = GuardProfile(
    "mild",
    {"pii": GuardSetting(Action.FLAG, 900, on_error="flag", kinds=frozenset({"pii.email"}), reversible=True)},
    1000,
    frozenset({"docs.example.com", "*.example.com", "evil.example"}),
    frozenset({"anything"}),
    {"send": ToolRule(effects=False, approval="never", restore=True), "delete": ToolRule()},
)


@pytest.mark.parametrize("rows", [(STRICT, MILD), (MILD, STRICT), (MILD, STRICT, None)])
def test_a_row_with_a_milder_profile_makes_no_call_milder(rows: tuple[GuardProfile | None, ...]) -> None:
    whole = union(rows)
    assert whole is not None
    assert whole.guards == {"pii": GuardSetting(Action.BLOCK)}
    assert whole.max_characters == 100
    assert whole.allowed_hosts == (frozenset() if None in rows else {"docs.example.com"})
    assert whole.templates == {NO_TEMPLATE}  # both pin, and not the same: nothing may stand as instructions
    assert whole.tools == {"send": ToolRule(approval="always", arguments=(ArgumentRule("/to", longest=9),))}


def test_a_row_without_a_profile_gives_no_leave_to_fail_or_to_put_back() -> None:
    whole = union([GuardProfile("a", {"pii": GuardSetting(on_error="flag", reversible=True)}), None])
    assert whole is not None
    assert whole.guards["pii"] == GuardSetting()


def test_a_guard_that_is_not_there_stops_the_call() -> None:
    with pytest.raises(GuardFailed, match="asks for the guard 'house', which this client does not have: nothing was sent"):
        active_under(active_guards([Saying(name="other")]), GuardProfile("p", {"house": GuardSetting()}))


class Quiet(PiiGuard):
    """Calls itself the package's."""

    def check(self, segment: Segment, context: Context) -> Verdict:
        del segment, context
        return ALLOWED


MODEL = InjectionModel.packaged()


@pytest.mark.parametrize(
    "own",
    [
        *(Saying(name=name, quick=True) for name in ("injection", "injection_model", "links", "pii", "secrets", "tools", "unicode")),
        Quiet(),
        PiiGuard(kinds=frozenset({"pii.iban"})),
        LinkGuard(markup=False),
        InjectionModelGuard(replace(MODEL, threshold=1e9)),
    ],
)
def test_who_has_the_name_of_a_guard_and_looks_for_less_is_asked_beside_it(own: Any) -> None:
    added, kept = active_under(active_guards([own]), GuardProfile("p", {own.name: GuardSetting()}))
    assert kept.guard is own
    assert (added.name, type(added.guard).__module__.startswith("saferoute.guards.")) == (own.name, True)
    assert added.guard != own


@pytest.mark.parametrize(
    "own",
    [
        PiiGuard(action=Action.BLOCK, special_addresses=True),
        LinkGuard(links=True),
        InjectionModelGuard(MODEL),
        ToolPolicyGuard({"look": ToolRule()}),
    ],
)
def test_who_is_as_strict_is_asked_alone(own: Any) -> None:
    (kept,) = active_under(active_guards([own]), GuardProfile("p", {own.name: GuardSetting()}))
    assert kept.guard is own


def judged(answer: Verdict, setting: GuardSetting, text: str = "some text") -> Action:
    active = active_under(active_guards([Saying(answer)]), GuardProfile("p", {"saying": setting}))
    (one,) = judge(active, Segment(text), Context("input"))
    return one.verdict.action


@pytest.mark.parametrize("spans", [(), (Span(2, 2, "kind"),)])
def test_a_find_without_a_place_is_not_let_through_as_taken_out(spans: tuple[Span, ...]) -> None:
    assert judged(Verdict(Action.FLAG, spans=spans), GuardSetting(Action.REDACT)) is Action.BLOCK


def test_a_place_outside_the_text_is_no_other_kind_of_find() -> None:
    both = (Span(0, 4, "kind.a"), Span(0, 1000, "kind.b"))
    for setting in (GuardSetting(Action.REDACT, kinds=frozenset({"kind.a"})), GuardSetting(Action.FLAG)):
        assert judged(Verdict(Action.FLAG, spans=both), setting) is Action.BLOCK


@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
def test_a_setting_lowers_nothing(action: Action) -> None:
    verdict = Verdict(action, spans=(Span(0, 4, "kind"),), score=0.0)
    for setting in (GuardSetting(Action.FLAG), GuardSetting(Action.REDACT, 1000), GuardSetting(Action.FLAG, kinds=frozenset({"other"}))):
        assert judged(verdict, setting) is action


def test_a_guard_that_forgets_its_stages_is_asked_all_the_same() -> None:
    guard = Saying(Verdict(Action.FLAG))
    base = active_guards([guard])
    guard.stages, guard.name = frozenset(), "other"
    (one,) = judge(active_under(base, GuardProfile("p", {"saying": GuardSetting(Action.BLOCK)})), Segment("x"), Context("input"))
    assert (one.guard, one.verdict.action) == ("saying", Action.BLOCK)


def test_a_profile_that_is_changed_in_memory_stops_the_row() -> None:
    opened = files(table(row(guards="p"), guards={"p": {"guards": {"pii": {"action": "block"}}}})).open()
    target = opened.routes["main"]
    opened.recheck(target)
    for changed in (None, GuardProfile("p"), replace(STRICT, name="p")):
        with pytest.raises(UntrustedTable, match="is not what was signed"):
            opened.recheck(replace(target, guards=changed))
    assert target.guards is not None
    object.__setattr__(target.guards, "guards", MappingProxyType({}))
    with pytest.raises(UntrustedTable, match="is not what was signed"):
        opened.recheck(target)


def refused(**changes: Any) -> str:
    with pytest.raises(UntrustedTable) as caught:
        files(table(row(guards="p"), **{"guards": {"p": {}}, **changes})).open()
    return str(caught.value)


def test_a_row_whose_profile_is_not_there_is_not_a_row_without_one() -> None:
    assert "the table has no guard profile 'p'" in refused(guards={"q": {}})


def test_a_template_is_the_text_of_its_digest() -> None:
    digest = hashlib.sha256(b"Be careful.").hexdigest()
    raw = {"sha256": digest, "variables": {}, "text": "Do what the user says."}
    assert "templates.t.sha256 is not that of the text" in refused(templates={"t": raw})


@pytest.mark.parametrize("text", ["{a}{b}", "{a.b}", "{a[0]}", "{a!r}", "{a:>1000000000}", "{}", "plain"])
def test_a_template_reaches_nothing_but_its_variables(text: str) -> None:
    raw = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "variables": {"a": "text"}, "text": text}
    assert "templates.t." in refused(templates={"t": raw})


def test_a_profile_pins_templates_that_there_are() -> None:
    assert "the table has no template 'gone'" in refused(guards={"p": {"templates": ["gone"]}})


def test_no_profile_has_secrets_put_back() -> None:
    assert "a secret that was taken out is never put back" in refused(guards={"p": {"guards": {"secrets": {"reversible": True}}}})


def test_a_review_points_at_whatever_gets_weaker_and_at_what_it_does_not_know() -> None:
    strict = full_profile()
    for place, field in [("guards", "pii"), ("guards", "secrets")]:
        weaker = {**strict, place: {name: value for name, value in strict[place].items() if name != field}}
        assert [one.dangerous for one in profile_changes({"p": strict}, {"p": weaker})] == [True]
    assert [one.dangerous for one in profile_changes({"p": strict}, {"p": {**strict, "invented_later": 1}})] == [True]
    assert [one.dangerous for one in profile_changes({"p": {**strict, "invented_later": 1}}, {"p": strict})] == [True]
