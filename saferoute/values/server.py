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
        port: where it listens; None only with a kind: where such servers listen.
        dialect: what it speaks; None takes what such servers speak first, and "openai_chat" without a kind.
        model: the model's name there; "*" lets every call name one, as in "llama/some-model".
        secret: the name of its key; None if it takes none.
        host: "127.0.0.1", "::1" or "localhost".
        path: what stands before the dialect's own path; None takes what such servers use: "/v1" for openai_chat, nothing for
            anthropic_messages, whose own path begins with "/v1".
        kind: which server it is, such as "llama.cpp" or "ollama": what it can do and where it departs from its dialect is then taken
            from the catalogue, and unknown kinds are refused where the table is made. None says nothing of that.
    """

    name: str
    port: int | None = None
    dialect: Dialect | None = None
    model: str = "*"
    secret: str | None = None
    host: str = "127.0.0.1"
    path: str | None = None
    kind: str | None = None

    def __post_init__(self) -> None:
        why = ""
        if self.dialect is None and self.kind is None:
            object.__setattr__(self, "dialect", "openai_chat")
        if not _NAME.fullmatch(self.name):
            why = f'the name {self.name!r} must be lower-case letters and digits, joined by single ".", "_" or "-", at most 64 in all'
        elif self.kind is not None and not (isinstance(self.kind, str) and _NAME.fullmatch(self.kind)):
            why = f'the kind {self.kind!r} must be the name of a kind of server, such as "llama.cpp"'
        elif self.port is None and self.kind is None:
            why = 'give the port where it listens, or the kind whose usual port it is, such as kind="llama.cpp"'
        elif self.port is not None and (type(self.port) is not int or not 1 <= self.port <= _MAX_PORT):
            why = f"the port {self.port!r} must be an integer from 1 to {_MAX_PORT}"
        elif self.dialect is not None and self.dialect not in get_args(Dialect):
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
        return _PREFIXES[self.dialect or "openai_chat"]

    @property
    def origin(self) -> str:
        """The server's canonical origin.

        Raises:
            ConfigurationError: if the port is left to the kind, which the catalogue knows.
        """
        if self.port is None:
            raise ConfigurationError(f"server: the port of {self.name!r} is left to its kind, {self.kind!r}; a table made of it has one")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}" + (f":{self.port}" if self.port != 80 else "")  # noqa: PLR2004  http's own port is not written


def loopback(
    name: str,
    *,
    port: int | None = None,
    dialect: Dialect | None = None,
    model: str = "*",
    secret: str | None = None,
    path: str | None = None,
    kind: str | None = None,
) -> Server:
    """Describe a model server on this machine, such as llama.cpp, Ollama, vLLM or LM Studio.

    Say which `kind` it is if you can: what such servers cannot do is then refused or done in another way, and what they alone can do
    is open, instead of being found out from their answers.

    Example:
        >>> loopback("llama", port=8080).origin
        'http://127.0.0.1:8080'
        >>> loopback("here", kind="ollama").kind
        'ollama'

    Args:
        name: how calls name it: `client.chat("llama/MODEL", ...)`, or `client.chat("llama", ...)` if `model` is given.
        port: where it listens on 127.0.0.1; may be left out with a kind, for the port that such servers use.
        dialect: what it speaks; None takes what servers of the kind speak first, and "openai_chat" without a kind.
        model: the one model to use; "*" takes any.
        secret: the name of its key, if it wants one.
        path: what stands before the dialect's own path; None takes what such servers use ("/v1" for openai_chat, nothing for
            anthropic_messages, whose own path begins with "/v1").
        kind: which server it is: "llama.cpp", "ollama", "vllm", "sglang", "lm-studio", "localai" or "tgi". One that the catalogue does
            not know is refused by `Client.local`, which names those that it knows.

    Raises:
        ConfigurationError: for a value that cannot be, and for neither port nor kind.
    """
    return Server(name, port, dialect, model, secret, path=path, kind=kind)
