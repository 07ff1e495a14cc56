"""What of a Cohere chat request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

Thinking and plans go back with their text. Documents count for who gives them: those of the call for the user, those of a tool for its
result; the model reads their titles too. Documents in other forms than saferoute's own (a bare text, further fields, which the model
would read with their names) are unknown on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.openai_form_texts import STOP, TOOLS, called, closed, content, picture
from saferoute.providers.text_rules import extracted, fields, items, says, says_json, scalar, tagged
from saferoute.providers.wire_text import NOTHING_OPENED

if TYPE_CHECKING:
    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Opened, WireText, WireTextKind

__all__ = ["texts"]

# Fields that no model reads: bounds, switches and names.
_SILENT: Final = frozenset(
    {
        "frequency_penalty",
        "k",
        "logprobs",
        "max_tokens",
        "model",
        "p",
        "presence_penalty",
        "priority",
        "safety_mode",
        "seed",
        "stream",
        "strict_tools",
        "temperature",
        "tool_choice",
    }
)


def _document(kind: WireTextKind) -> Rule:
    return closed(data=closed(title=says(kind), text=says(kind)))


_MESSAGE: Final = tagged(
    "role",
    {
        "system": closed("role", content=content("system", {})),
        "user": closed(
            "role",
            content=content("user", {"image_url": closed("type", image_url=closed("detail", url=picture("user")))}),
        ),
        "assistant": closed(
            "role",
            content=content("assistant", {"thinking": closed("type", thinking=says("reasoning"))}),
            tool_plan=says("reasoning"),
            tool_calls=items(called()),
        ),
        "tool": closed(
            "role",
            "tool_call_id",
            content=content("tool_result", {"document": closed("type", document=_document("tool_result"))}),
        ),
    },
)
_FORMAT: Final = tagged("type", {"json_object": closed("type", json_schema=says_json("schema")), "text": closed("type")})
_BODY: Final = fields(
    dict.fromkeys(_SILENT, scalar)
    | {
        "citation_options": closed("mode"),
        "documents": items(_document("user")),
        "messages": items(_MESSAGE),
        "response_format": _FORMAT,
        "stop_sequences": STOP,
        "thinking": closed("type", "token_budget"),
        "tools": TOOLS,
    }
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key or a kind of block that is not known here.
    """
    return extracted(_BODY, body, opened, memory)
