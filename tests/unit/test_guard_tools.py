"""The tool policy: which calls pass, which are told of, which are stopped, and who is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import saferoute.guards
from saferoute.errors import ConfigurationError
from saferoute.guards import Action, ArgumentRule, Context, Guard, Segment, ToolApproval, ToolPolicyGuard, ToolRule, Verdict
from saferoute.guards.function import active_guards
from saferoute.guards.tool_policy_addresses import dangers_in, host_of, is_url, leads_to

SEND = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "count": {"type": "integer", "maximum": 9}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["to"],
}  # fmt: skip
SCHEMAS = {"send": json.dumps(SEND).encode(), "closed": b'{"type":"object","properties":{},"additionalProperties":false}'}
NEVER = ToolRule(approval="never")


def context(*, tainted: bool = False, schemas: Mapping[str, bytes] = SCHEMAS) -> Context:
    return Context("tool_call", "fast", tainted=tainted, tools=frozenset({"send", "fetch", "closed"}), schemas=schemas)


def said(guard: ToolPolicyGuard, arguments: object, name: str = "fetch", *, tainted: bool = False) -> Verdict:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return guard.check(Segment(text, "assistant", "model", name=name), context(tainted=tainted))


def ruled(*rules: ArgumentRule, **options: Any) -> ToolPolicyGuard:
    """A guard whose one rule allows `fetch` these arguments."""
    return ToolPolicyGuard({"fetch": ToolRule(approval="never", arguments=rules)}, **options)


# ----------------------------------------------------------------------------------------------------------------- names, form, schema


def test_what_it_is() -> None:
    guard = ToolPolicyGuard()
    assert isinstance(guard, Guard)
    (active,) = active_guards((guard,))
    assert (active.name, active.version, active.stages, active.quick, guard.seconds) == ("tools", "1", frozenset({"tool_call"}), True, inf)
    assert not active_guards((ToolPolicyGuard(approve=bool),))[0].quick
    assert saferoute.guards.ToolPolicyGuard is ToolPolicyGuard


@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize("name", ["", "other", "Fetch", "fetch ", "fetch\u200b", "ｆetch", "fetch\x00"])
def test_a_tool_that_is_not_offered(name: str, enforce: bool) -> None:
    verdict = said(ToolPolicyGuard(enforce=enforce), {}, name)
    assert verdict == Verdict(Action.BLOCK if enforce else Action.FLAG, ("the call offers no tool of exactly this name",))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"url": "http://a', "the arguments are not JSON, or end too early"),
        ("{} {}", "the arguments are not JSON, or end too early"),
        ('{"a": NaN}', "the arguments are not JSON, or end too early"),
        ("[" * 5000, "the arguments are not JSON, or end too early"),
        ('"\ud800"', "the arguments are not JSON, or end too early"),
        ("[]", "the arguments are no JSON object"),
        ("null", "the arguments are no JSON object"),
        ('"{}"', "the arguments are no JSON object"),
        ('{"a": 1, "a": 2}', "the arguments have a name twice, so that two programs may read them differently"),
        ('{"b": [{"a": 1, "\\u0061": 2}]}', "the arguments have a name twice, so that two programs may read them differently"),
        ('{"a": 1e999}', "the arguments hold a number that is too large for programs to agree on"),
        ('{"a": "\\ud800"}', "the arguments hold half a character"),
        ('{"\\ud800": 1}', "the arguments hold half a character"),
        ('{"a":' * 65 + "1" + "}" * 65, "the arguments are deeper than 64 levels"),
        (f'{{"a": "{"x" * 1_000_000}"}}', "the arguments have more than 1000000 characters"),
        (json.dumps({"a": ["x"] * 20_000}), "the arguments hold more than 20000 names and texts"),
    ],
)
@pytest.mark.parametrize("enforce", [True, False])
def test_arguments_that_cannot_be_read(arguments: str, reason: str, enforce: bool) -> None:
    assert said(ToolPolicyGuard(enforce=enforce), arguments) == Verdict(Action.BLOCK if enforce else Action.FLAG, (reason,))


@pytest.mark.parametrize(
    "arguments",
    [
        "", " \n", "{}", '{"a":1}', '{ "a" : [1.5, true, null, "ä", {"b": {}}] }', '{"a":' * 63 + "1" + "}" * 63,
        json.dumps({"a": ["x"] * 19_999}),
    ],
)  # fmt: skip
def test_arguments_that_can(arguments: str) -> None:
    assert said(ToolPolicyGuard(), arguments) == Verdict(Action.ALLOW)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("send", "", "the arguments do not fit the tool's schema at /to: required"),
        ("send", {"to": 5}, "the arguments do not fit the tool's schema at /to: type"),
        ("send", {"to": "a", "count": 10}, "the arguments do not fit the tool's schema at /count: maximum"),
        ("send", {"to": "a", "tags": ["x", 1]}, "the arguments do not fit the tool's schema at /tags/1: type"),
        ("closed", {"secret words": 1}, "the arguments do not fit the tool's schema at /: additionalProperties"),
    ],
)
def test_arguments_that_do_not_fit_the_schema(name: str, arguments: object, reason: str) -> None:
    assert said(ToolPolicyGuard(), arguments, name) == Verdict(Action.BLOCK, (reason,))
    assert said(ToolPolicyGuard(enforce=False), arguments, name) == Verdict(Action.FLAG, (reason,))


@pytest.mark.parametrize(
    ("schema", "arguments", "fits"),
    [
        (SEND, {"to": "a", "count": None, "tags": None}, True),
        (SEND, {"to": None}, False),
        (SEND, {"to": "a", "tags": [None]}, False),
        ({"properties": {"a": {"type": "string"}}, "required": "a"}, {"a": None}, False),
        ({"additionalProperties": {"type": "string"}}, {"a": None}, False),
        ({"properties": {}, "additionalProperties": False}, {"a": None}, False),
    ],
)
def test_null_stands_for_an_argument_that_may_be_left_out(schema: Mapping[str, Any], arguments: object, fits: bool) -> None:
    segment = Segment(json.dumps(arguments), "assistant", "model", name="fetch")
    verdict = ToolPolicyGuard().check(segment, context(schemas={"fetch": json.dumps(schema).encode()}))
    assert (verdict.action is Action.ALLOW) is fits


def test_a_place_that_only_the_model_names_is_not_repeated() -> None:
    schemas = {"fetch": b'{"type":"object","additionalProperties":{"type":"string"}}'}
    segment = Segment('{"ada@example.org": 1}', "assistant", "model", name="fetch")
    assert ToolPolicyGuard().check(segment, context(schemas=schemas)).reasons == ("the arguments do not fit the tool's schema at /*: type",)


def test_what_fits() -> None:
    assert said(ToolPolicyGuard(), {"to": "a", "count": 9, "tags": [], "more": 1}, "send") == Verdict(Action.ALLOW)
    assert said(ToolPolicyGuard(), {}, "closed") == Verdict(Action.ALLOW)


# --------------------------------------------------------------------------------------------------------------------------- rules


def test_only_tools_with_a_rule() -> None:
    reason = "no rule allows a tool of exactly this name"
    for rules in ({}, {"Fetch": NEVER}, {"send": NEVER}):
        assert said(ToolPolicyGuard(rules), {}) == Verdict(Action.BLOCK, (reason,))
        assert said(ToolPolicyGuard(rules, enforce=False), {}) == Verdict(Action.FLAG, (reason,))
    assert said(ToolPolicyGuard({"fetch": NEVER}), {}) == Verdict(Action.ALLOW)


NO_TEXT = "is no text"
OTHER_FORM = "stands in another form or under another spelling than its rule says"
NO_HOST = "leads to no host that is allowed, or is not written plainly"
NO_PREFIX = "begins with nothing that is allowed, or leads back up"


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        (ArgumentRule("/a", longest=3), "abc", ""),
        (ArgumentRule("/a", longest=3), "abcd", "has more than 3 characters"),
        (ArgumentRule("/a", longest=0), "", ""),
        (ArgumentRule("/a", longest=3), ["abc"], NO_TEXT),
        (ArgumentRule("/a"), 1, NO_TEXT),
        (ArgumentRule("/a", one_of=("x", "y")), None, ""),
        (ArgumentRule("/a", one_of=("x", "y")), "y", ""),
        (ArgumentRule("/a", one_of=("x", "y")), "X", "is none of the texts that are allowed"),
        (ArgumentRule("/a", one_of=("x", "y")), "xy", "is none of the texts that are allowed"),
        (ArgumentRule("/a", prefixes=("/data/",)), "/data/x", ""),
        (ArgumentRule("/a", prefixes=("/data/",)), "/data/a..b/.hidden/...x", ""),
        (ArgumentRule("/a", prefixes=("/data/",)), "/data/100%/x", ""),
        (ArgumentRule("/a", prefixes=("/data/",)), "/data/%20x", ""),
        (ArgumentRule("/a", prefixes=("/data/",)), "/data/" + "x" * 8186, ""),
        (ArgumentRule("/a", prefixes=("/data/",)), "/data/" + "x" * 8187, NO_PREFIX),
        (ArgumentRule("/a", prefixes=("/data/",)), "/other/x", NO_PREFIX),
        (ArgumentRule("/a", prefixes=("/data/",)), "/data/\nx", NO_PREFIX),
        (ArgumentRule("/a", prefixes=("https://a.example",)), "https://a.example/x", ""),
        (ArgumentRule("/a", prefixes=("https://a.example",)), "https://a.example", ""),
        (ArgumentRule("/a", prefixes=("https://a.example",)), "https://a.example.evil", NO_PREFIX),
        (ArgumentRule("/a", prefixes=("https://a.example/x",)), "https://a.example/xyz", ""),
        (ArgumentRule("/a/b", one_of=("x",)), {"b": "x"}, ""),
        (ArgumentRule("/a/b", one_of=("x",)), {"b": "y"}, "is none of the texts that are allowed"),
        (ArgumentRule("/a/b", one_of=("x",)), {}, ""),
        (ArgumentRule("/a/b", one_of=("x",)), None, ""),
        (ArgumentRule("/a/b", one_of=("x",)), "x", OTHER_FORM),
        (ArgumentRule("/a/b", one_of=("x",)), [{"b": "y"}], OTHER_FORM),
        (ArgumentRule("/a/1", one_of=("x",)), ["y", "x"], ""),
        (ArgumentRule("/a/1", one_of=("x",)), ["x", "y"], "is none of the texts that are allowed"),
        (ArgumentRule("/a/1", one_of=("x",)), ["y"], ""),
        (ArgumentRule("/a/b~1c~0", one_of=("x",)), {"b/c~": "x"}, ""),
        (ArgumentRule("/a/b~1c~0", one_of=("x",)), {"b/c~": "y"}, "is none of the texts that are allowed"),
        (ArgumentRule("", one_of=("x",)), "x", NO_TEXT),
    ],
)
def test_a_rule_about_an_argument(rule: ArgumentRule, value: object, reason: str) -> None:
    verdict = said(ruled(rule), {"a": value})
    assert verdict == (Verdict(Action.BLOCK, (f"the argument {rule.path or '/'} {reason}",)) if reason else Verdict(Action.ALLOW))
    if reason:
        assert said(ruled(rule, enforce=False), {"a": value}).action is Action.FLAG


def test_at_most_sixteen_reasons_are_told() -> None:
    names = [f"n{number}" for number in range(20)]
    verdict = said(ruled(*(ArgumentRule(f"/{name}", longest=1) for name in names)), dict.fromkeys(names, "long"))
    assert verdict.reasons == tuple(f"the argument /{name} has more than 1 characters" for name in names[:16])


def test_an_argument_that_is_not_there_breaks_no_rule() -> None:
    assert said(ruled(ArgumentRule("/b", one_of=("x",))), {"a": "y"}) == Verdict(Action.ALLOW)


def test_where_there_are_rules_arguments_that_the_schema_does_not_name_are_refused() -> None:
    rule = ToolRule(approval="never", arguments=(ArgumentRule("/to", one_of=("ada",)),))
    for rules, schema, allowed in (
        ({"send": rule}, SEND, False),
        ({"send": NEVER}, SEND, True),
        ({"send": rule}, SEND | {"additionalProperties": True}, True),
        ({"send": rule}, {"type": "object"}, True),
    ):
        schemas = {"send": json.dumps(schema).encode()}
        segment = Segment('{"to": "ada", "options": {"to": "eve"}}', "assistant", "model", name="send")
        verdict = ToolPolicyGuard(rules).check(segment, context(schemas=schemas))
        assert verdict.reasons == (() if allowed else ("an argument that the tool's schema does not name",))
    assert said(ToolPolicyGuard({"send": rule}), {"to": "ada", "count": 1}, "send") == Verdict(Action.ALLOW)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://a.example", True),
        ("https://A.Example:8443/x?y=z@w#f", True),
        ("https://a.example?q", True),
        ("https://x.b.example/", True),
        ("https://x.y.b.example/ä", True),
        ("https://b.example/", False),
        ("https://xb.example/", False),
        ("https://10.0.0.5/", True),
        ("https://10.0.0.6/", False),
        ("https://xn--bcher-kva.example/", True),
        ("https://xn--a.b.example/", False),
        ("http://a.example/", False),
        ("http://localhost:3000/", True),
        ("http://[::1]/", True),
        ("http://127.0.0.1/", False),
        ("https://localhost/", True),
        ("ftp://a.example/", False),
        ("ftps://a.example/", False),
        ("https://a.example:0/", False),
        ("https://a.example:65536/", False),
        ("a.example", False),
        ("", False),
    ],
)
def test_hosts(url: str, allowed: bool) -> None:
    hosts = frozenset({"a.example", ".b.example", "10.0.0.5", "xn--bcher-kva.example", "localhost", "::1"})
    assert leads_to(url, hosts) is allowed
    verdict = said(ruled(ArgumentRule("/url", hosts=hosts)), {"url": url})
    assert verdict.action is (Action.ALLOW if allowed else Action.BLOCK)
    assert url == "" or url not in str(verdict.reasons)


def test_the_plain_host() -> None:
    assert host_of("HTTPS://A.example:443/x") == ("https", "a.example")
    assert host_of("http://[::1]") == ("http", "[::1]")


def test_addresses_elsewhere_in_a_tool_with_hosts() -> None:
    guard = ruled(ArgumentRule("/url", hosts=frozenset({"a.example"})))
    reason = ("an address of a host that no rule of the tool allows",)
    for elsewhere in (
        "https://evil.example/",
        "//evil.example",
        "ftp:evil.example",
        "\\\\evil.example\\x",
        " ht\ntps://evil.example",
        "x://y",
    ):
        assert said(guard, {"url": "https://a.example/", "more": [elsewhere]}) == Verdict(Action.BLOCK, reason), elsewhere
        assert said(guard, {"request": {elsewhere: 1}}) == Verdict(Action.BLOCK, reason)
    for harmless in ("https://a.example/other", "see https://evil.example", "a/b", "12:30", "mailto:ada@a.example"):
        assert said(guard, {"url": "https://a.example/", "more": harmless}) == Verdict(Action.ALLOW)


# ----------------------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/", "http:169.254.169.254", "http:/169.254.169.254", "//169.254.169.254/x",
        "\\\\169.254.169.254\\x", "url:http:169.254.169.254", "http:///169.254.169.254", " \x00<http://169.254.169.254>",
        "ht\ntp://169.254.169.254/", "\u200b" * 9000 + "http://169.254.169.254", "view-source:http://169.254.169.254",
        "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://025177524776", "http://425.510.425.510/",
        "http://169.16689662/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]", "http://[64:ff9b::a9fe:a9fe]/",
        "http://[::169.254.169.254]/", "http://[2002:a9fe:a9fe::]/", "http://[fe80::1%25eth0]/", "http://fd00:ec2::254/",
        "http://169。254。169。254/", "http://①⑥⑨.254.169.254/", "http://169.254.16\u200b9.254", "http%3A%2F%2F169.254.169.254/",
        "http%253A//169.254.169.254", "http://169.254.169.254./", "http://169.254.169.254:80", "http://ada@169.254.169.254/",
        "http://169.254.169.254@a.example/", "http://a.example &@169.254.169.254# @b.example/", "http://metadata.google.internal/",
        "http://METADATA.google.internal./", "http://metadata/", "169.254.169.254", "169.254.169.254:80/latest", "2852039166",
        "fd00:ec2::254", "[fd00:ec2::254]:80", "metadata.google.internal/x", "http://100.100.100.200/", "http://168.63.129.16/",
        "jar:http://169.254.169.254!/x", "ht\rtp://169.254.169.254", "169.254.169.254 \n", "(http://169.254.169.254)",
    ],
)  # fmt: skip
def test_where_metadata_services_are(url: str) -> None:
    for enforce, action in ((True, Action.BLOCK), (False, Action.FLAG)):
        verdict = said(ToolPolicyGuard(enforce=enforce), {"a": [{"b": url}]})
        assert verdict == Verdict(action, ("an address that leads to a metadata service",))


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3000/", "http://LOCALHOST", "http://x.localhost/", "http://127.1/", "http://0/", "http://0x7f.1/x",
        "http://017700000001/", "http://0127.0.0.1/", "http://10.0.0.1", "http://172.31.0.1", "http://192.168.0.1:8080/",
        "http://100.64.0.1/", "http://[::]/", "http://[::1]/", "http://[fc00::1]/", "http://[2002::1]", "http://[2001::1]",
        "https://127.0.0.1.nip.io/", "https://localtest.me.localdomain", "gopher://127.0.0.1:6379/_x", "ws://[::1]:1/",
        "http://" + "a" * 254 + "/", "http://kubernetes.default.svc/",
    ],
)  # fmt: skip
def test_where_this_machine_and_its_network_are(url: str) -> None:
    reason = "an address that leads to this machine or its network, and that no rule of the tool allows"
    assert said(ToolPolicyGuard(), {"url": url}) == Verdict(Action.BLOCK, (reason,))


@pytest.mark.parametrize(
    "text",
    [
        "http://a.example/", "https://8.8.8.8/", "https://[2001:4860:4860::8888]/", "https://[::ffff:8.8.8.8]/", "127.0.0.1", "10.1.2.3",
        "metadata", "metadata/labels", "instance-data", "12:30", "0800 123456789", "123456789012", "a@b.example", "C:\\x", "1.2.3",
        "run on localhost", "see http://localhost:3000", "https://a.example#2", "http://1.2.3.4.5/", "http://[zz]/", "http://[zz::g]/", "http:", "x" * 9000 + "//",
        "http://1.x.3.4/", "http://09.8.7.6/", "//",
    ],
)  # fmt: skip
def test_where_everybody_may_go(text: str) -> None:
    assert said(ToolPolicyGuard(), {"a": text}) == Verdict(Action.ALLOW)


def test_an_address_within_a_text_is_told_of() -> None:
    flag = Verdict(Action.FLAG, ("a text that names a metadata service",))
    for text in (
        "curl http://169.254.169.254/latest",
        "https://a.example/?u=http%3A%2F%2F169.254.169.254",
        "x" * 9000 + "//169.254.169.254",
    ):
        assert said(ToolPolicyGuard(), {"a": text, "b": text}) == flag
    many = " ".join(f"//{number}.example" for number in range(5000))
    assert said(ToolPolicyGuard(), {"a": many}) == flag


def test_an_address_that_a_rule_lists() -> None:
    guard = ruled(ArgumentRule("/url", hosts=frozenset({"localhost", "10.0.0.5"})))
    assert said(guard, {"url": "http://localhost:3000/"}) == Verdict(Action.ALLOW)
    assert said(guard, {"url": "https://10.0.0.5/"}) == Verdict(Action.ALLOW)
    assert said(guard, {"url": "https://167772165/"}).action is Action.BLOCK  # the same address


# ------------------------------------------------------------------------------------------------------------------------ approval


@pytest.mark.parametrize(
    ("rule", "tainted", "reason"),
    [
        (ToolRule(), False, ""),
        (ToolRule(), True, "untrusted content was read in this conversation, and this tool has effects"),
        (ToolRule(effects=False), True, ""),
        (ToolRule(approval="never"), True, ""),
        (ToolRule(approval="always"), False, "this tool always needs approval"),
        (ToolRule(approval="always", effects=False), True, "this tool always needs approval"),
    ],
)
def test_when_somebody_has_to_agree(rule: ToolRule, tainted: bool, reason: str) -> None:
    text = '{"to": "ada"}'
    alone = said(ToolPolicyGuard({"send": rule}), text, "send", tainted=tainted)
    lenient = said(ToolPolicyGuard({"send": rule}, enforce=False), text, "send", tainted=tainted)
    asked: list[ToolApproval] = []

    def approve(one: ToolApproval) -> bool:
        asked.append(one)
        return True

    with_it = said(ToolPolicyGuard({"send": rule}, approve=approve), text, "send", tainted=tainted)
    if not reason:
        assert alone == lenient == with_it == Verdict(Action.ALLOW)
        assert asked == []
        return
    words = (f"{reason}, and there is no approve= to ask",)
    assert (alone, lenient) == (Verdict(Action.BLOCK, words), Verdict(Action.FLAG, words))
    assert with_it == Verdict(Action.ALLOW, ("the call was approved",))
    assert asked == [ToolApproval("send", text, tainted, reason, "fast")]
    assert "ada" not in repr(asked)


def test_without_rules_untrusted_content_is_told_of() -> None:
    words = "untrusted content was read in this conversation, and nothing says whether this tool has effects: name it in rules=, or pass approve="
    assert said(ToolPolicyGuard(), {}, tainted=True) == Verdict(Action.FLAG, (words,))
    assert said(ToolPolicyGuard(), {}) == Verdict(Action.ALLOW)
    assert said(ToolPolicyGuard(approve=lambda _: True), {}, tainted=True).action is Action.ALLOW
    assert said(ToolPolicyGuard(approve=lambda _: False), {}, tainted=True).action is Action.BLOCK
    assert said(ToolPolicyGuard(approve=lambda _: False), {}).action is Action.ALLOW


def test_nobody_is_asked_about_what_is_blocked_anyway() -> None:
    def approve(_: ToolApproval) -> bool:
        pytest.fail("asked")

    guard = ToolPolicyGuard({"fetch": ToolRule(approval="always")}, approve=approve)
    for arguments in ("{", {"url": "http://10.0.0.1"}):
        assert said(guard, arguments).action is Action.BLOCK
    assert said(guard, {}, "send").action is Action.BLOCK


def test_what_was_found_stays_told_where_somebody_agreed() -> None:
    rules = {"fetch": ToolRule(approval="always")}
    arguments = {"a": "http://10.0.0.1", "b": "see http://169.254.169.254/"}
    reasons = (
        "an address that leads to this machine or its network, and that no rule of the tool allows",
        "a text that names a metadata service",
    )
    agreed = said(ToolPolicyGuard(rules, enforce=False, approve=lambda _: True), arguments)
    assert agreed == Verdict(Action.FLAG, (*reasons, "the call was approved"))
    refused = said(ToolPolicyGuard(rules, enforce=False, approve=lambda _: False), arguments)
    assert refused == Verdict(Action.BLOCK, ("the call was not approved", *reasons))


def test_a_coroutine_function_is_awaited() -> None:
    async def approve(one: ToolApproval) -> bool:
        await asyncio.sleep(0)
        return one.name == "send"

    class Approving:
        async def __call__(self, one: ToolApproval) -> bool:
            return one.name == "send"

    async def raises(_: ToolApproval) -> bool:
        raise KeyError("words")

    def judged(guard: ToolPolicyGuard, name: str, text: str = '{"to": "a"}', *, tainted: bool = True) -> Verdict:
        async def awaited() -> Verdict:
            return await guard.acheck(Segment(text, name=name), context(tainted=tainted))

        return asyncio.run(awaited())

    for function in (approve, Approving(), partial(approve)):
        guard = ToolPolicyGuard(approve=function)
        assert judged(guard, "send").action is Action.ALLOW
        assert judged(guard, "fetch") == Verdict(Action.BLOCK, ("the call was not approved",))
        assert judged(guard, "fetch", tainted=False) == Verdict(Action.ALLOW)
        assert judged(guard, "fetch", "[]").action is Action.BLOCK
        with pytest.raises(TypeError, match="await acheck"):
            said(guard, {})
    assert judged(ToolPolicyGuard(approve=raises), "send").reasons == ("the call was not approved: approve raised KeyError",)
    for plain in (ToolPolicyGuard(), ToolPolicyGuard(approve=lambda _: True)):
        assert getattr(plain, "acheck", None) is None


# --------------------------------------------------------------------------------------------------------- rules of two, and mistakes


def test_further_rules_are_kept_to_as_well() -> None:
    at = partial(ArgumentRule, "/url")
    own = ToolPolicyGuard({"fetch": ToolRule(approval="never", arguments=(at(longest=40),)), "send": NEVER})
    assert own.with_rules(None) is own
    both = own.with_rules({"fetch": ToolRule(approval="never", arguments=(at(hosts=frozenset({"a.example", "localhost"})),))})
    assert said(both, {"url": "https://a.example/"}) == Verdict(Action.ALLOW)
    assert said(both, {"url": "http://localhost/"}) == Verdict(Action.ALLOW)
    assert said(both, {"url": "https://b.example/"}).action is Action.BLOCK
    assert said(both, {"url": "https://a.example/" + "x" * 40}).action is Action.BLOCK
    assert said(both, {"to": "a"}, "send").action is Action.BLOCK
    assert said(ToolPolicyGuard().with_rules({"send": NEVER}), {"to": "a"}, "send").action is Action.ALLOW
    assert said(ToolPolicyGuard().with_rules({"send": NEVER}), {}).action is Action.BLOCK
    for one, other in (("never", "always"), ("always", "never"), ("tainted", "always")):
        stricter = ToolPolicyGuard({"fetch": ToolRule(approval=one)}).with_rules({"fetch": ToolRule(approval=other)})  # type: ignore[arg-type]
        assert said(stricter, {}).action is Action.BLOCK
    effects = ToolPolicyGuard({"fetch": ToolRule(effects=False)}).with_rules({"fetch": NEVER})
    assert said(effects, {}, tainted=True).action is Action.BLOCK


def test_how_it_is_shown() -> None:
    assert repr(ToolPolicyGuard()) == "ToolPolicyGuard(every tool that is offered)"
    assert repr(ToolPolicyGuard({})) == "ToolPolicyGuard(no tool)"
    guard = ToolPolicyGuard({"b": NEVER, "a": NEVER}, enforce=False, approve=bool)
    assert repr(guard) == "ToolPolicyGuard(a, b, approve=..., enforce=False: it only tells)"
    assert repr(guard.with_rules({"b": NEVER, "c": NEVER})) == "ToolPolicyGuard(b, approve=..., enforce=False: it only tells)"


def test_rules_are_taken_over() -> None:
    rules = {"fetch": NEVER}
    guard = ToolPolicyGuard(rules)
    rules["send"] = NEVER
    assert said(guard, {"to": "a"}, "send").action is Action.BLOCK


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rules": [("fetch", NEVER)]}, "a mapping from the exact name"),
        ({"rules": {"fetch": {"effects": True}}}, "a mapping from the exact name"),
        ({"rules": {1: NEVER}}, "a mapping from the exact name"),
        ({"further": ({1: NEVER},)}, "a mapping from the exact name"),
        ({"enforce": 1}, "enforce is True or False"),
        ({"misfits": Action.ALLOW}, "misfits is Action.BLOCK or Action.FLAG"),
        ({"approve": True}, "approve a function"),
        ({"rules": {"fetch": ToolRule(approval="sometimes")}}, "the rule of 'fetch': effects and restore"),  # type: ignore[arg-type]
        ({"rules": {"fetch": ToolRule(effects=1)}}, "effects and restore"),  # type: ignore[arg-type]
        ({"rules": {"fetch": ToolRule(restore="no")}}, "effects and restore"),  # type: ignore[arg-type]
        ({"rules": {"fetch": ToolRule(arguments=[ArgumentRule("/a")])}}, "a tuple of ArgumentRule"),  # type: ignore[arg-type]
        ({"rules": {"fetch": ToolRule(arguments=("/a",))}}, "a tuple of ArgumentRule"),  # type: ignore[arg-type]
    ],
)
def test_mistakes(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ToolPolicyGuard(**options)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"path": "url"}, "JSON pointer"),
        ({"path": None}, "JSON pointer"),
        ({"hosts": ("a.example",)}, "frozenset of bare names"),
        ({"hosts": frozenset({1})}, "frozenset of bare names"),
        *(({"hosts": frozenset({host})}, "frozenset of bare names") for host in ("", "A.example", "ä.example", "https://a", "a/b", "*.a", "a:1", "a.")),
        ({"one_of": "abc"}, "tuples of texts"),
        ({"one_of": (1,)}, "tuples of texts"),
        ({"prefixes": ["a"]}, "tuples of texts"),
        ({"prefixes": ("",)}, "allows everything"),
        ({"longest": -1}, "a number of characters"),
        ({"longest": True}, "a number of characters"),
    ],
)  # fmt: skip
def test_mistakes_in_rules_about_arguments(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ruled(ArgumentRule(**({"path": "/a"} | wrong)))


@pytest.mark.parametrize("host", ["a", "a.example", ".example", "10.0.0.1", "::1", "[::1]", "::ffff:1.2.3.4", "xn--bcher-kva.example"])
def test_hosts_that_can_be_listed(host: str) -> None:
    assert ruled(ArgumentRule("/a", hosts=frozenset({host}))).rules is not None


# ---------------------------------------------------------------------------------------------------------------------- properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(max_size=40) | JSON.map(json.dumps))
def test_whatever_a_model_passes_a_verdict_comes_of_it(text: str) -> None:
    rules = {"fetch": ToolRule(arguments=(ArgumentRule("/a", hosts=frozenset({".example"})), ArgumentRule("/b/c", prefixes=("/x/",))))}
    for guard in (ToolPolicyGuard(), ToolPolicyGuard(rules), ToolPolicyGuard(rules, enforce=False)):
        verdict = said(guard, text, tainted=True)
        assert type(verdict) is Verdict
        assert verdict.action is not Action.ALLOW


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(["dec", "hex", "oct"]), min_size=4, max_size=4), st.integers(1, 4))
def test_every_spelling_of_an_address_is_the_address(value: int, spelled: list[str], parts: int) -> None:
    write: dict[str, Callable[[int], str]] = {"dec": str, "hex": hex, "oct": lambda number: f"0{number:o}" if number else "0"}
    numbers = [value >> 8 * (3 - place) & 255 for place in range(parts - 1)] + [value % (1 << 8 * (5 - parts))]
    url = f"http://{'.'.join(write[way](number) for way, number in zip(spelled, numbers, strict=False))}/"
    plain = dangers_in(f"http://{'.'.join(str(value >> shift & 255) for shift in (24, 16, 8, 0))}/").leads
    grades = ("", "private", "metadata")
    assert grades.index(dangers_in(url).leads) >= grades.index(plain)


@given(st.sampled_from(["https", "http", "ftp"]), st.text("a.b-:@/\\?#%[] 0é", max_size=12))
def test_what_a_rule_allows_is_read_alike_by_everybody(scheme: str, rest: str) -> None:
    from urllib.parse import urlsplit

    url = f"{scheme}://{rest}"
    hosts = frozenset({"a", ".b", "b.a"})
    if leads_to(url, hosts):
        host = urlsplit(url).hostname or ""
        assert host in {"a", "b.a"} or host.endswith(".b")
        assert is_url(url)
        assert "@" not in urlsplit(url).netloc


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("// 1. read the file\nfoo()", ""),
        ("//2024 notes", ""),
        ("// metadata\nx = 1", ""),
        ("// localhost? maybe", ""),
        ("\\\\ 1 & 2 \\\\ \\hline", ""),
        ("http: 1 is enough", ""),
        ("//127.0.0.1", "private"),
        ("//127.0.0.1 ", "private"),
        ("//a b@127.0.0.1/", "private"),
        ("//127.0.0.1?q=a b", "private"),
        ("//127.0.0.1#a b", "private"),
        ("https:// 127.0.0.1/", "private"),
        ("http:127.0.0.1", "private"),
        ("//\n127.0.0.1", "private"),
        ("//metadata", "metadata"),
    ],
)
def test_what_begins_like_a_comment_leads_nowhere(text: str, leads: str) -> None:
    assert dangers_in(text).leads == leads
