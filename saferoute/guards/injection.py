"""Finds instructions to a model, by the structure of the sentence, where instructions do not belong.

No word alone is a finding: "Can I ignore this warning?" is nobody's attack. A rule needs what is taken away or brought to light, which
instructions are meant, and that it is instructions; each word becomes a letter of `injection_words`, and a rule is a short pattern of
letters with bounded gaps, so that the time grows with the length of the text alone.

What it does not see: an instruction in other words than an instruction's ("the summary must mention ..."), which is most of indirect
injection. The control against those is the policy of tools, not a reader of texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple

from saferoute.guards.injection_words import IDEOGRAPHIC, SPACED
from saferoute.values.guarding import ALLOWED, Action, Span, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from saferoute.values.guarding import Context, Segment, Stage

__all__ = ["InjectionGuard", "judge_joined"]

Kind = Literal["addressed", "markup", "override", "persona", "plain", "reveal", "unlimit"]

_SAID: Final[dict[str, str]] = {
    "addressed": "text addresses the model that reads it",
    "markup": "text imitates the markup of a chat",
    "override": "asks to set instructions aside",
    "persona": "asks to act without restrictions",
    "plain": "orders the model to set its instructions aside",
    "reveal": "asks for the instructions themselves",
    "unlimit": "asks to lift a restriction",
}

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_ASCII_WORD: Final = re.compile(r"[a-zA-Z]{2,}")  # the same in ASCII, faster
_WIDE: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_PIECE: Final = re.compile(f"({'|'.join(sorted(IDEOGRAPHIC, key=len, reverse=True))})")

# Over letters, one per word; every gap is bounded. _NOT stands behind the verb, where it costs least: "never ignore" and "do not ever
# ignore" ask for the opposite, and "why do models ignore" speaks about it. _TALK does so before what is nobody's order by itself ("your
# guidelines"), and looks further back.
_NOT: Final = "(?<![n7].)(?<![n7]..)(?<!7...)"
_TALK: Final = "".join(f"(?<![n7]{'.' * gap})" for gap in range(7))
_AWAY: Final = f"[v6]{_NOT}"
_ENGLISH_RULES: Final[tuple[tuple[Kind, str], ...]] = (
    ("plain", f"6{_NOT}[^n]{{0,3}}?(?:[si1].{{0,2}}?[op]|a?y[^n]?[op])|6{_NOT}a[^n]?o"),
    ("override", f"{_AWAY}[^n]{{0,4}}?[siyt1][^n]{{0,3}}?[opl825]|{_AWAY}[^n]{{0,2}}?[ah][^n]{{0,2}}?[op]|{_AWAY}.?a.?1"),
    ("override", f"{_AWAY}[^n]{{0,3}}?[opl825][^n]{{0,2}}?[s1]|yf.?o"),
    ("unlimit", f"[v6w]{_NOT}(?:.{{0,3}}?[yht]|.?b).{{0,2}}?[l8]|{_AWAY}(?:al|a?8)|{_TALK}y8|6o|y.{{0,2}}?b.{{0,2}}?l"),
    ("reveal", f"[r9]{_NOT}.{{0,7}}?(?:y.{{0,2}}?[op5l8]|h.?[l85])|[xq](?!7){_NOT}.{{0,4}}?y.{{0,2}}?[op5]"),
    ("reveal", f"y.{{0,2}}?[op5l8].{{0,4}}?[r9]|{_TALK}y[hti].?[op]|[r9]{_NOT}.{{0,4}}?(?:t[po5]|[hi].?[po]|s[po])|9[o8]"),
    ("persona", "[ue].{0,4}?c|g.?c|c.{0,2}?[gm]|[uew].{0,4}?dm|n.?j"),
    ("persona", "(?:[egr9x]|u.?).{0,3}?z.?[l8]|z.{0,2}?b.{0,2}?[l8]"),
)
_OTHER_RULES: Final[tuple[tuple[Kind, str], ...]] = (
    ("override", "[v6V].{0,4}?[sSiIaAyYhHtT].{0,3}?[oOpPL8]|[v6V].{0,3}?[oOpPL8].{0,3}?[sSiIyY]"),
    ("override", "[sSiIaAyY].{0,4}?[oOpPL8].{0,4}?V"),
    ("unlimit", "[v6VW].{0,3}?Y.{0,3}?L|Y.{0,3}?L.{0,4}?[VW]"),
    ("reveal", "[R9].{0,4}?[yYhHtTiI].{0,2}?[oOpP]|[R9].{0,4}?[oOpP].{0,3}?[hHtTiIyY]|[YHT].{0,2}?[OpP].{0,4}?R"),
    ("persona", "[uUeE].{0,4}?(?:Z.{0,2}?[lL8]|C)"),
)
_ADDRESSED_RULES: Final[tuple[tuple[Kind, str], ...]] = (("addressed", "3.?4.{0,2}?g|g.{0,2}?k|u.{0,2}?g.{0,2}?k"),)


class _Rule(NamedTuple):
    kind: Kind
    pattern: re.Pattern[str]


def _rules(rows: tuple[tuple[Kind, str], ...]) -> tuple[_Rule, ...]:
    return tuple(_Rule(kind, re.compile(pattern)) for kind, pattern in rows)


_ENGLISH: Final = _rules(_ENGLISH_RULES)
_OTHER: Final = _rules(_OTHER_RULES)
_ADDRESSED: Final = _rules(_ADDRESSED_RULES)

# Turns of a chat as the templates of model families write them. A heading "### System:" stands at the start of a line.
_MARKUP: Final = re.compile(
    r"<\|(?:im_(?:start|end|sep)|system|user|assistant|end(?:oftext|_of_text|_of_turn)?|eot_id|(?:start|end)_header_id|begin_of_text"
    r"|channel|message|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN)\|>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
    r"|^[ \t]{0,8}\#{2,4}[ \t]{0,3}(?:system|assistant|instructions?)(?:[ \t](?:prompt|message|override))?[ \t]{0,3}:",
    re.MULTILINE | re.IGNORECASE,
)
_BRACKETS: Final = re.compile(r"\[[ /]?(?:system|admin|sys|developer|root)\b[^\]\n]{0,20}\]", re.IGNORECASE)
_GAPS: Final = "." * 9
_MOST: Final = 16
_TAIL: Final = 2_000
_FILLING: Final = re.compile(r"\b\w{1,16}\s?[:=]\s?(?=[\"'\u201c\u00ab])|[\"'`\u201c\u201d\u00ab\u00bb]")


class _Find(NamedTuple):
    kind: Kind
    start: int
    end: int


def _in_letters(letters: str, rules: tuple[_Rule, ...]) -> Iterator[_Find]:
    """Finds, in places of the letters."""
    for kind, pattern in rules:
        for match in islice(pattern.finditer(letters), _MOST):
            yield _Find(kind, *match.span())


def _placed(finds: list[_Find], pattern: re.Pattern[str], text: str) -> Iterator[_Find]:
    """The same finds, in places of the text: the words are counted a second time, up to the last one that is needed."""
    if not finds:
        return
    last = max(find.end for find in finds)
    words = [match.span() for match in islice(pattern.finditer(text), last)]
    for kind, start, end in finds:
        yield _Find(kind, words[start][0], words[end - 1][1])


def _wide_finds(text: str) -> Iterator[_Find]:
    """Findings in runs without spaces: every character between two words counts as a word, up to more than any rule's gap."""
    pieces = _PIECE.split(text)  # what stands between, and a word, in turns
    letters = [IDEOGRAPHIC.get(piece) or _GAPS[: len(piece)] for piece in pieces]
    finds = list(_in_letters("".join(letters), _OTHER))
    if not finds:
        return
    places: list[tuple[int, int]] = []
    place = 0
    for piece, letter in zip(pieces, letters, strict=True):
        places.extend([(place, place + len(piece))] * len(letter))
        place += len(piece)
    for kind, start, end in finds:
        yield _Find(kind, places[start][0], places[end - 1][1])


