"""Fit a request to what its model can do: the one place that compares a request with the row's profile, for every dialect. Pure.

What the model lacks is refused before anything is sent, left out with a notice, or done in another way with a notice, as the caller
said with `on_unsupported`. A profile that says nothing of a thing lets it pass: then the provider answers for itself.

In another way ("emulate") goes:

- a JSON Schema: as an instruction, and in the server's plain JSON mode where it has one; the answer is checked against the schema
- a tool choice that forces a call: as an instruction, and one certain tool by offering no other
- at most one call a turn: as an instruction
- a budget of thinking where the dial has words: as the word that comes closest
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from saferoute.errors import UnsupportedParameter
from saferoute.values.events import Notice
from saferoute.values.messages import Audio, File, Image, Message, Text, ToolResult
from saferoute.values.target import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.messages import Part
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Dialect, Target

__all__ = ["fit", "instructions"]

_UNKNOWN: Final = Profile()
_SCALE: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
# Which word a budget of thinking comes closest to: up to so many tokens; the last word has no end.
_WORTH: Final[Mapping[str, int]] = {"minimal": 1024, "low": 4096, "medium": 12288, "high": 24576, "xhigh": 40960}
# What a dialect has no words for. It refuses that itself; here it counts only where the caller wants it done in another way.
_NO_SWITCH: Final[frozenset[Dialect]] = frozenset({"bedrock_converse", "cohere_chat", "gemini_generate", "ollama_chat"})
_NO_FORCE: Final[frozenset[Dialect]] = frozenset({"ollama_chat"})
# Whose dial has words and no budgets, whatever the model; with the exception of openai_chat's `reasoning`.
_WORDS_ONLY: Final[frozenset[Dialect]] = frozenset({"mistral_chat", "ollama_chat", "openai_chat", "openai_responses"})
_SAFE_WORDS: Final = ("low", "medium", "high")  # what a dial of which nothing else is known has
_ADAPTIVE_WORDS: Final = ("low", "medium", "high", "xhigh", "max")
_OR_EMULATE: Final = ' or "emulate"'
_EMULATED: Final = frozenset({"output", "parallel_tool_calls", "tool_choice"})

_ONE_VALUE: Final = "Answer with exactly one JSON value that fits this JSON Schema, and with nothing besides it: no words, no Markdown.\n"
_ONE_CALL: Final = "Call at most one tool in a turn; wait for its result before you call another."
_SOME_CALL: Final = "Your next turn must be a call of one of the tools, not an answer in words."


def instructions(request: ChatRequest) -> tuple[str, ...]:
    """Every instruction that `fit` may put behind the system's words for this request, in the order in which it would."""
    if request.on_unsupported != "emulate":
        return ()
    own = (_SOME_CALL, *(_call_of(tool.name) for tool in request.tools), _ONE_CALL) if request.tools else ()
    return own if request.output is None else (*own, _ONE_VALUE + request.output.schema.decode())


def _call_of(tool: str) -> str:
    return f"Your next turn must be a call of the tool {tool}, not an answer in words."


def fit(request: ChatRequest, target: Target) -> tuple[ChatRequest, tuple[Notice, ...]]:
    """Bring a request into a form that the model can take.

    Args:
        request: what the caller means.
        target: the row that is to answer.

    Returns:
        The request to encode (the same object where nothing had to change), and what was changed or left out.

    Raises:
        UnsupportedParameter: for what the model lacks, unless `on_unsupported` says otherwise and there is another way.
    """
    bound = target.max_output
    over = bound is not None and request.max_output_tokens is not None and request.max_output_tokens > bound
    if not over and not isinstance(request.reasoning, int) and request.on_unsupported != "emulate" and target.profile == _UNKNOWN:
        return request, ()
    fitting = _Fitting(request, target)
    fitting.tools()
    fitting.parts()
    fitting.output()
    fitting.sampling()
    fitting.reasoning()
    fitting.bound()
    return fitting.result()


