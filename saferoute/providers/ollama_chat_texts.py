"""What of an Ollama chat request is text that a model reads; see `wire_text` for the contract and `text_rules` for how it is said.

A result says again which tool it is of, and models read it there too: it counts as the call's name. Pictures are bare base64 and hold
no text; what does not begin as a picture does is unknown. Options that the server reads are listed; any other is unknown, as an older
server may take it for something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.providers.openai_form_texts import STOP, TOOLS, closed
from saferoute.providers.text_documents import bare_picture
from saferoute.providers.text_rules import either, extracted, fields, items, opening, says, says_json, scalar, tagged
from saferoute.providers.wire_text import NOTHING_OPENED

if TYPE_CHECKING:
    from saferoute.providers.text_memory import TextMemory
    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Opened, WireText, WireTextKind

__all__ = ["texts"]

# Fields that no model reads: switches and names.
_SILENT: Final = frozenset({"keep_alive", "logprobs", "model", "shift", "stream", "think", "top_logprobs", "truncate"})
# Options of sampling, of the window and of the machine.
_OPTIONS: Final = frozenset(
    {
        "f16_kv",
        "frequency_penalty",
        "low_vram",
        "main_gpu",
        "min_p",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_keep",
        "num_predict",
        "num_thread",
        "numa",
        "penalize_newline",
        "presence_penalty",
        "repeat_last_n",
        "repeat_penalty",
        "seed",
        "temperature",
        "tfs_z",
        "top_k",
        "top_p",
        "typical_p",
        "use_mlock",
        "use_mmap",
    }
)


def _said_by(kind: WireTextKind, *silent: str, **rules: Rule) -> Rule:
    return closed("role", *silent, content=says(kind), images=items(bare_picture), **rules)


_CALL: Final = closed("id", function=closed(name=says("tool_call"), arguments=says_json("tool_call")))
_MESSAGE: Final = tagged(
    "role",
    {
        "system": _said_by("system"),
        "user": _said_by("user"),
        "assistant": _said_by("assistant", thinking=says("reasoning"), tool_calls=items(_CALL)),
        "tool": _said_by("tool_result", "tool_call_id", tool_name=says("tool_call")),
    },
)
_BODY: Final = fields(
    dict.fromkeys(_SILENT, scalar)
    | {
        "format": either(scalar, says_json("schema")),
        "messages": items(_MESSAGE),
        "options": opening(fields(dict.fromkeys(_OPTIONS, scalar) | {"stop": STOP})),
        "tools": TOOLS,
    }
)


def texts(body: bytes, opened: Opened = NOTHING_OPENED, memory: TextMemory | None = None) -> tuple[WireText, ...]:
    """The texts of a request's body, in wire order. Passes over what the caller passes through, in the places that are open.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a key that is not known here.
    """
    return extracted(_BODY, body, opened, memory)
