"""What of a Messages API request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

Thinking goes back with its text; its signature, redacted thinking and pictures hold no text. What a server-side tool was asked and
answered is text, as JSON. Fields that stand for content which is kept somewhere else (`container`, whose skills a model reads) and
blocks that saferoute never writes are unknown on purpose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from saferoute.providers.text_documents import typed
from saferoute.providers.text_rules import either, extracted, fields, items, remembered, says, says_json, scalar, tag_of, tagged
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
        "anthropic_version",
        "inference_geo",
        "max_tokens",
        "model",
        "service_tier",
        "speed",
        "stream",
        "temperature",
        "top_k",
        "top_p",
    }
)
_SERVER_RESULTS: Final = (
    "bash_code_execution_tool_result",
    "code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "web_fetch_tool_result",
    "web_search_tool_result",
)
_SERVER_TOOL: Final = re.compile(r"[a-z][a-z_]{0,60}(?:25)?_[0-9]{8}")  # web_search_20250305, tool_search_tool_bm25_20251119


def _object(*silent: str, **rules: Rule) -> Rule:
    return fields(dict.fromkeys(silent, scalar) | rules)


_CACHE: Final = _object("type", "ttl")
_CALLER: Final = _object("type", "tool_id")
_URL: Final = _object("type", "url")
_FILE: Final = _object("type", "file_id")


def _text(kind: WireTextKind) -> Rule:
    return _object("type", text=says(kind), cache_control=_CACHE)


def _media(kind: WireTextKind) -> Mapping[str, Rule]:
    held = typed(kind, "media_type", "type")
    picture = tagged("type", {"base64": held, "url": _URL, "file": _FILE})
    plain = _object("type", "media_type", data=says(kind))
    document = tagged("type", {"base64": held, "url": _URL, "file": _FILE, "text": plain})
    more = {"title": says(kind), "context": says(kind), "citations": _object("enabled"), "cache_control": _CACHE}
    return {"image": _object("type", source=picture, cache_control=_CACHE), "document": _object("type", source=document, **more)}


_RESULT: Final = _object(
    "type",
    "tool_use_id",
    "is_error",
    content=either(says("tool_result"), items(tagged("type", {"text": _text("tool_result"), **_media("tool_result")}))),
    cache_control=_CACHE,
)
_CALL: Final = _object(
    "type", "id", name=says("tool_call"), input=says_json("tool_call"), caller=_CALLER, toolset_name=says("tool_call"), cache_control=_CACHE
)
_SERVER_RESULT: Final = _object("type", "tool_use_id", content=says_json("tool_result"), caller=_CALLER, cache_control=_CACHE)
_TURNS: Final[Mapping[str, Mapping[str, Rule]]] = {
    "system": {"text": _text("system")},
    "user": {"text": _text("user"), **_media("user"), "tool_result": _RESULT},
    "assistant": {
        "text": _text("assistant"),
        "thinking": _object("type", "signature", "display", thinking=says("reasoning")),
        "redacted_thinking": _object("type", "data"),
        "tool_use": _CALL,
        "server_tool_use": _CALL,
        **dict.fromkeys(_SERVER_RESULTS, _SERVER_RESULT),
    },
}
_MESSAGE: Final = tagged("role", {role: _object("role", content=items(tagged("type", blocks))) for role, blocks in _TURNS.items()})
_OWN_TOOL: Final = _object(
    "type",
    "strict",
    "defer_loading",
    "eager_input_streaming",
    name=says("tool_name"),
    description=says("tool_description"),
    input_schema=says_json("tool_schema"),
    cache_control=_CACHE,
)
_SERVER_TOOL_TEXT: Final = says_json("tool_schema")


def _tool(value: object, path: str, found: list[Raw]) -> None:
    """A tool of the caller's, or one of the provider's: of that, everything that is said counts as its schema."""
    kind = tag_of(value, "type")
    if kind is None or kind == "custom":
        _OWN_TOOL(value, path, found)
    elif isinstance(kind, str) and _SERVER_TOOL.fullmatch(kind):
        _SERVER_TOOL_TEXT(value, path, found)
    else:
        raise unknown_place(f"{path}/type")


_BODY: Final = fields(
    dict.fromkeys(_SILENT, scalar)
    | {
        "cache_control": _CACHE,
        "diagnostics": _object("previous_message_id"),
        "messages": items(_MESSAGE),
        "metadata": _object("user_id"),
        "output_config": _object("effort", format=_object("type", schema=says_json("schema"))),
        "stop_sequences": items(scalar),
        "system": either(says("system"), items(tagged("type", {"text": _text("system")}))),
        "thinking": _object("type", "budget_tokens", "display"),
        "tool_choice": _object("type", "name", "disable_parallel_tool_use"),
        "tools": remembered(items(_tool)),
    }
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key or a kind of block that is not known here.
    """
    return extracted(_BODY, body, opened, memory)
