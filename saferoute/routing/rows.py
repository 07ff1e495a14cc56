"""From a row of the table's payload to a frozen Target, with the rules that a shape cannot say."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from saferoute.routing.egress import compile_net
from saferoute.routing.policies import compile_limits
from saferoute.routing.price_lists import NO_PRICES, PricedModels, compile_prices
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import write_parsed
from saferoute.values.origin import parse_origin
from saferoute.values.target import Deadlines, Profile, Quirks, Target
from saferoute.wire.sigv4 import scope_of_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.guard_profile import GuardProfile

__all__ = ["Row", "compile_deadlines", "compile_row", "family_name", "is_passable"]

# A caller passes these straight to the provider. A name with one of these words could change where a call goes, what it presents,
# what is read from a disk, or which model answers; the last ones are what saferoute itself writes, or what multiplies the output.
_REFUSED_WORDS = frozenset(
    {
        "url", "urls", "uri", "uris", "host", "hosts", "hostname", "domain", "origin", "endpoint", "endpoints", "base", "server",
        "servers", "proxy", "proxies", "socket", "transport", "address", "port", "header", "headers", "cookie", "cookies", "redirect",
        "redirects", "webhook", "webhooks", "callback", "callbacks", "connector", "connectors", "mcp", "auth", "authorization",
        "authentication", "secret", "secrets", "password", "passwd", "credential", "credentials", "bearer", "cert", "certificate", "ssl",
        "tls", "verify", "file", "files", "filename", "path", "paths", "directory", "dir", "folder", "apikey", "apibase", "baseurl",
        "model", "models", "provider", "providers", "route", "routes", "router", "fallback", "fallbacks", "preset", "transforms",
        "plugins", "timeout", "retries", "messages", "system", "tools", "functions", "stream", "n",
    }
)  # fmt: skip
_REFUSED_NAMES = frozenset(
    {
        "best_of", "candidateCount", "data_sources", "extra_body", "extra_query", "function_call", "input", "inputs", "maxOutputTokens",
        "maxTokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens", "max_tokens", "n_predict", "num_predict",
        "num_return_sequences", "previous_response_id", "prompt", "stream_options", "tool_choice", "use_beam_search",
    }
)  # fmt: skip
_KEYS_THAT_ARE_NONE = frozenset({"prompt_cache_key"})  # names that end like a credential's and are none
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")

# What stands before a model's own name where the dialect has one name for the model, and others for it in some regions.
_ELSEWHERE: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "bedrock_converse": re.compile(
            r"(?:arn:aws[a-z-]*:bedrock:[^/]*/)?(?:(?:global|us|us-gov|eu|apac|jp|au|ca|sa|me|af)\.(?=[a-z0-9-]+\.))?"
        )
    }
)

_PLAIN: Final = Profile()
_NO_QUIRKS: Final = Quirks()
_DEFAULT_CLOCKS: Final = Deadlines()
_NO_PARAMS: Final[frozenset[str]] = frozenset()
_NO_PROFILES: Final[Mapping[str, GuardProfile]] = MappingProxyType({})
_NO_LISTS: Final[Mapping[str, PricedModels]] = MappingProxyType({})


def is_passable(name: str) -> bool:
    """Whether a wire field of this name may be left to the caller."""
    words = name.split("_") if name.islower() else [word.lower() for word in _WORDS.findall(name)]
    if name in _KEYS_THAT_ARE_NONE:
        return True
    return bool(words) and words[-1] not in ("key", "token") and name not in _REFUSED_NAMES and not _REFUSED_WORDS.intersection(words)


def family_name(model: str, dialect: str) -> str:
    """A model's name as families know it: "us.anthropic.claude-..." is what "anthropic.claude-..." is, in other regions."""
    before = _ELSEWHERE.get(dialect)
    return model if before is None else before.sub("", model, count=1)


@dataclass(frozen=True, slots=True)
class Row:
    """A compiled row.

    Attributes:
        target: the row; its model is "*" if the row takes any.
        families: for a wildcard row: (beginning of a model's name, what such a model can do), the first match counts.
        mark: hash of the target, to notice if it is changed in memory.
        listed: what models cost there, by their exact names: those that begin alike do not cost alike.
    """

    target: Target
    families: tuple[tuple[str, Profile], ...]
    mark: int
    listed: PricedModels = NO_PRICES

    def filled(self, model: str) -> Target:
        """The row's target with a model's name put in for the wildcard."""
        name = family_name(model, self.target.dialect)
        profile = next((profile for prefix, profile in self.families if name.startswith(prefix)), self.target.profile)
        return replace(self.target, model=model, profile=profile, prices=self.listed.prices.get(model))

    def prices_are(self, target: Target) -> bool:
        """Whether this row's target, or one that was filled in, still has the prices that were signed for its model."""
        if target.model == self.target.model:
            return target.prices == self.target.prices
        return self.listed.is_intact(target.model, target.prices)


