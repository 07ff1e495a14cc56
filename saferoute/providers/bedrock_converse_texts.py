"""What of a Converse request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

Reasoning goes back with its text; its signature, redacted reasoning, pictures, sound and objects in S3 hold no text. Documents in a format
of text are text, those in the formats of PDF and of offices hold none, and any other format is unknown. `promptVariables`,
which fill a prompt that Bedrock keeps, and blocks that saferoute never writes are unknown on purpose; so is every field of
`additionalModelRequestFields` that is not known to hold no text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.text_documents import encoded
from saferoute.providers.text_rules import anything, extracted, fields, items, opening, remembered, says, says_json, scalar, tagged
from saferoute.providers.wire_text import NOTHING_OPENED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Opened, WireText, WireTextKind

__all__ = ["texts"]


def _object(*silent: str, **rules: Rule) -> Rule:
    return fields(dict.fromkeys(silent, scalar) | rules)


_CACHE: Final = _object("type", "ttl")
_TEXTS: Final = ("csv", "html", "md", "txt")
_BINARIES: Final = ("doc", "docx", "pdf", "xls", "xlsx")
_S3: Final = _object("uri", "bucketOwner")
_SEEN: Final = _object("format", source=_object("bytes", s3Location=_S3))  # sound and video
_PICTURE: Final = tagged("format", dict.fromkeys(("gif", "jpeg", "png", "webp"), _SEEN))


def _document(kind: WireTextKind) -> Rule:
    def one(data: Rule) -> Rule:
        return _object("format", name=says(kind), source=_object(bytes=data, s3Location=_S3))

    return tagged("format", dict.fromkeys(_TEXTS, one(encoded(kind))) | dict.fromkeys(_BINARIES, one(scalar)))


_RESULT: Final = _object(
    "toolUseId",
    "status",
    "type",
    content=items(
        _object(text=says("tool_result"), json=says_json("tool_result"), image=_PICTURE, video=_SEEN, document=_document("tool_result"))
    ),
)
_CALL: Final = _object("toolUseId", "type", name=says("tool_call"), input=says_json("tool_call"))
_REASONING: Final = _object("redactedContent", reasoningText=_object("signature", text=says("reasoning")))
_TURNS: Final[Mapping[str, Rule]] = {
    "system": _object(text=says("system")),
    "user": _object(
        text=says("user"), image=_PICTURE, video=_SEEN, audio=_SEEN, document=_document("user"), toolResult=_RESULT, cachePoint=_CACHE
    ),
    # The result of a server-side tool stands in the assistant's turn.
    "assistant": _object(text=says("assistant"), toolUse=_CALL, toolResult=_RESULT, reasoningContent=_REASONING),
}
_TOOL: Final = _object(
    toolSpec=_object(
        "strict", name=says("tool_name"), description=says("tool_description"), inputSchema=_object(json=says_json("tool_schema"))
    )
)
_CHOICE: Final = _object(auto=_object(), any=_object(), tool=_object("name"))
# The schema is JSON inside a string, and models are shown its name.
_FORMAT: Final = _object("type", structure=_object(jsonSchema=_object(name=says("schema"), schema=says("schema"))))

_BODY: Final = _object(
    system=items(_object(text=says("system"), cachePoint=_CACHE)),
    messages=items(tagged("role", {role: _object("role", content=items(block)) for role, block in _TURNS.items()})),
    inferenceConfig=_object("maxTokens", "temperature", "topP", stopSequences=items(scalar)),
    toolConfig=remembered(_object(tools=items(_TOOL), toolChoice=_CHOICE)),
    outputConfig=_object("effort", textFormat=_FORMAT),
    additionalModelRequestFields=opening(
        _object("seed", "temperature", "top_k", "top_p", anthropic_beta=items(scalar), thinking=_object("type", "budget_tokens", "display"))
    ),
    additionalModelResponseFieldPaths=items(scalar),
    guardrailConfig=_object("guardrailIdentifier", "guardrailVersion", "trace"),
    performanceConfig=_object("latency"),
    requestMetadata=anything,
    serviceTier=_object("type"),
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key or a kind of block that is not known here.
    """
    return extracted(_BODY, body, opened, memory, "toolConfig")
