"""Which of several answers a choice is: the first of an answer is the answer itself, others are its alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["numbered"]

_MOST: Final = 128  # as many as a call may ask for


def numbered(choices: list[Any], provider_name: str, *, together: bool) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """Choices with their numbers; those that no call can have asked for are left out.

    Args:
        choices: of a whole body, or of a piece of a stream.
        provider_name: who answered.
        together: whether they stand side by side, so that each is another answer. A number that is missing then means the place, and
            the first that is missing is the first answer, as some servers leave zeros out. In a stream of pieces it means the first answer.

    Raises:
        ProtocolError: for two choices with one number that stand side by side: joined, they would say what neither says.
    """
    if len(choices) == 1 and choices[0].__class__ is dict and not choices[0].get("index"):  # nearly always
        return ((0, choices[0]),)
    return _numbered(choices, provider_name, together=together)


def _numbered(choices: list[Any], provider_name: str, *, together: bool) -> Iterator[tuple[int, Mapping[str, Any]]]:
    seen: set[int] = set()
    for place, choice in enumerate(choices):
        if not isinstance(choice, dict):
            continue
        number = choice.get("index")
        if not number and type(number) is not int:
            number = place if together and 0 in seen else 0
        if type(number) is not int or not 0 <= number < _MOST:
            continue
        if together and number in seen:
            msg = f"{provider_name or 'the provider'} sent two answers under one number"
            raise ProtocolError(msg)
        seen.add(number)
        yield number, choice