def compile_row(
    row: Mapping[str, Any],
    path: str,
    guards: Mapping[str, GuardProfile] = _NO_PROFILES,
    lists: Mapping[str, PricedModels] = _NO_LISTS,
) -> Row:
    """Compile a row that fits its shape.

    Args:
        row: the payload's row, as `strict_json.parse` made it or would.
        path: where it stands, for errors.
        guards: the table's guard profiles.
        lists: the table's lists of prices.

    Raises:
        Refused: for what `compile_net` refuses, a secret without a way to present it (and the reverse), prices on a
            wildcard row or without a bound, bounds that contradict each other, parameters that callers must never choose, and a guard
            profile or a list of prices that the table does not have.
    """
    net = compile_net(row, path)
    secret, auth = row.get("secret"), row["auth"]
    if (secret is None) != (auth == "none"):
        raise Refused(f'{path}.auth: a row names a secret and how it is presented, or has neither (auth = "none")')
    if auth == "sigv4" and scope_of_host(parse_origin(row["origin"]).host) is None:
        raise Refused(
            f'{path}.auth: "sigv4" is for hosts of AWS that name service and region, such as bedrock-runtime.us-east-1.amazonaws.com'
        )
    wildcard = row["model"] == "*"
    if "families" in row and not wildcard:
        raise Refused(f'{path}.families: only a row with model = "*" has families')
    _check_bounds(row, path, wildcard=wildcard)
    for name in row.get("extra_params", ()):
        if not is_passable(name):
            why = "it is, or looks like, an address, a credential, a file or a bound"
            raise Refused(f"{path}.extra_params: callers must not choose {name!r}: {why}")
    if "guards" in row and row["guards"] not in guards:
        raise Refused(f"{path}.guards: the table has no guard profile {row['guards']!r}; write [guards.{row['guards']}]")
    if "price_list" in row and row["price_list"] not in lists:
        raise Refused(f"{path}.price_list: the table has no list {row['price_list']!r}; write [price_lists.{row['price_list']}]")
    listed = lists[row["price_list"]] if "price_list" in row else NO_PRICES
    prices = compile_prices(row["prices"], f"{path}.prices", row["prices"]["currency"]) if "prices" in row else None
    profile = Profile(**_profile(row["profile"])) if "profile" in row else _PLAIN
    target = Target(
        id=row["id"],
        provider_name=row["provider"],
        dialect=row["dialect"],
        origin=row["origin"],
        path=row["path"],
        net=net,
        model=row["model"],
        secret=secret,
        auth=auth,
        headers=tuple(sorted(row["headers"].items())) if "headers" in row else (),
        data=row["data"],
        max_output=row.get("max_output"),
        default_max_output=row.get("default_max_output"),
        extra_params=frozenset(row["extra_params"]) if "extra_params" in row else _NO_PARAMS,
        quirks=Quirks(**row["quirks"]) if "quirks" in row else _NO_QUIRKS,
        profile=profile,
        prices=prices or listed.prices.get(row["model"]),
        deadlines=compile_deadlines(row["deadlines"], _DEFAULT_CLOCKS) if "deadlines" in row else _DEFAULT_CLOCKS,
        region=row.get("region", ""),
        digest=hashlib.sha256(write_parsed(row)).hexdigest(),
        limits=compile_limits(row["limits"], f"{path}.limits") if "limits" in row else None,
        quota_group=row.get("quota_group", ""),
        guards=guards[row["guards"]] if "guards" in row else None,
    )
    families: tuple[tuple[str, Profile], ...] = ()
    if "families" in row:
        families = tuple([(family["prefix"], replace(profile, **_profile(family["profile"]))) for family in row["families"]])
    return Row(target, families, hash(target), listed)


def _profile(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {**raw, "efforts": tuple(raw["efforts"])} if "efforts" in raw else dict(raw)


def _check_bounds(row: Mapping[str, Any], path: str, *, wildcard: bool) -> None:
    most, default = row.get("max_output"), row.get("default_max_output")
    if most is not None and default is not None and default > most:
        raise Refused(f"{path}.default_max_output: {default} is over max_output, {most}")
    if "prices" not in row:
        return
    if wildcard:
        raise Refused(f'{path}.prices: a row with model = "*" cannot have prices; add a row for the model')
    if default is None:
        raise Refused(f"{path}.default_max_output is required where there are prices: without a bound a call has no worst case")


def compile_deadlines(milliseconds: Mapping[str, int], default: Deadlines) -> Deadlines:
    """Put a payload's clocks, in milliseconds, over the default ones, in seconds."""
    return replace(default, **{name: value / 1000 for name, value in milliseconds.items()}) if milliseconds else default
