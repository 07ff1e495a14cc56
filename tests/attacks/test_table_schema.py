"""Tables that are properly signed and say something that no table may say: closed schemas, exact origins, aliases inside the table."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import NoRoute, UntrustedTable
from saferoute.routing.resolve import resolve
from saferoute.routing.rows import is_passable
from saferoute.routing.schema import check
from saferoute.routing.shapes import RELEASE, ROOT, TABLE
from saferoute.signing.refusal import Refused
from saferoute.values.target import Deadlines
from tests.support.trust_cases import alias, files, full_table, release_payload, root_payload, row, table, wildcard

if TYPE_CHECKING:
    from collections.abc import Iterator

FORBIDDEN_FIELDS = [
    "api_base",
    "base_url",
    "url",
    "headers_extra",
    "proxy",
    "verify",
    "key",
    "api_key",
    "callback",
    "__class__",
    "$ref",
    "",
    "Schema",
]


def records(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of every object at any depth."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from records(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from records(item, (*path, index))


def with_field(value: Any, path: tuple[Any, ...], name: str, item: object) -> Any:
    changed = json.loads(json.dumps(value))  # no part of the copy is shared
    inner = changed
    for step in path:
        inner = inner[step]
    inner[name] = item
    return changed


OPEN = ("annotations",)
NUMBERS = (("weights",), ("multipliers",))  # their fields are names of rows, and of terms
NAMED = (("guards",), ("tools",))  # their fields are names of guards, profiles and tools, and {} is one of them
PAYLOADS = {
    "table": (full_table(), TABLE),
    "root": (root_payload(), ROOT),
    "release": (release_payload(b"{}", annotations={"a": "b"}), RELEASE),
}
PLACES = [(name, path) for name, (payload, _) in PAYLOADS.items() for path in records(payload) if path[-1:] not in (OPEN, *NUMBERS)]


def test_the_full_payloads_fit() -> None:
    for name, (payload, shape) in PAYLOADS.items():
        check(payload, shape, name)
    assert len(PLACES) > 25


@pytest.mark.parametrize(("name", "path"), PLACES, ids=[f"{name}.{'.'.join(map(str, path))}" for name, path in PLACES])
@pytest.mark.parametrize("field", FORBIDDEN_FIELDS)
def test_an_unknown_field_is_refused_at_every_depth(name: str, path: tuple[Any, ...], field: str) -> None:
    payload, shape = PAYLOADS[name]
    with pytest.raises(Refused) as refused:
        check(with_field(payload, path, field, {"url": "https://evil.example"}), shape, name)
    said = str(refused.value).replace("[", ".").replace("]", "")
    assert said.startswith(".".join(map(str, (name, *path))))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), st.text(min_size=1, max_size=12), st.sampled_from([1, "x", True, None, [], {}]))
def test_a_random_field_is_refused_at_every_depth(place: tuple[str, tuple[Any, ...]], field: str, item: object) -> None:
    name, path = place
    payload, shape = PAYLOADS[name]
    inner = payload
    for step in path:
        inner = inner[step]
    if field not in inner and not (path[-1:] in NAMED and item == {}):
        with pytest.raises(Refused):
            check(with_field(payload, path, field, item), shape, name)


def test_annotations_are_open_and_change_nothing() -> None:
    plain = files(table(row())).open()
    noted = files(table(row(), annotations={"model": "other", "origin": "https://evil.example"})).open()
    assert resolve(plain, "main") == resolve(noted, "main")
    for bad in ({"a": 1}, {"A": "b"}, {"a": {"b": "c"}}, ["a"]):
        with pytest.raises(UntrustedTable, match="annotations"):
            files(table(row(), annotations=bad)).open()


# Each of these is no place for a key, however a URL library, a person or a resolver reads it.
LOOKALIKES = [
    "http://api.openai.com",
    "https://api.openai.com/",
    "https://api.openai.com/v1",
    "https://api.openai.com?x",
    "https://api.openai.com#x",
    "https://api.openai.com:443",
    "https://api.openai.com:0443",
    "https://api.openai.com:",
    "https://api.openai.com:99999",
    "https://api.openai.com.",
    "https://api.openai.com..",
    "https://API.openai.com",
    "HTTPS://api.openai.com",
    "https://api.openai.com@evil.example",
    "https://user:pw@api.openai.com",
    "https://evil.example\\@api.openai.com",
    "https://api.openai.com\\.evil.example",
    "https://api.openai.com%2eevil.example",
    "https://api.openai.com\t.evil.example",
    "https://api.openai.com\n.evil.example",
    "https://api.openai.com\x00.evil.example",
    " https://api.openai.com",
    "https://api.openai.com ",
    "https:/api.openai.com",
    "https:api.openai.com",
    "//api.openai.com",
    "api.openai.com",
    "https://*.openai.com",
    "https://аpi.openai.com",
    "https://xn--pi-7cc.openai.com",
    "https://ａpi.openai.com",
    "https://api。openai。com",
    "https://api.openaı.com",
    "https://api-.openai.com",
    "https://-api.openai.com",
    "https://api..openai.com",
    "https://api_openai.com",
    "https://2130706433",
    "https://0x7f000001",
    "https://0177.0.0.1",
    "https://127.1",
    "https://127.0.0.1",
    "https://169.254.169.254",
    "https://[::ffff:169.254.169.254]",
    "https://[fe80::1]",
    "https://8.8.8.8",
    "https://localhost",
    "https://evil.localhost",
    "https://metadata.google.internal",
    "https://printer.local",
    "https://intranet",
    "ftp://api.openai.com",
    "file:///etc/passwd",
    "os.environ/OPENAI_BASE",
    "",
]


@pytest.mark.parametrize("origin", LOOKALIKES)
def test_a_lookalike_origin_is_refused(origin: str) -> None:
    with pytest.raises(UntrustedTable, match=r"routes\[0\]\.(origin|net)"):
        files(table(row(origin=origin))).open()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"origin": "http://127.0.0.1:8080"}, "loopback"),
        ({"origin": "http://127.0.0.1:8080", "net": "loopback"}, None),
        ({"origin": "http://[::1]:8080", "net": "loopback"}, None),
        ({"origin": "http://localhost:8080", "net": "loopback"}, None),
        ({"origin": "https://localhost", "net": "loopback"}, None),
        ({"origin": "http://127.0.0.2", "net": "loopback"}, "loopback"),
        ({"origin": "https://api.example.com", "net": "loopback"}, "loopback"),
        ({"origin": "http://0.0.0.0", "net": "loopback"}, "loopback"),
        ({"origin": "https://gpu.corp.internal", "net": "private", "networks": ["10.0.0.0/8"]}, None),
        ({"origin": "https://10.1.2.3", "net": "private", "networks": ["10.1.0.0/16"]}, None),
        ({"origin": "https://[fd12::1]", "net": "private", "networks": ["fd12::/16"]}, None),
        ({"origin": "http://10.1.2.3", "net": "private", "networks": ["10.1.0.0/16"]}, "plain http"),
        ({"origin": "https://10.2.2.3", "net": "private", "networks": ["10.1.0.0/16"]}, "none of the row's networks"),
        ({"origin": "https://10.1.2.3", "net": "private"}, "networks"),
        ({"origin": "https://10.1.2.3", "net": "private", "networks": []}, "0 entries"),
        ({"networks": ["10.0.0.0/8"]}, "networks"),
        ({"origin": "https://a.corp", "net": "private", "networks": ["0.0.0.0/0"]}, "private range"),
        ({"origin": "https://a.corp", "net": "private", "networks": ["127.0.0.0/8"]}, "private range"),
        ({"origin": "https://a.corp", "net": "private", "networks": ["169.254.0.0/16"]}, "private range"),
        ({"origin": "https://a.corp", "net": "private", "networks": ["fc00::/7"]}, "metadata"),
        ({"origin": "https://a.corp", "net": "private", "networks": ["10.0.0.1/8"]}, "no network"),
        ({"origin": "https://a.corp", "net": "private", "networks": ["10.0.0.0"]}, "write 10.0.0.0/32"),
        ({"origin": "https://a.corp", "net": "private", "networks": ["ten"]}, "no network"),
        ({"net": "anywhere"}, "one of public"),
    ],
)
def test_an_origin_fits_its_net_class(changes: dict[str, Any], why: str | None) -> None:
    made = files(table(row(**changes)))
    if why is None:
        assert made.open().name == "acme"
    else:
        with pytest.raises(UntrustedTable, match=why):
            made.open()


BAD_NAMES = [
    "..",
    "../main",
    "a/../b",
    "a..b",
    ".a",
    "a.",
    "-a",
    "a-",
    "A",
    "ä",
    "a b",
    "a\n",
    "a\x00",
    "",
    "a" * 65,
    "a/b",
    "a\\b",
    "*",
    "con\u200bfig",
]
BAD_MODELS = [
    "../x", "a/../b", "..", ".", "./a", "/a", "a/", "a//b", "https://evil.example/v1", "a?b", "a#b", "a%2e", "a\\b", "a b", "a\nb", "a\x7f", "ä",
    "a" * 201, "", "a*", "a;b",
]  # fmt: skip
GOOD_MODELS = [
    "gpt-6.2-sol",
    "llama3:8b",
    "meta-llama/Llama-3.1-8B",
    "accounts/fireworks/models/x",
    "ft:gpt-4o:org::id",
    "@cf/meta/llama",
    "a...b",
    "v1..2",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_cannot_be_read_as_a_path(name: str) -> None:
    for bad in (table(row(id=name)), table(row(provider=name)), table(row(), aliases={name: alias("main")}), table(row(region=name))):
        with pytest.raises(UntrustedTable):
            files(bad).open()


@pytest.mark.parametrize("model", BAD_MODELS)
def test_a_models_name_cannot_be_read_as_a_path(model: str) -> None:
    with pytest.raises(UntrustedTable):
        files(table(row(model=model))).open()
    opened = files(table(wildcard())).open()
    with pytest.raises(NoRoute):
        resolve(opened, f"open/{model}")


@pytest.mark.parametrize("model", GOOD_MODELS)
def test_other_models_names_are_taken(model: str) -> None:
    opened = files(table(row(model=model), wildcard())).open()
    assert resolve(opened, "main")[0].model == model
    assert resolve(opened, f"open/{model}")[0].model == model


def test_a_caller_cannot_make_a_wildcard() -> None:
    with pytest.raises(NoRoute):
        resolve(files(table(wildcard())).open(), "open/*")


PASSING = ["service_tier", "verbosity", "prompt_cache_key", "top_k", "logit_bias", "inference_geo", "chat_template_kwargs", "thinkingLevel"]
REFUSED_PARAMS = [
    "api_base", "base_url", "baseUrl", "url", "image_url", "uri", "endpoint", "host", "proxy", "http_proxy", "headers", "extra_headers", "api_key",
    "apiKey", "apikey", "key", "token", "access_token", "auth", "authorization", "secret", "aws_secret_access_key", "password", "credentials", "file",
    "file_ids", "path", "directory", "ssl_verify", "verify", "cert", "callback", "webhook", "model", "models", "provider", "route", "fallbacks",
    "messages", "stream", "stream_options", "tools", "tool_choice", "max_tokens", "max_completion_tokens", "n", "best_of", "mcp_servers", "timeout",
    "redirect_uri", "cookies", "transport", "socket", "preset", "plugins", "_",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_PARAMS)
def test_a_caller_never_passes_an_address_a_credential_a_file_or_a_bound(name: str) -> None:
    assert not is_passable(name)
    with pytest.raises(UntrustedTable, match="extra_params"):
        files(table(row(extra_params=[name]))).open()


@pytest.mark.parametrize("name", PASSING)
def test_a_caller_may_pass_what_the_signer_lists(name: str) -> None:
    assert files(table(row(extra_params=[name]))).open().routes["main"].extra_params == {name}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (row(headers={"authorization": "Bearer x"}), "authorization is not a field"),
        (row(headers={"host": "evil.example"}), "host is not a field"),
        (row(headers={"x-title": "a\r\nx-api-key: b"}), "x-title"),
        (row(headers={"x-title": "ä"}), "x-title"),
        (row(headers={"x-title": ""}), "x-title"),
        (row(secret=None), "auth"),
        (row(auth="none"), "auth"),
        (row(secret="../../etc/passwd"), "secret"),
        (row(secret="os.environ/X"), "secret"),
        (row(secret="file:x"), "secret"),
        (row(auth="query"), "auth"),
        (row(path="v1"), "path"),
        (row(path="/../v1"), "path"),
        (row(path="/v1/"), "path"),
        (row(path="/v1?key=x"), "path"),
        (row(path="//evil.example"), "path"),
        (row(data="secret"), "data"),
        (row(dialect="grpc"), "dialect"),
        (row(max_output=10, default_max_output=11), "over max_output"),
        (row(max_output=0), "max_output is 0"),
        (row(max_output=True), "integer"),
        (row(prices={"currency": "USD", "input": 1}), "default_max_output is required"),
        (row(prices={"currency": "USD", "input": -1}, default_max_output=1), "input is -1"),
        (row(prices={"currency": "usd"}, default_max_output=1), "currency"),
        (wildcard(prices={"currency": "USD"}, default_max_output=1), "cannot have prices"),
        (row(families=[{"prefix": "a", "profile": {}}]), "families"),
        (wildcard(families=[{"prefix": "*", "profile": {}}]), "prefix"),
        (row(deadlines={"total": 0}), "total is 0"),
        (row(deadlines={"total": "1s"}), "integer"),
        (row(quirks={"stream_usage": 1}), "true or false"),
        (row(profile={"reasoning": "maybe"}), "reasoning"),
        (row(guards=["pii"]), "guards must be a name"),
        (row(guards="strict"), "guards: the table has no guard profile 'strict'"),
        (row(extra_params=["verbosity", "verbosity"]), "twice"),
        (row(extra_params="verbosity"), "list"),
        (row(id=None), "id is missing"),
        (row(annotations=[]), "object"),
    ],
)
def test_a_row_says_only_what_a_row_may_say(bad: dict[str, Any], why: str) -> None:
    with pytest.raises(UntrustedTable, match=why):
        files(table(bad)).open()


def chain(length: int) -> dict[str, Any]:
    return {f"a{n}": alias(f"a{n + 1}") for n in range(length - 1)} | {f"a{length - 1}": alias("main")}


@pytest.mark.parametrize(
    ("aliases", "why"),
    [
        ({"a": alias("a")}, "leads to itself"),
        ({"a": alias("b"), "b": alias("a")}, "leads to itself"),
        ({"a": alias("b"), "b": alias("c"), "c": alias("main", "a")}, "leads to itself"),
        (dict(sorted(chain(12).items(), key=lambda item: int(item[0][1:]))), "nested deeper"),
        ({"a": alias("nowhere")}, "no route 'nowhere'"),
        ({"a": alias("groq/llama")}, "no route 'groq/llama'"),
        ({"a": alias("open")}, "takes any model"),
        ({"a": alias("open/../x")}, r"aliases\.a\.targets"),
        ({"a": alias("https://evil.example")}, r"aliases\.a\.targets"),
        ({"a": alias()}, "0 entries"),
        ({"a": alias("main", "main")}, "twice"),
        ({"main": alias("open/x")}, "also a row's id"),
        ({"example": alias("main")}, "provider's name"),
        ({"a": alias("main", strategy="random")}, "strategy"),
        ({"a": alias("main", max_attempts=0)}, "max_attempts"),
        ({"a": alias("main", max_attempts=1000)}, "max_attempts"),
        ({"a": alias("main", retries=2)}, "retries is not a field"),
        ({"a": {"targets": "main", "strategy": "ordered", "max_attempts": 1}}, "list"),
        ({f"x{n}": alias(*(f"open/m{n}-{k}" for k in range(30))) for n in range(2)} | {"a": alias("x0", "x1")}, "leads to 60 rows"),
    ],
)
def test_an_alias_leads_to_rows_of_this_table_and_to_an_end(aliases: dict[str, Any], why: str) -> None:
    with pytest.raises(UntrustedTable, match=why):
        files(table(row(), wildcard(), aliases=aliases)).open()


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([row(), row()], "stands twice"),
        ([row(id="example", provider="other"), row(id="second")], "two things"),
        ([], "0 entries"),
    ],
)
def test_two_rows_never_share_a_name(rows: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(UntrustedTable, match=why):
        files({"schema": 1, "routes": rows, "aliases": {}}).open()


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        ({"operations": ["chat"], "routes": ["*"]}, "routes"),
        ({"operations": ["*"], "routes": ["main"]}, "operations"),
        ({"operations": [], "routes": ["main"]}, "0 entries"),
        ({"operations": ["chat"], "routes": []}, "0 entries"),
        ({"operations": ["chat"], "routes": ["nowhere"]}, "no route 'nowhere'"),
        ({"operations": ["chat"]}, "routes is missing"),
        ({"operations": ["chat"], "routes": ["main"], "models": ["x"]}, "models is not a field"),
        ({"operations": ["chat"], "routes": ["main"], "tools": ["*"]}, "tools"),
        ({"operations": ["chat"], "routes": ["main"], "regions": ["*"]}, "regions"),
        ({"operations": ["chat"], "routes": ["main"], "max_cost": 5}, "object"),
    ],
)
def test_a_grant_has_no_wildcards_and_names_what_is_there(grant: dict[str, Any], why: str) -> None:
    with pytest.raises(UntrustedTable, match=why):
        files(table(grant=grant)).open()


def test_a_row_changed_in_memory_is_noticed() -> None:
    opened = files(table(row(), wildcard(), aliases={"a": alias("main", "open/x")})).open()
    first, second = resolve(opened, "a")
    opened.recheck(first)
    opened.recheck(second)
    opened.recheck(replace(first, deadlines=Deadlines(total=1.0)))  # an alias has clocks of its own
    for target, name, value in (
        (first, "origin", "https://evil.example"),
        (second, "secret", "other"),
        (first, "model", "dearer"),
        (first, "id", "x"),
    ):
        bad = copy.copy(target)
        object.__setattr__(bad, name, value)
        with pytest.raises(UntrustedTable, match="not what was signed"):
            opened.recheck(bad)
    object.__setattr__(opened.routes["main"], "origin", "https://evil.example")
    with pytest.raises(UntrustedTable, match="not what was signed"):
        opened.recheck(first)


def test_a_table_cannot_be_changed() -> None:
    opened = files().open()
    with pytest.raises(TypeError):
        opened.routes["main"] = opened.routes["main"]  # type: ignore[index]
    with pytest.raises(TypeError):
        opened.aliases["x"] = None  # type: ignore[index]
    for thing, name in ((opened, "version"), (opened.routes["main"], "origin"), (opened, "grant")):
        with pytest.raises(AttributeError):
            setattr(thing, name, "x")
