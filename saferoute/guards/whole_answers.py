"""An answer that is judged only when it is whole: its texts, and its events with some of them replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from saferoute.guards.call_arguments import plainly_written
from saferoute.guards.cited import citation_texts, with_citation_texts
from saferoute.guards.segments import Placed
from saferoute.values.events import Cited, Completed, PartEnd, ReasoningDelta, RefusalDelta, TextDelta, ToolCallReady
from saferoute.values.guarding import Segment
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from saferoute.values.events import DecodedEvent

__all__ = ["answer_places", "with_answer_texts", "without_traces"]


def answer_places(events: Sequence[DecodedEvent]) -> tuple[Placed, ...]:
    """The texts of an answer, by the index of their parts: what was said, shown thinking, refusals, words of citations, and tool calls."""
    pieces: dict[int, list[str]] = {}
    names: dict[int, str] = {}
    calls: list[Placed] = []
    for number, event in enumerate(events):
        match event:
            case TextDelta() | RefusalDelta() | ReasoningDelta():
                pieces.setdefault(event.index, []).append(event.text)
                names[event.index] = "" if type(event) is TextDelta else event.type
            case ToolCallReady(call=call):
                arguments = plainly_written(call.arguments)
                segment = Segment(arguments, "assistant", "model", path=f"/content/{event.index}", name=call.name)
                calls.append(Placed(segment, "tool_call", replaceable=False))
            case Cited():
                calls += [
                    Placed(Segment(text, "assistant", "model", path=_cited_at(number, event, name)), "output", replaceable=True)
                    for name, text in citation_texts(event.citation)
                ]
            case Completed():
                calls += _alternatives(event)
            case _:
                pass
    texts = (Segment("".join(some), "assistant", "model", path=f"/content/{index}", name=names[index]) for index, some in pieces.items())
    return (*(Placed(segment, "output", replaceable=True) for segment in texts if segment.text), *calls)


def _cited_at(number: int, event: Cited, name: str) -> str:
    """Where a text of a citation stands: the number of its event tells it from others of the same part."""
    return f"/content/{event.index}/citations/{number}/{name}"


def _alternatives(event: Completed) -> Iterator[Placed]:
    """The texts of the other answers, where several were asked for. What is to be taken out of one of them blocks."""
    for number, one in enumerate(event.alternatives, 1):
        for index, part in enumerate(one.message.content):
            path = f"/alternatives/{number}/content/{index}"
            match part:
                case ToolCall():
                    arguments = plainly_written(part.arguments)
                    yield Placed(Segment(arguments, "assistant", "model", path=path, name=part.name), "tool_call", replaceable=False)
                case Text() | Refusal() | Reasoning() if part.text:
                    name = "" if type(part) is Text else part.type
                    yield Placed(Segment(part.text, "assistant", "model", path=path, name=name), "output", replaceable=False)
                case _:
                    pass


def with_answer_texts(events: Sequence[DecodedEvent], texts: Mapping[str, str]) -> list[DecodedEvent]:
    """The events, with the texts of some parts replaced: each then comes as one piece, without citations of places that are gone.

    Args:
        events: of a whole answer.
        texts: new texts, by the path of the part.
    """
    said = {path: text for path, text in texts.items() if "/citations/" not in path}
    return list(_rewritten(events, {int(path.rpartition("/")[2]): text for path, text in said.items()}, texts))


def _rewritten(events: Sequence[DecodedEvent], texts: Mapping[int, str], cited: Mapping[str, str]) -> Iterator[DecodedEvent]:
    begun: set[int] = set()
    for number, event in enumerate(events):
        match event:
            case TextDelta() | RefusalDelta() | ReasoningDelta() if event.index in texts:
                if event.index not in begun:
                    begun.add(event.index)
                    yield replace(event, text=texts[event.index])
            case Cited() if event.index in texts:
                pass
            case Cited():
                new = {name: text for name, _ in citation_texts(event.citation) if (text := cited.get(_cited_at(number, event, name)))}
                yield replace(event, citation=with_citation_texts(event.citation, new)) if new else event
            case PartEnd() if event.index in texts:
                yield PartEnd(event.index)  # the state of a thought holds its words
            case Completed():
                yield without_traces(event)
            case _:
                yield event


def without_traces(event: Completed) -> Completed:
    """The end of an answer from which something was taken out, without what repeats the words of the answer.

    Those stand among the tokens of the log probabilities, and in what the provider says besides: citations, tokens, blocks as they came.
    Numbers stay.
    """
    numbers = {name: value for name, value in event.metadata.items() if value is None or isinstance(value, bool | int | float)}
    return replace(event, logprobs=(), metadata=numbers)
