"""The fields of every signed payload, schema 1, as shapes. What a field means is checked where it is compiled."""

from __future__ import annotations

import re
from typing import get_args

from saferoute.routing.credentials import CREDENTIAL, CREDENTIAL_NAME
from saferoute.routing.egress import EGRESS, NETWORKS
from saferoute.routing.guard_profiles import GUARD_PROFILE, PROFILE_NAME, TEMPLATE, TEMPLATE_NAME, TOOL_NAME
from saferoute.routing.price_lists import MAX_PRICE_LISTS, PRICES, price_list_shape
from saferoute.routing.schema import ANNOTATIONS, Flag, ListOf, MapOf, Record, Text, Whole
from saferoute.values.balancing import Cause, Strategy
from saferoute.values.http import AuthScheme
from saferoute.values.permission import Period, Scope
from saferoute.values.request import ReasoningEffort
from saferoute.values.target import Dialect

__all__ = [
    "ALIAS", "BUDGET", "BUNDLE", "CEILING", "GRANT", "HEADERS", "ISSUER", "MODEL", "PRICE_LIST", "RELEASE", "REVOCATIONS", "ROOT", "ROW",
    "SCHEMA", "STATE", "STATUS", "TABLE",
]  # fmt: skip

SCHEMA = 1
"""The one schema of each payload that this version knows."""

MAX_ROOT_BYTES = 64 * 1024
MAX_RELEASE_BYTES = 2048
MAX_STATUS_BYTES = 64 * 1024
MAX_TABLE_BYTES = 7_000_000
MAX_BUNDLE_BYTES = 10_000_000
MAX_ROUTES = 2000
MAX_ALIASES = 500
MAX_CREDENTIALS = 200
MAX_ALIAS_TARGETS = 32
MAX_GUARD_PROFILES = 100
MAX_TEMPLATES = 200
MAX_TAGGED = 64
MAX_HEDGE_MS = 600_000
MAX_REVOKED = 600
MAX_GRACE_HOURS = 72
MAX_TOKEN_LIFE = 366 * 86_400
MAX_TOKEN_BLOCKS = 8

