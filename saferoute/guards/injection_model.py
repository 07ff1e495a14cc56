"""A small linear model of prompt injection: words and pairs of words, one signed byte each, over windows of 64 words.

It flags and never blocks: it knows what attacks have looked like, not what they mean. What it was made of, how it was measured and where it
is blind stands in docs/reference/injection-model.md; benchmarks/train_injection_model.py makes the file anew.
"""

from __future__ import annotations

import re
import struct
from array import array
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, repeat
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, ClassVar, Final
from zlib import crc32

from saferoute.guards.injection_words import SPACED
from saferoute.values.guarding import ALLOWED, Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["InjectionModel", "InjectionModelGuard", "features_of", "windows_of", "words_of"]

FILE: Final = "injection_model.bin"
"""Name of the packaged file, beside this module."""

DIGEST: Final = "32cc562d84948ad735f446d41eb368cfb932001e0315ada2d0fb1de44f0ef846"
"""SHA-256 of the packaged file. One that is not the one that was measured is not used."""

HEAD: Final = struct.Struct("<5sI4f")
"""What a file begins with: its mark, the number of features, and scale, bias, threshold and price of more windows, as numbers of 32 bits.

Then come the features, rising, four bytes each with the lowest first, and their weights, a signed byte each."""

MARK: Final = b"SRIM\x02"
_MOST_FEATURES: Final = 20_000

WINDOW: Final = 64
STEP: Final = 32
LEAST: Final = 8
"""A text of fewer features counts as one of so many: two words prove little."""

# Runs of letters and digits; what is written without spaces, character by character; a mark that ends a part of a sentence or quotes one,
# beside a space; a line's end. If every mark counted, a text of nothing else would take six times as long as prose.
_WIDE: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_MARKS: Final = ".?!:;\x22`\n"
_WORD: Final = re.compile(f"[{_WIDE}]|[^\\W_{_WIDE}]{{1,24}}|" + r"[.?!:;\x22`](?!\S)|(?<!\S)[\x22`]|\n(?!\n)")
_ASCII_WORD: Final = re.compile(rb"[a-z0-9]{1,24}|[.?!:;\x22`](?!\S)|(?<!\S)[\x22`]|\n(?!\n)")
_LETTERS: Final = {word.encode(): letter.encode() for word, letter in SPACED.items()} | {mark.encode(): b"" for mark in _MARKS}
_NEAR: Final = 6  # words farther apart say nothing together
_RUN: Final = 3  # kinds of words that are read together, at most


def words_of(text: str) -> list[bytes]:
    """The words and marks that the model reads: in small letters, as UTF-8."""
    if text.isascii():
        return _ASCII_WORD.findall(text.encode().lower())
    words = "\0".join(_WORD.findall(text)).lower()
    return words.encode("utf-8", "surrogatepass").split(b"\0") if words else []


def _runs(words: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Place of each word of `injection_words`, and its letter there behind those of the words before it, as far as they are near."""
    last, run = 0, b""
    for place, letter in enumerate(map(_LETTERS.get, words)):
        if letter is None:
            continue
        if not letter:  # a mark: the sentence ends
            run = b""
            continue
        run = run[1 - _RUN :] + letter if place - last <= _NEAR else letter
        last = place
        yield place, run


def _of_run(run: bytes) -> list[int]:
    return [crc32(b"\0" + run[start:]) for start in range(len(run))]


def features_of(words: Sequence[bytes]) -> list[list[int]]:
    """For each word its features, numbers of 32 bits.

    They are the word and the pair that it makes with the word before it; and for a word of `injection_words` its letter there, alone and
    with up to two such letters before it.

    Args:
        words: of a whole text, as `words_of` gives them.
    """
    before = 1
    found: list[list[int]] = []
    for word in words:
        single = crc32(word)
        found.append([single, crc32(word, before)])
        before = single
    for place, run in _runs(words):
        found[place] += _of_run(run)
    return found


def windows_of(count: int) -> range:
    """Where the windows of so many words begin; each is `WINDOW` words long, or what is left."""
    return range(0, max(count - STEP, 1), STEP)


@dataclass(frozen=True, slots=True)
class InjectionModel:
    """Weights, and what a text must reach.

    Attributes:
        weights: of the features that count, by feature, from -127 to 127.
        scale: what a weight is multiplied with.
        bias: the score of a text that says nothing.
        threshold: a score from which on a text is flagged.
        price: what each factor of e in the number of windows takes off: a long text has more chances to look like an attack.
    """

    weights: Mapping[int, int] = field(repr=False)
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
        _, count, scale, bias, threshold, price = HEAD.unpack_from(content)
        if not 0 < count <= _MOST_FEATURES or len(content) != HEAD.size + 5 * count:
            msg = "the injection model's file is cut off, or too large"
            raise ValueError(msg)
        features = struct.unpack_from(f"<{count}I", content, HEAD.size)
        weights = dict(zip(features, array("b", content[-count:]), strict=True))
        return cls(weights, scale, bias, threshold, price)

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
        counts, totals = self._halves(words)
        starts = windows_of(len(words))
        best = -inf
        for half in range(len(starts)):
            features = sum(counts[half : half + 2])
            best = max(best, sum(totals[half : half + 2]) / sqrt(max(LEAST, features)))
        return best * self.scale + self.bias - self.price * log(len(starts))

    def _halves(self, words: Sequence[bytes]) -> tuple[list[int], list[int]]:
        """For each half of a window, how many features it has, and what they weigh together.

        The same features as `features_of`; no line of Python runs for each word but one of `_runs`, which is why this is fast.
        """
        weight = self.weights.get
        nothing = repeat(0)
        singles = list(map(crc32, words))
        pairs = list(map(crc32, words, chain((1,), singles)))
        counts: list[int] = []
        totals: list[int] = []
        for start in range(0, max(len(words), 1), STEP):
            half = singles[start : start + STEP]
            counts.append(2 * len(half))
            totals.append(sum(map(weight, half, nothing)) + sum(map(weight, pairs[start : start + STEP], nothing)))
        known: dict[bytes, int] = {}
        for place, run in _runs(words):
            if run not in known:
                known[run] = sum(map(weight, _of_run(run), nothing))
            totals[place // STEP] += known[run]
            counts[place // STEP] += len(run)
        return counts, totals


@dataclass(frozen=True, slots=True)
class InjectionModelGuard:
    """Flags texts that look like the prompt injections it was trained on; it never blocks. Trusted texts are not judged.

    Attributes:
        model: the one that comes with this version, by default.
    """

    name: ClassVar[str] = "injection_model"
    version: ClassVar[str] = "2"
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
