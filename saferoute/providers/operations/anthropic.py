"""Operations of Anthropic: it counts tokens and lists models; it has no embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from saferoute.errors import ProtocolError
from saferoute.providers.anthropic_request import VERSION
from saferoute.providers.operations.asking import get, refused
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.counting import body_of, count_by, encoded, moved
from saferoute.providers.operations.reading import objects
from saferoute.providers.writing import written
from saferoute.values.json import as_text, integer
from saferoute.values.listing import AvailableModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import CountRequest, ModelsRequest, Plan
    from saferoute.values.http import Head
    from saferoute.values.target import Target

__all__ = ["count", "models"]

_COUNTED: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed", "anthropic_version"}
)
_MOST_PAGES: Final = 20
_NAME: Final = 256


def count(request: CountRequest, target: Target, codec: Codec) -> Plan:
    """Count by POST /v1/messages/count_tokens; on Vertex by the model "count-tokens", which is told the real one."""
    made = encoded(request, target, codec)
    fields = {name: value for name, value in body_of(made).items() if name in _COUNTED}
    path = f"{target.path}/v1/messages/count_tokens"
    if target.quirks.model_in_path:
        fields["model"] = target.model
        path = f"{target.path}/count-tokens:rawPredict"
    return (yield from count_by(target, moved(made, path, written(fields)), "input_tokens", made.notices))


def models(_: ModelsRequest, target: Target, __: Codec) -> Plan:
    """List models by GET /v1/models, page by page."""
    if target.quirks.model_in_path:
        raise refused("available_models", "this cloud does not list the models of Anthropic that it serves")
    found: list[AvailableModel] = []
    after = ""

    def read(_: Head, body: Mapping[str, Any]) -> tuple[list[AvailableModel], str]:
        listed = [_model(target, item) for item in objects(target, body, "data") if as_text(item.get("id"))]
        last = as_text(body.get("last_id"))[:_NAME]
        return listed, last if body.get("has_more") is True and listed else ""

    for _number in range(_MOST_PAGES):
        more = f"&after_id={quote(after, safe='')}" if after else ""
        listed, after = yield from ask(Step(get(target, f"/v1/models?limit=1000{more}", (("anthropic-version", VERSION),)), read))
        found += listed
        if not after:
            return Answered({"models": tuple(found)})
    raise ProtocolError(f"{target.provider_name} lists its models on more than {_MOST_PAGES} pages")


def _model(target: Target, item: Mapping[str, Any]) -> AvailableModel:
    lifecycle = as_text(item.get("lifecycle"))
    return AvailableModel(
        item["id"],
        target.provider_name,
        as_text(item.get("display_name")) or None,
        integer(item.get("max_input_tokens")) or None,
        integer(item.get("max_tokens")) or None,
        lifecycle != "active" if lifecycle else None,
    )