class _Fitting:
    """One request being fitted."""

    __slots__ = ("_changes", "_instructions", "_notices", "_profile", "_request", "_target")

    def __init__(self, request: ChatRequest, target: Target) -> None:
        self._request = request
        self._target = target
        self._profile = target.profile
        self._changes: dict[str, Any] = {}
        self._instructions: list[str] = []
        self._notices: list[Notice] = []

    def result(self) -> tuple[ChatRequest, tuple[Notice, ...]]:
        """The fitted request and its notices."""
        if self._instructions:
            messages = self._changes.get("messages", self._request.messages)
            self._changes["messages"] = _instructed(messages, "\n\n".join(self._instructions))
        if not self._changes:
            return self._request, tuple(self._notices)
        return replace(self._request, **self._changes), tuple(self._notices)

    def _unsupported(self, parameter: str, why: str, other: str = "", /, **without: object) -> None:
        """Refuse a parameter, or leave it out; there is no other way to do what it asks for, or the caller did not say to take it."""
        if self._request.on_unsupported != "drop":
            other = other or (_OR_EMULATE if parameter in _EMULATED else "")
            msg = f'{parameter}: {self._target.model} {why}. Leave it out, choose another route, or pass on_unsupported="drop"{other}'
            raise UnsupportedParameter(msg, parameter=parameter)
        self._notices.append(Notice("dropped", parameter, f"{self._target.model} {why}; left out"))
        self._changes |= without

    def _changed(self, parameter: str, how: str, **changes: object) -> None:
        self._notices.append(Notice("changed", parameter, how))
        self._changes |= changes

    def tools(self) -> None:
        """Tools, the choice among them, and how many may be called at once."""
        request, profile, model = self._request, self._profile, self._target.model
        if not request.tools:
            return
        if profile.tools is False:
            self._unsupported("tools", "takes no tools", tools=(), tool_choice=None, parallel_tool_calls=None)
            return
        emulate = request.on_unsupported == "emulate"
        choice = request.tool_choice
        if profile.tool_choice is False and choice == "none":
            how = f"{model} is not known to obey a tool choice; the tools are left out, which comes to the same"
            self._changed("tool_choice", how, tools=(), tool_choice=None, parallel_tool_calls=None)
            return
        forced = choice not in {None, "auto", "none"}
        if forced and emulate and (profile.tool_choice is False or self._target.dialect in _NO_FORCE):
            self._ask_for_call(cast("str", choice))
        elif forced and profile.tool_choice is False:
            self._unsupported("tool_choice", "cannot be made to call a tool", tool_choice=None)
        if request.parallel_tool_calls is not False or choice == "none":
            return
        if emulate and (profile.parallel_tools is False or self._target.dialect in _NO_SWITCH):
            how = f"{model} has no switch for calls in parallel; it is asked in words to make one at a time"
            self._changed("parallel_tool_calls", how, parallel_tool_calls=None)
            self._instructions.append(_ONE_CALL)
        elif profile.parallel_tools is False:
            self._unsupported("parallel_tool_calls", "cannot be told to make at most one call a turn", parallel_tool_calls=None)

    def _ask_for_call(self, choice: str) -> None:
        model = self._target.model
        if choice == "required":
            how = f"{model} cannot be made to call a tool; it is asked in words to, and may still not"
            self._changed("tool_choice", how, tool_choice=None)
            self._instructions.append(_SOME_CALL)
            return
        how = f"{model} cannot be made to call a tool; only {choice!r} is offered, it is asked for in words, and may still not be called"
        only = tuple(tool for tool in self._request.tools if tool.name == choice)
        self._changed("tool_choice", how, tool_choice=None, tools=only)
        self._instructions.append(_call_of(choice))

    def parts(self) -> None:
        """Pictures, documents and sound."""
        known = {"pictures": self._profile.vision, "documents": self._profile.files, "sound": self._profile.audio}
        lacking = {kind for kind, takes in known.items() if takes is False}
        if not lacking:
            return
        messages = self._request.messages
        found = {kind for message in messages for part in _with_inner(message.content) if (kind := _kind(part)) in lacking}
        for kind in sorted(found):
            self._unsupported("messages", f"takes no {kind}")
        if found:
            self._changes["messages"] = tuple(self._without(message, found) for message in messages)

    def _without(self, message: Message, kinds: set[str]) -> Message:
        if not any(_kind(part) in kinds for part in _with_inner(message.content)):
            return message
        content: list[Part] = []
        for part in message.content:
            if isinstance(part, ToolResult):
                content.append(replace(part, content=tuple(inner for inner in part.content if _kind(inner) not in kinds)))
            elif _kind(part) not in kinds:
                content.append(part)
        if not content:
            what = " and ".join(sorted(kinds))
            msg = f"messages: {self._target.model} takes no {what}, and a {message.role} message has nothing else; choose another route"
            raise UnsupportedParameter(msg, parameter="messages")
        return replace(message, content=tuple(content))

    def output(self) -> None:
        """A JSON Schema for the answer."""
        output = self._request.output
        if output is None or self._profile.json_schema is not False:
            return
        if self._request.on_unsupported != "emulate":
            self._unsupported("output", "enforces no JSON Schema", output=None)
            return
        how = f"{self._target.model} enforces no JSON Schema; it is asked for in words, and the answer is checked against it"
        self._changed("output", how, output=None, json_object=True)
        self._instructions.append(_ONE_VALUE + output.schema.decode())

    def sampling(self) -> None:
        """Temperature, top_p, seed and logprobs."""
        request, profile = self._request, self._profile
        if profile.sampling is False:
            for name in ("temperature", "top_p"):
                if getattr(request, name) is not None:
                    self._unsupported(name, "takes no sampling parameters", **{name: None})
        if profile.seed is False and request.seed is not None:
            self._unsupported("seed", "takes no seed", seed=None)
        if profile.logprobs is False and request.logprobs is not None:
            self._unsupported("logprobs", "does not tell how likely its tokens were", logprobs=None)

    def reasoning(self) -> None:
        """The dial of thinking: whether there is one, whether it has words or tokens, and which words."""
        asked, profile = self._request.reasoning, self._profile
        if asked is None:
            return
        if profile.reasoning == "none":
            if asked not in {"none", 0}:
                self._unsupported("reasoning", "does not reason", reasoning=None)
            return
        if isinstance(asked, int) and asked and self._dial_has_words():
            self._budget(asked)
            return
        word: str | int = "none" if asked == 0 and profile.reasoning == "effort" else asked
        if isinstance(word, str) and profile.efforts and word not in profile.efforts:
            words = ", ".join(profile.efforts)
            if self._request.on_unsupported == "error":
                msg = (
                    f"reasoning: {self._target.model} has no {word!r}; it has {words}. Pass one of these, or "
                    'on_unsupported="drop" or "emulate" for the nearest'
                )
                raise UnsupportedParameter(msg, parameter="reasoning")
            word = _nearest(word, profile.efforts)
        if word == asked:
            return
        if asked == 0 and word == "none":  # the same thing in the dial's own words
            self._changes["reasoning"] = word
        else:
            self._changed("reasoning", f"{self._target.model} has no {asked!r}; {word!r} is sent", reasoning=word)

    def _dial_has_words(self) -> bool:
        form, target = self._profile.reasoning, self._target
        if form is not None:
            return form in {"effort", "adaptive"}
        takes_tokens = target.dialect == "openai_chat" and target.quirks.reasoning_field == "reasoning"
        return target.dialect in _WORDS_ONLY and not takes_tokens

    def _budget(self, asked: int) -> None:
        """A budget of thinking where the dial has words: refused, left out, or the word that comes closest.

        A model of the adaptive form thinks only if it is told to, so that leaving the wish out would turn thinking off.
        """
        form, model, policy = self._profile.reasoning, self._target.model, self._request.on_unsupported
        why = "takes a word for how hard to think (none to max), not a budget in tokens"
        if policy != "emulate" and not (policy == "drop" and form == "adaptive"):
            self._unsupported("reasoning", why, _OR_EMULATE, reasoning=None)
            return
        word = _word_for(asked)
        words = self._profile.efforts or {"adaptive": _ADAPTIVE_WORDS, "effort": _SCALE}.get(form or "", _SAFE_WORDS)
        word = word if word in words else _nearest(word, words)
        self._changed("reasoning", f"{model} {why}; {word!r} is sent for {asked}", reasoning=word)

    def bound(self) -> None:
        """The bound of output tokens: the table's for the row, and the model's own."""
        asked, target = self._request.max_output_tokens, self._target
        bounds = [bound for bound in (target.max_output, self._profile.max_output) if bound is not None]
        if asked is None or not bounds or asked <= min(bounds):
            return
        most = min(bounds)
        whose = f"the table allows for {target.id}" if most == target.max_output else f"{target.model} gives"
        why = f"max_output_tokens={asked} is over the {most} that {whose}"
        if self._request.on_unsupported == "error":
            msg = f'{why}. Pass max_output_tokens={most} or less, or on_unsupported="drop" to have it lowered'
            raise UnsupportedParameter(msg, parameter="max_output_tokens")
        self._changed("max_output_tokens", f"{why}; {most} is sent", max_output_tokens=most)