def _finds(text: str, *, untrusted: bool) -> list[_Find]:
    """All findings in a text, with their places in it."""
    letter, plain = SPACED.get, text.isascii()
    # Only ASCII is lowered as a whole: elsewhere a small letter may be two characters, and a word would be split.
    words = _ASCII_WORD.findall(text.lower()) if plain else map(str.lower, _WORD.findall(text))
    letters = "".join([letter(word, ".") for word in words])
    found: list[_Find] = list(_in_letters(letters, _ENGLISH))
    if not letters.islower():  # a capital stands for a word of another language
        found += _in_letters(letters, _OTHER)
    if untrusted:
        found += _in_letters(letters, _ADDRESSED)
    found = list(_placed(found, _ASCII_WORD if plain else _WORD, text))
    if not plain and _WIDE.search(text):
        found += _wide_finds(text)
    if "[" in text:
        found += (_Find("markup", *match.span()) for match in islice(_BRACKETS.finditer(text), _MOST))
    if "|>" in text or "_of_turn>" in text or "INST]" in text or "SYS>" in text or "##" in text:
        found += (_Find("markup", *match.span()) for match in islice(_MARKUP.finditer(text), _MOST))
    return found


# Views that undo a disguise: whoever wrote the text took care that people and filters read something else. Other views undo an encoding,
# which honest texts use too. What "hidden" holds (comments, elements without size) no reader of a page sees.
_DISGUISES: Final = frozenset({"bidi", "escapes", "hidden", "homoglyph", "invisible", "marks", "nfkc", "selectors", "tags"})
_HIDDEN: Final = frozenset({"hidden", "selectors", "tags"})


