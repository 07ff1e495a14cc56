"""What of a Mistral chat request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

Thinking goes back with its text and its signature; references to sources, pictures, sound and documents other than text hold none. The
name of a document is read by the model. Fields that give words to complete (`prediction`, an assistant's `prefix`) or that bring rules
from elsewhere (`guardrails`) are unknown on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.openai_form_texts import CHOICE, FORMAT, STOP, TOOLS, called, closed, content, picture, url
from saferoute.providers.text_rules import either, extracted, fields, items, says, scalar, tagged
from saferoute.providers.wire_text import NOTHING_OPENED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Opened, WireText, WireTextKind

__all__ = ["texts"]

# Fields that no model reads: bounds, switches, names and identifiers.
_SILENT: Final = frozenset(
    {
        "frequency_penalty",
        "logprobs",
        "max_tokens",
        "min_tokens",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_mode",
        "random_seed",
        "reasoning_effort",
        "repetition_penalty",
        "safe_prompt",
        "service_tier",
        "stream",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
    }
)


def _shown(kind: WireTextKind) -> Mapping[str, Rule]:
    return {
        "image_url": closed("type", image_url=either(picture(kind), closed("detail", url=picture(kind)))),
        "document_url": closed("type", document_url=url(kind), document_name=says(kind)),
        "file": closed("type", "file_id"),
        "input_audio": closed("type", "input_audio"),
    }


_PIECES: Final[Mapping[str, Rule]] = {
    "text": closed("type", text=says("reasoning")),
    "reference": closed("type", reference_ids=items(scalar)),
}
_THINKING: Final = closed("type", "closed", "signature", thinking=items(tagged("type", _PIECES)))
_MESSAGE: Final = tagged(
    "role",
    {
        "system": closed("role", content=content("system", {})),
        "user": closed("role", content=content("user", _shown("user"))),
        "assistant": closed("role", content=content("assistant", {"thinking": _THINKING}), tool_calls=items(called())),
        "tool": closed("role", "tool_call_id", content=content("tool_result", _shown("tool_result"))),
    },
)
_BODY: Final = fields(
    dict.fromkeys(_SILENT, scalar)
    | {
        "messages": items(_MESSAGE),
        "response_format": FORMAT,
        "stop": STOP,
        "tool_choice": CHOICE,
        "tools": TOOLS,
    }
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key or a kind of chunk that is not known here.
    """
    return extracted(_BODY, body, opened, memory)
