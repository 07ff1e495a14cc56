"""The options of a call: one list for types, run-time refusal and documentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args

from saferoute.errors import RequestError, UnknownOption
from saferoute.values.permission import HeldCapability, HeldChain, PresentedToken
from saferoute.values.request import DataLabel, OnUnsupported, ReasoningEffort
from saferoute.values.tools import ToolLike, tools_from

__all__ = ["CallOptions", "Money", "OperationOptions", "check_operation_options", "check_options", "money"]

Money: TypeAlias = Decimal | str
"""An amount in the table's currency: a Decimal, or a text such as "$0.05". A float is refused: it cannot hold 0.1."""


class CallOptions(TypedDict, total=False):
    """Options of `chat` and `stream`, all by keyword, all optional.

    Attributes:
        tools: tools that the model may ask for.
        tool_choice: "auto", "none", "required", or the name of the one tool to call.
        parallel_tool_calls: False asks for at most one call a turn.
        max_output_tokens: upper bound of the answer, thinking included.
        temperature: sampling temperature.
        top_p: nucleus sampling.
        stop: texts that end the answer.
        seed: for providers that sample reproducibly.
        n: how many answers to make, where the provider can; the others are in `reply.alternatives`. Not for streams.
        logprobs: how many alternatives to tell for each token, with their probabilities; 0 for the tokens of the answer alone.
        reasoning: how hard to think: a word, or a budget in tokens where the model has budgets.
        cache: "provider" marks the prompt for the provider's cache; "off" says nothing.
        timeout: the whole call's allowance, in seconds or as a timedelta: retries and fallbacks included.
        max_attempts: how many requests the call may send at most; an alias's own number in the table is the upper bound.
        wait: True waits, within the call's allowance, for a row that rests or a limit that is used up; else the call is refused at once.
        tags: words of yours about the call, such as {"session": "u-17"}; aliases may choose their rows by them.
        max_cost: in US dollars: refuse the call before it is sent if the worst case of one request costs more.
        data: label of what the messages hold; rows whose ceiling is lower drop out.
        capability: a `saferoute.Capability`, or the call token of somebody else's (`Capability.prove`), that must allow the call as well.
        on_unsupported: what to do with a parameter that the model does not have: "error" (the default), "drop" with a warning, or
            "emulate" with a warning, as far as it can be: a JSON Schema is asked for in words, and the answer checked against it.
        provider_options: wire fields, under the provider's name, the row's or the dialect's; only those that the row lists.
    """

    tools: Sequence[ToolLike]
    tool_choice: Literal["auto", "none", "required"] | str  # noqa: PYI051  the words complete in an editor
    parallel_tool_calls: bool
    max_output_tokens: int
    temperature: float
    top_p: float
    stop: str | Sequence[str]
    seed: int
    n: int
    logprobs: int
    reasoning: ReasoningEffort | int
    cache: Literal["off", "provider"]
    timeout: float | timedelta
    max_attempts: int
    wait: bool
    tags: Mapping[str, str]
    max_cost: Money
    data: DataLabel
    capability: HeldCapability | str
    on_unsupported: OnUnsupported
    provider_options: Mapping[str, Mapping[str, Any]]


class OperationOptions(TypedDict, total=False):
    """Options of every operation besides chat, all by keyword, all optional; they mean what they mean for `chat`.

    Attributes:
        timeout: the whole call's allowance, in seconds or as a timedelta: all its requests, retries and fallbacks included.
        max_attempts: how many attempts may fail before the call does; a call that needs one request sends at most so many.
        wait: True waits, within the call's allowance, for a row that rests or a limit that is used up.
        tags: words of yours about the call; aliases may choose their rows by them.
        max_cost: in US dollars: refuse the call before it is sent if its worst case costs more, or is not known.
        data: label of what is sent; rows whose ceiling is lower drop out.
        capability: a `saferoute.Capability`, or the call token of somebody else's, that must allow the call as well.
        on_unsupported: what to do with a parameter that the provider does not have.
        provider_options: wire fields, under the provider's name, the row's or the dialect's; only those that the row lists.
    """

    timeout: float | timedelta
    max_attempts: int
    wait: bool
    tags: Mapping[str, str]
    max_cost: Money
    data: DataLabel
    capability: HeldCapability | str
    on_unsupported: OnUnsupported
    provider_options: Mapping[str, Mapping[str, Any]]


