"""Which tools a model may call, with what, and when somebody has to agree first.

No classifier of texts finds most indirect injection: a page that says "send the report to this address" is a text like any other. What it
can bring about is bounded here. A call must name a tool that is offered, letter by letter, with arguments that mean one thing to everybody,
fit the tool's schema and keep to the rules; and once untrusted content was read in a conversation, a tool with effects needs approval.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias, cast

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.guards.pipeline import ask
from saferoute.guards.tool_policy_addresses import dangers_in, leads_to
from saferoute.guards.tool_policy_arguments import Arguments, broken_rules, misfit_of, read_arguments
from saferoute.values.guard_profile import ArgumentRule, ToolRule
from saferoute.values.guarding import ALLOWED, Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["Approve", "ToolApproval", "ToolPolicyGuard"]

_HOST: Final = re.compile(r"\.?[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[?[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*\]?")
_MOST_REASONS: Final = 16
_GRADES: Final = ("never", "tainted", "always")
_UNKNOWN: Final = ToolRule()
"""The rule of a tool that no rules are about."""

_UNDECIDED: Final = (
    "untrusted content was read in this conversation, and nothing says whether this tool has effects: name it in rules=, or pass approve="
)
_DENIED: Final = "the call was not approved"


@dataclass(frozen=True, slots=True)
class ToolApproval:
    """A tool call that somebody has to agree to.

    Attributes:
        name: the tool.
        arguments: what it would be called with, as JSON. They are the model's words, which untrusted content may have chosen: show them as
            text, and whole. `repr` shows their length only.
        tainted: whether untrusted content was read in the conversation.
        reason: why this is asked.
        route: the name that was called.
    """

    name: str
    arguments: str = field(repr=False)
    tainted: bool
    reason: str
    route: str = ""


Approve: TypeAlias = Callable[[ToolApproval], "bool | Awaitable[bool]"]
"""Decides about a call: True allows it, and nothing else does. A coroutine function is awaited."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """What came of looking at a call: the verdict so far, and what has to be asked."""

    verdict: Verdict
    asked: ToolApproval | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ToolPolicyGuard:
    """Judges tool calls by rules.

    Attributes:
        rules: what the model may do with each tool, by the tool's exact name; no other may be called. None allows every tool that the call
            offers, and takes each for one that may have effects.
        enforce: whether a tool that is not offered, arguments that cannot be read, and what breaks a rule, a schema or this guard's own
            list of addresses block. False only tells of them, for prototypes; what `approve` did not allow blocks all the same.
        approve: asked about a call that needs approval, in a thread, or as a task if it is a coroutine function; nothing bounds the time
            that it takes but the call's own allowance. Several calls of one answer are asked about at once, and a call into whose
            arguments values are put back once more. Without it, what rules want approved is blocked.
        misfits: what arguments are that do not fit the tool's schema, with `enforce`: BLOCK, or FLAG for programs that hand the model its
            mistake back.
        further: more rules that a call has to keep to as well, such as a signed table's; see `with_rules`.

    Raises:
        ConfigurationError: for rules that are none.

    Example:
        >>> from saferoute.guards import Context, Segment, ToolPolicyGuard
        >>> guard = ToolPolicyGuard()
        >>> call = Segment('{"url": "http://169.254.169.254/latest"}', "assistant", "model", name="fetch")
        >>> guard.check(call, Context("tool_call", tools=frozenset({"fetch"})))
        Verdict(action=<Action.BLOCK: 3>, reasons=('an address that leads to a metadata service',), spans=(), score=None)
    """

    rules: Mapping[str, ToolRule] | None = None
    enforce: bool = field(default=True, kw_only=True)
    approve: Approve | None = field(default=None, kw_only=True)
    misfits: Action = field(default=Action.BLOCK, kw_only=True)
    further: tuple[Mapping[str, ToolRule], ...] = field(default=(), kw_only=True)

    name: ClassVar[str] = "tools"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"tool_call"})
    seconds: ClassVar[float] = inf  # a person takes longer than what is right for a program; the call's own allowance still counts
    judges_restored: ClassVar[bool] = True  # what is put back into arguments may be what a rule is about

    def __post_init__(self) -> None:
        if self.rules is not None:
            object.__setattr__(self, "rules", _checked(self.rules))
        object.__setattr__(self, "further", tuple(map(_checked, self.further)))
        if type(self.enforce) is not bool or not (self.approve is None or callable(self.approve)):
            msg = "ToolPolicyGuard: enforce is True or False, and approve a function that takes a ToolApproval and returns True or False"
            raise ConfigurationError(msg)
        if self.misfits is not Action.BLOCK and self.misfits is not Action.FLAG:
            msg = "ToolPolicyGuard: misfits is Action.BLOCK or Action.FLAG"
            raise ConfigurationError(msg)

    @property
    def quick(self) -> bool:
        """Whether it never waits: nobody is asked."""
        return self.approve is None

    @property
    def acheck(self) -> Callable[[Segment, Context], Awaitable[Verdict]]:
        """`check`, awaited; only there if `approve` is a coroutine function."""
        if not _is_coroutine_function(self.approve):
            msg = "approve is no coroutine function: use check"
            raise AttributeError(msg)
        return self._awaited

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge a tool call.

        Args:
            segment: its arguments as JSON, with the tool's name.
            context: the tools that are offered, their schemas, and whether untrusted content was read.
        """
        if _is_coroutine_function(self.approve):
            msg = "approve is a coroutine function: await acheck"
            raise TypeError(msg)
        looked = self._looked(segment, context)
        if looked.asked is None or self.approve is None:
            return looked.verdict
        return _decided(looked.verdict, ask(self, "approve", looked.asked))  # an exception is no approval

    async def _awaited(self, segment: Segment, context: Context) -> Verdict:
        looked = self._looked(segment, context)
        if looked.asked is None:
            return looked.verdict
        try:
            answer: object = await cast("Awaitable[bool]", cast("Approve", self.approve)(looked.asked))
        except Exception as error:  # noqa: BLE001  not approved, whatever happened
            answer = error
        return _decided(looked.verdict, answer)

    def with_rules(self, rules: Mapping[str, ToolRule] | None) -> ToolPolicyGuard:
        """The same guard under further rules, such as a signed table's: a call has to keep to both.

        Args:
            rules: as for the guard; None for none.
        """
        return self if rules is None else replace(self, further=(*self.further, rules))

    def _looked(self, segment: Segment, context: Context) -> _Looked:
        if segment.name not in context.tools:
            return self._against(("the call offers no tool of exactly this name",))
        try:
            arguments = read_arguments(segment.text)
        except ValueError as error:
            return self._against((str(error),))
        every = self.further if self.rules is None else (self.rules, *self.further)
        rules = tuple(some[segment.name] for some in every if segment.name in some)
        if len(rules) < len(every):
            return self._against(("no rule allows a tool of exactly this name",))
        schema = context.schemas.get(segment.name)
        broken, noted = _found(arguments, rules, schema)
        misfit = "" if schema is None else misfit_of(arguments, schema)
        if misfit and self.misfits is Action.BLOCK:
            broken = (misfit, *broken)
        elif misfit:
            noted = (misfit, *noted)
        reason = _why_approval(rules or (_UNKNOWN,), tainted=context.tainted)
        if not reason or (broken and self.enforce):
            return self._against(broken, noted)
        if self.approve is not None:
            asked = ToolApproval(segment.name, segment.text, context.tainted, reason, context.route)
            return replace(self._against(broken, noted), asked=asked)
        if not rules:
            return self._against(broken, (*noted, _UNDECIDED))
        return self._against((*broken, f"{reason}, and there is no approve= to ask"), noted)

    def _against(self, broken: tuple[str, ...], noted: tuple[str, ...] = ()) -> _Looked:
        """What breaks rules blocks, or is only told; the rest is only told."""
        if not broken and not noted:
            return _Looked(ALLOWED)
        action = Action.BLOCK if broken and self.enforce else Action.FLAG
        return _Looked(Verdict(action, (*broken, *noted)[:_MOST_REASONS]))

    @override
    def __repr__(self) -> str:
        """Which tools, and what is missing to be protected."""
        every = self.further if self.rules is None else (self.rules, *self.further)
        named = sorted(frozenset.intersection(*map(frozenset, every))) if every else ["every tool that is offered"]
        tools = ", ".join(named) or "no tool"
        weak = "" if self.enforce else ", enforce=False: it only tells"
        asks = "" if self.approve is None else ", approve=..."
        return f"ToolPolicyGuard({tools}{asks}{weak})"


