"""One Python API for every LLM provider. No proxy: signed routes, keys that only go to their own provider.

    >>> import warnings, saferoute
    >>> from saferoute.testing import EmbeddedProvider
    >>> with EmbeddedProvider() as provider, warnings.catch_warnings(action="ignore"):
    ...     client = saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)])
    ...     reply = client.chat("demo/any-model", "hello")
    ...     client.close()
    >>> reply.finish_reason
    'stop'

Nothing is loaded, opened, read or started at import: names are found when they are first used.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import saferoute.keys as keys  # noqa: PLR0402  a module that is also a name of ours
    from saferoute import errors, events
    from saferoute.client.blocking import Client
    from saferoute.client.capability import Capability, Issuer
    from saferoute.client.concurrent import AsyncClient
    from saferoute.drivers.accounts import Accounts
    from saferoute.drivers.blocking import Stream
    from saferoute.drivers.concurrent import AsyncStream
    from saferoute.drivers.ledger import Ledger
    from saferoute.drivers.ledger_anchor import FileAnchor as FileAnchor
    from saferoute.drivers.ledger_capture import Capture as Capture
    from saferoute.errors import SaferouteError
    from saferoute.routing.trust import Trust
    from saferoute.secrets.sources import Secrets
    from saferoute.values import operations as operations
    from saferoute.values.events import StreamEvent
    from saferoute.values.messages import Audio, File, Image, Message, Reasoning, Refusal, Text, ToolCall, ToolResult
    from saferoute.values.options import CallOptions
    from saferoute.values.reply import Reply
    from saferoute.values.server import Server as Server
    from saferoute.values.server import loopback
    from saferoute.values.template import Template as Template
    from saferoute.values.tools import Tool
    from saferoute.values.usage import Usage

__version__ = "0.1.0"

# Grouped by what they are for; tests/architecture compares this list with docs/reference.
__all__ = [  # noqa: RUF022  grouped, not sorted
    # calling
    "Client",
    "AsyncClient",
    "CallOptions",
    "Reply",
    "Stream",
    "AsyncStream",
    "StreamEvent",
    "events",
    "Usage",
    # talking
    "Message",
    "Text",
    "Image",
    "Audio",
    "File",
    "Reasoning",
    "Refusal",
    "Tool",
    "ToolCall",
    "ToolResult",
    # trusting
    "Trust",
    "Capability",
    "Issuer",
    "Accounts",
    "Ledger",
    "Secrets",
    "Template",
    "loopback",
    "keys",
    # failing
    "errors",
    "SaferouteError",
]

_HOMES: Final[Mapping[str, str]] = {
    "Client": "saferoute.client.blocking",
    "AsyncClient": "saferoute.client.concurrent",
    "Capability": "saferoute.client.capability",
    "Issuer": "saferoute.client.capability",
    "Accounts": "saferoute.drivers.accounts",
    "Ledger": "saferoute.drivers.ledger",
    "FileAnchor": "saferoute.drivers.ledger_anchor",
    "Capture": "saferoute.drivers.ledger_capture",
    "CallOptions": "saferoute.values.options",
    "Reply": "saferoute.values.reply",
    "Stream": "saferoute.drivers.blocking",
    "AsyncStream": "saferoute.drivers.concurrent",
    "StreamEvent": "saferoute.values.events",
    "Usage": "saferoute.values.usage",
    **dict.fromkeys(
        ("Message", "Text", "Image", "Audio", "File", "Reasoning", "Refusal", "ToolCall", "ToolResult"), "saferoute.values.messages"
    ),
    "Template": "saferoute.values.template",
    "Tool": "saferoute.values.tools",
    "Trust": "saferoute.routing.trust",
    "Secrets": "saferoute.secrets.sources",
    "Server": "saferoute.values.server",
    "loopback": "saferoute.values.server",
    "SaferouteError": "saferoute.errors",
}

logging.getLogger("saferoute").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever the name stands for
    if name in {"errors", "events", "guards", "keys", "telemetry", "testing"}:
        return import_module(f"saferoute.{name}")
    if name in {"hooks", "operations"}:
        return import_module(f"saferoute.values.{name}")
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'saferoute' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
