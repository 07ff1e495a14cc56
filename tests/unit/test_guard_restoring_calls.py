"""What was taken out of a request comes back in the answer: in texts and in JSON, piece by piece, judged again, and only where it may."""

from __future__ import annotations

import copy
import json
import pickle
import random
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.call.effects import Judge, Sleep, Tick, Told
from saferoute.call.guarding import Answering, Guarding, judgement_flow, mark_of
from saferoute.call.guarding_operations import check_operation_size, operation_places
from saferoute.call.rules import Rules, nonce_from
from saferoute.errors import GuardBlocked
from saferoute.guards import Action, Context, Segment, Span, Verdict
from saferoute.guards.function import active_guards
from saferoute.guards.json_restoring import JsonRestorer
from saferoute.guards.pipeline import Active
from saferoute.guards.placeholders import Vault
from saferoute.guards.redacting import exchanged
from saferoute.guards.segments import Placed
from saferoute.guards.size import check_size, size_of
from saferoute.providers.operations.contract import CountRequest, EmbedRequest, ModelsRequest, SpeakRequest
from saferoute.values.events import (
    Alternative,
    Cited,
    Completed,
    DecodedEvent,
    Notice,
    Noticed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.fold import Fold
from saferoute.values.messages import Citation, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.tools import Tool
from saferoute.values.usage import Usage
from tests.support.growth import LINEAR, growth
from tests.support.guarded import Saying, Stopping, Words, pieces_of

NONCE = "k3f9x0ab"
ADA, BOB = "ada@example.org", 'bob "\\" the\nbuilder'
EMAIL, NAME = f"«SR:EMAIL:1:{NONCE}»", f"«SR:NAME:1:{NONCE}»"
VALUES = {EMAIL: ADA, NAME: BOB}
END = Completed("stop", "stop", Usage())


def place(text: str, path: str = "/messages/0/content/0", stage: Any = "input", *, replaceable: bool = True) -> Placed:
    return Placed(Segment(text, path=path), stage, replaceable)


def guarding(
    *guards: Any,
    texts: Iterable[str] = (f"I am {ADA}",),
    stage: Any = "input",
    reversible: tuple[str, ...] = ("pii",),
    nonce: Callable[[], str] | None = lambda: NONCE,
    **rules: Any,
) -> Guarding:
    """A call from whose request `ADA` is taken out, by the guard "pii"."""
    pii = Stopping(ADA, name="pii", kind="pii.email", stages=["input", "tool_result"])
    active = tuple(
        Active(one.guard, one.on_error, one.quick, reversible=one.name in reversible, seconds=getattr(one.guard, "seconds", None))
        for one in active_guards([pii, *guards])
    )
    places = tuple(place(text, f"/messages/{number}/content/0", stage) for number, text in enumerate(texts))
    return Guarding(Rules(active, **rules), "fast", places, nonce=nonce)


def drive(flow: Any, step: float = 1.0) -> tuple[Any, list[Judge]]:
    """Run a flow that does nothing but ask, and look at the time: its result, and the questions."""
    asked: list[Judge] = []
    now = 5.0
    try:
        effect = next(flow)
        while True:
            if isinstance(effect, Sleep):
                effect = flow.send(Tick(now))
                continue
            asked.append(effect)
            now += step
            effect = flow.send(Told(now, [guard.check(segment, context) for guard, segment, context in effect.questions]))
    except StopIteration as stop:
        return stop.value, asked


def begun(*guards: Any, **options: Any) -> Guarding:
    """The same, with its request judged."""
    one = guarding(*guards, **options)
    drive(one.of_request())
    return one


def shown(judging: Answering, events: Iterable[Any]) -> list[DecodedEvent]:
    """What is shown of events that come one by one."""
    return [one for event in events for one in drive(judging.let_through([event]))[0]]


def text_of(events: Iterable[DecodedEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta | RefusalDelta))


def links(*words: str, action: Action = Action.REDACT, **options: Any) -> Words:
    return Words(*words, name="links", action=action, kind="link.image", stages=["output"], **options)


# -------------------------------------------------------------------------------------------------------------- the request


def test_what_is_reversible_gets_a_placeholder_and_the_rest_a_mark() -> None:
    final = Stopping("falcon", quick=True)
    cleared, _ = drive(guarding(final, texts=[f"{ADA} and a falcon", f"again {ADA}", "plain"]).of_request())
    assert dict(cleared.texts) == {
        "/messages/0/content/0": f"{EMAIL} and a [redacted: word]",
        "/messages/1/content/0": f"again {EMAIL}",
    }
    assert dict(cleared.kept) == {"/messages/0/content/0": f"{ADA} and a [redacted: word]", "/messages/1/content/0": f"again {ADA}"}
    assert ADA not in repr(cleared)


@pytest.mark.parametrize(
    "options", [{"reversible": ()}, {"nonce": None}, {"reversible": ("other",)}], ids=["not reversible", "no nonce", "another"]
)
def test_without_the_tables_word_it_is_taken_out_for_good(options: dict[str, Any]) -> None:
    one = guarding(**options)
    cleared, _ = drive(one.of_request())
    assert dict(cleared.texts) == dict(cleared.kept) == {"/messages/0/content/0": "I am [redacted: pii.email]"}
    assert not one.answers


def test_the_nonce_is_drawn_once_something_is_taken_out() -> None:
    drawn: list[str] = []

    def nonce() -> str:
        drawn.append(NONCE)
        return NONCE

    drive(guarding(texts=["plain", "falcon"], nonce=nonce, reversible=("pii",)).of_request())
    drive(guarding(Stopping("falcon"), texts=["a falcon"], nonce=nonce).of_request())
    assert drawn == []
    drive(guarding(texts=[ADA, ADA], nonce=nonce).of_request())
    assert drawn == [NONCE]


def test_a_nonce_is_made_of_64_random_bits() -> None:
    numbers = iter([0.0, 1 - 2**-48, 0.5, 2**-32])
    assert [nonce_from(numbers.__next__) for _ in range(2)] == ["00000000ffffffff", "8000000000000001"]
    Vault(nonce_from(random.random))


def test_a_secret_is_taken_out_for_good_and_with_it_what_it_overlaps() -> None:
    secret = Stopping("example.org is", name="secrets", kind="secret.generic")
    plain = Stopping("key", name="keys", kind="secret")
    cleared, _ = drive(guarding(secret, plain, reversible=("pii", "secrets", "keys"), texts=[f"{ADA} is a key", ADA]).of_request())
    assert list(cleared.texts.values()) == ["[redacted: pii.email] a [redacted: secret]", EMAIL]
    assert list(cleared.kept.values()) == ["[redacted: pii.email] a [redacted: secret]", ADA]


def test_places_are_exchanged_once_over_their_union() -> None:
    made: list[tuple[str, str]] = []

    def placeholder(kind: str, value: str) -> str:
        made.append((kind, value))
        return f"<{len(made)}>"

    back = [Span(0, 2, "a"), Span(1, 3, "b"), Span(3, 4, "c"), Span(6, 8, "d"), Span(5, 5, "e")]
    found = exchanged("0123456789", back, [Span(7, 9, "x"), Span(4, 4, "y"), Span(1, 1, "z")], placeholder, mark_of)
    assert found == ("<1><2>45[redacted: d]9", "012345[redacted: d]9")
    assert made == [("a", "012"), ("c", "3")]
    assert exchanged("plain", [], [], placeholder, mark_of) == ("plain", "plain")


# --------------------------------------------------------------------------------------------------------------- the answer


def test_a_call_without_guards_of_answers_restores_all_the_same() -> None:
    one = begun()
    assert one.answers
    assert not guarding().answers
    assert shown(one.of_answer(), [TextDelta(f"Dear {EMAIL}, hi"), PartEnd(0), END]) == [TextDelta(f"Dear {ADA}, hi"), PartEnd(0), END]


def test_no_more_is_held_than_decides() -> None:
    judging = begun(links("](evil")).of_answer()
    pieces = ["Dear «SR:EMA", f"IL:1:{NONCE}»", ", hi", " there «", "so» ", f"x {EMAIL}", "?q"]
    expected = ["Dear ", "", f"{ADA}, hi", " there ", "«so» ", "x ", f"{EMAIL}?q"]
    assert [text_of(shown(judging, [TextDelta(piece)])) for piece in pieces] == expected
    assert shown(judging, [END]) == [END]


def test_every_attempt_begins_anew() -> None:
    one = begun()
    first, second = one.of_answer(), one.of_answer()
    assert text_of(shown(first, [TextDelta("`open")])) == "`open"
    assert text_of(shown(second, [TextDelta(EMAIL), END])) == ADA
    assert text_of(shown(first, [TextDelta(f" {EMAIL}"), END])) == f" {EMAIL}"


def test_guards_judge_the_answer_as_it_was_written_and_links_what_stands_there_then() -> None:
    before, after = Words("SR:EMAIL", name="before", action=Action.FLAG), links("evil", action=Action.FLAG)
    judging = begun(before, after).of_answer()
    assert text_of(shown(judging, [TextDelta(f"an evil {EMAIL}. evil"), END])) == f"an evil {ADA}. evil"
    assert [(one.guard, len(one.verdict.spans)) for one in judging.verdicts] == [("before", 1), ("links", 2)]
    assert {text for _, _, text in before.asked if "an evil" in text} == {f"an evil {EMAIL}. evil"}
    assert f"an evil {ADA}. evil" in {text for _, _, text in after.asked}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("quick", [False, True])
def test_what_a_value_makes_of_a_text_is_judged(whole: bool, quick: bool) -> None:
    """The value closes what the model wrote: only together they are a find."""
    events = [TextDelta(f"see {EMAIL} is"), PartEnd(0), END]
    judging = begun(links(f"{ADA} is", quick=quick)).of_answer(whole=whole)
    assert text_of(shown(judging, events)) == "see [redacted: link.image]"
    assert [(one.path, one.verdict.spans) for one in judging.verdicts] == [
        ("/content/0", (Span(4, 22, "link.image", "/content/0"),)),
    ]
    judging = begun(links(f"{ADA} is", quick=quick, action=Action.BLOCK)).of_answer(whole=whole)
    with pytest.raises(GuardBlocked):
        shown(judging, events)


def test_a_guard_can_ask_to_judge_what_was_restored() -> None:
    class Again(Words):
        judges_restored = True

    found = {
        kind: text_of(shown(begun(kind("ada", name="mine", stages=["output"])).of_answer(), [TextDelta(EMAIL), END]))
        for kind in (Words, Again)
    }
    assert found == {Words: ADA, Again: "[redacted: word]@example.org"}
    assert [one.judges_restored for one in active_guards([Again("x"), links("x"), Words("x", name="y")])] == [True, True, False]


def test_slow_guards_see_only_what_was_restored_again_and_the_calls_time_runs() -> None:
    slow = links("evil", quick=False, action=Action.FLAG)
    judging = begun(slow, seconds=100.0).of_answer()
    slow.asked.clear()
    events: list[DecodedEvent] = [TextDelta(f"evil {EMAIL}"), PartEnd(0), TextDelta("evil", 1), END]
    found, asked = drive(judging.let_through(events, 9.0))
    assert text_of(found) == f"evil {ADA}evil"
    assert [text for _, _, text in slow.asked] == [f"evil {EMAIL}", "evil", f"evil {ADA}"]
    assert [judge.seconds for judge in asked] == [9.0, 8.0]
    assert [(one.path, one.verdict.action) for one in judging.verdicts] == [("/content/0", Action.FLAG), ("/content/1", Action.FLAG)]
    judging = begun(slow).of_answer()
    assert text_of(drive(judging.let_through([TextDelta("plain"), END]))[0]) == "plain"
    judging = begun(links(ADA, quick=False)).of_answer()
    drive(judging.let_through(events))
    assert [(one.path, one.verdict.action) for one in judging.verdicts] == [("/content/0", Action.REDACT)]


def test_what_is_restored_in_an_answer_of_several_parts() -> None:
    events: list[Any] = [
        ReasoningDelta(f"about {EMAIL} ", 0), PartEnd(0, OpaqueState("p", "openai_chat", "m", EMAIL)),
        TextDelta(f"Dear {EMAIL}", 1), PartEnd(1), RefusalDelta(f"not {EMAIL}", 2), TextDelta(f" and {EMAIL}", 3),
        Noticed(Notice("noted", "x", "y")), PartEnd(3), PartEnd(9), END,
    ]  # fmt: skip
    fold = Fold()
    found = shown(begun(Words("falcon")).of_answer(), events)
    fold.add(found)
    assert fold.content() == (
        Reasoning(f"about {EMAIL} ", OpaqueState("p", "openai_chat", "m", EMAIL)),
        Text(f"Dear {ADA}"), Refusal(f"not {ADA}"), Text(f" and {ADA}"),
    )  # fmt: skip
    assert found.index(PartEnd(1)) > found.index(TextDelta(ADA, 1))


def test_an_address_that_begins_in_one_part_is_known_in_the_next() -> None:
    for opening in ("https://e.example/?q=", "`", "![", "[t](", "[t]", "<img src='", "[t]["):
        events = [TextDelta(opening, 0), PartEnd(0), TextDelta(f"{EMAIL}](u", 1), PartEnd(1), END]
        kept = text_of(shown(begun().of_answer(), events))
        assert (opening, ADA in kept) == (opening, opening == "[t]")
    # In brackets it may be restored, for the end of a part decides; what stands behind them is known to be a link's.
    assert (
        text_of(shown(begun().of_answer(), [TextDelta(f"[{EMAIL}"), PartEnd(0), TextDelta(f"](u {EMAIL})", 1), END]))
        == f"[{ADA}](u {EMAIL})"
    )
    assert (
        text_of(shown(begun().of_answer(), [TextDelta(f"[{EMAIL}]"), PartEnd(0), TextDelta(f"(u {EMAIL})", 1), END]))
        == f"[{ADA}](u {EMAIL})"
    )


def test_a_part_that_comes_behind_a_later_one_is_not_restored_nor_what_follows() -> None:
    events = [TextDelta(EMAIL, 1), TextDelta(f"a {EMAIL} ", 0), TextDelta(f" {EMAIL} ", 1), END]
    assert text_of(shown(begun().of_answer(), events)) == f"{ADA}a {EMAIL}  {EMAIL} "


def test_a_part_that_goes_on_behind_its_end() -> None:
    events = [TextDelta(f"{EMAIL} see x?q="), PartEnd(0), TextDelta(f"{EMAIL} {EMAIL}"), PartEnd(0), END]
    assert text_of(shown(begun().of_answer(), events)) == f"{ADA} see x?q={EMAIL} {ADA}"


def test_citations_lose_the_places_that_moved() -> None:
    cited = Cited(0, Citation(0, 4, title="t"))
    for events, moved in (
        ([TextDelta("Dear "), cited], False),
        ([TextDelta(f"Dear {EMAIL}"), cited], True),
        ([TextDelta(f"Dear {EMAIL} "), cited], True),
        ([TextDelta(f"Dear {EMAIL} "), Cited(1, cited.citation)], False),
    ):
        found = [one.citation for one in shown(begun().of_answer(), [*events, END]) if isinstance(one, Cited)]
        assert found == [Citation(title="t") if moved else cited.citation]


def test_other_answers_are_restored_and_judged_again() -> None:
    content = (
        Text(f"Dear {EMAIL} ", (Citation(0, 4, title="t"),)), Text("evil"), Refusal(f"not {EMAIL}"), Refusal("no"), Reasoning(EMAIL), ToolCall("c", "t", f'{{"a":"{EMAIL}"}}'),
    )  # fmt: skip
    end = Completed("stop", "stop", Usage(), alternatives=(Alternative(Message("assistant", content), "stop", "stop"),))
    judging = begun(links(ADA + " ")).of_answer(whole=True)
    (last,) = shown(judging, [end])
    assert isinstance(last, Completed)
    assert last.alternatives[0].message.content == (
        Text("Dear [redacted: link.image]"), Text("evil"), Refusal(f"not {ADA}"), Refusal("no"), Reasoning(EMAIL), content[-1],
    )  # fmt: skip
    assert shown(begun().of_answer(is_json=True), [end])[0].alternatives[0].message.content[:3] == (*content[:2], Refusal(f"not {ADA}"))  # type: ignore[union-attr]
    assert [one.path for one in judging.verdicts] == ["/alternatives/1/content/0"]
    (kept,) = shown(begun().of_answer(), [end])
    assert kept.alternatives[0].message.content[0] == Text(f"Dear {ADA} ", (Citation(title="t"),))  # type: ignore[union-attr]
    with pytest.raises(GuardBlocked, match="/alternatives/1/content/0"):
        shown(begun(links(ADA, quick=False)).of_answer(), [end])


# ----------------------------------------------------------------------------------------------------------------- arguments

ARGUMENTS = f'{{"to": "{EMAIL}", "url": "https://e.example/{EMAIL}"}}'


def calls(arguments: str = ARGUMENTS) -> list[Any]:
    call = ToolCall("c", "mail", arguments, OpaqueState("p", "openai_chat", "m", "x"))
    return [ToolCallDelta(0, "c", "mail", arguments), PartEnd(0), ToolCallReady(0, call), END]


def test_arguments_are_restored_only_where_the_table_says_so() -> None:
    assert shown(begun().of_answer(), calls()) == calls()
    assert shown(begun(restores=frozenset({"post"})).of_answer(), calls()) == calls()
    found = shown(begun(restores=frozenset({"mail"})).of_answer(), calls())
    expected = f'{{"to": "{ADA}", "url": "https://e.example/{EMAIL}"}}'
    assert found == [ToolCallDelta(0, "c", "mail", expected), PartEnd(0), ToolCallReady(0, ToolCall("c", "mail", expected)), END]
    assert shown(begun(restores=frozenset({"mail"})).of_answer(), calls('{"to": "x"}')) == calls('{"to": "x"}')
    assert shown(begun(restores=frozenset({"mail"})).of_answer(), [calls()[2], END]) == [found[0], found[2], END]


def test_arguments_are_never_restored_in_a_tainted_conversation() -> None:
    assert shown(begun(stage="tool_result", restores=frozenset({"mail"})).of_answer(), calls()) == calls()
    active = (Active(Stopping(ADA, kind="pii.email", stages=["input"]), quick=True, reversible=True),)
    retrieved = Placed(Segment(ADA, "user", "retrieved", path="/messages/0/content/0"), "input", replaceable=True)
    one = Guarding(Rules(active, restores=frozenset({"mail"})), "fast", (retrieved,), nonce=lambda: NONCE)
    drive(one.of_request())
    assert shown(one.of_answer(), calls()) == calls()


def test_restored_arguments_are_judged_again() -> None:
    class Policy(Words):
        judges_restored = True

    judging = begun(Policy(ADA, name="tools", stages=["tool_call"]), restores=frozenset({"mail"})).of_answer()
    found = shown(judging, calls())
    assert isinstance(found[2], ToolCallReady)
    assert found[2].call.parse()["to"] == "[redacted: word]"
    with pytest.raises(GuardBlocked):
        shown(begun(Policy(ADA, stages=["tool_call"], action=Action.BLOCK), restores=frozenset({"mail"})).of_answer(), calls())


# ---------------------------------------------------------------------------------------------------------------------- JSON


def restored_json(text: str, cuts: Iterable[int] = ()) -> str:
    one = JsonRestorer(VALUES)
    return "".join(map(one.feed, pieces_of(text, cuts))) + one.close()


@pytest.mark.parametrize(
    ("written", "restored"),
    [
        ('{"a": "%s"}', 1), ('{"a": ["%s", "Dear %s, hi"]}', 2), ('{"a":{"b":1,"c":"%s"},"d":"%s"}', 2), ('```json\n{"a": "%s"}\n```', 1),
        ('{"%s": 1}', 0), ('{"a": 1, "%s": "%s"}', 1), ("{%s: 1}", 0), ('"%s"', 0), ("%s", 0), ('say "%s" twice', 0),
        ('{"a": "https://e.example/?q=%s"}', 0), ('{"a": "https:\\/\\/e.example\\u002f%s"}', 0), ('{"a": "![x](%s)"}', 0), ('{"a": "`%s`"}', 0),
        ('{"a": "%s', 1), ('{"a": "\\q%s"}', 0), ('{"a": "%s\\q", "b": "%s"}', 1), ('{"a": "x\n%s"}', 0), ('}]{"a":"%s"}', 1), ('[1, "%s"]', 1),
        ('{"a": ",", ":": "%s"}', 1), ('{"a": {}, "b": [], "c": "%s"}', 1),
    ],
)  # fmt: skip
def test_values_stand_in_strings_of_json(written: str, restored: int) -> None:
    for value, issued in ((ADA, EMAIL), (BOB, NAME)):
        text = written.replace("%s", issued)
        one = JsonRestorer(VALUES)
        found = one.feed(text) + one.close()
        assert one.restored == restored
        assert found.count(json.dumps(value)[1:-1]) == restored
        assert found.count(issued) == text.count(issued) - restored
        try:
            meant = json.loads(text)
        except ValueError:
            pass
        else:
            assert json.dumps(json.loads(found)).count(json.dumps(value)[1:-1]) == restored
            assert bool(restored) == (json.loads(found) != meant)


def test_escapes_are_read_and_kept() -> None:
    text = '{"a": "caf\\u00e9 \\ud83d\\ude00 \\/ \\n \\u00abSR:EMAIL:1:k3f9x0ab\\u00bb \\u00e9\\/", "b": "\\u00ab \\ud83d\\ude00"}'
    found = restored_json(text)
    assert found == '{"a": "caf\\u00e9 \\ud83d\\ude00 \\/ \\n ada@example.org \\u00e9\\/", "b": "« \\ud83d\\ude00"}'
    pair = f'{{"a": "{EMAIL}\\ud83d\\ude00 x"}}'  # held, until the run has ended
    assert json.loads(restored_json(pair)) == {"a": f"{ADA}\U0001f600 x"}
    assert restored_json('{"a": "\ud800"}') == '{"a": "\ud800"}'
    assert restored_json(f'{{"a": "{EMAIL}\ud800"}}') == f'{{"a": "{ADA}\\ud800"}}'


def test_json_is_not_held_but_for_a_placeholder() -> None:
    one = JsonRestorer(VALUES)
    pieces = ['{"a": "Dear ', "«SR", "x \\", "u00", 'e9"', ', "b": "', EMAIL, ' there"}']
    assert [(one.feed(piece), one.holds) for piece in pieces] == [
        ('{"a": "Dear ', False), ("", True), ("«SRx ", True), ("", True), ('\\u00e9"', False), (', "b": "', False), ("", True), (f'{ADA} there"}}', False),
    ]  # fmt: skip
    assert one.feed("\\") == "\\"
    assert (one.feed('{"a": "\\'), one.holds, one.pause(), one.feed(f'"{EMAIL}')) == ('{"a": "', True, "\\", f'"{EMAIL}')
    none = JsonRestorer({})
    assert (none.feed(EMAIL), none.close(), none.holds) == (EMAIL, "", False)


JSONS = st.recursive(
    st.sampled_from([EMAIL, NAME, "plain", f"a {EMAIL} b", "«SR:", 'q"u\\o', "é\U0001f600", f"x/{NAME}", 7, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "«", EMAIL]), inner, max_size=2),
    max_leaves=5,
)