def _found(arguments: Arguments, rules: Sequence[ToolRule], schema: bytes | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of the arguments breaks something, and what is to be told of."""
    broken: list[str] = []
    for rule in rules:
        broken += broken_rules(arguments, rule.arguments, schema)
    hosts = frozenset(host for rule in rules for one in rule.arguments for host in one.hosts)
    noted: list[str] = []
    for _, text in arguments.texts:
        dangers = dangers_in(text)
        if dangers.leads and not leads_to(text, hosts):
            broken.append(_LEADS[dangers.leads])
        elif dangers.holds_metadata:
            noted.append("a text that names a metadata service")
    return tuple(dict.fromkeys(filter(None, broken))), tuple(dict.fromkeys(noted))


_LEADS: Final = MappingProxyType(
    {
        "metadata": "an address that leads to a metadata service",
        "private": "an address that leads to this machine or its network, and that no rule of the tool allows",
    }
)


def _why_approval(rules: Sequence[ToolRule], *, tainted: bool) -> str:
    """Why a call needs approval; "" if it does not."""
    if any(rule.approval == "always" for rule in rules):
        return "this tool always needs approval"
    if tainted and any(rule.effects for rule in rules) and any(rule.approval == "tainted" for rule in rules):
        return "untrusted content was read in this conversation, and this tool has effects"
    return ""


def _decided(verdict: Verdict, answer: object) -> Verdict:
    """The verdict once somebody was asked. Only True allows: 1 is no answer, and neither is a coroutine that nobody awaits."""
    if answer is True:
        return replace(verdict, reasons=(*verdict.reasons, "the call was approved"))
    if answer is False:
        why = _DENIED
    elif isinstance(answer, Exception):
        why = f"{_DENIED}: approve raised {type(answer).__name__[:60]}"
    else:
        why = f"{_DENIED}: approve returned {type(answer).__name__[:60]}, which is neither True nor False"
    return Verdict(Action.BLOCK, (why, *verdict.reasons))


def _is_coroutine_function(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _checked(rules: object) -> Mapping[str, ToolRule]:
    """The rules, in a mapping of our own."""
    if not isinstance(rules, Mapping) or not all(type(name) is str and type(rule) is ToolRule for name, rule in rules.items()):
        msg = "ToolPolicyGuard: rules are a mapping from the exact name of a tool to its ToolRule"
        raise ConfigurationError(msg)
    for name, rule in rules.items():
        fault = _fault(rule)
        if fault:
            msg = f"ToolPolicyGuard: the rule of {name[:80]!r}: {fault}"
            raise ConfigurationError(msg)
    return MappingProxyType(dict(rules))


def _fault(rule: ToolRule) -> str:
    """What is wrong with a rule; "" if nothing. A rule that could be read in two ways would be no rule."""
    if type(rule.effects) is not bool or type(rule.restore) is not bool or rule.approval not in _GRADES:
        return 'effects and restore are True or False, and approval is "never", "tainted" or "always"'
    if type(rule.arguments) is not tuple or not all(type(one) is ArgumentRule for one in rule.arguments):
        return "arguments are a tuple of ArgumentRule"
    return next(filter(None, map(_argument_fault, rule.arguments)), "")


def _argument_fault(rule: ArgumentRule) -> str:
    if type(rule.path) is not str or not (rule.path == "" or rule.path.startswith("/")):
        return 'the path of an argument is a JSON pointer, such as "/url"'
    if type(rule.hosts) is not frozenset or not all(type(host) is str and _HOST.fullmatch(host) for host in rule.hosts):
        return 'hosts are a frozenset of bare names in small ASCII letters: "api.example.com", or ".example.com" for all below it'
    if any(type(some) is not tuple or not all(type(one) is str for one in some) for some in (rule.one_of, rule.prefixes)):
        return "one_of and prefixes are tuples of texts"
    if "" in rule.prefixes:
        return "an empty prefix allows everything: leave prefixes out"
    if rule.longest is not None and (type(rule.longest) is not int or rule.longest < 0):
        return "longest is a number of characters"
    return ""
