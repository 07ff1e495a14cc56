"""The operations through the public clients: arguments, grants, labels, costs, and what the results show."""

from __future__ import annotations

import sys
import time
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute import operations
from saferoute.errors import (
    BudgetExceeded,
    CapabilityForbidden,
    ConfigurationError,
    NoRoute,
    RequestError,
    UnknownOption,
    UnsupportedParameter,
)
from saferoute.providers.operations.contract import CountRequest, EmbedRequest
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider
from saferoute.values.embeddings import Embeddings
from saferoute.values.messages import Image
from saferoute.values.outcome import added
from saferoute.values.usage import Usage, usage_from_totals
from tests.support.both import KINDS, Face

ROW = """
[routes.{name}]
provider = "demo"
dialect = "{dialect}"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "{model}"
auth = "none"
data = "{data}"
{more}
"""
PRICED = 'default_max_output = 10\nprices = { input = "$1/M", output = "$1/M" }'
GRANT = """
[aliases.quick]
targets = ["row"]
max_attempts = 2
deadlines = {{ total = "7s" }}

[aliases.both]
targets = ["row", "other"]
max_attempts = 2

[grant]
operations = {operations}
routes = ["row", "other", "quick", "both"]
data = "internal"
{more}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


def signed(
    provider: EmbeddedProvider, folder: Path, allowed: str = '["embed", "models", "count_tokens"]', grant: str = "", more: str = PRICED
) -> Any:
    text = ROW.format(name="row", dialect="openai_chat", origin=provider.origin, model="m", data="internal", more=more)
    text += ROW.format(name="other", dialect="openai_chat", origin=provider.origin, model="n", data="public", more="")
    text += GRANT.format(operations=allowed, more=grant)
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    now = int(time.time())
    root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(sign_release(root, [build(text)], version=1, now=now, signers=[table_key]))
    trust = saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))
    return saferoute.Client(folder / "routes.json", trust=trust, secrets=saferoute.Secrets.of({}))


def local(provider: EmbeddedProvider, kind: type[Any] = saferoute.Client, name: str = "demo", **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind.local(secrets=saferoute.Secrets.of({}), servers=[saferoute.loopback(name, port=provider.port, **options)])


@pytest.mark.parametrize("kind", KINDS)
def test_both_clients_against_the_embedded_provider(provider: EmbeddedProvider, kind: str) -> None:
    with Face(kind, lambda made: local(provider, made)) as face:
        wait: Any = (lambda made: made) if kind == "blocking" else face._wait
        found = wait(face.client.embed("demo/any", ["cats and dogs", "dogs and cats", "trains"], dimensions=16))
        assert (len(found), found.dimensions, found.usage.input_tokens, found.model) == (3, 16, 7, "embedded-1")
        assert list(found[0]) == list(found[1]) != list(found[2])
        assert [list(vector) for vector in found] == [list(vector) for vector in found[:]]
        one = wait(face.client.embed("demo/any", "cats"))
        assert len(one) == 1
        count = wait(
            face.client.count_tokens(
                "demo/any",
                "hello",
                system="be kind",
                tools=[{"name": "t", "parameters": {"type": "object", "properties": {}}}],
                output={"type": "object", "properties": {}},
            )
        )
        assert isinstance(count, operations.TokenCount)
        assert [model.id for model in wait(face.client.available_models("demo"))] == ["embedded-1"]
        assert wait(face.client.available_models("demo/any")) == wait(face.client.available_models("demo/*"))
        for call in (
            lambda: face.client.rerank("demo/any", "q", ["a"]),
            lambda: face.client.transcribe("demo/any", saferoute.Audio(b"s", "wav")),
            lambda: face.client.speak("demo/any", "a", voice="v"),
            lambda: face.client.generate_image("demo/any", "a"),
            lambda: face.client.moderate("demo/any", "a"),
        ):
            with pytest.raises(saferoute.errors.ModelNotFound) as caught:  # the embedded provider has no such doors
                wait(call())
            assert len(caught.value.attempts) == 1


def test_the_embedded_provider_refuses_what_a_strict_one_refuses(provider: EmbeddedProvider) -> None:
    with local(provider) as client:
        with pytest.raises(saferoute.errors.BadRequest):
            client.embed("demo/any", "a", dimensions=5000)
        with pytest.raises(UnknownOption):
            client.embed("demo/any", "a", provider_options={"demo": {"odd": 1}})


def test_an_anthropic_server_counts_and_does_not_embed(provider: EmbeddedProvider) -> None:
    with local(provider, name="claude", dialect="anthropic_messages") as client:
        assert client.count_tokens("claude/m", "one two three").method == "provider"
        with pytest.raises(UnsupportedParameter, match="it has count_tokens, models"):
            client.embed("claude/m", "a")


# ------------------------------------------------------------------------------------------------------------------ what a grant allows


def test_a_grant_names_the_operation(provider: EmbeddedProvider, tmp_path: Path) -> None:
    with signed(provider, tmp_path, '["chat"]') as client:
        for call in (
            lambda: client.embed("row", "a", data="internal"), lambda: client.count_tokens("row", "a", data="internal"),
            lambda: client.available_models("row"), lambda: client.rerank("row", "q", ["a"], data="internal"),
            lambda: client.moderate("row", "a", data="internal"), lambda: client.speak("row", "a", voice="v", data="internal"),
            lambda: client.generate_image("row", "a", data="internal"), lambda: client.transcribe("row", saferoute.Audio(b"s", "wav"), data="internal"),
        ):  # fmt: skip
            with pytest.raises(CapabilityForbidden) as caught:
                call()
            assert caught.value.code == "operation"
    assert provider.problems == ()


def test_every_operation_can_be_granted(provider: EmbeddedProvider, tmp_path: Path) -> None:
    every = '["chat", "embed", "count_tokens", "models", "rerank", "transcribe", "speak", "image", "moderate"]'
    with signed(provider, tmp_path, every) as client:
        assert len(client.embed("row", "a", data="internal")) == 1
        with pytest.raises(saferoute.errors.ModelNotFound):
            client.speak("row", "a", voice="v", data="internal")


def test_labels(provider: EmbeddedProvider, tmp_path: Path) -> None:
    with signed(provider, tmp_path) as client:
        with pytest.raises(CapabilityForbidden, match="restricted"):
            client.embed("row", "a")
        with pytest.raises(CapabilityForbidden):
            client.embed("other", "a", data="internal")
        assert client.embed("other", "a", data="public").target == "other"
        assert client.available_models("row")[0].id == "embedded-1"  # the question holds nothing of the caller's
        with pytest.raises(CapabilityForbidden):
            client.available_models("row", data="restricted")


def test_routes_bounds_and_clocks(provider: EmbeddedProvider, tmp_path: Path) -> None:
    with signed(provider, tmp_path) as client:
        call = client._core.operation(
            "embed", "quick", lambda: EmbedRequest(texts=("a",)), Embeddings, {"data": "public", "max_attempts": 9, "timeout": 3}
        )
        assert (call.max_attempts, call.targets[0].deadlines.total, call.total) == (2, 7.0, 3.0)
        call = client._core.operation("embed", "row", lambda: EmbedRequest(texts=("a",)), Embeddings, {"data": "public"})
        assert (call.max_attempts, call.total) == (3, None)
        with pytest.raises(NoRoute):
            client.embed("nobody", "a")
        with pytest.raises(NoRoute, match="must be a str"):
            client.embed(7, "a")
        with pytest.raises(NoRoute):
            client.available_models("nobody")


def test_an_alias_of_two_models_embeds_with_the_first_only(provider: EmbeddedProvider, tmp_path: Path) -> None:
    with signed(provider, tmp_path) as client:
        found = client.embed("both", "a", data="public")
        assert found.target == "row"
        assert [notice.parameter for notice in found.warnings] == ["route"]
        assert "other" in found.warnings[0].message
        assert client.embed("both", "a", data="internal").warnings == ()  # the other row was not allowed anyhow
        assert [model.id for model in client.available_models("both")] == ["embedded-1"]


def test_a_bound_on_output_refuses_what_has_none(provider: EmbeddedProvider, tmp_path: Path) -> None:
    with signed(provider, tmp_path, '["embed", "speak"]', "max_output = 20") as client:
        assert len(client.embed("row", "a", data="internal")) == 1
        with pytest.raises(CapabilityForbidden, match="speak has no such bound"):
            client.speak("row", "a", voice="v", data="internal")


def test_a_bound_on_cost(provider: EmbeddedProvider, tmp_path: Path) -> None:
    bound = 'max_cost = "$0.0001"'  # a hundred tokens
    with signed(provider, tmp_path, '["embed", "moderate", "count_tokens", "rerank"]', bound) as client:
        assert len(client.embed("row", "a" * 50, data="internal")) == 1
        with pytest.raises(CapabilityForbidden, match="may cost"):
            client.embed("row", "a" * 500, data="internal")
        with pytest.raises(CapabilityForbidden, match="no known worst case"):
            client.rerank("row", "q", ["a"], data="internal")
        with pytest.raises(CapabilityForbidden, match="no known worst case"):
            client.embed("other", "a", data="public")
        assert client.count_tokens("row", "a" * 5000, data="internal").tokens > 100


def test_a_calls_bound_is_the_tightest_of_caller_and_grant(provider: EmbeddedProvider, tmp_path: Path) -> None:
    """What fallbacks may cost besides what was answered: in nano-units, with the worst case of each row that is left."""
    asked = EmbedRequest(texts=("a" * 84,))
    with signed(provider, tmp_path, '["embed", "count_tokens"]', 'max_cost = "$0.0002"') as client:

        def bound(**options: Any) -> Any:
            return client._core.operation("embed", "both", lambda: asked, Embeddings, {"data": "public", **options}).bound

        assert (bound().amount, bound().worst) == (200_000, {"row": 100_000})
        assert bound(max_cost="$0.00015").amount == 150_000
        assert bound(max_cost="$5").amount == 200_000
    with signed(provider, tmp_path) as client:
        assert bound() is None
        assert bound(max_cost="$1").amount == 1_000_000_000


def test_tools_of_a_count_are_granted_like_others(provider: EmbeddedProvider, tmp_path: Path) -> None:
    tool = {"name": "t", "parameters": {"type": "object", "properties": {}}}
    with signed(provider, tmp_path, '["count_tokens"]', "tools = []") as client:
        assert client.count_tokens("row", "a", data="internal").tokens
        with pytest.raises(CapabilityForbidden, match="tools"):
            client.count_tokens("row", "a", tools=[tool], data="internal")


def test_max_cost(provider: EmbeddedProvider, tmp_path: Path) -> None:
    with signed(provider, tmp_path, '["embed", "rerank", "count_tokens"]') as client:
        assert client.embed("row", "a", data="internal", max_cost="$0.001").cost is not None
        with pytest.raises(BudgetExceeded, match=r"worst case is 0\.001016"):
            client.embed("row", "a" * 1000, data="internal", max_cost="$0.001")
        with pytest.raises(BudgetExceeded, match="is not known"):
            client.embed("other", "a", data="public", max_cost="$5")
        with pytest.raises(BudgetExceeded, match="is not known"):
            client.rerank("row", "q", ["a"], data="internal", max_cost="$5")
        assert client.count_tokens("other", "a", data="public", max_cost="$0").tokens
        assert client.embed("both", "a", data="public", max_cost="$1").warnings == ()  # the row without prices dropped out


# ------------------------------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.embed("r/m", ""), r"texts\[0\] is empty"),
        (lambda c: c.embed("r/m", ["a", ""]), r"texts\[1\] is empty"),
        (lambda c: c.embed("r/m", ["a", 3]), r"texts\[1\] is a int"),
        (lambda c: c.embed("r/m", []), "texts is empty: give at least one text"),
        (lambda c: c.embed("r/m", b"a"), "a str or a list of them, not bytes"),
        (lambda c: c.embed("r/m", None), "a str or a list of them, not NoneType"),
        (lambda c: c.embed("r/m", "a", dimensions=0), "dimensions must be a whole number"),
        (lambda c: c.embed("r/m", "a", dimensions=True), "dimensions"),
        (lambda c: c.embed("r/m", "a", input_type="passage"), '"query" or "document"'),
        (lambda c: c.rerank("r/m", "", ["a"]), "query must be a non-empty str"),
        (lambda c: c.rerank("r/m", "q", "a"), "documents must be a list"),
        (lambda c: c.rerank("r/m", "q", ["a"], top_n=0), "top_n"),
        (lambda c: c.moderate("r/m", [None]), r"texts\[0\] is a NoneType"),
        (lambda c: c.transcribe("r/m", b"x"), "saferoute.Audio"),
        (lambda c: c.transcribe("r/m", saferoute.Audio(b"x", "wav"), language=""), "language"),
        (lambda c: c.speak("r/m", "a", voice=""), "voice"),
        (lambda c: c.speak("r/m", "a", voice="v", speed=9), "speed must be a number"),
        (lambda c: c.speak("r/m", "a", voice="v", speed=float("nan")), "speed"),
        (lambda c: c.speak("r/m", "a", voice="v", speed="1"), "speed must be a number from 0.25 to 4.0, not str"),
        (lambda c: c.generate_image("r/m", "a", n=0), "n must be a whole number from 1 to 16"),
        (lambda c: c.generate_image("r/m", "a", n=True), "n must be"),
        (lambda c: c.generate_image("r/m", "a", size=1), "size"),
        (lambda c: c.count_tokens("r/m", [{"role": "odd"}]), "role"),
        (lambda c: c.embed("r/m", "a", timeout=0), "timeout"),
        (lambda c: c.embed("r/m", "a", api_base="x"), "where a call goes"),
        (lambda c: c.embed("r/m", "a", task_type="x"), "use input_type"),
        (lambda c: c.embed("r/m", "a", num_retries=3), "use max_attempts"),
        (
            lambda c: c.embed("r/m", "a", temperature=0),
            "'temperature' is no option of embed; besides its own arguments it takes capability, data, max_attempts",
        ),
        (lambda c: c.generate_image("r/m", "a", response_format="x"), "no option of generate_image: use format"),
        (lambda c: c.available_models("r", input="x"), "no option of available_models"),
        (lambda c: c.embed("r/m", "a", provider_options={"nobody": {}}), "this route goes to"),
        (lambda c: c.embed("r/m", "a", provider_options=3), "dict of dicts"),
    ],
)
def test_arguments_that_make_no_call(provider: EmbeddedProvider, call: Any, said: str) -> None:
    before = len(provider.requests)
    with local(provider, name="r") as client, pytest.raises(RequestError, match=said):
        call(client)
    assert len(provider.requests) == before


# --------------------------------------------------------------------------------------------------------------------------- results

FACTS: dict[str, Any] = {"route": "r", "target": "<t>", "model": "m", "provider_name": "p"}


def test_results_show_no_content() -> None:
    from array import array

    made = [
        operations.Embeddings(vectors=(array("f", [0.125]),), **FACTS),
        operations.TokenCount(tokens=3, method="estimate", low=1, high=None, **FACTS),
        operations.Reranked(results=(operations.Ranked(0, 0.5, "SECRET"),), **FACTS),
        operations.Ranked(0, 0.5, "SECRET"),
        operations.Transcript(text="SECRET", segments=(operations.Segment(0, 1, "SECRET"),), **FACTS),
        operations.Segment(0, 1, "SECRET"),
        operations.Speech(data=b"SECRET", media_type="audio/mpeg", **FACTS),
        operations.GeneratedImages(images=(Image(data=b"SECRET", media_type="image/png"),), revised_prompts=("SECRET",), **FACTS),
        operations.Moderation(results=(operations.ModerationResult(True, {"hate": True}),), **FACTS),
        EmbedRequest(texts=("SECRET",)),
        CountRequest(chat=saferoute.values.request.ChatRequest(())),  # type: ignore[attr-defined]
    ]
    for result in made:
        assert "SECRET" not in repr(result)
        assert "0.125" not in repr(result)
        if isinstance(result, operations.Outcome):
            with pytest.raises(AttributeError):
                result.target = "other"  # type: ignore[misc]
    assert (str(made[4]), int(made[1]), made[1].__index__(), bytes(made[6]), made[8].flagged) == ("SECRET", 3, 3, b"SECRET", True)
    assert (made[2][0], len(made[2]), made[7][0].data, len(made[7]), made[8][0].flagged, len(made[8])) == (
        made[3],
        1,
        b"SECRET",
        1,
        True,
        1,
    )


def test_notebooks_get_text_as_text_and_fetch_nothing() -> None:
    evil = "<script>x</script>"
    shown = operations.Reranked(results=(operations.Ranked(0, 0.5, evil),), **FACTS)._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "&lt;t&gt;" in shown
    shown = operations.Transcript(text=evil, usage=usage_from_totals(input_tokens=3, output_tokens=1), **FACTS)._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "3 tokens in" in shown
    pictures = (
        Image(data=b"x", media_type="image/png"),
        Image(url="https://evil.example/x.png"),
        Image(data=b"<svg/>", media_type="image/svg+xml"),
    )
    shown = operations.GeneratedImages(images=pictures, **FACTS)._repr_html_()
    assert shown.count("<img") == 1
    assert "evil" not in shown
    assert "svg" not in shown
    assert "<audio" in operations.Speech(data=b"x", media_type="audio/mpeg", **FACTS)._repr_html_()
    assert "<audio" not in operations.Speech(data=b"x", media_type='audio/x" onload="y', **FACTS)._repr_html_()
    assert (
        "hate" in operations.Moderation(results=(operations.ModerationResult(True, {"hate": True, "odd": False}),), **FACTS)._repr_html_()
    )


def test_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    from array import array

    found = operations.Embeddings(vectors=(array("f", [1, 2]), array("f", [3, 4])), **FACTS)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ConfigurationError, match="numpy is not installed"):
        found.numpy()

    class Array:
        def __init__(self, data: bytes, dtype: str) -> None:
            self.values, self.dtype = array("f", data), dtype

        def reshape(self, *shape: int) -> Array:
            self.shape = shape
            return self

        def copy(self) -> Array:
            return self

    monkeypatch.setitem(sys.modules, "numpy", types.SimpleNamespace(frombuffer=Array))
    made = found.numpy()
    assert (list(made.values), made.dtype, made.shape) == ([1, 2, 3, 4], "f4", (2, -1))


def test_real_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    from array import array

    made = operations.Embeddings(vectors=(array("f", [1, 2]), array("f", [3, 4])), **FACTS).numpy()
    assert made.dtype == numpy.float32
    assert made.tolist() == [[1, 2], [3, 4]]
    made[0, 0] = 9  # a copy of its own


def test_usage_of_several_requests() -> None:
    one = usage_from_totals(input_tokens=2, output_tokens=0)
    assert added([one]) is one
    assert added([one, one]).input_tokens == 4
    assert added([one, Usage()]).input_tokens is None


def test_an_operation_is_logged_without_content(provider: EmbeddedProvider, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    with caplog.at_level(logging.DEBUG, "saferoute"), local(provider) as client:
        client.embed("demo/any", "SECRET")
        with pytest.raises(saferoute.errors.BadRequest):
            client.embed("demo/any", "SECRET", dimensions=5000)
    assert "embed on demo/any answered by demo" in caplog.text
    assert "ended with BadRequest" in caplog.text
    assert "SECRET" not in caplog.text


def test_an_option_that_may_change_the_price_leaves_the_cost_of_an_operation_unknown() -> None:
    from saferoute.call.operation_prepare import _input_size
    from saferoute.providers.operations.contract import EmbedRequest

    assert _input_size(EmbedRequest(texts=("a",), provider_options={"p": {"truncate": "END"}}))[1] is False
    assert _input_size(EmbedRequest(texts=("a",), provider_options={"p": {"service_tier": "priority"}}))[1] is True