_MOST_TAGS: Final = 32
_LONGEST_TAG: Final = 128

_FOREIGN: Final[Mapping[str, str]] = {
    "max_tokens": "use max_output_tokens",
    "max_completion_tokens": "use max_output_tokens",
    "response_format": "use output=YourModel, or output={...JSON Schema...}",
    "response_model": "use output=YourModel",
    "stop_sequences": "use stop",
    "reasoning_effort": "use reasoning",
    "thinking": "use reasoning",
    "functions": "use tools",
    "function_call": "use tool_choice",
    "stream": "call client.stream(...)",
    "model": "the first argument names the route or provider/model",
    "num_retries": "use max_attempts",
    "max_retries": "use max_attempts",
    "request_timeout": "use timeout",
    "top_k": 'pass it to the provider that has it: provider_options={"anthropic": {"top_k": 40}}',
    "user": 'use provider_options={"openai": {"safety_identifier": ...}}',
    "extra_body": "use provider_options",
    "fallbacks": "fallbacks are the routing table's business: give the alias several targets",
} | dict.fromkeys(
    ("api_base", "base_url", "api_key", "headers", "extra_headers", "proxy", "proxies", "verify", "organization", "api_version"),
    "where a call goes, and with which key, is the table's business; no call can change it",
)


_FOREIGN_TO_OPERATIONS: Final[Mapping[str, str]] = {
    "input": "pass what to work on as the second argument",
    "task_type": "use input_type",
    "task": "use input_type",
    "output_dimension": "use dimensions",
    "output_dimensionality": "use dimensions",
    "encoding_format": "vectors come as 32-bit floats, whatever the wire says",
    "top_k": "use top_n",
    "response_format": "use format",
    "file": "pass saferoute.Audio(data=..., format=...) as the second argument",
}


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check every option and bring it into its one form.

    Raises:
        UnknownOption: for a name that is no option; the message names ours.
        RequestError: for a value of the wrong type or out of range.
    """
    checked: dict[str, Any] = {}
    for name, value in options.items():
        check = _CHECKS.get(name)
        if check is None:
            hint = _FOREIGN.get(name)
            msg = f"{name!r} is no option of saferoute" + (f": {hint}" if hint else f"; the options are {', '.join(sorted(_CHECKS))}")
            raise UnknownOption(msg)
        checked[name] = check(value, name)
    return checked


def check_operation_options(options: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Check the options of an operation besides chat.

    Raises:
        UnknownOption: for a name that the operation does not have; the message names ours.
        RequestError: for a value of the wrong type or out of range.
    """
    known = OperationOptions.__annotations__
    for name in options.keys() - known.keys():
        hint = _FOREIGN_TO_OPERATIONS.get(name) or _FOREIGN.get(name)
        why = f": {hint}" if hint else f"; besides its own arguments it takes {', '.join(sorted(known))}"
        msg = f"{name!r} is no option of {operation}{why}"
        raise UnknownOption(msg)
    return check_options(options)


def _wrong(name: str, want: str, value: object) -> RequestError:
    shown = repr(value)[:40] if isinstance(value, int | float | str | bool) else type(value).__name__
    return RequestError(f"{name} must be {want}, not {shown}")


def _number(low: float, high: float) -> Callable[[Any, str], float]:
    def check(value: Any, name: str) -> float:  # noqa: ANN401
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
            raise _wrong(name, f"a number from {low:g} to {high:g}", value)
        return value

    return check


def _whole(low: int, high: int = 2**53) -> Callable[[Any, str], int]:
    def check(value: Any, name: str) -> int:  # noqa: ANN401
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _wrong(name, f"a whole number from {low}", value)
        return value

    return check


