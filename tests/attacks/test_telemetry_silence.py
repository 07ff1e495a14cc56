"""Attack: somebody who reads traces, metrics, logs, or what hooks are told, looks there for keys, prompts and answers.

Every kind of call goes by a client that tells all of them, and all that they got is searched. Content stands in spans for those who switched
it on, and in the reply that a hook is handed, and nowhere else.

Guards: saferoute/telemetry/spans.py::if self._options.content and not restored: => if True:
"""

from __future__ import annotations

import dataclasses
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import Any

import pytest

import saferoute
from saferoute.errors import SaferouteError
from saferoute.testing import Answer, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream, HtmlErrorPage, InBandError, NotJson, Reset
from tests.support.both import KINDS, Face
from tests.support.leak_search import where
from tests.support.watched import Kept

pytest.importorskip("opentelemetry.sdk.trace")


class Seen:
    """A hook that keeps all it is told, as text, but for what is the caller's: the reply, and the error."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.replies: list[Any] = []

    def _keep(self, told: Any) -> None:
        shown = {field.name: getattr(told, field.name) for field in dataclasses.fields(told)}
        self.replies.append(shown.pop("reply", None))
        shown.pop("error", None)
        self.texts += [repr(told), str(told), repr(shown)]

    on_request = on_response = on_error = _keep


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """The root logger at DEBUG, with the structured facts."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s %(saferoute)s %(exc_text)s", defaults={"saferoute": ""}))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def steps(answer: str, key: str) -> list[Any]:
    """What the provider does: it says the answer, and the key where it can."""
    said = f"{answer} {key}"
    return [
        Answer(answer),
        *(ErrorAnswer(status, message=said) for status in (400, 401, 403, 404, 429, 500, 503)),
        *(Answer(f"{answer} {answer}", fault=fault) for fault in (CutStream(2), InBandError(), NotJson(), Reset(), HtmlErrorPage())),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_prompt_or_answer_stands_in_what_is_told(kind: str) -> None:
    # Short enough not to be shaped like a key: then nothing would take them out of content.
    key, prompt, answer = f"sk-{token_hex(14)}-a/b", f"prompt{token_hex(6)}", f"answer{token_hex(6)}"
    kept, seen = Kept(), Seen()
    with EmbeddedProvider() as provider, logged() as text:
        rows = [saferoute.loopback("row", port=provider.port, secret="row")]
        secrets = saferoute.Secrets.of({"row": (key, provider.origin)})
        plain = {"servers": rows, "secrets": secrets, "telemetry": kept.options(tags=("team",)), "hooks": [seen]}
        with Face(kind, lambda client: client.local(**plain)) as face:
            told: list[Any] = []
            for number, step in enumerate(steps(answer, key)):
                provider.script([step], then="repeat")
                for call in (
                    lambda: face.chat("row/m", prompt, system=prompt, stop=[prompt], max_attempts=2, timeout=1, tags={"team": "a"}),
                    lambda: face.stream("row/m", prompt, max_attempts=1, timeout=1),
                    lambda: face.stream("row/m", prompt, take=1, max_attempts=1, timeout=1),
                    lambda: face.chat("row/m", [{"role": "user", "content": f"{prompt} \U000e0068"}]),
                    lambda: face.chat(f"{prompt} is no route", prompt),
                    lambda: face.chat("row/m", prompt, output={"type": "object", "properties": {"a": {"type": "string"}}}, timeout=1),
                    *([] if number else [lambda: face.wait(face.client.embed("row/m", [prompt]))]),
                    *([] if number else [lambda: face.wait(face.client.moderate("row/m", prompt))]),
                ):
                    with suppress(SaferouteError):
                        told.append(call())
    assert provider.saw_key(key)
    assert any(answer in str(one) for one in told)
    assert any(answer in str(one) for one in seen.replies)  # the reply itself is the program's
    texts = [("telemetry", kept.everything()), ("log", text.getvalue()), *(("hook", shown) for shown in seen.texts)]
    assert (len(kept.calls) > 60, len(seen.texts) > 300, "\"event\": 'call'".replace('"', "'") in text.getvalue()) == (True, True, True)
    found = {f"{name}: {place}" for name, shown in texts if (place := where(shown, (key, prompt, answer)))}
    assert found == set()


@pytest.mark.parametrize("kind", KINDS)
def test_content_that_is_asked_for_holds_no_key(kind: str) -> None:
    """Also one that a provider echoes, and one that nothing but the client's own vault knows, with guards off."""
    key, prompt = f"sk-{token_hex(14)}-a/b", "a plain question"
    for guards in ((), None):
        kept = Kept()
        with EmbeddedProvider() as provider:
            rows = [saferoute.loopback("row", port=provider.port, secret="row")]
            secrets = saferoute.Secrets.of({"row": (key, provider.origin)})
            plain: dict[str, Any] = {"servers": rows, "secrets": secrets, "telemetry": kept.options(content=True), "guards": guards}
            with Face(kind, lambda client, plain=plain: client.local(**plain)) as face:
                provider.script([Answer(f"your key is {key}, is it not")], then="repeat")
                face.chat("row/m", f"{prompt} about {key}")
                face.stream("row/m", prompt)
        assert prompt in kept.everything()
        assert where(kept.everything(), (key,)) is None


def test_no_error_is_recorded_with_its_text() -> None:
    kept = Kept()
    with EmbeddedProvider() as provider:
        rows = [saferoute.loopback("row", port=provider.port)]
        with Face("blocking", lambda client: client.local(servers=rows, secrets=saferoute.Secrets.of({}), telemetry=kept.tracers)) as face:
            provider.script([ErrorAnswer(429, message="echoed words")], then="repeat")
            with pytest.raises(SaferouteError):
                face.chat("row/m", "hi", max_attempts=2)
    spans = kept.memory.get_finished_spans()
    assert [span.events for span in spans] == [()] * 3
    assert {span.status.description for span in spans} == {"RateLimited"}


def test_a_provider_is_not_told_of_the_trace() -> None:
    kept = Kept()
    with EmbeddedProvider() as provider:
        rows = [saferoute.loopback("row", port=provider.port)]
        with (
            Face("blocking", lambda client: client.local(servers=rows, secrets=saferoute.Secrets.of({}), telemetry=kept.options())) as face,
            kept.tracers.get_tracer("program").start_as_current_span("outer"),
        ):
            face.chat("row/m", "hi")
        sent = provider.requests[-1].headers
    assert not {"traceparent", "tracestate", "baggage", "b3"} & set(sent)
