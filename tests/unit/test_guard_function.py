"""Guards made of functions, and the list that a client is given."""

from __future__ import annotations

import asyncio
import warnings
from functools import partial
from math import inf
from typing import Any

import pytest

import saferoute
from saferoute.errors import ConfigurationError
from saferoute.guards import Action, Context, Guard, Segment, Verdict, guard
from saferoute.guards.function import AsyncFunctionGuard, FunctionGuard, active_guards
from tests.support.guarded import Saying, Words

SEGMENT, CONTEXT = Segment("words"), Context("input")
FLAG = Verdict(Action.FLAG, ("seen",))


def No_Shouting(segment: Segment, context: Context) -> Verdict:  # noqa: N802  its name is what the test is about
    return FLAG


async def slowly(segment: Segment, context: Context) -> Verdict:
    return FLAG


def test_a_function_becomes_a_guard() -> None:
    one = guard(No_Shouting)
    assert isinstance(one, FunctionGuard)
    assert isinstance(one, Guard)
    assert (one.name, one.version, one.stages) == ("no-shouting", "1", {"input", "tool_result", "output"})
    assert (one.on_error, one.quick) == ("block", False)
    assert one.check(SEGMENT, CONTEXT) is FLAG
    assert repr(one) == "guard('no-shouting', version 1, input/output/tool_result)"


def test_a_coroutine_function_becomes_an_asynchronous_guard() -> None:
    one = guard(version="7", stages=["output"], on_error="flag")(slowly)
    assert isinstance(one, AsyncFunctionGuard)
    assert isinstance(one, Guard)
    assert asyncio.run(one.acheck(SEGMENT, CONTEXT)) is FLAG
    with pytest.raises(TypeError, match="the guard 'slowly' is asynchronous: await its acheck"):
        one.check(SEGMENT, CONTEXT)
    assert repr(one) == "guard('slowly', version 7, output, on_error=\"flag\": where it fails, it protects nothing)"


def test_an_object_whose_call_is_a_coroutine_is_asynchronous_too() -> None:
    class Remote:
        async def __call__(self, segment: Segment, context: Context) -> Verdict:
            return FLAG

    one = guard(name="remote")(Remote())
    assert isinstance(one, AsyncFunctionGuard)
    assert asyncio.run(one.acheck(SEGMENT, CONTEXT)) is FLAG


def test_options_and_what_they_default_to() -> None:
    one = guard(name="mine", version="2", stages="input", on_error="flag", quick=True)(No_Shouting)
    assert (one.name, one.version, one.stages, one.on_error) == ("mine", "2", {"input"}, "flag")
    assert isinstance(one, FunctionGuard)
    assert one.quick


NAME, STAGES, VERSION = "name is lower case letters", "needs stages out of input, output, tool_call, tool_result", "needs a version"
UNFIT: dict[str, tuple[Any, str]] = {
    "capitals": (lambda: guard(name="Mine")(No_Shouting), NAME),
    "a lambda": (lambda: guard(lambda *_: FLAG), NAME),
    "no name": (lambda: guard(partial(No_Shouting)), NAME),
    "no stages": (lambda: guard(stages=())(No_Shouting), STAGES),
    "a stage that is none": (lambda: guard(stages="inputs")(No_Shouting), STAGES),  # type: ignore[arg-type]
    "a stage that no function is asked at": (lambda: guard(stages=["request"])(No_Shouting), STAGES),
    "on_error": (lambda: guard(on_error="ignore")(No_Shouting), 'on_error is "block" or "flag"'),  # type: ignore[arg-type]
    "an empty version": (lambda: guard(version="")(No_Shouting), VERSION),
    "a number": (lambda: guard(version=1)(No_Shouting), VERSION),  # type: ignore[arg-type]
    "a version of two lines": (lambda: guard(version="1\n")(No_Shouting), VERSION),
    "a long version": (lambda: guard(version="1" * 65)(No_Shouting), VERSION),
    "quick and asynchronous": (lambda: guard(quick=True)(slowly), "'slowly' is asynchronous: it waits, so that it cannot be quick"),
    "a name in the place of a function": (lambda: guard("mine"), "@guard stands before a function"),  # type: ignore[call-overload]
    "a number in the place of a function": (lambda: guard()(3), "@guard stands before a function"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_makes_no_guard(case: str) -> None:
    made, words = UNFIT[case]
    with pytest.raises(ConfigurationError, match=words):
        made()


class Unreadable(Saying):
    """A guard one of whose properties raises, in words that nobody should see."""

    def __init__(self, field: str) -> None:
        super().__init__()
        self._field = field

    def __getattribute__(self, name: str) -> Any:
        if name != "_field" and name == object.__getattribute__(self, "__dict__").get("_field"):
            raise RuntimeError("the quiet word")
        return super().__getattribute__(name)


def test_the_guards_of_a_client_in_their_order() -> None:
    words, quick = Words("a", name="words", on_error="flag"), guard(name="quick", quick=True)(No_Shouting)
    found = active_guards(iter([quick, words]))
    assert [(one.name, one.on_error, one.quick, one.streams) for one in found] == [
        ("quick", "block", True, False),
        ("words", "flag", True, True),
    ]
    assert active_guards([]) == ()


def test_quick_is_only_what_says_so_plainly() -> None:
    assert not active_guards([Saying(quick=1)])[0].quick  # type: ignore[arg-type]


LISTS: dict[str, tuple[Any, str]] = {
    "one guard": (Saying(), "guards= takes a list"),
    "a text": ("abc", "guards= takes a list"),
    "a number": (3, "guards= takes a list"),
    "a function": ([No_Shouting], "function has not: see saferoute.guards.guard"),
    "a class": ([Saying], "type has not"),
    "a list of nothing": ([None], "NoneType has not"),
    "twins": ([Saying(name="b"), Saying(name="a"), Saying(name="b"), Saying(name="a")], "two guards are called 'a'"),
    "no stages": ([Saying(stages=[])], "needs stages"),
    "on_error": ([Saying(on_error="no")], "on_error is"),
    "on_error that no set holds": ([Saying(on_error=["flag"])], "on_error is"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", LISTS)
def test_what_is_no_list_of_guards(case: str) -> None:
    given, words = LISTS[case]
    with pytest.raises(ConfigurationError, match=words):
        active_guards(given)
    with pytest.raises(ConfigurationError, match=words), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saferoute.Client.local(servers=[saferoute.loopback("here", port=9)], secrets=saferoute.Secrets.of({}), guards=given)


@pytest.mark.parametrize("field", ["name", "version", "stages", "check", "on_error", "quick", "open_candidate"])
def test_a_guard_whose_properties_raise_is_refused_in_words_of_our_own(field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        active_guards([Unreadable(field)])
    assert str(caught.value) == "Unreadable is no guard: its name, version or stages cannot be read (RuntimeError)"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("seconds", [0, -1, 0.0, float("nan"), "5", True])
def test_what_is_no_time(seconds: Any) -> None:
    one = Saying()
    one.seconds = seconds  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match=r"^the guard 'saying': seconds is a number above 0, or None$"):
        active_guards([one])


@pytest.mark.parametrize("seconds", [None, 1, 0.25, inf])
def test_a_guard_may_have_a_time_of_its_own(seconds: float | None) -> None:
    one = Saying()
    one.seconds = seconds  # type: ignore[attr-defined]
    assert active_guards([one])[0].seconds == seconds


def test_stages_that_cannot_be_gone_through() -> None:
    one = Saying()
    one.stages = 3  # type: ignore[assignment]
    with pytest.raises(ConfigurationError, match="cannot be read \\(TypeError\\)"):
        active_guards([one])
