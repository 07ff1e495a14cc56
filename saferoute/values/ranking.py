"""Documents ranked by how well they answer a query, and what moderation says of texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from typing_extensions import override

from saferoute.values.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Moderation", "ModerationResult", "Ranked", "Reranked"]

_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Ranked:
    """One document in its place.

    Attributes:
        index: where it stood among the documents that were given.
        score: how well it answers the query; comparable within one answer only.
        document: its text, as it was given.
    """

    index: int
    score: float
    document: str

    @override
    def __repr__(self) -> str:
        return f"Ranked(index={self.index}, score={self.score:.4f}, {len(self.document)} chars)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reranked(Outcome):
    """The documents, best first; a sequence of them.

    Attributes:
        results: the best ones, as many as were asked for.
    """

    results: tuple[Ranked, ...]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self.results)

    def __getitem__(self, index: int) -> Ranked:
        return self.results[index]

    @override
    def __repr__(self) -> str:
        return f"Reranked({self.target!r}, model={self.model!r}, {len(self)} documents)"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  for notebooks

        rows = "".join(
            f"<tr><td>{ranked.index}</td><td>{ranked.score:.4f}</td><td>{escape(ranked.document[:_SHOWN])}</td></tr>" for ranked in self
        )
        head = "<tr><th>index</th><th>score</th><th>document</th></tr>"
        return f"<table>{head}{rows}</table><small>{escape(self._facts())}</small>"


@dataclass(frozen=True, slots=True)
class ModerationResult:
    """What the provider says of one text.

    Attributes:
        flagged: whether it objects.
        categories: what it looked for, and whether it found it.
        scores: how sure it is of each, from 0 to 1, where it says so.
    """

    flagged: bool
    categories: Mapping[str, bool] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Moderation(Outcome):
    """What the provider says of each text, in the order of the texts; a sequence of results.

    Attributes:
        results: one for each text.
    """

    results: tuple[ModerationResult, ...]

    @property
    def flagged(self) -> bool:
        """Whether it objects to any of the texts."""
        return any(result.flagged for result in self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[ModerationResult]:
        return iter(self.results)

    def __getitem__(self, index: int) -> ModerationResult:
        return self.results[index]

    @override
    def __repr__(self) -> str:
        return f"Moderation({self.target!r}, {len(self)} texts, flagged={self.flagged})"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  for notebooks

        found = (", ".join(name for name, hit in result.categories.items() if hit) or "-" for result in self)
        rows = "".join(f"<tr><td>{number}</td><td>{escape(names)}</td></tr>" for number, names in enumerate(found))
        return f"<table><tr><th>text</th><th>categories</th></tr>{rows}</table><small>{escape(self._facts())}</small>"
