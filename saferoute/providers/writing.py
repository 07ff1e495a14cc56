"""What dialects do alike when they write a request: bounds, tools, options that a row opens, opaque state, and the request itself. Pure."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Literal

from saferoute.errors import InvalidMessages, UnknownOption
from saferoute.providers.codec import Noticing
from saferoute.values.events import Notice
from saferoute.values.http import HttpRequest
from saferoute.values.json import decode, encode
from saferoute.values.sealed import assembler

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from saferoute.values.messages import File, Image, OpaqueState, Part
    from saferoute.values.request import ChatRequest, OutputSchema
    from saferoute.values.target import Target
    from saferoute.values.tools import Tool

__all__ = [
    "CHOICE_WORDS",
    "NoticingOnce",
    "add_sampling",
    "choice_written",
    "data_uri",
    "extra_fields",
    "misplaced",
    "namespaces",
    "object_schema",
    "offered",
    "output_bound",
    "post",
    "sampling",
    "schema_raw",
    "tools_raw",
    "written",
]

_HttpRequest = assembler(HttpRequest)

CHOICE_WORDS = frozenset({"auto", "none", "required"})


class NoticingOnce(Noticing):
    """Collects notices, each once per request: a long conversation says the same thing many times."""

    __slots__ = ()

    def once(self, kind: Literal["dropped", "changed", "filled", "noted"], parameter: str, message: str) -> None:
        """Record something that needs no leave of the caller's, whatever `on_unsupported` says."""
        notice = Notice(kind, parameter, message)
        if notice not in self.notices:
            self.notices.append(notice)

    def own_state(self, state: OpaqueState, target: Target) -> Mapping[str, Any] | None:
        """The state's content, if it was made by this model at this provider in this dialect; else None, and a notice."""
        if (state.provider_name, state.dialect, state.model) != (target.provider_name, target.dialect, target.model):
            why = f"state of {state.provider_name} {state.model} means nothing to {target.provider_name} {target.model}; left out"
            self.once("dropped", "reasoning", why)
            return None
        try:
            content = decode(state.payload)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            self.once("dropped", "reasoning", "an opaque state that is no JSON object is left out")
            return None
        return content


def written(value: object) -> bytes:
    """Write JSON.

    Raises:
        InvalidMessages: for half a surrogate pair, and for values that JSON does not have.
    """
    try:
        return encode(value)
    except ValueError as error:
        msg = f"the request is not JSON: {error}; look for it in the messages, the tools and provider_options"
        raise InvalidMessages(msg) from None


def post(target: Target, path: str, fields: Mapping[str, Any], spliced: Mapping[str, bytes], *, accept: str) -> HttpRequest:
    """Make the request.

    Args:
        target: where it goes.
        path: the dialect's own path, put behind the target's.
        fields: the body's fields; never empty.
        spliced: further fields that are JSON already and go in as they are.
        accept: the media type asked for.

    Raises:
        InvalidMessages: for fields that JSON cannot hold.
    """
    body = written(fields)
    if spliced:
        body = b",".join([body[:-1], *(b'"%s":%s' % (name.encode(), raw) for name, raw in spliced.items())]) + b"}"
    headers = (("content-type", "application/json"), ("accept", accept), *target.headers)
    return _HttpRequest("POST", target.origin, target.path + path, headers, body, target.secret, target.auth, target.net)


def output_bound(request: ChatRequest, target: Target) -> int | None:
    """The bound of output tokens that goes out; None leaves it to the provider."""
    return target.default_max_output if request.max_output_tokens is None else request.max_output_tokens


def offered(request: ChatRequest) -> tuple[tuple[Tool, ...], str | None]:
    """The tools, and the choice among them: None, one of CHOICE_WORDS, or the name of one of them; without tools there is no choice."""
    return (request.tools, request.tool_choice) if request.tools else ((), None)


def tools_raw(tools: Collection[Tool], *, strict: bool) -> bytes:
    """Write tools in the form that OpenAI began and most took over; `strict` where the dialect has it.

    Raises:
        InvalidMessages: for a description that JSON cannot hold.
    """
    written_tools = []
    for tool in tools:
        words = b'"name":"%s"' % tool.name.encode()  # a Tool has none that JSON would write in another way
        if tool.description:
            try:
                words += b',"description":' + encode(tool.description)
            except ValueError as error:
                msg = f"tool {tool.name!r}: its description is not JSON: {error}"
                raise InvalidMessages(msg) from None
        if strict and tool.strict is not None:
            words += b',"strict":true' if tool.strict else b',"strict":false'
        written_tools.append(b'{"type":"function","function":{%s,"parameters":%s}}' % (words, tool.parameters))
    return b"[%s]" % b",".join(written_tools)