# Words of letters and digits, joined by single dots, dashes or underscores: no "..", nothing that a path or a URL could read.
_WORD = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
# A model's name may stand in a URL path: no empty, "." or ".." segment, no "?", "#", "%", "\" or ";". And no "*".
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[!$&'()+,\-.0-9:=@A-Z\[\]_a-z~]+"
_MODEL_NAME = rf"{_SEGMENT}(?:/{_SEGMENT})*"

MODEL = re.compile(_MODEL_NAME)
"""A model's name, without the wildcard; at most 200 characters."""

MAX_MODEL = 200

OPERATIONS = ("chat", "embed", "count_tokens", "models", "rerank", "transcribe", "speak", "image", "moderate")
"""What a grant can allow."""

HEADERS = ("anthropic-beta", "http-referer", "openai-organization", "openai-project", "x-title")
"""The static headers that a row may set."""

_name = Text(re.compile(_WORD), longest=64, what='a name of lower-case letters and digits, joined by single ".", "-" or "_"')
_table_name = Text(re.compile(rf"{_WORD}(?:/{_WORD}){{0,3}}"), longest=128, what='a name such as "acme" or "acme/prod"')
_label = Text(re.compile(_WORD), longest=64, what="a label of lower-case letters and digits")
_hex = Text(re.compile(r"[0-9a-f]{64}"), longest=64, what="64 lower-case hexadecimal digits")
_schema = Whole(SCHEMA, SCHEMA)
_version = Whole(1, 2**53 - 1)
_time = Whole(0, 253_402_300_799)  # the last second of the year 9999
_tokens = Whole(1, 1_000_000_000)
_data = Text(choices=("public", "internal", "confidential", "restricted"))
_currency = Text(re.compile(r"[A-Z]{3}"), longest=3, what="a currency code such as USD")
_money = Whole(0, 2**53 - 1)
_clock = Whole(1, 86_400_000)

_role = Record({"keyids": ListOf(_hex, 16, 1, distinct=True), "threshold": Whole(1, 16)})
_key = Record({"algorithm": Text(choices=("ed25519",)), "public": Text(longest=44)})
_cost = Record({"amount": _money, "currency": _currency})

BUDGET = Record(
    {"amount": _money, "currency": _currency, "per": Text(choices=get_args(Period))},
    {"scope": Text(choices=get_args(Scope)), "replicas": Whole(1, 100_000)},
)
# What all callers of a grant, or all tokens of an issuer, may ask for together.
SHARED_LIMITS = Record(
    {},
    {
        **dict.fromkeys(("requests_per_minute", "tokens_per_minute", "concurrent"), Whole(1, 1_000_000_000)),
        "scope": Text(choices=get_args(Scope)),
    },
)

# What an issuer's tokens may allow at most. A token names what it allows, so there are no wildcards and no aliases here either.
CEILING = Record(
    {},
    {
        "operations": ListOf(Text(choices=OPERATIONS), 16, 1, distinct=True),
        "models": ListOf(Text(MODEL, longest=MAX_MODEL, what="a model's name"), 500, 1, distinct=True),
        "providers": ListOf(_name, 200, 1, distinct=True),
        "routes": ListOf(_name, 500, 1, distinct=True),
        "tools": ListOf(TOOL_NAME, 200, distinct=True),
        "data": _data,
        "regions": ListOf(_label, 64, 1, distinct=True),
        "max_output": _tokens,
        "max_cost": _cost,
        "budget": BUDGET,
        "limits": SHARED_LIMITS,
    },
)
ISSUER = Record(
    {
        "keyids": ListOf(_hex, 16, 1, distinct=True),
        "max_life": Whole(1, MAX_TOKEN_LIFE),
        "max_depth": Whole(1, MAX_TOKEN_BLOCKS),
        "ceiling": CEILING,
    },
    {"annotations": ANNOTATIONS},
)

ROOT = Record(
    {
        "schema": _schema,
        "name": _table_name,
        "version": _version,
        "issued": _time,
        "not_after": _time,
        "keys": MapOf(_hex, _key, 128, 1),
        "roles": Record({"root": _role, "table": _role}, {"status": _role, "log": _role}),
    },
    {"issuers": MapOf(_name, ISSUER, 64), "grace_hours": Whole(0, MAX_GRACE_HOURS), "annotations": ANNOTATIONS},
)

RELEASE = Record(
    {
        "schema": _schema,
        "name": _table_name,
        "version": _version,
        "root_version": _version,
        "issued": _time,
        "not_after": _time,
        "tables": ListOf(Record({"schema": Whole(1, 1_000_000), "sha256": _hex, "size": Whole(2, MAX_TABLE_BYTES)}), 8, 1),
    },
    {"annotations": ANNOTATIONS},
)

_revoked = ListOf(Text(re.compile(r"[A-Za-z0-9._:-]+"), longest=128, what="a token's jti or a digest"), MAX_REVOKED, distinct=True)
STATUS = Record(
    {
        "schema": _schema,
        "name": _table_name,
        "root_version": _version,
        "version": _version,
        "issued": _time,
        "not_after": _time,
        "release": Record({"version": _version, "digest": _hex}),
        "revoked": _revoked,
        "halted": ListOf(_name, MAX_ROUTES, distinct=True),
    },
    {"annotations": ANNOTATIONS},
)
REVOCATIONS = Record(
    {"schema": _schema, "name": _table_name, "root_version": _version, "version": _version, "issued": _time, "revoked": _revoked},
    {"annotations": ANNOTATIONS},
)

# Not signed: what this installation accepted before, in a file of its own.
_seen = Record({"version": _version, "digest": _hex})
STATE = Record(
    {"schema": _schema, "pinned": _hex, "name": _table_name, "root": _seen, "table": _seen, "floor_time": _time},
    {"status": _seen, "revocations": _seen},
)

# The bundle is not signed. The envelope in it has a strict reader of its own, and the bodies are named by digest.
_base64 = Text(longest=MAX_BUNDLE_BYTES)
BUNDLE = Record(
    {
        "release": Record(
            {
                "payload": _base64,
                "payloadType": Text(),
                "signatures": ListOf(Record({"keyid": Text(), "sig": Text()}), 16),
            }
        ),
        "tables": ListOf(_base64, 8, 1),
    }
)

_deadlines = Record({}, {"connect": _clock, "first_byte": _clock, "idle": _clock, "total": _clock})
_profile = Record(
    {},
    {
        "context_window": _tokens,
        "max_output": _tokens,
        **dict.fromkeys(
            ("tools", "tool_choice", "parallel_tools", "vision", "files", "audio", "json_schema", "sampling", "seed", "logprobs"), Flag()
        ),
        "reasoning": Text(choices=("effort", "budget", "adaptive", "none")),
        "efforts": ListOf(Text(choices=get_args(ReasoningEffort)), 8, 1, distinct=True),
    },
)
_quirks = Record(
    {},
    {
        "max_tokens_field": Text(choices=("max_completion_tokens", "max_tokens")),
        "instruction_role": Text(choices=("system", "developer")),
        "stream_usage": Flag(),
        "tool_result_text_only": Flag(),
        "reasoning_field": Text(choices=("reasoning_effort", "thinking", "reasoning", "reasoning_enabled", "chat_template_kwargs")),
        "reasoning_echo": Text(choices=("never", "with_tools", "always")),
        "json_object": Flag(),
        "api_version": Text(re.compile(r"[a-z0-9.-]+"), longest=40, what='a version such as "2024-10-21"'),
        "model_in_path": Flag(),
        "anthropic_version": Text(re.compile(r"[a-z0-9.-]+"), longest=40, what='a version such as "vertex-2023-10-16"'),
    },
)
_rate = Whole(1, 1_000_000_000)
_limits = Record({}, {"requests_per_minute": _rate, "tokens_per_minute": _rate, "concurrent": _rate, "adaptive": Flag()})
_family = Record({"prefix": Text(MODEL, longest=MAX_MODEL, what="the beginning of a model's name"), "profile": _profile})

ROW = Record(
    {
        "id": _name,
        "provider": _name,
        "dialect": Text(choices=get_args(Dialect)),
        "origin": Text(longest=300),
        "path": Text(re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._~-]*)*"), longest=200, what='a path such as "/v1", or ""'),
        "net": Text(choices=("public", "loopback", "private")),
        "model": Text(re.compile(rf"\*|{_MODEL_NAME}"), longest=MAX_MODEL, what='a model\'s name or "*"'),
        "auth": Text(choices=get_args(AuthScheme)),
        "data": _data,
    },
    {
        "secret": Text(re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*"), longest=128, what="a secret's name"),
        "networks": NETWORKS,
        **EGRESS,
        "headers": Record({}, {name: Text(re.compile(r"[!-~](?:[ -~]*[!-~])?"), longest=500, what="a header's value") for name in HEADERS}),
        "region": _label,
        "max_output": _tokens,
        "default_max_output": _tokens,
        "extra_params": ListOf(Text(re.compile(r"[A-Za-z][A-Za-z0-9_]*"), longest=64, what="a field's name"), 100, distinct=True),
        "quirks": _quirks,
        "profile": _profile,
        "families": ListOf(_family, 100, 1),
        "prices": PRICES,
        "price_list": _name,
        "deadlines": _deadlines,
        "limits": _limits,
        "quota_group": _name,
        "guards": PROFILE_NAME,
        "annotations": ANNOTATIONS,
    },
)

_reference = Text(re.compile(rf"{_WORD}(?:/{_MODEL_NAME})?"), longest=300, what="a route, an alias or provider/model")
_references = ListOf(_reference, MAX_ALIAS_TARGETS, 1, distinct=True)
_tag_value = Text(re.compile(r"[!-~](?:[ -~]*[!-~])?"), longest=64, what="a tag's value")
ALIAS = Record(
    {"targets": _references, "strategy": Text(choices=get_args(Strategy)), "max_attempts": Whole(1, 20)},
    {
        "weights": MapOf(_name, Whole(0, 1000), MAX_ALIAS_TARGETS, 1),
        "tag": _label,
        "tagged": MapOf(_tag_value, ListOf(_name, MAX_ALIAS_TARGETS, 1, distinct=True), MAX_TAGGED, 1),
        "fallback": Record({}, dict.fromkeys(get_args(Cause), _references)),
        "hedge": Record({"after": Whole(0, MAX_HEDGE_MS)}),
        "shadow": Record({"target": _reference, "share": Whole(1, 1000), "max_cost": _cost}, {"data": _data}),
        "limits": _limits,
        "deadlines": _deadlines,
        "annotations": ANNOTATIONS,
    },
)
GRANT = Record(
    {
        "operations": ListOf(Text(choices=OPERATIONS), 16, 1, distinct=True),
        "routes": ListOf(_reference, 500, 1, distinct=True),
    },
    {
        "tools": ListOf(TOOL_NAME, 200, distinct=True),
        "data": _data,
        "regions": ListOf(_label, 64, 1, distinct=True),
        "max_output": _tokens,
        "max_cost": _cost,
        "audience": ListOf(_label, 64, 1, distinct=True),
        "guards": ListOf(_label, 64, 1, distinct=True),
        "budget": BUDGET,
        "limits": SHARED_LIMITS,
    },
)

PRICE_LIST = price_list_shape(Text(MODEL, longest=MAX_MODEL, what="a model's name"))

TABLE = Record(
    {
        "schema": _schema,
        "routes": ListOf(ROW, MAX_ROUTES, 1),
        "aliases": MapOf(_name, ALIAS, MAX_ALIASES),
    },
    {
        "credentials": MapOf(CREDENTIAL_NAME, CREDENTIAL, MAX_CREDENTIALS),
        "guards": MapOf(PROFILE_NAME, GUARD_PROFILE, MAX_GUARD_PROFILES),
        "templates": MapOf(TEMPLATE_NAME, TEMPLATE, MAX_TEMPLATES),
        "price_lists": MapOf(_name, PRICE_LIST, MAX_PRICE_LISTS),
        "grant": GRANT,
        "ledger": Text(choices=("stop", "warn")),
        "annotations": ANNOTATIONS,
    },
)
