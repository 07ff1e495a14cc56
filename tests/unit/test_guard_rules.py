"""Which guards a call passes: its client's own, and what the profiles of the rows ask for that it may come to."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from saferoute.call.guard_rules import rules_of, rules_under
from saferoute.call.rules import Rules
from saferoute.errors import GuardFailed
from saferoute.guards import Action, CanaryGuard, Context, PiiGuard, Segment, SpotlightingGuard, ToolApproval, ToolPolicyGuard, ToolRule
from saferoute.guards.defaults import guards_with_defaults
from saferoute.guards.function import active_guards
from saferoute.guards.insertion import inserted
from saferoute.guards.pipeline import judge
from saferoute.guards.stricter import StricterGuard, bare
from saferoute.guards.views import views_of
from saferoute.values.guard_profile import NO_TEMPLATE, ArgumentRule, GuardProfile, GuardSetting
from saferoute.values.messages import Message, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest
from tests.support.guarded import Saying
from tests.unit.health_rows import row

NONCE = "0123456789abcdef"
NOTHING = Rules()
LOOK = Segment('{"url": "https://a.example/"}', "assistant", "model", path="/content/0", name="look")
SEND = Segment('{"to": "eve"}', "assistant", "model", path="/content/0", name="send")


def own(*guards: Any, **bounds: Any) -> Rules:
    return Rules(active_guards(guards), **bounds)


def under(rules: Rules, *profiles: GuardProfile | None) -> Rules:
    """The rules of a call that may come to rows of these profiles."""
    table = {profile.name: profile for profile in profiles if profile is not None}
    return rules_under(rules, table, frozenset("" if profile is None else profile.name for profile in profiles))


def asking(**guards: GuardSetting) -> GuardProfile:
    return GuardProfile("asking", guards)


def called(rules: Rules, call: Segment, *, tainted: bool = False, tools: tuple[str, ...] = ("look", "send")) -> list[tuple[Action, str]]:
    said = judge(rules.active, call, Context("tool_call", tainted=tainted, tools=frozenset(tools)))
    return [(one.verdict.action, "; ".join(one.verdict.reasons)) for one in said if one.guard == "tools"]


# --- which profiles count -------------------------------------------------------------------------------------------------------------


class Table:
    """The profiles of a table, and which sets of them were asked for."""

    def __init__(self, rules: Rules, *profiles: GuardProfile) -> None:
        self.profiles = {profile.name: profile for profile in profiles}
        self.asked: list[frozenset[str]] = []
        self.rules = rules

    def strict(self, names: frozenset[str]) -> Rules:
        self.asked.append(names)
        return rules_under(self.rules, self.profiles, names)

    def of(self, *names: str) -> Rules:
        rows = [row(f"r{number}", guards=self.profiles.get(name)) for number, name in enumerate(names)]
        return rules_of(self.rules, self.strict, self.profiles, rows, never)


def never() -> str:
    pytest.fail("a nonce was drawn for guards that want none")


def test_every_row_that_a_call_may_come_to_counts_and_each_profile_once() -> None:
    table = Table(own(Saying()), GuardProfile("a", max_characters=9), GuardProfile("b", max_characters=5, templates=frozenset({"t"})))
    assert table.of("a", "b", "a").most_characters == 5
    assert table.of("a", "a").most_characters == 9
    assert table.of("a", "").most_characters == 9  # a row without a profile takes nothing back
    assert table.of("b", "").templates == {"t"}
    assert table.of("") is table.rules
    assert table.asked == [frozenset("ab"), frozenset("a"), frozenset({"a", ""}), frozenset({"b", ""}), frozenset({""})]


def test_a_table_without_profiles_asks_nobody() -> None:
    rules = own(Saying())
    assert rules_of(rules, None, {}, [row()], never) is rules
    assert rules_of(rules, lambda _: pytest.fail("asked"), {}, [row()], never) is rules
    assert rules_of(rules, None, {"p": GuardProfile("p")}, [row()], never) is rules


def test_a_profile_that_says_nothing_changes_no_guard() -> None:
    rules = own(Saying(), PiiGuard(), most_characters=7, allowed_hosts=frozenset({"a.example"}))
    found = under(rules, GuardProfile("p"))
    assert found.active == rules.active
    assert found.most_characters == 7
    assert found.allowed_hosts == {"a.example"}
    assert found.templates == found.restores == frozenset()


# --- guards ---------------------------------------------------------------------------------------------------------------------------


def test_a_client_without_guards_gets_those_of_the_package_that_a_profile_names() -> None:
    found = under(NOTHING, asking(pii=GuardSetting(Action.BLOCK), links=GuardSetting(), secrets=GuardSetting(on_error="flag")))
    assert [one.name for one in found.active] == ["links", "pii", "secrets"]
    assert [one.on_error for one in found.active] == ["block", "block", "flag"]
    assert found.names == {"links", "pii", "secrets"}
    (said,) = judge(found.active, Segment("ada@example.org"), Context("input"))
    assert (said.guard, said.version, said.verdict.action) == ("pii", f"{PiiGuard().version}+block", Action.BLOCK)


def test_a_guard_that_is_nobodys_stops_the_call() -> None:
    profile = asking(house=GuardSetting())
    with pytest.raises(GuardFailed, match=r"profile 'asking' asks for the guard 'house', which this client does not have"):
        under(own(Saying()), profile)
    with pytest.raises(GuardFailed, match=r"profile 'asking\+other' asks for the guard 'house'"):
        under(own(Saying()), GuardProfile("other", max_characters=3), profile, None)
    assert under(own(Saying(name="house")), profile).names == {"house"}


@pytest.mark.parametrize(("client", "table", "least"), [(10, 4, 4), (4, 10, 4), (10, None, 10), (4, 4, 4)])
def test_the_smaller_bound_counts(client: int, table: int | None, least: int) -> None:
    assert under(own(Saying(), most_characters=client), GuardProfile("p", max_characters=table)).most_characters == least


def test_hosts_of_the_table_come_on_top_of_the_clients() -> None:
    rules = own(Saying(), allowed_hosts=frozenset({"own.example"}))
    a = GuardProfile("a", allowed_hosts=frozenset({"x.example", "y.example"}))
    b = GuardProfile("b", allowed_hosts=frozenset({"*.example"}))
    assert under(rules, a).allowed_hosts == {"own.example", "x.example", "y.example"}
    assert under(rules, a, b).allowed_hosts == {"own.example", "x.example", "y.example"}
    assert under(rules, a, None).allowed_hosts == {"own.example"}


def test_templates_are_those_that_all_pin() -> None:
    a, b = GuardProfile("a", templates=frozenset({"t", "u"})), GuardProfile("b", templates=frozenset({"u", "v"}))
    assert under(NOTHING, a).templates == {"t", "u"}
    assert under(NOTHING, a, b).templates == {"u"}
    assert under(NOTHING, a, GuardProfile("c", templates=frozenset({"v"}))).templates == {NO_TEMPLATE}


@pytest.mark.parametrize(
    ("guards", "profile", "wanted"),
    [
        ([], asking(injection=GuardSetting()), True),
        ([], asking(injection=GuardSetting(Action.BLOCK)), True),  # wrapped, and it reads them all the same
        ([], asking(links=GuardSetting()), False),
        ([Saying()], asking(secrets=GuardSetting()), False),
        ([Saying()], asking(saying=GuardSetting(Action.BLOCK)), False),
    ],
)
def test_views_are_made_for_those_only_that_look_at_them(guards: list[Any], profile: GuardProfile, wanted: bool) -> None:
    found = under(own(*guards), profile)
    assert found.views is (views_of if wanted else None)


def test_what_guards_of_others_may_take_stays_the_clients() -> None:
    assert under(own(Saying(), seconds=0.5), asking(pii=GuardSetting())).seconds == 0.5


# --- tools ----------------------------------------------------------------------------------------------------------------------------

ONLY_LOOK = GuardProfile(
    "tools", tools={"look": ToolRule(effects=False, arguments=(ArgumentRule("/url", hosts=frozenset({"a.example"})),), restore=True)}
)
SENDING = GuardProfile("sending", tools={"look": ToolRule(), "send": ToolRule(approval="always")})


def test_a_client_without_a_guard_of_tools_gets_one_that_blocks() -> None:
    for rules in (NOTHING, own(Saying(stages=["input"]))):
        found = under(rules, ONLY_LOOK)
        assert found.names == rules.names | {"tools"}
        assert called(found, LOOK) == []
        assert called(found, SEND) == [(Action.BLOCK, "no rule allows a tool of exactly this name")]
        assert found.restores == {"look"}


def test_the_table_decides_whether_rules_are_enforced() -> None:
    lenient = own(ToolPolicyGuard(enforce=False))
    assert called(lenient, SEND, tools=("look",)) == [(Action.FLAG, "the call offers no tool of exactly this name")]
    found = under(lenient, ONLY_LOOK)
    assert called(found, SEND) == [(Action.BLOCK, "no rule allows a tool of exactly this name")]
    assert len([one for one in found.active if one.name == "tools"]) == 1
    without = under(lenient, GuardProfile("p", {"pii": GuardSetting()}))  # says nothing about tools
    assert called(without, SEND, tools=("look",)) == [(Action.FLAG, "the call offers no tool of exactly this name")]


def test_the_clients_rules_count_beside_the_tables() -> None:
    found = under(own(ToolPolicyGuard({"send": ToolRule(), "look": ToolRule(arguments=(ArgumentRule("/url", longest=3),))})), ONLY_LOOK)
    assert called(found, SEND) == [(Action.BLOCK, "no rule allows a tool of exactly this name")]
    assert [action for action, _ in called(found, LOOK)] == [Action.BLOCK]  # the table allows it; the client's rule does not


def test_who_approves_is_asked_about_what_the_table_wants_approved() -> None:
    asked: list[ToolApproval] = []

    def approve(call: ToolApproval) -> bool:
        asked.append(call)
        return True

    guards = active_guards(
        [Saying(stages=["input"]), ToolPolicyGuard(enforce=False, approve=approve), Saying(name="last", stages=["input"])]
    )
    found = under(Rules(guards), SENDING)
    assert [one.name for one in found.active] == ["saying", "last", "tools"]
    assert called(found, SEND) == [(Action.ALLOW, "the call was approved")]
    assert [(call.name, call.arguments, call.reason) for call in asked] == [("send", SEND.text, "this tool always needs approval")]
    (tools,) = (one for one in found.active if one.name == "tools")
    assert (tools.quick, tools.seconds) == (False, inf)  # people take their time, as they may without a profile
    assert called(under(own(ToolPolicyGuard()), SENDING), SEND) == [
        (Action.BLOCK, "this tool always needs approval, and there is no approve= to ask")
    ]


def test_of_several_rows_only_the_tools_of_all_may_be_called_and_put_back_into() -> None:
    found = under(own(ToolPolicyGuard()), ONLY_LOOK, SENDING)
    assert called(found, SEND) == [(Action.BLOCK, "no rule allows a tool of exactly this name")]
    assert found.restores == set()  # the other row says nothing of it
    (one,) = called(found, LOOK, tainted=True)
    assert one == (
        Action.BLOCK,
        "untrusted content was read in this conversation, and this tool has effects, and there is no approve= to ask",
    )
    assert called(found, LOOK) == []


def test_a_setting_of_the_guard_of_tools_counts_beside_the_rules() -> None:
    profile = GuardProfile("p", {"tools": GuardSetting(on_error="flag")}, tools={"look": ToolRule()})
    (tools,) = under(own(ToolPolicyGuard(enforce=False)), profile).active
    assert (type(tools.guard), tools.on_error) == (StricterGuard, "flag")
    assert called(under(NOTHING, profile), SEND) == [(Action.BLOCK, "no rule allows a tool of exactly this name")]


def test_the_default_guards_of_a_local_client_block_under_rules_too() -> None:
    found = under(Rules(guards_with_defaults((), enforce=False)), ONLY_LOOK)
    assert called(found, SEND)[0][0] is Action.BLOCK
    assert found.names == {"unicode", "secrets", "pii", "links", "tools"}


# --- guards of one call ---------------------------------------------------------------------------------------------------------------

SYSTEM = ChatRequest((Message("system", (Text("Be brief."),)), Message("user", (Text("hi"),))))
READ = ChatRequest(
    (
        Message("user", (Text("read"),)),
        Message("assistant", (ToolCall("c", "look", "{}"),)),
        Message("tool", (ToolResult("c", (Text("a page"),)),)),
    )
)
SETTINGS = [None, GuardSetting(), GuardSetting(Action.BLOCK), GuardSetting(on_error="flag"), GuardSetting(Action.FLAG, 500)]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("guard", "request_", "stage"), [(CanaryGuard(), SYSTEM, "output"), (SpotlightingGuard(), READ, "output")])
def test_a_setting_leaves_guards_their_insertion(guard: Any, request_: ChatRequest, stage: Any, setting: GuardSetting | None) -> None:
    profile = GuardProfile("p", {} if setting is None else {guard.name: setting})
    strict = under(own(Saying(), guard), profile)
    found = rules_of(strict, lambda _: strict, {"p": profile}, [row(guards=profile)], lambda: NONCE)
    assert found.inserts
    mine = bare(found.active[1].guard)
    assert mine == guard.for_call(NONCE)
    made = inserted(found.active, request_)
    assert made == mine.insert(request_)  # type: ignore[attr-defined]
    assert made.own
    word = getattr(mine, "word", getattr(mine, "mark", ""))
    said = [one for one in judge(found.active, Segment(f"it is {word}", "assistant", "model"), Context(stage)) if one.guard == guard.name]
    least = Action.FLAG if setting is None or setting.action is None else setting.action
    assert [one.verdict.action for one in said] == [Action.BLOCK if guard.name == "canary" else least]
    assert found.active[1].on_error == ("block" if setting is None else setting.on_error)


def test_a_nonce_is_drawn_for_guards_that_want_one() -> None:
    rules = own(CanaryGuard())
    drawn = iter([NONCE, NONCE[::-1]])
    first, second = (rules_of(rules, None, {}, [row()], lambda: next(drawn)) for _ in range(2))
    assert first.active[0].guard != second.active[0].guard
    assert not rules.inserts
