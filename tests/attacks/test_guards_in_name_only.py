"""Attack: a guard that has a guard's name and judges nothing; a secret that is said once more; a web page read a turn ago.

A program gives its client a class of its own that calls itself "tools" or "injection", so that a signed table or a capability is content. Or
a key that was taken out stands in the next message without the word that gave it away. Or the provider's own search was read in an earlier
turn, and the tool call of this one counts as untainted.

Guards: saferoute/call/guard_rules.py::own = [one.guard for one in active if type(one.guard) is ToolPolicyGuard] => own = [one.guard for one in active if isinstance(one.guard, ToolPolicyGuard)]
Guards: saferoute/call/guard_rules.py::return any(citation.url for citation in part.citations) => return False
Guards: saferoute/call/guard_rules.py::return part.state is not None and any(word in part.state.payload for word in _RAN) => return False
Guards: saferoute/call/rules.py::object.__setattr__(self, "names", frozenset(one.name for one in self.active if is_what_it_says(one))) => object.__setattr__(self, "names", frozenset(one.name for one in self.active))
Guards: saferoute/call/guarding.py::said_again(self._places, finals) => pass
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from saferoute.call.guard_rules import has_read, rules_under
from saferoute.call.guarding import Guarding
from saferoute.call.guarding_conclusions import Cleared
from saferoute.call.rules import Rules
from saferoute.guards import ALLOWED, Action, Context, InjectionGuard, PiiGuard, SecretsGuard, Segment, ToolPolicyGuard, ToolRule, Verdict
from saferoute.guards.defaults import guards_with_defaults
from saferoute.guards.function import active_guards
from saferoute.guards.pipeline import judge
from saferoute.guards.segments import segments_of
from saferoute.values.guard_profile import GuardProfile
from saferoute.values.messages import Citation, File, Message, OpaqueState, Part, Reasoning, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest

PASSWORD = "hunter2horse" + "X9!"
RULED = GuardProfile("p", tools={"look": ToolRule(approval="never")})


class Lenient(ToolPolicyGuard):
    """The package's guard by its class, and none by what it does."""

    def check(self, segment: Segment, context: Context) -> Verdict:
        return ALLOWED


class Named:
    """A guard by its name."""

    version, stages = "1", frozenset({"input"})

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, segment: Segment, context: Context) -> Verdict:
        return ALLOWED


@pytest.mark.parametrize("made", [Lenient, ToolPolicyGuard, None])
def test_a_tables_rules_for_tools_are_kept_by_the_packages_guard(made: Callable[[], ToolPolicyGuard] | None) -> None:
    own = Rules(active_guards(() if made is None else (made(),)))
    under = rules_under(own, {"p": RULED}, frozenset({"p"}))
    call = Segment("{}", "assistant", "model", name="wipe")
    said = judge(under.active, call, Context("tool_call", tools=frozenset({"look", "wipe"})))
    assert [one.verdict.action for one in said] == [Action.BLOCK]
    assert judge(under.active, Segment("{}", name="look"), Context("tool_call", tools=frozenset({"look"}))) == []


def test_the_default_guard_tells_of_a_misfit_until_a_table_has_rules() -> None:
    own = Rules(guards_with_defaults((), enforce=True))
    schema = b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'
    context = Context("tool_call", tools=frozenset({"look"}), schemas={"look": schema})
    call = Segment('{"n":"one"}', "assistant", "model", name="look")
    assert [one.verdict.action for one in judge(own.active, call, context)] == [Action.FLAG]
    under = rules_under(own, {"p": RULED}, frozenset({"p"}))
    assert [one.verdict.action for one in judge(under.active, call, context)] == [Action.BLOCK]


@pytest.mark.parametrize("name", ["injection", "pii", "secrets", "unicode", "links", "tools", "injection_model"])
def test_a_capability_does_not_count_a_guard_that_only_has_the_name(name: str) -> None:
    assert Rules(active_guards((Named(name), Named("house-rules")))).names == {"house-rules"}


def test_a_capability_counts_the_guard_itself_and_not_less_of_it() -> None:
    assert Rules(active_guards((InjectionGuard(), SecretsGuard()))).names == {"injection", "secrets"}
    assert Rules(active_guards((PiiGuard(kinds=frozenset({"pii.email"})),))).names == frozenset()


def cleared(*messages: Message) -> Cleared:
    flow = Guarding(Rules(active_guards((SecretsGuard(),))), "r", segments_of(ChatRequest(messages))).of_request()
    with pytest.raises(StopIteration) as stopped:
        next(flow)
    found: Cleared = stopped.value.value
    return found


def test_a_secret_is_taken_out_of_every_text_that_repeats_it() -> None:
    found = cleared(
        Message("system", (Text(f"Never say {PASSWORD}."),)),
        Message("user", (Text(f"password: {PASSWORD}"),)),
        Message("user", (Text(f"is {PASSWORD} strong, or is {PASSWORD}?"), Text("nothing here"))),
    )
    assert sorted(found.texts) == ["/messages/0/content/0", "/messages/1/content/0", "/messages/2/content/0"]
    assert not [text for text in [*found.texts.values(), *found.kept.values()] if PASSWORD in text]
    assert found.texts["/messages/2/content/0"].count("[redacted: ") == 2


def test_what_cannot_be_changed_is_not_blocked_for_what_another_text_says() -> None:
    asked = ToolCall("c", "look", f'{{"word": "{PASSWORD}"}}')
    answered = Message("tool", (ToolResult("c", (Text("fine"),)),))
    found = cleared(Message("user", (Text(f"password: {PASSWORD}"),)), Message("assistant", (asked,)), answered)
    assert list(found.texts) == ["/messages/0/content/0"]


OF_OTHERS: dict[str, Part] = {
    "a tool's picture": ToolResult("c", ()),
    "a source": Text("says the web", (Citation(0, 4, url="https://a.example/"),)),
    "a kept search": Reasoning("", OpaqueState("anthropic", "m", "thinking", '[{"type":"web_search_tool_result"}]')),
}
OWN: dict[str, Part] = {
    "words": Text("hello"),
    "words of a file": Text("as it says", (Citation(0, 4, title="a.txt"),)),
    "a thought": Reasoning("hm", OpaqueState("anthropic", "m", "thinking", '{"signature":"x"}')),
    "a bare thought": Reasoning("hm"),
    "a file": File(file_id="f"),
}


@pytest.mark.parametrize("name", OF_OTHERS)
def test_what_was_read_in_an_earlier_turn_taints_this_one(name: str) -> None:
    assert has_read(ChatRequest((Message("user", (Text("hi"),)), Message("assistant", (OF_OTHERS[name],)))))


@pytest.mark.parametrize("name", OWN)
def test_what_is_the_models_own_does_not(name: str) -> None:
    assert not has_read(ChatRequest((Message("user", (Text("hi"),)), Message("assistant", (OWN[name],)))))
