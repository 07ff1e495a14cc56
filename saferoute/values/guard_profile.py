"""What a signed table asks of guards: which, how strictly, which tools may be called with what, and whose instructions may go first."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.guarding import Action, OnError

__all__ = ["NO_TEMPLATE", "Approval", "ArgumentRule", "GuardProfile", "GuardSetting", "ToolRule"]

NO_TEMPLATE: Final = ""
"""Stands among a profile's templates where nothing at all may stand as instructions: no template has this name."""

Approval: TypeAlias = Literal["never", "tainted", "always"]
"""When a person, or code of the application, has to agree to a tool's call: never; once untrusted content was read in the conversation;
always."""


@dataclass(frozen=True, slots=True)
class GuardSetting:
    """How strictly one guard is meant.

    Attributes:
        action: the least that its finds become: what it would only flag is taken out or blocked; None for what it says itself.
        threshold: in thousandths: a find with a lower score is none; None for the guard's own.
        on_error: what its failure is.
        kinds: only finds of these kinds, or below them ("pii" is above "pii.email"), are raised to `action`; none for all.
        reversible: whether what it takes out of a request is put back into the text of the answer. Secrets never are.
    """

    action: Action | None = None
    threshold: int | None = None
    on_error: OnError = "block"
    kinds: frozenset[str] = frozenset()
    reversible: bool = False


@dataclass(frozen=True, slots=True)
class ArgumentRule:
    """What one argument of a tool may be. An argument that is not there breaks no rule.

    Attributes:
        path: JSON pointer to it in the arguments, such as "/url".
        hosts: it is a URL of one of these hosts, or below one that begins with a dot; none for any text.
        one_of: it is one of these texts; none for any.
        prefixes: it begins with one of these; none for any.
        longest: characters it may have; None for any number.
    """

    path: str
    hosts: frozenset[str] = frozenset()
    one_of: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What a model may do with one tool.

    Attributes:
        effects: whether a call changes something outside, or carries something out.
        approval: when somebody has to agree to a call.
        arguments: what its arguments may be.
        restore: whether values that were taken out are put back into its arguments; never in a conversation that is tainted.
    """

    effects: bool = True
    approval: Approval = "tainted"
    arguments: tuple[ArgumentRule, ...] = ()
    restore: bool = False


@dataclass(frozen=True, slots=True)
class GuardProfile:
    """What a row asks of guards. An application can ask for more, never for less.

    Attributes:
        name: its name in the table.
        guards: settings by the guard's name. A name that is no guard of the package has to be active in the client.
        max_characters: what a request may hold in all its texts; None for the client's own bound.
        allowed_hosts: hosts that links and images of answers may lead to.
        templates: templates that may stand as instructions; none for any instructions of the caller's. `NO_TEMPLATE` among them stands
            for no instructions at all: profiles that have to hold together pin templates, and none that all of them pin.
        tools: rules by the tool's name; no other tool may be called. None for every tool that the call offers.
    """

    name: str
    guards: Mapping[str, GuardSetting] = field(default_factory=lambda: MappingProxyType({}))
    max_characters: int | None = None
    allowed_hosts: frozenset[str] = frozenset()
    templates: frozenset[str] = frozenset()
    tools: Mapping[str, ToolRule] | None = None

    @override
    def __hash__(self) -> int:
        # A mapping has no hash of its own, and a row is hashed with its profile to notice that either was changed in memory.
        tools = None if self.tools is None else frozenset(self.tools.items())
        return hash((self.name, frozenset(self.guards.items()), self.max_characters, self.allowed_hosts, self.templates, tools))