def object_schema(schema: bytes) -> bytes:
    """The schema with the `type` that some insist on, which a schema of no arguments often leaves out."""
    if schema.startswith(b'{"type":"object"') or schema.endswith(b',"type":"object"}') or "type" in decode(schema):
        return schema
    return b'{"type":"object"%s%s' % (b"" if schema == b"{}" else b",", schema[1:])


def choice_written(choice: str) -> str | dict[str, Any]:
    """Write a choice that `offered` gave in that form."""
    return choice if choice in CHOICE_WORDS else {"type": "function", "function": {"name": choice}}


def schema_raw(output: OutputSchema) -> bytes:
    """Write the schema that an answer must fit in that form, as the value of `response_format`."""
    words = written({"name": output.name, "strict": output.strict})
    return b'{"type":"json_schema","json_schema":%s,"schema":%s}}' % (words[:-1], output.schema)


def sampling(request: ChatRequest, top_p: str = "top_p") -> dict[str, float]:
    """Temperature and top_p as far as they are given; the latter under the name that the dialect has for it."""
    fields = {} if request.temperature is None else {"temperature": request.temperature}
    if request.top_p is not None:
        fields[top_p] = request.top_p
    return fields


def add_sampling(fields: dict[str, Any], request: ChatRequest, target: Target, *, bound: str, seed: str) -> None:
    """Write bounds, sampling and what is told of it in that form; `bound` and `seed` are the fields that have several names."""
    most = target.default_max_output if request.max_output_tokens is None else request.max_output_tokens
    if most is not None:
        fields[bound] = most
    if request.temperature is not None or request.top_p is not None:
        fields |= sampling(request)
    if request.stop:
        fields["stop"] = list(request.stop)
    if request.seed is not None:
        fields[seed] = request.seed
    if request.n > 1:
        fields["n"] = request.n
    if request.logprobs is not None:
        fields["logprobs"] = True
        if request.logprobs:
            fields["top_logprobs"] = request.logprobs


def namespaces(target: Target) -> tuple[str, ...]:
    """The names under which a caller passes fields through to a row: the provider's, the dialect's, and the row's own."""
    return tuple(dict.fromkeys((target.provider_name, target.dialect, target.id)))


def extra_fields(request: ChatRequest, target: Target, reserved: Mapping[str, str], taken: Collection[str]) -> dict[str, Any]:
    """What the caller passes through, under the provider's name, the dialect's or the row's, as far as the row opens it.

    Args:
        request: the call.
        target: the row; its `extra_params` are what it opens.
        reserved: wire fields that no row can open, with what to use instead.
        taken: wire fields that the call's own options set already.

    Raises:
        UnknownOption: for a field that is reserved, not opened, or said twice.
    """
    extras: dict[str, Any] = {}
    for namespace in namespaces(target):
        for name, value in request.provider_options.get(namespace, {}).items():
            if name in reserved:
                msg = f"provider_options[{namespace!r}] may not set {name!r}: {reserved[name]}"
                raise UnknownOption(msg)
            if name not in target.extra_params:
                listed = ", ".join(sorted(target.extra_params - reserved.keys())) or "none"
                msg = f"provider_options[{namespace!r}] has {name!r}, which the table does not open for {target.id}; it opens: {listed}"
                raise UnknownOption(msg)
            if name in taken or name in extras:
                msg = f"provider_options[{namespace!r}] has {name!r}, which this call says already: by an option of its own, or twice"
                raise UnknownOption(msg)
            extras[name] = value
    return extras


def data_uri(part: Image | File) -> str:
    """The part's bytes as a data URI."""
    return f"data:{part.media_type};base64,{b64encode(part.data or b'').decode()}"


def misplaced(part: Part, role: str) -> InvalidMessages:
    """The error for a part that no message of this role can hold."""
    return InvalidMessages(f"a {part.type} part has no place in a {role} message")
