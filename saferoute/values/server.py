"""A model server on this machine, as `Client.local(servers=...)` takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from saferoute.errors import ConfigurationError
from saferoute.values.target import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Server", "loopback"]

_NAME = re.compile(r"(?=.{1,64}\Z)[a-z0-9]+(?:[._-][a-z0-9]+)*")
_MAX_PORT = 65535
_PREFIXES: Final[Mapping[Dialect, str]] = {
    "openai_chat": "/v1",
    "openai_responses": "/v1",
    "anthropic_messages": "",
    "gemini_generate": "/v1beta",
    "bedrock_converse": "",
    "cohere_chat": "",
    "mistral_chat": "/v1",
    "ollama_chat": "",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a loopback address; it can be nowhere else.

    Attributes:
        name: the route's id, and the provider's name in replies and spans.
        port: where it listens.
        dialect: what it speaks.
        model: the model's name there; "*" lets every call name one, as in "llama/some-model".
        secret: the name of its key; None if it takes none.
        host: "127.0.0.1", "::1" or "localhost".
        path: what stands before the dialect's own path; None takes what such servers use: "/v1" for openai_chat, nothing for
            anthropic_messages, whose own path begins with "/v1".
    """

    name: str
    port: int
    dialect: Dialect = "openai_chat"
    model: str = "*"
    secret: str | None = None
    host: str = "127.0.0.1"
    path: str | None = None

    def __post_init__(self) -> None:
        why = ""
        if not _NAME.fullmatch(self.name):
            why = f'the name {self.name!r} must be lower-case letters and digits, joined by single ".", "_" or "-", at most 64 in all'
        elif type(self.port) is not int or not 1 <= self.port <= _MAX_PORT:
            why = f"the port {self.port!r} must be an integer from 1 to {_MAX_PORT}"
        elif self.dialect not in get_args(Dialect):
            why = f"the dialect {self.dialect!r} must be one of {', '.join(get_args(Dialect))}"
        elif self.host not in ("127.0.0.1", "::1", "localhost"):
            why = f"the host {self.host!r} is not this machine; a server elsewhere needs a signed table"
        if why:
            raise ConfigurationError(f"server: {why}")

    @property
    def prefix(self) -> str:
        """What stands before the dialect's own path."""
        if self.path is not None:
            return self.path
        return _PREFIXES[self.dialect]

    @property
    def origin(self) -> str:
        """The server's canonical origin."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}" + (f":{self.port}" if self.port != 80 else "")  # noqa: PLR2004  http's own port is not written


def loopback(
    name: str, *, port: int, dialect: Dialect = "openai_chat", model: str = "*", secret: str | None = None, path: str | None = None
) -> Server:
    """Describe a model server on this machine, such as llama.cpp, Ollama, vLLM or LM Studio.

    Example:
        >>> loopback("llama", port=8080).origin
        'http://127.0.0.1:8080'

    Args:
        name: how calls name it: `client.chat("llama/MODEL", ...)`, or `client.chat("llama", ...)` if `model` is given.
        port: where it listens on 127.0.0.1.
        dialect: what it speaks.
        model: the one model to use; "*" takes any.
        secret: the name of its key, if it wants one.
        path: what stands before the dialect's own path; None takes what such servers use ("/v1" for openai_chat, nothing for
            anthropic_messages, whose own path begins with "/v1").

    Raises:
        ConfigurationError: for a value that cannot be.
    """
    return Server(name, port, dialect, model, secret, path=path)
