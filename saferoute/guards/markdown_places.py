"""Where in a Markdown text a place is, told letter by letter: in running text, or in code, a tag, a link or an image.

It errs to the safe side: what might be code, a tag or a link counts as one, and what was opened and is never closed goes on to the end of
the paragraph (code, tags, links) or of the text (fences, comments, quoted attributes, elements such as `<script>` and `<a>`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Candidate", "Places"]

_Zone = Literal["text", "code", "fence", "indented", "tag", "comment", "element", "target", "definition"]

_CARRIES: Final = frozenset("/:?=&@#%")
"""What makes a run of characters look like a link, an address, a query or an assignment."""

_PREFIX: Final = frozenset(" \t>-*+0123456789.)")
"""What may stand before a fence on its line: quotes and list items."""

_TICKS_OF_A_FENCE: Final = 3
_COLUMNS_OF_CODE: Final = 4
_TAB: Final = 4
_ELEMENTS: Final = frozenset({"a", "button", "code", "iframe", "pre", "script", "style", "svg", "textarea"})
_LONGEST_NAME: Final = 10
_NAME: Final = re.compile(r"[a-z][a-z0-9]*")


@dataclass(slots=True)
class Candidate:
    """A placeholder that waits: for the end of the run that it stands in, and for the end of the brackets around it."""

    issued: str = field(default="", repr=False)
    in_run: bool = True
    in_brackets: bool = False
    spoiled: bool = False

    @property
    def waits(self) -> bool:
        """Whether there is no verdict yet."""
        return not self.spoiled and (self.in_run or self.in_brackets)

    def spoil(self) -> None:
        """It is not restored."""
        self.spoiled = True


@dataclass(slots=True)
class _Brackets:
    """An opened bracket; `target` for the second one of `[text][target]`, `first` if it may begin a definition, `[name]: ...`."""

    target: bool
    first: bool
    candidates: list[Candidate] = field(default_factory=list)


class Places:
    """Reads a text and knows where it is."""

    __slots__ = (
        "_angle", "_blank", "_brackets", "_carries", "_closed", "_closing", "_columns", "_depth", "_escaped", "_fence", "_head", "_last",
        "_list", "_open_line", "_prefix", "_quote", "_readers", "_run", "_seen", "_tag", "_tail", "_tick", "_ticks", "_was_blank",
        "_was_code", "_zone",
    )  # fmt: skip

    def __init__(self) -> None:
        self._zone: _Zone = "text"
        # The run of characters without spaces: its placeholders, whether it has a character that carries, and its last letters.
        self._run: list[Candidate] = []
        self._carries = False
        self._tail = ""
        # The line: what it began with, and what the lines before it were.
        self._blank = self._was_blank = self._prefix = True
        self._columns = 0
        self._was_code = self._list = False
        # Runs of the same ` or ~, and the fence or code that one of them opened.
        self._tick = self._fence = ""
        self._ticks = self._depth = 0
        self._open_line = self._closing = False
        # Brackets, the pair just closed, and what was the letter before.
        self._brackets: list[_Brackets] = []
        self._closed: _Brackets | None = None
        self._escaped = self._angle = self._seen = False
        self._tag = self._head = self._quote = self._last = ""
        self._readers: dict[_Zone, Callable[[str], None]] = {
            "text": self._in_text, "tag": self._in_tag, "comment": self._in_comment, "element": self._in_element,
            "target": self._in_target, "definition": self._in_definition,
        }  # fmt: skip

    @property
    def is_plain(self) -> bool:
        """Whether ASCII letters, digits, commas and semicolons change nothing until another character comes."""
        return (
            self._zone in {"text", "code"} and not (self._blank or self._prefix or self._ticks or self._angle or self._escaped)
        ) and self._closed is None  # fmt: skip

    def skip(self, plain: str) -> None:
        """Pass over such characters."""
        self._tail = (self._tail + plain)[-3:]
        self._last = plain[-1]

    def letter(self, letter: str) -> None:
        """Read one character."""
        self._read_run(letter)
        if letter in "`~" and self._zone in {"text", "code", "fence"} and (letter == "`" or self._prefix or self._ticks):
            self._begin_line(letter)
            if self._ticks and self._tick != letter:
                self._end_ticks()
            self._end_pair("")
            self._angle = self._escaped = False
            self._tick, self._ticks, self._last = letter, self._ticks + 1, letter
            return
        self._end_ticks()
        if letter == "\n":
            self._end_line()
            return
        self._begin_line(letter)
        if not letter.isspace():
            self._closing = False
        reader = self._readers.get(self._zone)
        if reader is not None:
            reader(letter)
        self._prefix = self._prefix and letter in _PREFIX
        self._last = letter

    def candidate(self) -> Candidate:
        """Read a placeholder."""
        self._end_ticks()
        self._begin_line("x")
        self._end_pair("")
        found = Candidate()
        # "<" and a value may become a tag, whatever the value is.
        if self._zone != "text" or self._angle or self._carries or (self._brackets and self._brackets[-1].target):
            found.spoil()
        else:
            self._run.append(found)
            if self._brackets:
                found.in_brackets = True
                self._brackets[-1].candidates.append(found)
        self._prefix = self._angle = self._escaped = self._closing = False
        self._tail, self._last = "", "x"
        return found

    def close(self) -> None:
        """The text has ended: what is open will not be a link any more."""
        self._end_run()
        self._end_pair("")
        self._end_brackets()

    def pause(self) -> None:
        """The text stops here, and may go on: nothing waits any more, but what was open stays open for what comes then."""
        for one in self._run:
            one.in_run = False
        self._run.clear()
        for brackets in (*self._brackets, *(() if self._closed is None else (self._closed,))):
            for one in brackets.candidates:
                one.in_brackets = False
            brackets.candidates.clear()

    def _read_run(self, letter: str) -> None:
        if letter.isspace():
            self._end_run()
        elif letter in _CARRIES or (letter == "." and self._tail.lower() == "www"):
            self._carries = True
            for one in self._run:
                one.spoil()
            self._run.clear()
        else:
            self._tail = (self._tail + letter)[-3:]

    def _end_run(self) -> None:
        for one in self._run:
            one.in_run = False
        self._run.clear()
        self._carries = False
        self._tail = ""

    def _begin_line(self, letter: str) -> None:
        """Count the spaces in front; the first letter behind them says whether the line is code."""
        if not self._blank:
            return
        if letter in " \t":
            self._columns += 1 if letter == " " else _TAB - self._columns % _TAB
        elif letter.isspace():
            pass
        else:
            self._blank = False
            indented = self._columns >= _COLUMNS_OF_CODE
            if indented and self._zone == "text" and not self._list and (self._was_blank or self._was_code):
                self._zone = "indented"
            elif not indented:
                self._list = letter in "-*+0123456789"

    def _end_line(self) -> None:
        self._end_pair("")
        self._angle = self._escaped = False
        if (self._zone == "fence" and self._closing) or (self._zone == "definition" and self._seen):
            self._zone = "text"
        if self._zone == "indented":
            self._zone, self._was_code = "text", True
        elif not self._blank:
            self._was_code = False
        if self._blank and (self._zone in {"text", "code", "target", "definition"} or (self._zone == "tag" and not self._quote)):
            self._zone, self._quote = "text", ""
            self._end_brackets()
        self._was_blank, self._blank, self._prefix, self._columns = self._blank, True, True, 0
        self._open_line = self._closing = False
        self._last = "\n"

    def _end_ticks(self) -> None:
        """A run of the same ` or ~ has ended; it opens or closes code."""
        count, self._ticks = self._ticks, 0
        if not count:
            return
        at_start, self._prefix = self._prefix, False
        if self._zone == "fence" and self._open_line and self._fence[0] == "`":
            # "```code``` on one line" is no fence.
            self._zone, self._open_line = "code", False
        if self._zone == "fence":
            self._closing = at_start and self._tick == self._fence[0] and count >= len(self._fence)
        elif self._zone == "code":
            if self._tick == "`" and count == len(self._fence):
                self._zone = "text"
        elif at_start and count >= _TICKS_OF_A_FENCE:
            self._zone, self._fence, self._open_line = "fence", self._tick * count, True
        elif self._tick == "`":
            self._zone, self._fence = "code", "`" * count

    def _in_text(self, letter: str) -> None:
        if self._end_pair(letter):
            return
        if self._angle and (letter in "/!?" or (letter.isascii() and letter.isalpha())):
            self._zone, self._tag, self._head, self._quote = "tag", letter.lower(), "", ""
        elif letter == "[":
            self._brackets.append(_Brackets(target=False, first=self._prefix))
        elif letter == "]" and self._brackets and not self._escaped:
            self._closed = self._brackets.pop()
        self._angle = letter == "<"
        self._escaped = letter == "\\" and not self._escaped

    def _end_pair(self, letter: str) -> bool:
        """What comes behind a closed bracket says whether it was a link; whether the letter belongs to it."""
        closed, self._closed = self._closed, None
        if closed is None:
            return False
        if closed.target or letter in {"(", "["} or (letter == ":" and closed.first):
            for one in closed.candidates:
                one.spoil()
        elif self._brackets:
            self._brackets[-1].candidates += closed.candidates
        else:
            for one in closed.candidates:
                one.in_brackets = False
        if letter == "(":
            self._zone, self._depth, self._quote = "target", 0, ""
        elif letter == "[":
            self._brackets.append(_Brackets(target=True, first=False))
        elif letter == ":" and closed.first:
            self._zone, self._seen = "definition", False
        else:
            return False
        return True

    def _end_brackets(self) -> None:
        for brackets in self._brackets:
            for one in brackets.candidates:
                one.in_brackets = False
        self._brackets.clear()

    def _in_tag(self, letter: str) -> None:
        if self._quote:
            if letter == self._quote:
                self._quote = ""
        elif letter in "\"'" and self._head == "=":
            self._quote = letter
        elif letter == ">":
            name = _NAME.match(self._tag)
            self._zone = "text"
            if name and name[0] in _ELEMENTS and self._last != "/":
                self._zone, self._tag, letter = "element", name[0], ""
        elif len(self._tag) < _LONGEST_NAME:
            self._tag += letter.lower()
            if self._tag == "!--":
                self._zone = "comment"
        self._head = self._head if letter.isspace() else letter  # the last letter that is no space

    def _in_comment(self, letter: str) -> None:
        self._tag = (self._tag + letter)[-3:]
        if self._tag == "-->":
            self._zone = "text"

    def _in_element(self, letter: str) -> None:
        """Look for the closing tag; `_head` holds as much of it as has come."""
        closing = f"</{self._tag}"
        begun = self._head + letter.lower()
        self._head = begun if closing.startswith(begun) else "<" * (letter == "<")
        if self._head == closing:
            self._zone, self._tag, self._head, self._quote = "tag", closing[1:], "", ""

    def _in_target(self, letter: str) -> None:
        if self._quote:
            if letter == self._quote:
                self._quote = ""
        elif letter in "\"'" and self._last.isspace():
            self._quote = letter
        elif letter == "(":
            self._depth += 1
        elif letter == ")":
            self._depth -= 1
            if self._depth < 0:
                self._zone = "text"

    def _in_definition(self, letter: str) -> None:
        self._seen = self._seen or not letter.isspace()
