"""The embedded provider: a server of both dialects on loopback, scripted, and no real model."""

from __future__ import annotations

import hmac
import json
import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, Self

from typing_extensions import override

from saferoute.errors import ConfigurationError, SaferouteError
from saferoute.testing.anthropic_answers import AnthropicDialect
from saferoute.testing.anthropic_requests import check_anthropic, check_count, read_anthropic
from saferoute.testing.checks import Refused, invalid
from saferoute.testing.counts import dump
from saferoute.testing.embeddings import answer_embeddings
from saferoute.testing.improvise import improvise
from saferoute.testing.openai_answers import OpenAiDialect
from saferoute.testing.openai_requests import check_openai, read_openai
from saferoute.testing.recording import RecordedRequest, key_digest, record
from saferoute.testing.sampler import Unsampled
from saferoute.testing.script import Answer, Ask, ErrorAnswer, Fault, RawAnswer, Script, more_headers, with_fault
from saferoute.testing.server import LoopbackServer, Received

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from saferoute.testing.script import Step
    from saferoute.values.json import Json

__all__ = ["EmbeddedProvider"]

_OPENAI = OpenAiDialect()
_ANTHROPIC = AnthropicDialect()


class EmbeddedProvider:
    """Serves POST /v1/chat/completions, /v1/messages, /v1/messages/count_tokens and /v1/embeddings, and GET /v1/models on 127.0.0.1.

    It is no model and says so: its answers name the model "embedded-1". Without a script it answers from the request alone, always
    the same; with one, it answers what the script says. It refuses what a strict provider refuses. It listens from `with` to the end
    of it, in daemon threads of its own, and keeps digests of keys only.

    Example:
        >>> from saferoute.testing import Answer, EmbeddedProvider
        >>> with EmbeddedProvider(script=[Answer("hello")]) as provider:
        ...     provider.origin.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        script: Script | Iterable[Step] | Step | None = None,
        *,
        api_key: str | None = None,
        models: Iterable[str] | None = None,
        strict: bool = True,
        extra_fields: Iterable[str] = (),
        keep_requests: int = 10_000,
    ) -> None:
        """Set a provider up; it starts when entered.

        Args:
            script: what to answer; None answers from the request.
            api_key: the only key that is accepted, as a bearer token or as x-api-key; None accepts any and none.
            models: the only models that are served; None serves whatever name is asked for.
            strict: refuse requests that a strict provider refuses.
            extra_fields: top-level request fields to take besides the dialect's own.
            keep_requests: how many requests are remembered; older ones are forgotten.
        """
        self._script = _as_script(script)
        self._key = None if api_key is None else key_digest(api_key)
        self._models = None if models is None else tuple(models)
        self._strict = strict
        self._extra_fields = tuple(extra_fields)
        self._lock = threading.Lock()
        self._count = 0
        self._requests: deque[RecordedRequest] = deque(maxlen=keep_requests)
        self._problems: list[Exception] = []
        self._server = LoopbackServer(self._respond)

    def __enter__(self) -> Self:
        """Start listening.

        Raises:
            ConfigurationError: if it listens already.
        """
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening, and drop every connection.

        Raises:
            Exception: the first error that the script itself raised, so that a broken or exhausted script does not go unnoticed.
        """
        self._server.stop()
        if error is None and self._problems:
            raise self._problems[0]

    async def __aenter__(self) -> Self:
        """As `__enter__`, for `async with`."""
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """As `__exit__`, for `async with`."""
        self.__exit__(kind, error, trace)

    @property
    def port(self) -> int:
        """The port.

        Raises:
            ConfigurationError: if the provider does not run.
        """
        return self._server.port

    @property
    def origin(self) -> str:
        """Where it listens, such as "http://127.0.0.1:43211".

        Raises:
            ConfigurationError: if the provider does not run.
        """
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The requests that came, in order, refused ones included."""
        with self._lock:
            return tuple(self._requests)

    @property
    def connections(self) -> int:
        """How many connections were made: fewer than requests when connections are reused."""
        return self._server.connections

    @property
    def hang_ups(self) -> int:
        """How many answers the client did not wait for to the end, as far as this side could notice."""
        return self._server.hang_ups

    @property
    def problems(self) -> tuple[Exception, ...]:
        """Errors of the script itself, such as an exception in a callable or a script that ran out."""
        return tuple(self._problems)

    def script(
        self, script: Script | Iterable[Step] | Step | None, *, then: Literal["refuse", "repeat", "improvise"] = "refuse"
    ) -> Script | None:
        """Replace the script.

        Args:
            script: the steps; None goes back to answering from the request.
            then: what follows the last step.

        Returns:
            The script, which knows how many of its steps remain.
        """
        self._script = _as_script(script, then)
        return self._script

    def saw_key(self, key: str) -> bool:
        """Whether any remembered request presented this key in a credential header."""
        return any(request.carries_key(key) for request in self.requests)

    def forget(self) -> None:
        """Forget the requests so far; numbers go on."""
        with self._lock:
            self._requests.clear()

    def wait_for_requests(self, count: int, *, timeout: float = 5.0) -> bool:
        """Wait until that many requests have come since the start; False if they did not in time (seconds)."""
        with self._server.changed:
            return self._server.changed.wait_for(lambda: self._count >= count, timeout)

    def wait_for_hang_ups(self, count: int = 1, *, timeout: float = 5.0) -> bool:
        """Wait until that many answers were abandoned by the client; False if they were not in time (seconds)."""
        with self._server.changed:
            return self._server.changed.wait_for(lambda: self._server.hang_ups >= count, timeout)

    # ------------------------------------------------------------------------------- one request, in its connection's thread

    def _respond(self, received: Received) -> RawAnswer:
        try:
            body: Json = json.loads(received.body) if received.body else None
            readable = bool(received.body)
        except ValueError:
            body, readable = None, False
        with self._server.changed:
            self._count += 1
            number = self._count
            request = record(
                number=number,
                connection=received.connection,
                method=received.method,
                path=received.target,
                pairs=received.headers,
                body=body,
                raw=received.body,
            )
            with self._lock:
                self._requests.append(request)
            self._server.changed.notify_all()
        path = received.target.partition("?")[0]
        anthropic = path.startswith("/v1/messages") or ("anthropic-version" in request.headers and not path.startswith("/v1/chat/"))
        dialect = _ANTHROPIC if anthropic else _OPENAI  # both list models under the same path: the header tells
        request_id = f"req_embedded_{number:06d}"
        try:
            self._check_key(request, dialect)
            answer = self._route(request, path, dialect, readable=readable)
        except Refused as refused:
            answer = _error_answer(dialect.refusal(refused), dialect, request_id)
        except Exception as problem:  # noqa: BLE001  not swallowed: __exit__ raises it, and the client is told
            self._problems.append(problem)
            what = str(problem) if isinstance(problem, SaferouteError) else f"the script raised {type(problem).__name__}"
            answer = _error_answer(ErrorAnswer(400, "script_error", what), dialect, request_id)
        if answer.framing == "verbatim":
            return answer
        return more_headers(answer, {dialect.request_id_header: request_id})

    def _check_key(self, request: RecordedRequest, dialect: OpenAiDialect | AnthropicDialect) -> None:
        if self._key is None or any(hmac.compare_digest(self._key, presented) for presented in request.keys):
            return
        if not request.keys:
            why = "no API key was sent"
        else:
            why = "invalid x-api-key or bearer token" if dialect is _ANTHROPIC else "Incorrect API key provided"
        raise Refused("invalid", (), why, status=401, code="" if dialect is _ANTHROPIC else "invalid_api_key")

    def _route(self, request: RecordedRequest, path: str, dialect: OpenAiDialect | AnthropicDialect, *, readable: bool) -> RawAnswer:
        posts = {"/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens"}
        if path in posts:
            if request.method != "POST":
                raise Refused("invalid", (), f"{request.method} is not allowed here", status=405)
            if not readable:
                raise invalid((), "the body is not JSON")
            if path.endswith("count_tokens"):
                return self._count_tokens(request)
            if path == "/v1/embeddings":
                return RawAnswer(pieces=(answer_embeddings(request.body, self._extra_fields, strict=self._strict),))
            return self._chat(request, dialect)
        name = path.removeprefix("/v1/models").removeprefix("/")
        served = self._models or ("embedded-1",)
        if path.startswith("/v1/models") and request.method == "GET":
            if name and name not in served:
                raise _no_such_model(name)
            return RawAnswer(pieces=(dump(dialect.model(name) if name else dialect.models(served)),))
        raise Refused("invalid", (), f"no such endpoint here: {request.method} {path[:200]}", status=404, code="not_found")

    def _count_tokens(self, request: RecordedRequest) -> RawAnswer:
        if self._strict:
            check_count(request.body, request.headers.get("anthropic-version"))
        return RawAnswer(pieces=(dump({"input_tokens": read_anthropic(request).words}),))

    def _chat(self, request: RecordedRequest, dialect: OpenAiDialect | AnthropicDialect) -> RawAnswer:
        if dialect is _ANTHROPIC:
            if self._strict:
                check_anthropic(request.body, request.headers.get("anthropic-version"), self._extra_fields)
            ask = read_anthropic(request)
        else:
            if self._strict:
                check_openai(request.body, self._extra_fields)
            ask = read_openai(request)
        if self._models is not None and ask.model not in self._models:
            raise _no_such_model(ask.model)
        return self._play(ask, dialect, f"req_embedded_{request.number:06d}")

    def _play(self, ask: Ask, dialect: OpenAiDialect | AnthropicDialect, request_id: str) -> RawAnswer:
        step = None if self._script is None else self._script.next(ask)
        match step:
            case RawAnswer():
                return step
            case ErrorAnswer():
                return _error_answer(step, dialect, request_id)
            case Fault():
                return step.spoil(dialect.render(_improvised(ask), ask), dialect)
            case Answer():
                return with_fault(dialect.render(step, ask), step.fault, dialect)
            case None:
                return dialect.render(_improvised(ask), ask)

    @override
    def __repr__(self) -> str:
        try:
            where = self.origin
        except ConfigurationError:
            where = "not running"
        return f"EmbeddedProvider({where}, {self._count} requests)"


def _as_script(script: Script | Iterable[Step] | Step | None, then: Literal["refuse", "repeat", "improvise"] = "refuse") -> Script | None:
    return script if script is None or isinstance(script, Script) else Script(script, then=then)


def _improvised(ask: Ask) -> Answer:
    try:
        return improvise(ask)
    except Unsampled as error:
        raise invalid((), f"the embedded provider cannot make a value for this schema: {error}", "invalid_json_schema") from None


def _no_such_model(model: str) -> Refused:
    why = f"the model {model[:100]!r} does not exist or you do not have access to it"
    return Refused("invalid", ("model",), why, status=404, code="model_not_found")


def _error_answer(error: ErrorAnswer, dialect: OpenAiDialect | AnthropicDialect, request_id: str) -> RawAnswer:
    return more_headers(RawAnswer(error.status, pieces=(dialect.error_body(error, request_id),)), error.headers)
