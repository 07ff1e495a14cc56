"""What of a Responses request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

Reasoning goes back with its text; what is encrypted, pictures and documents other than text hold none. What a server-side tool was
asked and answered goes back as one text, its item's JSON. Fields that stand for content which the provider keeps (`prompt`,
`previous_response_id`, `conversation`, `instructions` of an earlier answer), ids of pictures, and items that saferoute never writes
are unknown on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.openai_form_texts import picture, unless_null
from saferoute.providers.text_documents import linked
from saferoute.providers.text_rules import anything, either, extracted, fields, items, remembered, says, says_json, scalar, tagged
from saferoute.providers.wire_text import NOTHING_OPENED, unknown_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Opened, Raw, WireText, WireTextKind

__all__ = ["texts"]

# Fields that no model reads: bounds, switches, names and identifiers.
_SILENT: Final = frozenset(
    {
        "max_output_tokens",
        "max_tool_calls",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "temperature",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
# Items that go back as they came: calls that wait for an answer which no part of ours can give, and what ran at the provider.
_CALLS: Final = ("apply_patch_call", "computer_call", "custom_tool_call", "local_shell_call", "mcp_approval_request", "shell_call")
_RAN: Final = (
    "code_interpreter_call",
    "fetch_url_results",
    "file_search_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "search_results",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
)


def _object(*silent: str, **rules: Rule) -> Rule:
    return fields(dict.fromkeys(silent, scalar) | rules)


def _empty(value: object, path: str, found: list[Raw]) -> None:
    """An array without items: sources of an answer's text never go back."""
    del found
    if value != []:
        raise unknown_place(path)


def _parts(kind: WireTextKind) -> Mapping[str, Rule]:
    return {
        "input_text": _object("type", text=says(kind)),
        "input_image": _object("type", "detail", image_url=picture(kind)),
        "input_file": _object("type", "file_id", "file_url", filename=says(kind), file_data=linked(kind)),
    }


def _said_by(kind: WireTextKind, parts: Mapping[str, Rule]) -> Rule:
    return _object("type", "role", "id", "status", "phase", content=either(says(kind), items(tagged("type", parts))))


_OUTPUT: Final[Mapping[str, Rule]] = {
    "output_text": _object("type", text=says("assistant"), annotations=_empty),
    "refusal": _object("type", refusal=says("assistant")),
}
_MESSAGE: Final = tagged(
    "role",
    {
        "system": _said_by("system", {"input_text": _object("type", text=says("system"))}),
        "developer": _said_by("system", {"input_text": _object("type", text=says("system"))}),
        "user": _said_by("user", _parts("user")),
        "assistant": _said_by("assistant", _OUTPUT),
    },
)
_THOUGHTS: Final = {name: _object("type", text=says("reasoning")) for name in ("summary_text", "reasoning_text")}
_CALL: Final = _object(
    "type",
    "id",
    "call_id",
    "status",
    name=says("tool_call"),
    arguments=says("tool_call"),
    namespace=says("tool_call"),
    caller=_object("type", "caller_id"),
)
_ITEM: Final = tagged(
    "type",
    {
        "message": _MESSAGE,
        "reasoning": _object(
            "type",
            "id",
            "status",
            "encrypted_content",
            "format",
            "signature",
            summary=items(tagged("type", _THOUGHTS)),
            content=unless_null(either(says("reasoning"), items(tagged("type", _THOUGHTS)))),
        ),
        "compaction": _object("type", "id", "status", "encrypted_content", "created_by"),
        "function_call": _CALL,
        "function_call_output": _object(
            "type",
            "call_id",
            output=either(says("tool_result"), items(tagged("type", _parts("tool_result")))),
        ),
        **dict.fromkeys(_CALLS, says_json("tool_call")),
        **dict.fromkeys(_RAN, says_json("tool_result")),
    },
)
_TOOL: Final = _object("type", "strict", name=says("tool_name"), description=says("tool_description"), parameters=says_json("tool_schema"))


_BODY: Final = fields(
    dict.fromkeys(_SILENT, scalar)
    | {
        "include": items(scalar),
        "input": items(_ITEM),
        "metadata": anything,
        "prompt_cache_options": _object("mode", "ttl", "prewarm"),
        "reasoning": _object("effort", "summary", "context", "mode"),
        "stream_options": _object("include_obfuscation"),
        "text": _object("verbosity", format=_object("type", "strict", name=says("schema"), schema=says_json("schema"))),
        "tool_choice": either(scalar, _object("type", "name")),
        "tools": remembered(items(tagged("type", {"function": _TOOL}))),
    }
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key or a kind of item that is not known here.
    """
    return extracted(_BODY, body, opened, memory)
