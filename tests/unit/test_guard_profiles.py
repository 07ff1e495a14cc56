"""The strictest of several guard profiles, and the guards that one asks for."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import GuardError, GuardFailed
from saferoute.guards import Action, Context, Segment, Span, Verdict
from saferoute.guards.destinations import is_allowed
from saferoute.guards.function import active_guards
from saferoute.guards.pipeline import Active, judge
from saferoute.guards.profiles import active_under, union
from saferoute.guards.stricter import StricterGuard, raised
from saferoute.values.guard_profile import NO_TEMPLATE, ArgumentRule, GuardProfile, GuardSetting, ToolRule
from tests.support.guarded import Saying

KINDS = ("pii", "pii.email", "pii.email.own", "link")
HOSTS = ("a.example", "*.a.example", "x.a.example", "*.x.a.example", "b.example", "*.example")
PROBED = ("a.example", "x.a.example", "y.x.a.example", "b.example", "example", "*.a.example", "z.c.example")
APPROVALS = ("never", "tainted", "always")

rules = st.builds(
    ArgumentRule,
    st.sampled_from(["/a", "/b"]),
    st.frozensets(st.sampled_from(["h", ".h"]), max_size=1),
    st.sampled_from([(), ("x",), ("x", "y")]),
    st.sampled_from([(), ("p",)]),
    st.sampled_from([None, 0, 9]),
)
tools = st.builds(ToolRule, st.booleans(), st.sampled_from(APPROVALS), st.lists(rules, max_size=3, unique=True).map(tuple), st.booleans())
guard_settings = st.builds(
    GuardSetting,
    st.sampled_from([None, Action.FLAG, Action.REDACT, Action.BLOCK]),
    st.sampled_from([None, 0, 300, 500, 1000]),
    st.sampled_from(["block", "flag"]),
    st.frozensets(st.sampled_from(KINDS), max_size=3),
    st.booleans(),
)
profiles = st.builds(
    GuardProfile,
    st.sampled_from(["a", "b", "c", "d"]),
    st.dictionaries(st.sampled_from(["g", "h"]), guard_settings),
    st.sampled_from([None, 1, 1000]),
    st.frozensets(st.sampled_from(HOSTS)),
    st.frozensets(st.sampled_from(["t", "u", "v"])),
    st.none() | st.dictionaries(st.sampled_from(["find", "send"]), tools),
)
verdicts = st.builds(
    lambda action, kinds, score: Verdict(action, spans=tuple(Span(0, 1, kind) for kind in kinds), score=score),
    st.sampled_from([Action.ALLOW, Action.FLAG, Action.BLOCK]),
    st.lists(st.sampled_from(KINDS), max_size=2),
    st.sampled_from([None, 0.0, 0.3, 0.4, 0.5, 1.0]),
)
TEXT = Segment("some text")


def digits(*kinds: str) -> str:
    return hashlib.sha256("\n".join(kinds).encode()).hexdigest()[:8]


def under(profile: GuardProfile | None, verdict: Verdict) -> Verdict:
    setting = None if profile is None else profile.guards.get("g")
    made = verdict if setting is None else raised(verdict, setting, TEXT)
    assert isinstance(made, Verdict)
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | profiles, max_size=4))
def test_the_strictest_is_one_whatever_the_order_and_however_often(several: list[GuardProfile | None]) -> None:
    whole = union(several)
    assert union(several[::-1]) == union(several + several) == union([whole, *several]) == whole
    if several:
        assert union([union(several[:1]), union(several[1:])] if several[1:] else several) == whole
    assert (whole is None) == all(one is None for one in several)
    assert hash(whole) == hash(union(several[::-1]))


@settings(max_examples=20, deadline=None)
@given(profiles)
def test_one_profile_is_itself(one: GuardProfile) -> None:
    assert union([one]) is one
    assert union(iter((one, one))) is one
    assert union([]) is union([None]) is union([None, None]) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | profiles, min_size=1, max_size=3), verdicts)
def test_the_strictest_is_milder_than_none_of_them(several: list[GuardProfile | None], verdict: Verdict) -> None:
    whole = union(several)
    for one in several:
        assert under(whole, verdict).action >= under(one, verdict).action
        if whole is None or one is None:
            continue
        assert not [host for host in PROBED if is_allowed(host, whole.allowed_hosts) and not is_allowed(host, one.allowed_hosts)]
        assert one.max_characters is None or (whole.max_characters is not None and whole.max_characters <= one.max_characters)
        assert not one.templates or (whole.templates and whole.templates - {NO_TEMPLATE} <= one.templates)
        assert set(one.guards) <= set(whole.guards)
        for name, setting in whole.guards.items():
            said = one.guards.get(name, GuardSetting())
            assert (setting.on_error, said.on_error) != ("flag", "block")
            assert not setting.reversible or said.reversible
        for name, rule in (whole.tools or {}).items():
            own = ToolRule() if one.tools is None else one.tools[name]
            assert rule.effects >= own.effects
            assert APPROVALS.index(rule.approval) >= APPROVALS.index(own.approval)
            assert set(own.arguments) <= set(rule.arguments)
            assert not rule.restore or own.restore
        assert one.tools is None or whole.tools is not None


def test_a_row_without_a_profile_says_of_no_guard_that_it_may_fail() -> None:
    open_one = GuardProfile("a", {"g": GuardSetting(Action.BLOCK, on_error="flag", reversible=True)}, allowed_hosts=frozenset({"h"}))
    whole = union([open_one, None])
    assert whole == GuardProfile("a", {"g": GuardSetting(Action.BLOCK)})


def test_what_is_put_together() -> None:
    page, mail = ArgumentRule("/url", frozenset({"a.example"})), ArgumentRule("/to", longest=9)
    one = GuardProfile(
        "one",
        {"pii": GuardSetting(Action.REDACT, 500, kinds=frozenset({"pii.email"})), "own": GuardSetting()},
        10,
        frozenset({"*.a.example", "b.example"}),
        frozenset({"t", "u"}),
        {"find": ToolRule(effects=False, approval="never", arguments=(page, mail), restore=True), "send": ToolRule()},
    )
    two = GuardProfile(
        "two",
        {"pii": GuardSetting(Action.BLOCK, 400, kinds=frozenset({"pii"}))},
        20,
        frozenset({"x.a.example", "c.example"}),
        frozenset({"u"}),
        {"find": ToolRule(effects=True, approval="always", arguments=(page,)), "open": ToolRule()},
    )
    assert union([two, one]) == GuardProfile(
        "one+two",
        {"own": GuardSetting(), "pii": GuardSetting(Action.BLOCK, 400, kinds=frozenset({"pii"}))},
        10,
        frozenset({"x.a.example"}),
        frozenset({"u"}),
        {"find": ToolRule(effects=True, approval="always", arguments=(mail, page))},
    )


def test_a_threshold_counts_where_there_is_an_action() -> None:
    sure, any_find, named = GuardSetting(Action.BLOCK, 900, kinds=frozenset({"a"})), GuardSetting(Action.FLAG), GuardSetting()

    def both(*several: GuardSetting) -> GuardSetting:
        whole = union([GuardProfile(name, {"g": one}) for name, one in zip("abc", several, strict=False)])
        assert whole is not None
        return whole.guards["g"]

    assert both(sure, named) == sure
    assert both(sure, any_find) == GuardSetting(Action.BLOCK)
    assert both(named, GuardSetting(reversible=True)) == GuardSetting()


def test_pinned_templates_that_have_none_in_common_are_none_at_all() -> None:
    whole = union([GuardProfile("a", templates=frozenset({"t"})), GuardProfile("b", templates=frozenset({"u"})), GuardProfile("c")])
    assert whole is not None
    assert whole.templates == {NO_TEMPLATE}
    again = union([whole, GuardProfile("d", templates=frozenset({"t", "u"}))])
    assert again is not None
    assert again.templates == {NO_TEMPLATE}


# ------------------------------------------------------------------------------------------------------------ the guards of a profile

FOUND = Verdict(Action.FLAG, ("found",), (Span(0, 4, "kind.a"), Span(5, 9, "kind.b")))


def asked(profile: GuardProfile, *base: Any, text: str = "some text", stage: Any = "input") -> list[tuple[str, str, Verdict]]:
    active = active_under(active_guards(base), profile)
    return [(one.guard, one.version, one.verdict) for one in judge(active, Segment(text), Context(stage))]


def test_a_profile_that_names_no_guard_leaves_them_as_they_are() -> None:
    base = active_guards([Saying(name="one"), Saying(name="two")])
    assert active_under(base, GuardProfile("p")) == base
    same = active_under(base, GuardProfile("p", {"one": GuardSetting()}))
    assert [new is old for new, old in zip(same, base, strict=True)] == [True, True]


@pytest.mark.parametrize("name", ["injection", "injection_model", "links", "pii", "secrets", "tools", "unicode"])
def test_a_guard_of_the_package_is_there_where_a_profile_asks_for_it(name: str) -> None:
    added, own = active_under(active_guards([Saying(name="own")]), GuardProfile("p", {name: GuardSetting()}))
    assert (added.name, added.on_error, own.name) == (name, "block", "own")
    assert not isinstance(added.guard, StricterGuard)
    assert (added.quick, added.streams) == active_quick_and_streams(added)
    (kept,) = active_under((added,), GuardProfile("p", {name: GuardSetting()}))
    assert kept is added


def active_quick_and_streams(active: Active) -> tuple[bool, bool]:
    return getattr(active.guard, "quick", False), hasattr(active.guard, "open_candidate")


def test_a_guard_that_nobody_has_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(GuardFailed) as caught:
        active_under((), GuardProfile("house", {"own-rules": GuardSetting()}))
    assert isinstance(caught.value, GuardError)
    assert str(caught.value) == (
        "the routing table's guard profile 'house' asks for the guard 'own-rules', which this client does not have: nothing was sent. Give "
        "it to the client: Client(..., guards=[...])"
    )


def test_personal_data_is_taken_out_where_the_profile_says_so() -> None:
    profile = GuardProfile("p", {"pii": GuardSetting(Action.REDACT, kinds=frozenset({"pii.email"}))})
    text = "mail ada@example.com or call +49 30 901820"
    ((name, version, verdict),) = asked(profile, text=text)
    assert (name, version) == ("pii", f"1+redact#{digits('pii.email')}")
    assert verdict.action is Action.REDACT
    assert [text[span.start : span.end] for span in verdict.spans] == ["ada@example.com"]
    assert verdict.reasons[-1] == "the routing table raises this from flag to redact"


@pytest.mark.parametrize(
    ("setting", "action", "places"),
    [
        (GuardSetting(), Action.FLAG, 2),
        (GuardSetting(Action.FLAG), Action.FLAG, 2),
        (GuardSetting(Action.REDACT), Action.REDACT, 2),
        (GuardSetting(Action.BLOCK), Action.BLOCK, 2),
        (GuardSetting(Action.REDACT, kinds=frozenset({"kind"})), Action.REDACT, 2),
        (GuardSetting(Action.REDACT, kinds=frozenset({"kind.b"})), Action.REDACT, 1),
        (GuardSetting(Action.BLOCK, kinds=frozenset({"kind.b"})), Action.BLOCK, 2),
        (GuardSetting(Action.BLOCK, kinds=frozenset({"kin", "kind.c", "kind.a.x"})), Action.FLAG, 2),
        (GuardSetting(Action.BLOCK, 1000), Action.BLOCK, 2),  # nobody said how sure
    ],
)
def test_what_a_find_becomes(setting: GuardSetting, action: Action, places: int) -> None:
    verdict = raised(FOUND, setting, TEXT)
    assert isinstance(verdict, Verdict)
    assert (verdict.action, len(verdict.spans)) == (action, places)
    assert (verdict is FOUND) == (action is Action.FLAG)


@pytest.mark.parametrize(("score", "action"), [(0.569, Action.FLAG), (0.57, Action.BLOCK), (1.0, Action.BLOCK), (None, Action.BLOCK)])
def test_a_find_below_the_threshold_stays_what_it_is(score: float | None, action: Action) -> None:
    verdict = raised(Verdict(Action.FLAG, score=score), GuardSetting(Action.BLOCK, 570), TEXT)
    assert isinstance(verdict, Verdict)
    assert verdict.action is action


@pytest.mark.parametrize("spans", [(), (Span(3, 3, "kind"),)])
def test_what_has_no_place_to_take_out_is_blocked(spans: tuple[Span, ...]) -> None:
    verdict = raised(Verdict(Action.FLAG, spans=spans), GuardSetting(Action.REDACT, kinds=frozenset({"kind"})), TEXT)
    assert verdict == Verdict(Action.BLOCK, ("the routing table raises this from flag to block",))


@pytest.mark.parametrize("action", [Action.ALLOW, Action.REDACT, Action.BLOCK])
def test_nothing_is_lowered_and_what_is_no_find_is_none(action: Action) -> None:
    verdict = Verdict(action, spans=(Span(0, 1, "kind"),), score=1.0)
    milder = [GuardSetting(one) for one in (None, Action.FLAG, Action.REDACT)]
    assert [raised(verdict, one, TEXT) is verdict for one in milder] == [True, True, True]


def test_there_are_never_more_reasons_than_a_verdict_holds() -> None:
    full = Verdict(Action.FLAG, tuple(map(str, range(32))))
    verdict = raised(full, GuardSetting(Action.BLOCK), TEXT)
    assert isinstance(verdict, Verdict)
    assert verdict.reasons == (*map(str, range(31)), "the routing table raises this from flag to block")


@pytest.mark.parametrize(
    ("setting", "mark"),
    [
        (GuardSetting(Action.BLOCK), "+block"),
        (GuardSetting(Action.REDACT, 500), "+redact@500"),
        (GuardSetting(Action.FLAG, 0, kinds=frozenset({"b", "a"})), f"+flag@0#{digits('a', 'b')}"),
        (GuardSetting(on_error="flag"), "+on-error-flag"),
        (GuardSetting(Action.BLOCK, on_error="flag", reversible=True), "+block+on-error-flag+reversible"),
    ],
)
def test_a_receipt_tells_the_setting(setting: GuardSetting, mark: str) -> None:
    (active,) = active_under(active_guards([Saying(name="g")]), GuardProfile("p", {"g": setting}))
    assert (active.name, active.version) == ("g", f"1{mark}")
    assert (active.on_error, active.reversible) == (setting.on_error, setting.reversible)
    assert isinstance(active.guard, StricterGuard)
    assert (active.guard.on_error, active.stages) == (setting.on_error, frozenset({"input", "tool_result", "tool_call", "output"}))


def test_what_the_pipeline_asks_of_a_guard_is_the_guards_own() -> None:
    block = GuardProfile("p", {name: GuardSetting(Action.BLOCK) for name in ("injection", "links", "slow")})
    slow = Saying(name="slow")
    slow.seconds = 7.0  # type: ignore[attr-defined]
    injection, links, given_one = active_under((Active(slow, seconds=7.0),), block)
    inner: list[Any] = [injection.guard, links.guard]
    found = [
        (one.name, one.quick, own.quick, one.streams, own.reads_views, one.judges_restored, one.seconds)
        for one, own in zip((injection, links), inner, strict=True)
    ]
    assert found == [("injection", True, True, False, True, False, None), ("links", True, True, True, False, True, None)]
    assert (given_one.name, given_one.quick, given_one.streams, given_one.seconds) == ("slow", False, False, 7.0)
    assert links.guard.open_candidate("see ![x](http") < len("see ![x](http")  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="cannot judge a text piece by piece"):
        given_one.guard.open_candidate("x")  # type: ignore[attr-defined]


def test_a_failure_of_a_guard_is_its_failure() -> None:
    profile = GuardProfile("p", {"saying": GuardSetting(Action.REDACT)})
    for answer, why in ((ValueError("x"), "it raised ValueError"), ("yes", "it returned str"), (None, "")):
        ((_, _, verdict),) = asked(profile, Saying(answer))
        assert verdict.action is (Action.BLOCK if why else Action.ALLOW)
        assert why in "".join(verdict.reasons)


class Awaited(Saying):
    """A guard that is awaited."""

    async def acheck(self, segment: Segment, context: Context) -> Any:
        return Saying.check(self, segment, context)


class Lazy(Saying):
    """A guard whose `acheck` is no coroutine function."""

    def acheck(self, segment: Segment, context: Context) -> Any:
        self.asked.append(("made", "", ""))

        async def later() -> Any:
            return Saying.check(self, segment, context)

        return later()


@pytest.mark.parametrize(("kind", "coroutine"), [(Awaited, True), (Lazy, False)])
def test_a_guard_that_is_awaited_is_under_the_setting_too(kind: type[Saying], coroutine: bool) -> None:
    import asyncio
    import inspect

    (active,) = active_under(active_guards([kind(FOUND)]), GuardProfile("p", {"saying": GuardSetting(Action.BLOCK)}))
    check: Any = active.guard.acheck  # type: ignore[attr-defined]
    assert inspect.iscoroutinefunction(check) is coroutine

    async def awaited() -> Verdict:
        verdict: Verdict = await check(TEXT, Context("input"))
        return verdict

    assert asyncio.run(awaited()).action is Action.BLOCK
    plain = active_under(active_guards([Saying(FOUND)]), GuardProfile("p", {"saying": GuardSetting(Action.BLOCK)}))
    assert not hasattr(plain[0].guard, "acheck")


def test_every_order_of_three_gives_the_same_guards() -> None:
    several = [
        GuardProfile("a", {"pii": GuardSetting(Action.FLAG, 300)}),
        GuardProfile("b", {"pii": GuardSetting(Action.REDACT, 500)}),
        GuardProfile("c", {"secrets": GuardSetting(Action.BLOCK)}),
    ]
    made = {union(order) for order in itertools.permutations(several)}
    assert len(made) == 1
    whole = made.pop()
    assert whole is not None
    assert [one.version for one in active_under((), whole)] == ["1+redact@300", "1+block"]
