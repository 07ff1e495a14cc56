"""Values that the package makes and reads by itself, many for every call: frozen for the type checker, not at run time.

A frozen dataclass of 20 fields takes seven times as long to make as one that is not: every field goes through `object.__setattr__`.
What users and their guards, hooks and transports are handed stays frozen in truth. What never leaves the package is frozen by mypy, which
refuses every assignment to a field, and CI with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, TypeVar, cast

from typing_extensions import dataclass_transform

__all__ = ["assembler", "sealed"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def sealed(cls: type[T]) -> type[T]:
    """Make a dataclass with slots that nobody assigns to; equal and hashable by its fields, as a frozen one."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


def assembler(frozen: type[T]) -> type[T]:
    """A class whose calls make instances of a frozen dataclass with slots, in a third of its time.

    The fields are set while the object is of an unfrozen class of the same layout; then it becomes what it is meant to be. Arguments are
    those of the frozen class. Nobody but the package's own hot path makes values this way.
    """

    def freeze(self: Any) -> None:  # noqa: ANN401  an instance of the class that is made below
        self.__class__ = frozen

    given = [(one.name, one.type, field(default=one.default, default_factory=one.default_factory)) for one in fields(frozen)]  # type: ignore[arg-type]  # either is MISSING, which the stubs do not tell
    bases = getattr(frozen, "__orig_bases__", frozen.__bases__)
    made = make_dataclass(frozen.__name__, given, bases=bases, namespace={"__post_init__": freeze}, slots=True, eq=False, repr=False)
    return cast("type[T]", made)
