"""The models that a provider says it has."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AvailableModel"]


@dataclass(frozen=True, slots=True)
class AvailableModel:
    """A model that a provider lists. What it does not say is None.

    Attributes:
        id: the model's name there: what stands behind the slash of `provider/model`.
        provider_name: who lists it.
        display_name: its name for people.
        context_window: tokens of input at most.
        max_output: tokens of output at most.
        deprecated: whether the provider means to end it, or has.
    """

    id: str
    provider_name: str
    display_name: str | None = None
    context_window: int | None = None
    max_output: int | None = None
    deprecated: bool | None = None