def _is_untrusted(segment: Segment, context: Context) -> bool:
    return segment.origin in {"tool", "retrieved"} or context.stage == "tool_result"


@dataclass(frozen=True, slots=True)
class InjectionGuard:
    """Judges whether a text holds orders to the model that reads it.

    A finding flags. In what a tool returned, or what was retrieved, an order to set the instructions aside blocks where it stands plainly
    in English, the one language whose benign texts were measured by the thousand, or under a disguise (look-alike letters, zero width);
    so does every finding that a reader would not see (a comment, an element without size). Trusted texts are not judged.
    """

    name: ClassVar[str] = "injection"
    version: ClassVar[str] = "2"
    stages: ClassVar[frozenset[Stage]] = frozenset({"input", "tool_result"})
    quick: ClassVar[bool] = True
    pure: ClassVar[bool] = True
    reads_views: ClassVar[bool] = True

    def check(self, segment: Segment, context: Context) -> Verdict:
        """Judge a text and the views of it.

        Args:
            segment: the text.
            context: its `views` are judged as the text is.

        Returns:
            ALLOW, FLAG or BLOCK. Spans are places in the text; what is found only in a view has none.
        """
        if segment.trusted:
            return ALLOWED
        untrusted = _is_untrusted(segment, context)
        text = segment.text
        finds = _finds(text, untrusted=untrusted)
        reasons = {_SAID[find.kind] for find in finds}
        blocked = any(find.kind == "plain" for find in finds)
        for name, view in context.views.items():
            seen = _finds(view, untrusted=untrusted)
            reasons.update(f"{_SAID[find.kind]}, read as {name}" for find in seen)
            steps = name.split("+")
            if _DISGUISES.issuperset(steps):
                blocked = blocked or any(find.kind == "plain" or not _HIDDEN.isdisjoint(steps) for find in seen)
        if not reasons:
            return ALLOWED
        spans = tuple(sorted({Span(find.start, find.end, f"injection.{find.kind}") for find in finds}))
        return Verdict(Action.BLOCK if blocked and untrusted else Action.FLAG, tuple(sorted(reasons))[:_MOST], spans)


def judge_joined(segments: Sequence[Segment], last: int = 4) -> Verdict:
    """Judge what the last untrusted texts say together, for an order that is handed over in parts.

    Each window of up to `last` texts is read with a space between them, with nothing between them, and without the names and quotation
    marks of parts such as `Y = "..."`. Only a finding that one of the texts does not have by itself counts.

    Args:
        segments: the conversation's texts, in order; trusted ones are passed over.
        last: how many texts are read together, at least 2.

    Returns:
        ALLOW, or FLAG without spans: the finding stands in no single text.

    Raises:
        ValueError: for fewer than two texts.
    """
    if last < 2:  # noqa: PLR2004  one text has nothing to be joined with
        msg = "texts are joined by two or more: last >= 2"
        raise ValueError(msg)
    texts = [segment.text[-_TAIL:] for segment in segments if not segment.trusted][-last:]
    if len(texts) < 2:  # noqa: PLR2004  as above
        return ALLOWED
    alone = {find.kind for text in texts for find in _finds(text, untrusted=False)}
    spaced = " ".join(texts)
    together = {find.kind for joined in (spaced, "".join(texts), _FILLING.sub("", spaced)) for find in _finds(joined, untrusted=False)}
    split = together - alone
    if not split:
        return ALLOWED
    return Verdict(Action.FLAG, tuple(sorted(f"{_SAID[kind]}, in parts over several texts" for kind in split)))