def _word(words: tuple[str, ...]) -> Callable[[Any, str], str]:
    def check(value: Any, name: str) -> str:  # noqa: ANN401
        if not isinstance(value, str) or value not in words:
            raise _wrong(name, "one of " + ", ".join(map(repr, words)), value)
        return value

    return check


def _flag(value: Any, name: str) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def _text(value: Any, name: str) -> str:  # noqa: ANN401
    if not isinstance(value, str) or not value:
        raise _wrong(name, "a non-empty str", value)
    return value


def _stop(value: Any, name: str) -> tuple[str, ...]:  # noqa: ANN401
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise _wrong(name, "a non-empty str or a list of them", value)
    return tuple(texts)


def _reasoning(value: Any, name: str) -> str | int:  # noqa: ANN401
    if isinstance(value, str):
        return _word(get_args(ReasoningEffort))(value, name)
    return _whole(1)(value, name)


def _seconds(value: Any, name: str) -> float:  # noqa: ANN401
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 86_400:  # noqa: PLR2004  a day
        raise _wrong(name, "seconds (more than 0, at most a day) or a timedelta", value)
    return float(seconds)


def money(value: Any, name: str) -> Decimal:  # noqa: ANN401
    """Read an amount of money.

    Raises:
        TypeError: for a float.
        RequestError: for anything else that is no amount.
    """
    if isinstance(value, float):
        msg = f'{name} must not be a float, which cannot hold 0.1: write "$0.05" or Decimal("0.05")'
        raise TypeError(msg)
    text = value.strip().removeprefix("$") if isinstance(value, str) else value
    try:
        amount = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        raise _wrong(name, 'an amount such as "$0.05"', value) from None
    if not amount.is_finite() or amount < 0:
        raise _wrong(name, "an amount of 0 or more", value)
    return amount


def _provider_options(value: Any, name: str) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    if not isinstance(value, Mapping) or not all(isinstance(key, str) and isinstance(inner, Mapping) for key, inner in value.items()):
        raise _wrong(name, 'a dict of dicts, such as {"openai": {"service_tier": "flex"}}', value)
    return {key: dict(inner) for key, inner in value.items()}


def _tags(value: Any, name: str) -> Mapping[str, str]:  # noqa: ANN401
    """At most 32 names with at most 128 characters each: they may be counted and shown."""
    if not isinstance(value, Mapping) or len(value) > _MOST_TAGS:
        raise _wrong(name, f'a dict of at most {_MOST_TAGS} texts, such as {{"session": "u-17"}}', value)
    for key, text in value.items():
        for what, one in ((f"{name}: a name", key), (f"{name}[{key!r:.40}]", text)):
            if not isinstance(one, str) or not 0 < len(one) <= _LONGEST_TAG:
                raise _wrong(what, f"a text of 1 to {_LONGEST_TAG} characters", one)
    return MappingProxyType(dict(value))


def _capability(value: Any, name: str) -> HeldChain | PresentedToken:  # noqa: ANN401
    """The client has made one of the two, of a Capability that this process holds or of a call token."""
    if isinstance(value, HeldChain | PresentedToken):
        return value
    raise _wrong(name, "a saferoute.Capability, or a call token (Capability.prove)", value)


_CHECKS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "tools": lambda value, _: tools_from(value),
    "tool_choice": _text,
    "parallel_tool_calls": _flag,
    "max_output_tokens": _whole(1),
    "temperature": _number(0, 100),
    "top_p": _number(0, 1),
    "stop": _stop,
    "seed": _whole(-(2**53)),
    "n": _whole(1, 128),
    "logprobs": _whole(0, 20),
    "reasoning": _reasoning,
    "cache": _word(("off", "provider")),
    "timeout": _seconds,
    "max_attempts": _whole(1, 100),
    "wait": _flag,
    "tags": _tags,
    "max_cost": money,
    "data": _word(get_args(DataLabel)),
    "capability": _capability,
    "on_unsupported": _word(get_args(OnUnsupported)),
    "provider_options": _provider_options,
}
