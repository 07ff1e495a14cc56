"""Values that were taken out of a request stand again in what the caller reads of the answer, and what then stands there is judged again.

Behind the guards that judge the answer as the model wrote it. Only what is said is restored: no thoughts, whose state must stay what it
was, and no arguments of tools, unless the table says so about the tool.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from saferoute.values.events import Cited, Completed, PartEnd, RefusalDelta, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.messages import Refusal, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from saferoute.guards.answers import AnswerGuards
    from saferoute.guards.json_restoring import JsonRestorer
    from saferoute.guards.placeholders import Vault
    from saferoute.guards.restoring import Restorer
    from saferoute.values.events import Alternative, DecodedEvent
    from saferoute.values.messages import Citation, Part, ToolCall

__all__ = ["RestoredAnswer"]

_Delta: TypeAlias = TextDelta | RefusalDelta

_JSON: Final = re.compile(r'\s*(?:\{|\[\s*["{\[])')
"""How an answer begins that is JSON, whether it was asked for or not; "[Date]" is how letters begin."""

_UNDECIDED: Final = re.compile(r"\s*(?:\[\s*)?\Z")
_LONGEST_BEGIN: Final = 256
"""Characters of a beginning that says nothing; then the answer is taken for JSON, where less is restored."""


class RestoredAnswer:
    """Puts values back into one answer. Made for one attempt, and dropped with it.

    All texts are read as one, in the order of their parts: an address that begins in one of them may end in the next.

    Args:
        vault: what was taken out of the request.
        again: judges what stands there then.
        is_json: whether the answer was asked for as JSON: values then stand only in its strings, and as JSON writes them. The same holds
            for one that begins like JSON.
        arguments: whether values are put back into the arguments of a call; None for never.

    Attributes:
        restored: paths of the texts into which values were put back, in the answer as in `Judged.path`.
    """

    __slots__ = (
        "_again",
        "_arguments",
        "_begin",
        "_calls",
        "_is_json",
        "_open",
        "_out_of_order",
        "_refusal",
        "_text",
        "_vault",
        "restored",
    )

    def __init__(self, vault: Vault, again: AnswerGuards, *, is_json: bool, arguments: Callable[[ToolCall], bool] | None) -> None:
        self._vault = vault
        self._again = again
        self._is_json = is_json
        self._arguments = arguments
        self._begin = ""  # of the answer, while nobody knows whether it is JSON
        self._text: Restorer | JsonRestorer | None = vault.json_restorer() if is_json else None
        self._refusal: Restorer = vault.restorer()
        self._open: _Delta | None = None
        self._out_of_order = False
        self._calls: dict[int, list[DecodedEvent]] = {}
        self.restored: set[str] = set()

    def feed(self, events: Iterable[DecodedEvent]) -> list[DecodedEvent]:
        """Take events in order, as guards let them through; give back those that may be shown.

        Raises:
            GuardError: a guard blocks what stands there now. Nothing of what it blocks was given back.
        """
        shown: list[DecodedEvent] = []
        for event in events:
            match event:
                case TextDelta() | RefusalDelta():
                    self._piece(event, shown)
                case Cited():
                    shown.append(self._cited(event))
                case PartEnd() if event.index in self._calls:
                    self._calls[event.index].append(event)
                case PartEnd():
                    if self._open is not None and self._open.index == event.index:
                        self._pause(shown)
                    shown.append(event)
                case ToolCallDelta() if self._arguments is not None:
                    self._calls.setdefault(event.index, []).append(event)
                case ToolCallReady() if self._arguments is not None:
                    self._call(event, self._arguments, shown)
                case Completed():
                    self._pause(shown)
                    alternatives = tuple(self._alternative(one, number) for number, one in enumerate(event.alternatives, 1))
                    shown.append(replace(event, alternatives=alternatives) if alternatives else event)
                case _:
                    shown.append(event)
        return self._again.feed(shown)

    def _restorer_of(self, text: str) -> Restorer | JsonRestorer:
        return self._vault.json_restorer() if self._is_json or _JSON.match(text) else self._vault.restorer()

    def _piece(self, event: _Delta, shown: list[DecodedEvent]) -> None:
        last = self._open
        if last is not None and (last.index != event.index or type(last) is not type(event)):
            self._pause(shown)
            # What stands in front of a part that comes later is then not known.
            self._out_of_order = self._out_of_order or event.index < last.index
        if self._out_of_order:
            shown.append(event)
            return
        self._open = event
        if isinstance(event, RefusalDelta):
            self._show(event, self._refusal, self._refusal.feed(event.text), shown)
            return
        text = self._begin + event.text
        if self._text is None and _UNDECIDED.match(text):
            if len(text) <= _LONGEST_BEGIN:
                self._begin = text
                return
            self._text = self._vault.json_restorer()
        self._begin = ""
        self._text = self._text or self._restorer_of(text)
        self._show(event, self._text, self._text.feed(text), shown)

    def _show(self, event: _Delta, restorer: Restorer | JsonRestorer, text: str, shown: list[DecodedEvent]) -> None:
        if restorer.restored:
            restorer.restored = 0
            self.restored.add(f"/content/{event.index}")
        if text:
            shown.append(event if text == event.text else replace(event, text=text))

    def _pause(self, shown: list[DecodedEvent]) -> None:
        """Show what is held: a part has ended, or another one goes on. It stays the last one, for the order of parts."""
        if isinstance(self._open, RefusalDelta):
            self._show(self._open, self._refusal, self._refusal.pause(), shown)
        elif self._open is not None:
            text, self._begin = self._begin, ""
            self._text = self._text or self._vault.restorer()
            self._show(self._open, self._text, self._text.feed(text) + self._text.pause(), shown)

    def _cited(self, event: Cited) -> Cited:
        held = (self._text is not None and self._text.holds) or self._refusal.holds
        moved = held or f"/content/{event.index}" in self.restored
        return replace(event, citation=_unplaced(event.citation)) if moved else event

    def _call(self, event: ToolCallReady, arguments: Callable[[ToolCall], bool], shown: list[DecodedEvent]) -> None:
        held = self._calls.pop(event.index, [])
        call, path = event.call, f"/content/{event.index}"
        if arguments(call):
            restorer = self._vault.json_restorer()
            text = restorer.feed(call.arguments) + restorer.close()
            if restorer.restored:
                self.restored.add(path)
                call = self._again.judged_call(replace(call, arguments=text, state=None), path)  # its state may hold them as they were
                ends = [one for one in held if isinstance(one, PartEnd)]
                held = [ToolCallDelta(event.index, call.id, call.name, call.arguments), *(PartEnd(one.index) for one in ends)]
        shown += held
        shown.append(replace(event, call=call))

    def _alternative(self, one: Alternative, number: int) -> Alternative:
        text, refusal = self._restorer_of(one.message.text), self._vault.restorer()
        parts: list[Part] = []
        for index, part in enumerate(one.message.content):
            match part:
                case Text():
                    parts.append(self._restored_part(part, text, f"/alternatives/{number}/content/{index}"))
                case Refusal():
                    parts.append(self._restored_part(part, refusal, f"/alternatives/{number}/content/{index}"))
                case _:
                    parts.append(part)
        return replace(one, message=replace(one.message, content=tuple(parts)))

    def _restored_part(self, part: Text | Refusal, restorer: Restorer | JsonRestorer, path: str) -> Part:
        text = restorer.feed(part.text) + restorer.pause()
        if not restorer.restored:
            return part
        restorer.restored = 0
        self.restored.add(path)
        return Text(text, tuple(map(_unplaced, part.citations))) if isinstance(part, Text) else Refusal(text)


def _unplaced(citation: Citation) -> Citation:
    """A citation without the place in a text that it had before values were put back."""
    return replace(citation, start=None, end=None)
