"""What of a Chat Completions request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

Shown reasoning goes back with its text, in whichever of its three forms; what is encrypted, pictures, sound and documents other than
text hold none. Names of speakers and of files are read by the model, and count for whose they are. Fields that stand for content which
the provider keeps or finds elsewhere (`prompt_id`, `preset`, `web_search_options`), that give words to complete (`prediction`), or that
choose who answers (`models`, `provider`) are unknown on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.openai_form_texts import CHOICE, FORMAT, STOP, TOOLS, called, closed, content, picture, unless_null
from saferoute.providers.text_documents import linked
from saferoute.providers.text_rules import extracted, fields, items, says, scalar, tagged
from saferoute.providers.wire_text import NOTHING_OPENED

if TYPE_CHECKING:
    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.wire_text import Opened, WireText

__all__ = ["texts"]

# Fields that no model reads: bounds, switches, names and identifiers; some are vendors' own, and open by a row's extra_params only.
_SILENT: Final = frozenset(
    {
        "cache_prompt",
        "disable_tool_validation",
        "frequency_penalty",
        "ignore_eos",
        "include_reasoning",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "min_p",
        "min_tokens",
        "mirostat",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "priority",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "reasoning_format",
        "repetition_penalty",
        "safety_identifier",
        "seed",
        "service_tier",
        "store",
        "stream",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
        "typical_p",
        "user",
        "user_id",
        "verbosity",
    }
)


_PICTURE: Final = closed("type", image_url=closed("detail", url=picture("user")))
_SOUND: Final = closed("type", input_audio=closed("data", "format"))
_DOCUMENT: Final = closed("type", file=closed("file_id", filename=says("user"), file_data=linked("user")))
_THOUGHT: Final = closed("type", text=says("reasoning"))
_THINKING: Final = closed("type", "closed", "signature", thinking=items(tagged("type", {"text": _THOUGHT})))
_DETAIL: Final = ("type", "id", "index", "format", "signature", "data")
_DETAILS: Final = fields(dict.fromkeys(_DETAIL, scalar) | dict.fromkeys(("text", "summary"), unless_null(says("reasoning"))))
_CALL: Final = called(extra_content=closed(google=closed("thought_signature")))
_SYSTEM: Final = closed("role", content=content("system", {}), name=says("system"))
_MESSAGE: Final = tagged(
    "role",
    {
        "system": _SYSTEM,
        "developer": _SYSTEM,
        "user": closed(
            "role", content=content("user", {"image_url": _PICTURE, "input_audio": _SOUND, "file": _DOCUMENT}), name=says("user")
        ),
        "assistant": closed(
            "role",
            content=unless_null(content("assistant", {"thinking": _THINKING})),
            refusal=unless_null(says("assistant")),
            reasoning_content=says("reasoning"),
            reasoning_details=items(_DETAILS),
            tool_calls=items(_CALL),
            name=says("assistant"),
        ),
        "tool": closed("role", "tool_call_id", content=content("tool_result", {})),
    },
)
_BODY: Final = fields(
    dict.fromkeys(_SILENT, scalar)
    | {
        "chat_template_kwargs": closed("enable_thinking", "thinking"),
        "messages": items(_MESSAGE),
        "prompt_cache_options": closed("mode", "ttl"),
        "reasoning": closed("effort", "max_tokens", "enabled", "exclude"),
        "response_format": FORMAT,
        "stop": STOP,
        "stream_options": closed("include_usage", "include_obfuscation"),
        "thinking": closed("type"),
        "tool_choice": CHOICE,
        "tools": TOOLS,
    }
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key or a kind of block that is not known here.
    """
    return extracted(_BODY, body, opened, memory)
