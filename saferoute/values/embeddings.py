"""Embeddings: texts as vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.values.outcome import Outcome

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator

__all__ = ["Embeddings", "InputType", "Vector"]

InputType: TypeAlias = Literal["query", "document"]

Vector: TypeAlias = "array[float]"
"""32-bit floats: `array("f")`, which numpy and others read without a copy."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Embeddings(Outcome):
    """One vector for each text, in the order of the texts; a sequence of them.

    Attributes:
        vectors: `array("f")` for each text.
    """

    vectors: tuple[Vector, ...]

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return len(self.vectors[0])

    def numpy(self) -> Any:  # noqa: ANN401  numpy is not among our dependencies, and has no part in our types
        """All vectors as one array of float32, one row for each text; needs numpy, which saferoute does not install.

        Raises:
            ConfigurationError: if numpy is not installed.
        """
        try:
            import numpy  # type: ignore[import-not-found,unused-ignore]  # noqa: ICN001, PLC0415  only who has it calls this
        except ImportError:
            msg = "numpy is not installed here: pip install numpy, or use .vectors"
            raise ConfigurationError(msg) from None
        return numpy.frombuffer(b"".join(vector.tobytes() for vector in self.vectors), dtype="f4").reshape(len(self), -1).copy()

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[Vector]:
        return iter(self.vectors)

    @overload
    def __getitem__(self, index: int) -> Vector: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Vector, ...]: ...
    def __getitem__(self, index: int | slice) -> Vector | tuple[Vector, ...]:
        return self.vectors[index]

    @override
    def __repr__(self) -> str:
        return f"Embeddings({self.target!r}, model={self.model!r}, {len(self)} vectors of {self.dimensions})"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  for notebooks

        return f"{len(self)} vectors of {self.dimensions} numbers<br><small>{escape(self._facts())}</small>"
