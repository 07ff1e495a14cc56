"""Guards that insert: each call has its own, and what they put in stands where a system message can carry it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from saferoute.guards import ALLOWED, CanaryGuard, Context, Segment, SpotlightingGuard, Verdict, guard
from saferoute.guards.canary import CanaryOfCall
from saferoute.guards.function import active_guards
from saferoute.guards.insertion import check_nonce, for_call, inserted, with_instruction
from saferoute.guards.pipeline import Active
from saferoute.values.messages import Message, Text, ToolResult
from saferoute.values.request import ChatRequest

NONCE = "k3f9x0abk3f9x0ab"
ASKED = Message("user", (Text("what does it say?"),))
ANSWERED = Message("tool", (ToolResult("call1", (Text("two words"),)),))


@guard(quick=True)
def plain(segment: Segment, context: Context) -> Verdict:
    del segment, context
    return ALLOWED


@dataclass(frozen=True)
class Other:
    """A guard of somebody's, that keeps what it was made with."""

    name: str = "other"
    version: str = "7"
    stages: frozenset[str] = frozenset({"output"})
    nonce: str = ""

    def for_call(self, nonce: str) -> Other:
        return Other(nonce=nonce)

    def check(self, segment: Segment, context: Context) -> Verdict:
        del segment, context
        return ALLOWED


def test_each_call_has_guards_of_its_own_and_shares_the_others() -> None:
    active = (*active_guards([CanaryGuard(), plain, SpotlightingGuard()]), Active(Other(), "flag"))  # type: ignore[arg-type]
    mine = for_call(active, NONCE)
    assert [one.name for one in mine] == [one.name for one in active]
    assert mine[1] is active[1]
    assert type(mine[0].guard) is CanaryOfCall
    assert (mine[0].quick, mine[0].on_error, mine[0].streams) == (True, "block", True)
    assert mine[3] is active[3]
    assert for_call(active, NONCE)[0].guard == mine[0].guard
    assert for_call(active, "another0another0")[0].guard != mine[0].guard


def test_every_guard_inserts_once_in_order() -> None:
    mine = for_call(active_guards([SpotlightingGuard(), plain, CanaryGuard()]), NONCE)
    made = inserted(mine, ChatRequest((Message("system", (Text("Be brief."),)), ASKED, ANSWERED)))
    texts = [part.text for part in made.request.messages[0].content if isinstance(part, Text)]
    assert texts[0] == "Be brief."
    assert texts[1:] == list(made.own)
    assert "stands between the words" in texts[1]
    assert "confidential" in texts[2]
    assert repr(made) == "Inserted(request=ChatRequest(3 messages, 0 tools))"


def test_without_such_guards_the_request_is_the_same_object() -> None:
    request = ChatRequest((ASKED,))
    made = inserted(for_call(active_guards([plain]), NONCE), request)
    assert made.request is request
    assert made.own == ()


@pytest.mark.parametrize("messages", [(), (ASKED,), (ASKED, Message("system", (Text("later"),)))])
def test_where_no_system_message_leads_one_is_put_in(messages: tuple[Message, ...]) -> None:
    made = with_instruction(ChatRequest(messages), "A sentence.")
    assert made.request.messages == (Message("system", (Text("A sentence."),)), *messages)
    assert made.own == ("A sentence.",)


def test_the_nonce_is_checked() -> None:
    check_nonce(NONCE)
    with pytest.raises(ValueError, match="drawn for each call"):
        check_nonce("k3f9x0abk3f9x0a")