def _kind(part: Part) -> str:
    """What the part holds besides text: pictures, documents or sound; "" for everything else."""
    match part:
        case Image():
            return "pictures"
        case File():
            return "pictures" if (part.media_type or "").strip().lower().startswith("image/") else "documents"
        case Audio():
            return "sound"
        case _:
            return ""


def _with_inner(content: Sequence[Part]) -> list[Part]:
    """The parts, and those inside tool results."""
    found = list(content)
    for part in content:
        if isinstance(part, ToolResult):
            found += part.content
    return found


def _word_for(budget: int) -> str:
    return next((word for word, most in _WORTH.items() if budget <= most), "max")


def _nearest(asked: str, words: Sequence[str]) -> str:
    """The word nearest on the scale, the lower of two; whoever asks for some thinking gets some, as far as there is a word for it."""
    at = _SCALE.index(asked)
    some = [word for word in words if word != "none"] or words
    return min(some if at else words, key=lambda word: (abs(_SCALE.index(word) - at), _SCALE.index(word)))


def _instructed(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """The messages with an instruction behind the leading system message's own, or in a system message of its own."""
    first = messages[0] if messages else None
    if first is None or first.role != "system":
        return (Message("system", (Text(text),)), *messages)
    content = first.content
    if content and isinstance(content[-1], Text):
        return (replace(first, content=(*content[:-1], Text(f"{content[-1].text}\n\n{text}"))), *messages[1:])
    return (replace(first, content=(*content, Text(text))), *messages[1:])
