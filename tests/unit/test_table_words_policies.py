"""How `saferoute table show` says what an alias does beyond its targets, and how `fmt` leaves it as it is."""

from __future__ import annotations

import json

from saferoute.cli.table_words import as_json, in_words
from saferoute.cli.toml_format import format_toml
from saferoute.routing.authoring import build
from saferoute.routing.release import Release
from saferoute.routing.table import compile_table

TOML = """
[routes.eu]
extends = "openai"
model = "big"
limits = { requests_per_minute = 600, tokens_per_minute = 90000, concurrent = 8, adaptive = true }
quota_group = "pool"

[routes.us]
extends = "anthropic"
model = "small"
limits = { adaptive = true }

[routes.new]
extends = "anthropic"
model = "new"

[aliases]
plain = ["eu", "us"]

[aliases.fast]
targets = ["eu", "us"]
strategy = "weighted"
weights = { eu = 3, us = 1 }
hedge = { after = "300ms" }
limits = { concurrent = 4 }

[aliases.fast.fallback]
any = "new"
context_window = ["new", "anthropic/small-2"]
content_filter = "new"
quota = "new"
timeout = "new"

[aliases.fast.shadow]
target = "new"
share = 10
max_cost = "$0.01"

[aliases.tagged]
targets = ["eu", "us"]
strategy = "by_tag"
tag = "tier"
tagged = { gold = ["us", "eu"] }
"""
TABLE = compile_table(
    build(TOML.replace("anthropic/small-2", "us2") + '[routes.us2]\nextends = "us"\nmodel = "s2"\n'), Release("draft", 1, 1, 0, 1, ())
)


def test_in_words() -> None:
    lines = in_words(TABLE, "a draft")
    aliases = lines[lines.index("Aliases: what programs call") + 1 : lines.index("Keys: who gets which") - 1]
    assert aliases == [
        "  fast  eu, us; at most 3 requests a call",
        "      strategy weighted",
        "      weights: eu 3, us 1",
        "      when nothing else answers, goes on to new (anthropic/new)",
        "      when a provider's filter refuses the content, goes on to new (anthropic/new)",
        "      when the context window is too small, goes on to new (anthropic/new), then us2 (anthropic/s2)",
        "      when a quota is used up, goes on to new (anthropic/new)",
        "      after a timeout, goes on to new (anthropic/new)",
        "      hedged: slow for 0.3 s, also sent to a second row; both are paid",
        (
            '      shadow: 10 in 1000 calls with data up to "internal" are copied to new (anthropic/new), at most 0.01 USD each; '
            "answers are thrown away"
        ),
        "      limits: 4 requests at once",
        "  plain  eu, then us; at most 3 requests a call",
        "  tagged  eu, us; at most 3 requests a call",
        "      strategy by_tag by the tag tier",
        "      tier gold: first us, eu",
    ]
    assert "      limits: 600 requests a minute, 90000 tokens a minute, 8 requests at once, adaptive" in lines
    assert "      shares its rate limit with the quota group pool" in lines
    assert lines.count("      limits: adaptive") == 2
    assert sum("quota group" in line for line in lines) == 1


def test_for_scripts() -> None:
    shown = json.loads(json.dumps(as_json(TABLE, "a draft")))
    new = {"route": "new", "model": "new"}
    assert shown["aliases"]["fast"] == {
        "targets": ["eu", "us"],
        "max_attempts": 3,
        "strategy": "weighted",
        "weights": {"eu": 3, "us": 1},
        "tag": "",
        "tagged": {},
        "fallback": {
            "any": [new], "content_filter": [new], "context_window": [new, {"route": "us2", "model": "s2"}], "quota": [new], "timeout": [new],
        },
        "hedge": {"after": 0.3},
        "shadow": {**new, "share": 10, "data": "internal", "max_cost": {"amount": 10_000_000, "currency": "USD"}},
        "limits": {"requests_per_minute": None, "tokens_per_minute": None, "concurrent": 4, "adaptive": False},
    }  # fmt: skip
    assert (shown["aliases"]["tagged"]["tag"], shown["aliases"]["tagged"]["tagged"]) == ("tier", {"gold": ["us", "eu"]})
    assert (shown["aliases"]["plain"]["shadow"], shown["aliases"]["plain"]["limits"]) == (None, None)
    assert (shown["routes"]["eu"]["quota_group"], shown["routes"]["eu"]["limits"]["concurrent"]) == ("pool", 8)
    assert (shown["routes"]["new"]["quota_group"], shown["routes"]["new"]["limits"]) == ("", None)


def test_formatting_keeps_every_field() -> None:
    made = TOML.replace("anthropic/small-2", "new").replace('["new", "new"]', '"new"')
    crooked = made.replace(" = ", "=").replace("{ ", "{")
    once = format_toml(crooked)
    assert (format_toml(once), build(once)) == (once, build(made))
    assert once.index("[aliases.fast]") < once.index("[aliases.fast.fallback]") < once.index("[aliases.fast.shadow]")