def with_values(value: Any) -> Any:
    """What is meant: every string that is a value restored by itself."""
    if isinstance(value, str):
        vault = Vault(NONCE)
        vault.placeholder("pii.email", ADA)
        vault.placeholder("pii.name", BOB)
        return vault.restore(value)
    if isinstance(value, list):
        return [with_values(one) for one in value]
    return {name: with_values(one) for name, one in value.items()} if isinstance(value, dict) else value


@settings(max_examples=60, deadline=None)
@given(value=st.lists(JSONS, max_size=3), cuts=st.lists(st.integers(0, 500), max_size=6), ascii_only=st.booleans())
def test_json_means_what_it_meant_with_values(value: Any, cuts: list[int], ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert json.loads(restored_json(text)) == with_values(value)
    assert restored_json(text, cuts) == restored_json(text)


@settings(max_examples=60, deadline=None)
@given(text=st.text('{}[]",:\\ u0n«a', max_size=24), cuts=st.lists(st.integers(0, 99), max_size=6))
def test_however_broken_json_is_cut_it_comes_out_the_same(text: str, cuts: list[int]) -> None:
    text = text.replace("a", EMAIL)
    assert restored_json(text, cuts) == restored_json(text)


def test_an_answer_in_json() -> None:
    events = [TextDelta(f'{{"to": "{EMAIL}"}}'), RefusalDelta(f"not {EMAIL}", 1), END]
    assert text_of(shown(begun().of_answer(is_json=True), events)) == f'{{"to": "{ADA}"}}not {ADA}'


@pytest.mark.parametrize("begin", ["{", " \n{", "[{", '["', "[ [", " [\n {"])
def test_what_begins_like_json_is_taken_for_it(begin: str) -> None:
    text = begin + f'"a": "{NAME}", "b": "'
    for pieces in ([text], list(text)):
        judging = begun(Stopping(BOB, name="names", kind="pii.name", stages=["input"]), texts=[BOB], reversible=("names",)).of_answer()
        found = text_of(shown(judging, [*map(TextDelta, pieces), END]))
        assert found == (text.replace(NAME, json.dumps(BOB)[1:-1]) if begin != '["' else text)


def test_a_beginning_that_says_nothing_is_not_held_for_long() -> None:
    judging = begun().of_answer()
    assert [text_of(shown(judging, [TextDelta(piece)])) for piece in (" " * 256, " ", f"{EMAIL} ", f'["{EMAIL}"]')] == [
        "", " " * 257, f"{EMAIL} ", f'["{ADA}"]',
    ]  # fmt: skip


@pytest.mark.parametrize("flood", ["«", "«SR:", "[", "`", f"[{EMAIL}", '{"', '["«', '["\\u00ab', " ", "<"])
@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.timed
def test_the_linear_time_of_a_flood(flood: str, is_json: bool) -> None:
    one = begun()
    assert growth(lambda text: shown(one.of_answer(is_json=is_json), [TextDelta(text), END]), flood, 4_000) <= LINEAR


@pytest.mark.parametrize("begin", ["[Date]\n", "[", " [ ", "", "  ", "x {", "(["])
def test_what_does_not_is_text(begin: str) -> None:
    text = f"{begin} {EMAIL} x"
    assert text_of(shown(begun().of_answer(), [*map(TextDelta, text), END])) == f"{begin} {ADA} x"
    assert text_of(shown(begun().of_answer(), [TextDelta(begin), PartEnd(0), END])) == begin


ANSWERS = st.lists(
    st.sampled_from([EMAIL, f"«SR:EMAIL:2:{NONCE}»", "«SR", " ", "x", "`", "[", "](", ")", "evil", "\n", "https://e.example/", "é"]),
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(parts=ANSWERS, cuts=st.lists(st.integers(0, 300), max_size=8))
def test_an_answer_in_any_pieces_is_restored_as_the_whole(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    one = begun(links("evil"))
    whole = text_of(shown(one.of_answer(whole=True), [TextDelta(text), PartEnd(0), END]))
    pieces = [TextDelta(piece) for piece in pieces_of(text, cuts)]
    assert text_of(shown(one.of_answer(), [*pieces, PartEnd(0), END])) == whole
    vault = Vault(NONCE)
    vault.placeholder("pii.email", ADA)
    assert whole == vault.restore(text.replace("evil", "[redacted: link.image]"))


# ------------------------------------------------------------------------------------------------------- it ends with the call


def test_nothing_of_it_is_shown_copied_or_pickled() -> None:
    one = begun()
    vault = one._vault
    assert vault is not None
    for held in (vault, vault.restorer(), vault.json_restorer()):
        assert ADA not in repr(held)
        for leave in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=f"a {type(held).__name__} cannot be copied or pickled: it ends with its call"):
                leave(held)
    for owner in (one, one.of_answer()):
        assert ADA not in repr(owner)
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(owner)
    assert repr(vault.json_restorer()) == "JsonRestorer(1 placeholders)"


# ------------------------------------------------------------------------------------------------------- how long guards take


class Person(Saying):
    """A guard with a bound of its own."""

    def __init__(self, seconds: float | None, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seconds = seconds


def test_guards_with_a_longer_bound_are_asked_after_the_others() -> None:
    person, machine = Person(inf, name="person"), Person(None, name="machine")
    _, asked = drive(guarding(person, machine, seconds=4.0).of_request(60.0), step=3.0)
    assert [([guard.name for guard, *_ in one.questions], one.seconds) for one in asked] == [(["machine"], 4.0), (["person"], 57.0)]
    _, asked = drive(guarding(person, seconds=4.0).of_request())
    assert [one.seconds for one in asked] == [inf]
    assert drive(guarding(person, machine).of_request(2.0), step=3.0)[1][1].seconds == 0.0


def test_nobody_is_asked_about_what_is_refused_already_but_for_a_judgement() -> None:
    person = Person(inf, name="person")
    machine = Person(None, Verdict(Action.BLOCK, ("no",)), name="machine")
    with pytest.raises(GuardBlocked):
        drive(guarding(person, machine).of_request())
    assert person.asked == []
    active = tuple(Active(one, seconds=one.seconds) for one in (person, machine))
    found, asked = drive(judgement_flow(Rules(active), "text", "input"))
    assert (found.action, len(asked), len(person.asked)) == (Action.BLOCK, 2, 1)


def test_what_a_guard_knows_of_the_tools() -> None:
    seen: list[Context] = []

    def look(_: Segment, context: Context) -> Verdict:
        seen.append(context)
        return Verdict(Action.ALLOW)

    guard = Saying(look, quick=True)
    one = Guarding(Rules(active_guards([guard])), "fast", (place("a"),), frozenset({"look"}), schemas={"look": b"{}"})
    drive(one.of_request())
    assert [(set(context.tools), dict(context.schemas)) for context in seen] == [({"look"}, {"look": b"{}"})]


# ---------------------------------------------------------------------------------------------------------------------- size


def asking(*content: Any, **fields: Any) -> ChatRequest:
    return ChatRequest((Message("user", content),), **fields)


@pytest.mark.parametrize(
    ("request_", "size"),
    [
        (asking(Text("abc"), Refusal("de"), Reasoning("f"), Image(url="https://x.example/a.png")), 6),
        (asking(ToolCall("c", "t", "{}"), ToolResult("c", (Text("abc"), Image(url="https://x.example/a.png")))), 5),
        (ChatRequest((Message("user", (Text("a"),), name="bob"),)), 4),
        (asking(tools=(Tool("look", "", b"{}"), Tool("act", "does", '{"é":1}'.encode()))), 6 + 3 + 4 + 7),
        (asking(output=OutputSchema("out", b"{}", strict=False)), 5),
        (asking(provider_options={"a": {"x": "abc", "y": [1, {"k": None}, "d"], "z": ("e",)}}), 3 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1),
    ],
)
def test_the_size_of_a_request(request_: ChatRequest, size: int) -> None:
    assert size_of(request_, 10_000) == size
    check_size(request_, size)
    with pytest.raises(GuardBlocked, match=f"have {size} characters together, and {size - 1} are allowed, |nothing was sent"):
        check_size(request_, size - 1)


def test_what_is_passed_through_is_counted_until_it_is_too_much() -> None:
    bomb: Any = "x"
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(GuardBlocked):
        check_size(asking(provider_options={"a": {"b": bomb}}), 1000)


@pytest.mark.timed
def test_ten_megabytes_are_refused_at_once() -> None:
    request = asking(*(Text("x" * 1_000_000) for _ in range(10)), Text("é" * 1_000_000))
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        with pytest.raises(GuardBlocked, match="the request's texts have 11000000 characters together, and 8000000 are allowed"):
            check_size(request, 8_000_000)
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.005


def test_the_size_of_operations() -> None:
    for request, size in (
        (EmbedRequest(texts=("abc", "de")), 5), (SpeakRequest(text="abc", voice="v", instructions="d"), 4), (ModelsRequest(), 0), (CountRequest(chat=asking(Text("abc"))), 3),
    ):  # fmt: skip
        check_operation_size(request, size)
        with pytest.raises(GuardBlocked):
            check_operation_size(request, size - 1)


def test_what_is_embedded_is_sent_whole_or_not_at_all() -> None:
    rules = Rules((Active(Stopping(ADA, kind="pii.email", stages=["input"]), quick=True, reversible=True),))
    one = Guarding(rules, "fast", operation_places(EmbedRequest(texts=("plain", f"I am {ADA}"))), nonce=lambda: NONCE)
    with pytest.raises(GuardBlocked, match="this text is sent whole or not at all"):
        drive(one.of_request())
    assert not one.answers
