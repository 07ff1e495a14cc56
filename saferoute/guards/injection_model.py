"""A small linear model of prompt injection: hashed words and pairs of words, one signed byte each, over windows of 64 words.

It flags and never blocks: it knows what attacks have looked like, not what they mean. What it was made of, how it was measured and where it
is blind stands in docs/reference/injection-model.md; benchmarks/train_injection_model.py makes the file anew.
"""

from __future__ import annotations

import re
import struct
from array import array
from dataclasses import dataclass, field
from hashlib import sha256
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, ClassVar, Final

from saferoute.guards.injection_words import SPACED
from saferoute.values.guarding import ALLOWED, Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["InjectionModel", "InjectionModelGuard", "features_of", "windows_of", "words_of"]

FILE: Final = "injection_model.bin"
"""Name of the packaged file, beside this module."""

DIGEST: Final = "0d00fef0c5535c2f14f854309e75635b07b8bbc0e8198c6d169bf75c5fdbaf49"
"""SHA-256 of the packaged file. One that is not the one that was measured is not used."""

HEAD: Final = struct.Struct("<5sI4f")
"""What a file begins with: its mark, the number of buckets, and scale, bias, threshold and price of a doubling, as numbers of 32 bits."""

MARK: Final = b"SRIM\x01"
_MOST_BUCKETS: Final = 100_000

WINDOW: Final = 64
STEP: Final = 32
LEAST: Final = 8
"""A text of fewer features counts as one of so many: two words prove little."""

# Runs of letters and digits; what is written without spaces, character by character.
_WIDE: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD: Final = re.compile(f"[{_WIDE}]|[^\\W_{_WIDE}]{{1,24}}")
_ASCII_WORD: Final = re.compile("[a-z0-9]{1,24}")
_MOST_KNOWN: Final = 4_096


def words_of(text: str) -> list[str]:
    """The words that the model reads, in small letters."""
    return _ASCII_WORD.findall(text.lower()) if text.isascii() else [word.lower() for word in _WORD.findall(text)]


def _bucket(word: str, buckets: int) -> int:
    """Its UTF-8 bytes, read as one number, modulo the number of buckets, a prime."""
    return int.from_bytes(word.encode("utf-8", "surrogatepass"), "big") % buckets


def features_of(words: Iterable[str], buckets: int) -> Iterator[tuple[int, ...]]:
    """For each word the buckets of its features.

    They are the word and the pair that it makes with the word before it; and for a word of `injection_words` its letter there, and that
    with up to two such letters before it.

    Args:
        words: of a whole text, in small letters.
        buckets: how many there are; a prime.
    """
    before = 1
    letters = ""
    for word in words:
        single = _bucket(word, buckets)
        pair = (before * 8_191 + single * 127 + 31) % buckets
        before = single
        letter = SPACED.get(word)
        if letter:
            letters = letters[-2:] + letter
            yield single, pair, _bucket("\x00" + letter, buckets), _bucket("\x00\x00" + letters, buckets)
        else:
            yield single, pair


def windows_of(count: int) -> range:
    """Where the windows of so many words begin; each is `WINDOW` words long, or what is left."""
    return range(0, max(count - STEP, 1), STEP)


class _Known(dict[str, tuple[int, int, int, str]]):
    """What a word adds to the pair with the next one and with the one before, its own weight, and its letter; of words seen lately."""

    __slots__ = ("_weights",)

    def __init__(self, weights: Sequence[int]) -> None:
        super().__init__()
        self._weights = weights

    def __missing__(self, word: str) -> tuple[int, int, int, str]:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        single = _bucket(word, len(self._weights))
        found = self[word] = (single * 8_191, single * 127 + 31, self._weights[single], SPACED.get(word, ""))
        return found


