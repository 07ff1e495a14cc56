"""Every name that OpenTelemetry gets from this package, in one place: the GenAI conventions move, and then this file does.

The names are those of the semantic conventions 1.41, which receivers read in 2026. The conventions have since moved into a repository of
their own, whose first release renames the metrics of inference (`gen_ai.client.inference.duration` and its kin).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

__all__ = [
    "ATTEMPTS",
    "ATTEMPT_COST",
    "ATTEMPT_FIRST_CHUNK",
    "ATTEMPT_MODEL",
    "ATTEMPT_NUMBER",
    "ATTEMPT_OUTCOME",
    "ATTEMPT_REJECTED",
    "ATTEMPT_WHY",
    "CACHE_CREATION_TOKENS",
    "CACHE_READ_TOKENS",
    "CHOICE_COUNT",
    "COST",
    "CURRENCY",
    "DENY",
    "ERROR_TYPE",
    "FINISH_REASONS",
    "FIRST_CHUNK",
    "INPUT_MESSAGES",
    "INPUT_TOKENS",
    "LEDGER_CALL",
    "LEDGER_EVENT",
    "LEDGER_KIND",
    "LEDGER_NUMBER",
    "LEDGER_SEGMENT",
    "MAX_TOKENS",
    "OPERATIONS",
    "OPERATION_DURATION",
    "OPERATION_NAME",
    "OUTPUT_MESSAGES",
    "OUTPUT_TOKENS",
    "OUTPUT_TYPE",
    "PROVIDER_NAME",
    "REASONING_TOKENS",
    "RECEIPT",
    "REQUEST_ID",
    "REQUEST_MODEL",
    "REQUEST_STREAM",
    "RESPONSE_ID",
    "RESPONSE_MODEL",
    "ROUTE",
    "SCOPE",
    "SECOND_BOUNDS",
    "SEED",
    "SERVER_ADDRESS",
    "SERVER_PORT",
    "STATUS_CODE",
    "TAG",
    "TARGET",
    "TEMPERATURE",
    "TIME_TO_FIRST_CHUNK",
    "TOKEN_BOUNDS",
    "TOKEN_TYPE",
    "TOKEN_USAGE",
    "TOP_P",
    "VERDICTS",
]

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the conventions name: spans and metrics.
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# Spans: what was asked.
CHOICE_COUNT: Final = "gen_ai.request.choice.count"
MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_STREAM: Final = "gen_ai.request.stream"
SEED: Final = "gen_ai.request.seed"
TEMPERATURE: Final = "gen_ai.request.temperature"
TOP_P: Final = "gen_ai.request.top_p"
OUTPUT_TYPE: Final = "gen_ai.output.type"

# Spans: what came back.
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"

# Spans: content, for those who ask for it.
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

# Metrics.
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105  a name
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  a name

TOKEN_BOUNDS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
SECOND_BOUNDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)

OPERATIONS: Final[Mapping[str, str]] = MappingProxyType({"embed": "embeddings"})
"""The conventions' word for an operation, where it is another than ours."""

# Ours: what the conventions have no name for.
SCOPE: Final = "saferoute"
ROUTE: Final = "saferoute.route"
TARGET: Final = "saferoute.target"
ATTEMPTS: Final = "saferoute.attempts"
COST: Final = "saferoute.cost"
CURRENCY: Final = "saferoute.currency"
RECEIPT: Final = "saferoute.receipt"
DENY: Final = "saferoute.deny"
VERDICTS: Final = "saferoute.verdicts"
TAG: Final = "saferoute.tag."
ATTEMPT_NUMBER: Final = "saferoute.attempt.number"
ATTEMPT_COST: Final = "saferoute.attempt.cost"
ATTEMPT_FIRST_CHUNK: Final = "saferoute.attempt.time_to_first_chunk"
ATTEMPT_MODEL: Final = "saferoute.attempt.model"
ATTEMPT_OUTCOME: Final = "saferoute.attempt.outcome"
ATTEMPT_WHY: Final = "saferoute.attempt.why"
ATTEMPT_REJECTED: Final = "saferoute.attempt.rejected"
REQUEST_ID: Final = "saferoute.request_id"

# Ours: a record of the ledger as a log record.
LEDGER_EVENT: Final = "saferoute.ledger.record"
LEDGER_KIND: Final = "saferoute.ledger.kind"
LEDGER_SEGMENT: Final = "saferoute.ledger.segment"
LEDGER_NUMBER: Final = "saferoute.ledger.seq"
LEDGER_CALL: Final = "saferoute.call"
