"""What of a generateContent request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

Thinking goes back with its text; signatures, pictures, sound and documents other than text hold none. What a server-side tool was asked
and answered is text, as JSON. `cachedContent`, which stands for content that the provider keeps, the settings of server-side tools, and
fields that hold words for a voice are unknown on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.text_documents import typed
from saferoute.providers.text_rules import anything, extracted, fields, items, opening, remembered, says, says_json, scalar, tag_of, tagged
from saferoute.providers.wire_text import NOTHING_OPENED

if TYPE_CHECKING:
    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Opened, Raw, WireText, WireTextKind

__all__ = ["texts"]


def _object(*silent: str, **rules: Rule) -> Rule:
    return fields(dict.fromkeys(silent, scalar) | rules)


def _inline(kind: WireTextKind) -> Rule:
    return typed(kind, "mimeType")


_FILE: Final = _object("mimeType", "fileUri")
_CALL: Final = _object("id", name=says("tool_call"), args=says_json("tool_call"))
_RESULT: Final = _object(
    "id",
    name=says("tool_result"),
    response=_object(result=says("tool_result"), error=says("tool_result")),
    parts=items(_object(inlineData=_inline("tool_result"), fileData=_FILE)),
)
_SAID: Final = _object(
    "thought",
    "thoughtSignature",
    text=says("assistant"),
    functionCall=_CALL,
    inlineData=_inline("assistant"),
    executableCode=says_json("tool_call"),
    codeExecutionResult=says_json("tool_result"),
    toolCall=says_json("tool_call"),
    toolResponse=says_json("tool_result"),
)
_THOUGHT: Final = _object("thought", "thoughtSignature", text=says("reasoning"), inlineData=_inline("reasoning"))


def _model_part(value: object, path: str, found: list[Raw]) -> None:
    (_THOUGHT if tag_of(value, "thought") is True else _SAID)(value, path, found)


_CONTENT: Final = tagged(
    "role",
    {
        "user": _object(
            "role", parts=items(_object(text=says("user"), inlineData=_inline("user"), fileData=_FILE, functionResponse=_RESULT))
        ),
        "model": _object("role", parts=items(_model_part)),
    },
)
_DECLARATION: Final = _object(name=says("tool_name"), description=says("tool_description"), parametersJsonSchema=says_json("tool_schema"))
_SWITCHED_ON: Final = _object()  # a server-side tool without settings
_TOOL: Final = _object(
    functionDeclarations=items(_DECLARATION),
    googleSearch=_SWITCHED_ON,
    urlContext=_SWITCHED_ON,
    codeExecution=_SWITCHED_ON,
    googleMaps=_SWITCHED_ON,
    enterpriseWebSearch=_SWITCHED_ON,
)
_GENERATION: Final = _object(
    "audioTimestamp",
    "candidateCount",
    "enableAffectiveDialog",
    "enableEnhancedCivicAnswers",
    "frequencyPenalty",
    "logprobs",
    "maxOutputTokens",
    "mediaResolution",
    "presencePenalty",
    "responseLogprobs",
    "responseMimeType",
    "seed",
    "temperature",
    "topK",
    "topP",
    imageConfig=_object("aspectRatio", "imageSize"),
    responseJsonSchema=says_json("schema"),
    responseModalities=items(scalar),
    stopSequences=items(scalar),
    thinkingConfig=_object("includeThoughts", "thinkingBudget", "thinkingLevel"),
)
_BODY: Final = _object(
    "serviceTier",
    "store",
    contents=items(_CONTENT),
    systemInstruction=_object(parts=items(_object(text=says("system")))),
    tools=remembered(items(opening(_TOOL))),
    toolConfig=opening(
        _object("includeServerSideToolInvocations", functionCallingConfig=_object("mode", allowedFunctionNames=items(scalar)))
    ),
    safetySettings=items(_object("category", "threshold", "method")),
    labels=anything,  # for the bill
    generationConfig=opening(_GENERATION),
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key or a kind of part that is not known here.
    """
    return extracted(_BODY, body, opened, memory)