@dataclass(frozen=True, slots=True)
class InjectionModel:
    """Weights, and what a text must reach.

    Attributes:
        weights: one signed byte for each bucket.
        scale: what a weight is multiplied with.
        bias: the score of a text that says nothing.
        threshold: a score from which on a text is flagged.
        price: what each factor of e in the number of windows takes off: a long text has more chances to look like an attack.
    """

    weights: Sequence[int] = field(repr=False)
    scale: float
    bias: float
    threshold: float
    price: float

    @classmethod
    def from_bytes(cls, content: bytes, digest: str = "") -> InjectionModel:
        """Read a model.

        Args:
            content: of the file.
            digest: its SHA-256, where it is known.

        Raises:
            ValueError: for another file than the one the digest is of, or none that holds a model.
        """
        if digest and sha256(content).hexdigest() != digest:
            msg = "the injection model's file is not the one that this version was made with: install saferoute again"
            raise ValueError(msg)
        if len(content) < HEAD.size or not content.startswith(MARK):
            msg = "this is no file of an injection model: make one with benchmarks/train_injection_model.py"
            raise ValueError(msg)
        _, buckets, scale, bias, threshold, price = HEAD.unpack_from(content)
        if not 0 < buckets <= _MOST_BUCKETS or len(content) != HEAD.size + buckets:
            msg = "the injection model's file is cut off, or too large"
            raise ValueError(msg)
        return cls(array("b", content[HEAD.size :]), scale, bias, threshold, price)

    @classmethod
    def packaged(cls) -> InjectionModel:
        """The model that comes with this version.

        Raises:
            ValueError: for a file that was altered.
        """
        from importlib.resources import files  # noqa: PLC0415  only where the guard is used

        return cls.from_bytes((files("saferoute.guards") / FILE).read_bytes(), DIGEST)

    def score(self, text: str) -> float:
        """The score of a text's window that looks most like an attack, less the price of having many."""
        words = words_of(text)
        halves = self._halves(words)
        starts = windows_of(len(words))
        best = -inf
        for number in range(len(starts)):
            some = halves[number : number + 2]
            features = sum(count for count, _ in some)
            best = max(best, sum(total for _, total in some) / sqrt(max(LEAST, features)))
        return best * self.scale + self.bias - self.price * log(len(starts))

    def _halves(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """For each half of a window, how many features it has, and what they weigh together.

        The same features as `features_of`; what a word weighs by itself is looked up once, which is why this is fast.
        """
        weights = self.weights
        buckets = len(weights)
        known = _Known(weights)
        runs: dict[str, int] = {}
        letters = ""
        before = 8_191
        halves: list[tuple[int, int]] = []
        for start in range(0, max(len(words), 1), STEP):
            half = words[start : start + STEP]
            count, total = 2 * len(half), 0
            for behind, ahead, weight, letter in map(known.__getitem__, half):
                total += weight + weights[(before + ahead) % buckets]
                before = behind
                if letter:
                    letters = letters[-2:] + letter
                    if letters not in runs:
                        runs[letters] = weights[_bucket("\x00" + letter, buckets)] + weights[_bucket("\x00\x00" + letters, buckets)]
                    total += runs[letters]
                    count += 2
            halves.append((count, total))
        return halves


@dataclass(frozen=True, slots=True)
class InjectionModelGuard:
    """Flags texts that look like the prompt injections it was trained on; it never blocks. Trusted texts are not judged.

    Attributes:
        model: the one that comes with this version, by default.
    """

    name: ClassVar[str] = "injection_model"
    version: ClassVar[str] = "1"
    stages: ClassVar[frozenset[Stage]] = frozenset({"input", "tool_result"})
    quick: ClassVar[bool] = True
    reads_views: ClassVar[bool] = True

    model: InjectionModel = field(default_factory=InjectionModel.packaged, repr=False)

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge a text and the views of it.

        Args:
            segment: the text.
            context: its `views` are judged as the text is.

        Returns:
            ALLOW, or FLAG. The score is 0.5 at the threshold.
        """
        if segment.trusted:
            return ALLOWED
        model = self.model
        score = model.score(segment.text)
        seen = ""
        for name, view in context.views.items():
            other = model.score(view)
            if other > score:
                score, seen = other, name
        above = score - model.threshold
        sure = 1.0 / (1.0 + exp(-max(-30.0, min(30.0, above))))
        if above < 0.0:
            return Verdict(Action.ALLOW, score=sure)
        said = "looks like a prompt injection"
        return Verdict(Action.FLAG, (f"{said}, read as {seen}" if seen else said,), score=sure)
