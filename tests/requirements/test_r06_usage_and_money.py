"""Requirement 6: usage totals and disjoint buckets, money in Decimal, an unknown price is None, and a cap on cost then denies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from saferoute.errors import BudgetExceeded
from saferoute.testing.script import RawAnswer
from saferoute.values.usage import Buckets
from tests.requirements.conftest import Deployed, Way, row
from tests.requirements.dialects import DIALECTS
from tests.support.both import Face
from tests.support.counting_server import CountingServer, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

# In nano-dollars for a token: 2500, 10000, 250, 3125 and 5000.
PRICES = 'input = "$2.50/M", output = "$10/M", cache_read = "$0.25/M", cache_write_5m = "$3.125/M", cache_write_1h = "$5/M"'
PRICED = f"prices = {{ {PRICES} }}\nmax_output = 1000\ndefault_max_output = 100"


class Invoice(NamedTuple):
    """What a provider reports, and what it comes to."""

    dialect: str
    usage: dict[str, Any]
    totals: tuple[int, int]
    buckets: Buckets
    cost: str


# Cohere bills its "billed units" and not the tokens: 5 in and 2 out here, 5 x 2.5 + 2 x 10 millionths of a dollar.
INVOICES: Mapping[str, Invoice] = {
    "openai_chat, plain": Invoice("openai_chat", {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}, (1000, 500), Buckets(1000, output_text=500), "0.0075"),
    "openai_chat, cached and reasoning": Invoice("openai_chat", {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "prompt_tokens_details": {"cached_tokens": 400}, "completion_tokens_details": {"reasoning_tokens": 300}}, (1000, 500), Buckets(600, 400, output_text=200, reasoning=300), "0.0066"),
    "openai_chat, DeepSeek's cache": Invoice("openai_chat", {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "prompt_cache_hit_tokens": 400, "prompt_cache_miss_tokens": 600}, (1000, 500), Buckets(600, 400, output_text=500), "0.0066"),
    "openai_chat, one token": Invoice("openai_chat", {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}, (1, 1), Buckets(1, output_text=1), "0.0000125"),
    "openai_chat, nothing out": Invoice("openai_chat", {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}, (7, 0), Buckets(7), "0.0000175"),
    "openai_responses": Invoice("openai_responses", {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500, "input_tokens_details": {"cached_tokens": 400}, "output_tokens_details": {"reasoning_tokens": 300}}, (1000, 500), Buckets(600, 400, output_text=200, reasoning=300), "0.0066"),
    "anthropic, all of the cache": Invoice("anthropic_messages", {"input_tokens": 100, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300, "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100}, "output_tokens": 50}, (1400, 50), Buckets(100, 1000, 200, 100, output_text=50), "0.002125"),
    "anthropic, writes without their kind": Invoice("anthropic_messages", {"input_tokens": 100, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 300, "output_tokens": 50}, (400, 50), Buckets(100, 0, 300, output_text=50), "0.0016875"),
    "gemini, cached and thoughts": Invoice("gemini_generate", {"promptTokenCount": 1000, "cachedContentTokenCount": 200, "candidatesTokenCount": 30, "thoughtsTokenCount": 70, "totalTokenCount": 1100}, (1000, 100), Buckets(800, 200, output_text=30, reasoning=70), "0.00305"),
    "bedrock, cache reads and writes": Invoice("bedrock_converse", {"inputTokens": 100, "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 200, "outputTokens": 50, "totalTokens": 1350}, (1300, 50), Buckets(100, 1000, 200, output_text=50), "0.001625"),
    "cohere": Invoice("cohere_chat", {"billed_units": {"input_tokens": 5, "output_tokens": 2}, "tokens": {"input_tokens": 12.0, "output_tokens": 9.0, "reasoning_tokens": 4}, "cached_tokens": 8}, (12, 9), Buckets(4, 8, output_text=5, reasoning=4), "0.0000325"),
    "mistral": Invoice("mistral_chat", {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21, "prompt_tokens_details": {"cached_tokens": 8}}, (12, 9), Buckets(4, 8, output_text=9), "0.000102"),
    "ollama": Invoice("ollama_chat", {"prompt_eval_count": 12, "eval_count": 9}, (12, 9), Buckets(12, output_text=9), "0.00012"),
}  # fmt: skip


@pytest.mark.parametrize("name", INVOICES)
def test_a_golden_invoice(four_ways: Way, serve: Serve, deployed: Deployed, name: str) -> None:
    invoice = INVOICES[name]
    server = serve(DIALECTS[invoice.dialect].answer(invoice.usage))
    reply = four_ways.ask(deployed(four_ways.kind, row("row", server.origin, PRICED, dialect=invoice.dialect)))
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens) == invoice.totals
    assert usage.buckets == invoice.buckets
    assert (invoice.buckets.input_total, invoice.buckets.output_total) == invoice.totals
    assert usage.total_tokens == sum(invoice.totals)
    assert (usage.cache_read_input_tokens, usage.reasoning_output_tokens) == (invoice.buckets.cache_read, invoice.buckets.reasoning)
    assert type(reply.cost) is Decimal
    assert reply.cost == Decimal(invoice.cost)


USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
CACHED = {**USAGE, "prompt_tokens_details": {"cached_tokens": 1}}
NOT_KNOWN: Mapping[str, tuple[str, dict[str, Any] | None]] = {
    "no price": ("default_max_output = 100", USAGE),
    "no price of output": ('prices = { input = "$1/M" }\ndefault_max_output = 100', USAGE),
    "no price of what was read from the cache": ('prices = { input = "$1/M", output = "$1/M" }\ndefault_max_output = 100', CACHED),
    "no counts": (PRICED, None),
    "counts that are no numbers": (PRICED, {"prompt_tokens": "many", "completion_tokens": None}),
    "sound, which has no price": (PRICED, {**USAGE, "prompt_tokens_details": {"audio_tokens": 5}}),
}


@pytest.mark.parametrize("name", NOT_KNOWN)
def test_a_cost_that_is_not_known_is_none_and_never_0(four_ways: Way, serve: Serve, opened: Opened, name: str) -> None:
    fields, usage = NOT_KNOWN[name]
    server = serve(says("hello", usage=usage))
    reply = four_ways.ask(opened(four_ways.kind, server, fields=fields))
    assert reply.cost is None
    assert reply.text == "hello"


def test_a_price_that_was_not_needed_need_not_be_known(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello", usage=USAGE))
    reply = four_ways.ask(opened(four_ways.kind, server, fields='prices = { input = "$1/M", output = "$2/M" }\ndefault_max_output = 9'))
    assert reply.cost == Decimal("0.002")


@pytest.mark.parametrize("fields", ["default_max_output = 100", 'prices = { input = "$1/M" }\ndefault_max_output = 100'])
def test_a_cap_on_cost_denies_what_has_no_price(four_ways: Way, serve: Serve, opened: Opened, fields: str) -> None:
    server = serve(says("hello"))
    with pytest.raises(BudgetExceeded, match="not known"):
        four_ways.ask(opened(four_ways.kind, server, fields=fields), max_cost="$1000")
    assert (server.count, server.connections, server.bytes_received) == (0, 0, 0)


def test_a_cap_on_cost_denies_a_worst_case_that_is_higher(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    face = opened(four_ways.kind, server, fields=PRICED)
    with pytest.raises(BudgetExceeded, match="lower max_output_tokens"):
        four_ways.ask(face, max_cost="$0.001")  # 100 tokens of output are $0.001 alone
    assert server.connections == 0
    assert four_ways.ask(face, max_cost="$0.01").text == "hello"
    assert four_ways.ask(face, max_cost="$0.001", max_output_tokens=10).text == "hello"
    assert server.count == 2


def test_a_cap_on_cost_leaves_only_the_rows_that_it_covers(four_ways: Way, serve: Serve, deployed: Deployed) -> None:
    unpriced, dear, cheap = serve(says("unpriced")), serve(says("dear")), serve(says("cheap"))
    dear_prices = PRICED.replace("$10/M", "$1000/M")
    rows = [row("row", unpriced.origin), row("row2", dear.origin, dear_prices), row("row3", cheap.origin, PRICED)]
    face = deployed(four_ways.kind, *rows, more='[aliases]\nboth = ["row", "row2", "row3"]')
    assert four_ways.ask(face, "both", max_cost="$0.01").text == "cheap"
    assert (unpriced.connections, dear.connections, cheap.count) == (0, 0, 1)


@pytest.mark.parametrize("amount", [0.1, 1.0, float("inf")])
def test_money_is_no_float(four_ways: Way, serve: Serve, opened: Opened, amount: float) -> None:
    server = serve(says("hello"))
    with pytest.raises(TypeError, match=r"cannot hold 0\.1"):
        four_ways.ask(opened(four_ways.kind, server, fields=PRICED), max_cost=amount)
    assert server.connections == 0


def test_costs_add_up_without_a_rounding_error(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello", usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}))
    face = opened(kind, server, fields=PRICED)
    costs = [face.chat("row", "hi").cost or Decimal(0) for _ in range(40)]
    assert sum(costs) == Decimal("0.0005000")


def test_the_bill_of_an_embedding_is_exact(kind: str, serve: Serve, opened: Opened) -> None:
    body = b'{"data": [{"index": 0, "embedding": [1.0]}], "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}'
    server = serve(RawAnswer(pieces=(body,)))
    face = opened(kind, server, fields=PRICED)
    assert face.wait(face.client.embed("row", "hi")).cost == Decimal("0.0000075")
