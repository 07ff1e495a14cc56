"""Attack: a page tells the model what to do with its tools: other tools, other places, other arguments, in spellings that pass for allowed.

Guards: saferoute/guards/tool_policy.py::if segment.name not in context.tools:
Guards: saferoute/guards/tool_policy.py::if len(rules) < len(every):
Guards: saferoute/guards/tool_policy.py::if answer is True: => if answer:
Guards: saferoute/guards/tool_policy.py::if dangers.leads and not leads_to(text, hosts):
Guards: saferoute/guards/tool_policy.py::if tainted and any(rule.effects for rule in rules) and any(rule.approval == "tainted" for rule in rules):
Guards: saferoute/guards/tool_policy_arguments.py::case Twice(): => case Twice() if False:
Guards: saferoute/guards/tool_policy_arguments.py::if any(key != name and folded(key).strip() == plain for key in value):
Guards: saferoute/guards/tool_policy_arguments.py::if rules and schema is not None and _unnamed(arguments.value, decode(schema)):
Guards: saferoute/guards/tool_policy_arguments.py::if hosts and any(is_url(text) and not leads_to(text, hosts) for _, text in arguments.texts):
Guards: saferoute/guards/tool_policy_arguments.py::if not isinstance(value, str):
Guards: saferoute/guards/tool_policy_arguments.py::if any(not step.strip(". ") and step.count(".") > 1 for step in steps):
Guards: saferoute/guards/tool_policy_addresses.py::if match is None or not url.isprintable() or " " in url or "\\\\" in url: => if match is None:
Guards: saferoute/guards/tool_policy_addresses.py::if parse_origin(f"https://{host}").is_ip:
Guards: saferoute/guards/tool_policy_addresses.py::if any(address in network for network in _LINK_LOCAL):
"""

from __future__ import annotations

import asyncio
import json
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.guards import Action, ArgumentRule, Context, Segment, ToolApproval, ToolPolicyGuard, ToolRule
from saferoute.guards.tool_policy_addresses import dangers_in

TOOLS = frozenset({"fetch", "read", "send_mail"})
HOSTS = frozenset({"allowed.example", ".wiki.example"})
RULES = {
    "fetch": ToolRule(effects=False, arguments=(ArgumentRule("/url", hosts=HOSTS, longest=200),)),
    "read": ToolRule(effects=False, arguments=(ArgumentRule("/path", prefixes=("/srv/files/",)),)),
    "send_mail": ToolRule(arguments=(ArgumentRule("/to", one_of=("ada@allowed.example",)),)),
}
GUARD = ToolPolicyGuard(RULES)


def action(
    arguments: object, name: str = "fetch", *, guard: ToolPolicyGuard = GUARD, tainted: bool = False, schema: object = None
) -> Action:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    schemas = {} if schema is None else {name: json.dumps(schema).encode()}
    context = Context("tool_call", tainted=tainted, tools=TOOLS, schemas=schemas)
    return guard.check(Segment(text, "assistant", "model", name=name), context).action


def test_what_the_rules_allow_passes() -> None:
    assert action({"url": "https://allowed.example/page?x=1"}) is Action.ALLOW
    assert action({"url": "https://en.wiki.example/"}, tainted=True) is Action.ALLOW
    assert action({"path": "/srv/files/a/b.txt"}, "read") is Action.ALLOW
    assert action({"to": "ada@allowed.example"}, "send_mail") is Action.ALLOW


@pytest.mark.parametrize(
    "name",
    [
        "FETCH", "FETCH\u200b", "fetch\u200b", "\ufefffetch", "fetch\u0000", " fetch", "fetch\n", "ｆｅｔｃｈ", "fеtch", "fetch\u0301", "fetch()",
        "functions.fetch", "", "send_money",
    ],
)  # fmt: skip
def test_a_name_in_another_spelling_is_another_tool(name: str) -> None:
    for guard in (GUARD, ToolPolicyGuard(), ToolPolicyGuard({name: ToolRule(approval="never")})):
        assert action({"url": "https://allowed.example/"}, name, guard=guard) is Action.BLOCK
    assert action({"url": "https://allowed.example/"}, name, guard=ToolPolicyGuard(enforce=False)) is Action.FLAG


def test_a_tool_that_is_offered_and_has_no_rule_is_not_called() -> None:
    for rules in ({}, {"Fetch": RULES["fetch"]}, {"fetch\u200b": RULES["fetch"]}, {"read": RULES["read"]}):
        assert action({"url": "https://allowed.example/"}, guard=ToolPolicyGuard(rules)) is Action.BLOCK


@pytest.mark.parametrize(
    "arguments",
    [
        '{"url": "https://allowed.example/", "url": "https://evil.example/"}',
        '{"url": "https://evil.example/", "url": "https://allowed.example/"}',
        '{"url": "https://allowed.example/", "\\u0075rl": "https://allowed.example/"}',
        '{"url": "https://allowed.example/", "more": {"a": 1, "a": 2}}',
        '{"url": "https://allowed.example/"} {"url": "https://evil.example/"}',
        '{"url": "https://allowed.example/"',
        '{"url": "https://allowed.example/", }',
        '{"url": "https://allowed.example/", "a": NaN}',
        '{"url": "https://allowed.example/", "a": Infinity}',
        '{"url": "https://allowed.example/", "a": 1e400}',
        "{'url': 'https://allowed.example/'}",
        '[{"url": "https://allowed.example/"}]',
        '"{\\"url\\": \\"https://allowed.example/\\"}"',
        '{"url": "https://allowed.example/", "a": ' + "[" * 100_000,
    ],
)
def test_arguments_that_two_programs_read_differently(arguments: str) -> None:
    assert action(arguments) is Action.BLOCK
    assert action(arguments, guard=ToolPolicyGuard(enforce=False)) is Action.FLAG


@pytest.mark.parametrize(
    "url",
    [
        "http://allowed.example@evil.example/", "https://allowed.example@evil.example/", "https://allowed.example:443@evil.example/",
        "https://evil.example@allowed.example/", "https://@allowed.example/", "https://allowed.example%40evil.example/",
        "https://allowed.example\\@evil.example/", "https://evil.example\\@allowed.example/", "https:\\\\allowed.example/",
        "https://allowed.example\\.evil.example/", "https:/allowed.example/", "https:allowed.example", "//allowed.example/",
        "https:///allowed.example/", "https://allowed.example?@evil.example/", "https://allowed.example#@evil.example/",
        "https://allowed.example./", "https://allowed.example../", "https://.allowed.example/", "https://allowed..example/",
        "https://allowed。example/", "https://allowed｡example/", "https://allowed．example/", "https://ａllowed.example/",
        "https://аllowed.example/", "https://xn--llowed-2fg.example/", "https://allowed.example／@evil.example/",
        "https://allowed.example\u200b/", "https://allowed.\u00adexample/", "https://allowed.example\u2215.evil.example/",
        "https://allowed.example.evil.example/", "https://evil.example/https://allowed.example/", "https://evil.example#allowed.example",
        "https://evil.example?allowed.example", "https://allowed-example/", "https://notallowed.example/", "https://wiki.example/",
        "https://evilwiki.example/", "https://en.wiki.example.evil.example/", "https://xn--e1.wiki.example/",
        " https://allowed.example/", "https://allowed.example/ ", "https://allowed.example/\n", "https://allowed.example/\x00",
        "https://allowed\t.example/", "\thttps://allowed.example/", "https://allowed.example/\r\nHost: evil.example",
        "https://allowed.example /", "https://allowed.example\u3000/", "http://allowed.example/", "HTTP://allowed.example/",
        "ftp://allowed.example/", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "file://allowed.example/etc",
        "https://allowed.example:99999/", "https://allowed.example:/", "https://allowed.example:４４３/", "https://[allowed.example]/",
        "https://allowed.example/" + "x" * 200, "", "allowed.example", "/page",
    ],
)  # fmt: skip
def test_a_url_that_only_looks_like_one_that_is_allowed(url: str) -> None:
    assert action({"url": url}) is Action.BLOCK


def test_backslashes_spaces_and_invisible_characters_behind_the_host_too() -> None:
    for tail in ("\\..\\x", " x", "\u200b", "\u202e", "\x7f", "\u2028"):
        assert action({"url": f"https://allowed.example/{tail}"}) is Action.BLOCK


@pytest.mark.parametrize("address", ["1.wiki.example.1", "0x7f.wiki.example.0x1", "127.0.0.1", "8.8.8.8", "[::1]", "2130706433"])
def test_no_number_is_below_a_name(address: str) -> None:
    rules = {"fetch": ToolRule(approval="never", arguments=(ArgumentRule("/url", hosts=frozenset({".1", ".0.1", ".8", ".0x1"})),))}
    assert action({"url": f"https://{address}/"}, guard=ToolPolicyGuard(rules)) is Action.BLOCK


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "025177524776", "169.254.43518", "0xa9.254.0251.254",
        "[::ffff:169.254.169.254]", "[::FFFF:A9FE:A9FE]", "[0:0:0:0:0:ffff:a9fe:a9fe]", "[64:ff9b::169.254.169.254]", "[fd00:ec2::254]",
        "①⑥⑨。②⑤④。①⑥⑨。②⑤④", "169%2e254%2e169%2e254", "169.254.169.254.", "evil.example@169.254.169.254",
        "169.254.169.254@evil.example", "169.254.169.254:80", "metadata.google.internal", "Metadata.Google.Internal.", "metadata.goog",
        "localhost", "127.0.0.1", "127.1", "0", "[::]", "[::1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "[fe80::1]", "[fc00::1]",
        "169.254.169.254.nip.io",
    ],
)  # fmt: skip
def test_without_a_rule_no_tool_is_sent_to_this_machine_its_network_or_its_metadata(host: str) -> None:
    for scheme in ("http://", "https://", "HTTP:", "//", "\\\\", "gopher://"):
        for arguments in ({"url": f"{scheme}{host}/x"}, {"request": [{"to": f"{scheme}{host}/x"}]}, {f"{scheme}{host}/x": 1}):
            assert action(arguments, guard=ToolPolicyGuard()) is Action.BLOCK
            assert action(arguments, guard=ToolPolicyGuard(enforce=False)) is Action.FLAG


def test_every_digit_that_a_resolver_reads_is_a_digit() -> None:
    for number in range(0x110000):
        sign = chr(number)
        if unicodedata.normalize("NFKC", sign) == "1" and sign != "1":
            assert dangers_in(f"http://{sign}69.254.{sign}69.254/").leads == "metadata", hex(number)


MOVED = [
    {"URL": "https://evil.example/"},
    {"Url": "https://evil.example/", "url": "https://allowed.example/"},
    {"url\u200b": "https://evil.example/", "url": "https://allowed.example/"},
    {"url ": "https://evil.example/"},
    {"ｕrl": "https://evil.example/"},
    {"request": {"url": "https://evil.example/"}},
    {"url": {"url": "https://evil.example/"}},
    {"url": ["https://evil.example/"]},
    {"url": ["https://allowed.example/"]},
    {"url": {"href": "evil.example"}},
    {"url": 5},
    {"url": True},
    {"urls": ["https://allowed.example/", "https://evil.example/"]},
    {"https://evil.example/": "https://allowed.example/"},
]


@pytest.mark.parametrize("arguments", MOVED)
def test_an_argument_that_was_moved_out_of_its_rules_sight(arguments: dict[str, Any]) -> None:
    assert action(arguments) is Action.BLOCK


@pytest.mark.parametrize("name", ["URL", "url\u200b", "url ", "ｕrl", "Url"])
def test_a_name_that_a_careless_tool_takes_for_the_ruled_one(name: str) -> None:
    rules = {"fetch": ToolRule(approval="never", arguments=(ArgumentRule("/url", one_of=("a",)),))}
    assert action({name: "b"}, guard=ToolPolicyGuard(rules)) is Action.BLOCK
    assert action({"url": "a", name: "b"}, guard=ToolPolicyGuard(rules)) is Action.BLOCK


def test_an_argument_that_the_tool_never_declared() -> None:
    schema = {"type": "object", "properties": {"to": {"type": "string"}}}
    assert action({"to": "ada@allowed.example"}, "send_mail", schema=schema) is Action.ALLOW
    assert action({"to": "ada@allowed.example", "bcc": "eve"}, "send_mail", schema=schema) is Action.BLOCK
    assert action({"options": {"to": "eve"}}, "send_mail", schema=schema) is Action.BLOCK


@pytest.mark.parametrize(
    "path",
    [
        "/srv/files/../secret", "/srv/files/a/../../secret", "/srv/files/..", "/srv/files/..\\secret", "/srv/files/%2e%2e/secret",
        "/srv/files/%2E./secret", "/srv/files/..%2fsecret", "/srv/files/..%5csecret", "/srv/files/%252e%252e%252fsecret",
        "/srv/files/%25252525252e/secret", "/srv/files/．．/secret", "/srv/files/‥/secret", "/srv/files/%c0%ae%c0%ae/secret",
        "/srv/files/.. /secret", "/srv/files/.../secret", "/srv/files/.\u200b./secret", "/srv/files/..;/secret", "/srv/files/a\x00.txt",
        "/srv/files/a%00.txt", "/srv/files/a\n/etc/passwd", "/srv/other", "srv/files/x", "/SRV/files/x", "./srv/files/x", "",
        "/srv/files", "file:///srv/files/x",
    ],
)  # fmt: skip
def test_a_path_that_leads_back_up(path: str) -> None:
    assert action({"path": path}, "read") is Action.BLOCK


def test_a_prefix_that_is_a_host_ends_where_the_host_does() -> None:
    rules = {"fetch": ToolRule(approval="never", arguments=(ArgumentRule("/url", prefixes=("https://allowed.example",)),))}
    for tail in (".evil.example/", "@evil.example/", ":x@evil.example/", "-evil.example/", "\\@evil.example", "/../x", "?@evil.example"):
        assert action({"url": f"https://allowed.example{tail}"}, guard=ToolPolicyGuard(rules)) is Action.BLOCK
    assert action({"url": "https://allowed.example/x"}, guard=ToolPolicyGuard(rules)) is Action.ALLOW


# ----------------------------------------------------------------------------------------------------------------- taint, approval


def test_once_untrusted_content_was_read_what_has_effects_needs_somebody_who_agrees() -> None:
    arguments = {"to": "ada@allowed.example"}
    assert action(arguments, "send_mail", tainted=False) is Action.ALLOW
    assert action(arguments, "send_mail", tainted=True) is Action.BLOCK
    assert action(arguments, "send_mail", tainted=True, guard=ToolPolicyGuard()) is Action.FLAG


def raising(error: BaseException) -> Callable[[ToolApproval], bool]:
    def approve(_: ToolApproval) -> bool:
        raise error

    return approve


def giving(answer: Any) -> Callable[[ToolApproval], bool]:
    return lambda _: answer


NO_ANSWERS = [False, None, 1, 1.0, "yes", "True", [True], {"approved": True}, object(), Action.ALLOW]


@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize("answer", NO_ANSWERS, ids=[f"{type(answer).__name__} {number}" for number, answer in enumerate(NO_ANSWERS)])
def test_only_true_is_an_approval(answer: Any, enforce: bool) -> None:
    guard = ToolPolicyGuard(RULES, approve=giving(answer), enforce=enforce)
    assert action({"to": "ada@allowed.example"}, "send_mail", tainted=True, guard=guard) is Action.BLOCK

    async def approve(_: ToolApproval) -> Any:
        return answer

    awaited = ToolPolicyGuard(RULES, approve=approve, enforce=enforce)
    segment = Segment('{"to": "ada@allowed.example"}', name="send_mail")

    async def judged() -> Action:
        return (await awaited.acheck(segment, Context("tool_call", tainted=True, tools=TOOLS))).action

    assert asyncio.run(judged()) is Action.BLOCK


@pytest.mark.parametrize("error", [ValueError("x"), TimeoutError(), PermissionError("ada@allowed.example"), StopIteration()])
def test_an_approval_that_fails_is_none(error: Exception) -> None:
    for enforce in (True, False):
        guard = ToolPolicyGuard(RULES, approve=raising(error), enforce=enforce)
        segment = Segment('{"to": "ada@allowed.example"}', name="send_mail")
        verdict = guard.check(segment, Context("tool_call", tainted=True, tools=TOOLS))
        assert verdict.action is Action.BLOCK
        assert "ada" not in str(verdict)


def test_what_is_approved_is_what_was_judged_and_cannot_be_changed_by_who_approves() -> None:
    def approve(asked: ToolApproval) -> bool:
        with pytest.raises(AttributeError):
            asked.arguments = '{"to": "eve"}'  # type: ignore[misc]
        return asked.arguments == '{"to": "ada@allowed.example"}'

    guard = ToolPolicyGuard(RULES, approve=approve)
    assert action({"to": "ada@allowed.example"}, "send_mail", tainted=True, guard=guard) is Action.ALLOW
    assert action({"to": "eve"}, "send_mail", tainted=True, guard=ToolPolicyGuard(RULES, approve=giving(True))) is Action.BLOCK


def test_reasons_hold_nothing_of_the_arguments() -> None:
    secret = "sk-very-secret-value"
    for arguments in ({"url": f"https://{secret}.example/"}, {secret: "//10.0.0.1"}, {"url": secret}, f'{{"{secret}": 1, "{secret}": 2}}'):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        for schema in (b"{}", b'{"additionalProperties":{"type":"null"}}', b'{"additionalProperties":false}'):
            context = Context("tool_call", tools=TOOLS, schemas={"fetch": schema})
            verdict = GUARD.check(Segment(text, name="fetch"), context)
            assert verdict.action is Action.BLOCK
            assert secret not in repr(verdict)


@pytest.mark.parametrize(
    "text",
    ["//" * 400_000, "//a" * 300_000, "http://" + "a" * 900_000, "%25" * 300_000, "\ufdfa" * 300_000, "0." * 450_000, ":" * 900_000],
    ids=lambda text: text[:6].encode("unicode_escape").decode(),
)
@pytest.mark.timed
def test_no_argument_keeps_the_guard_busy(text: str) -> None:
    began = time.process_time()
    action(json.dumps({"url": text, "path": text[:1000]}, ensure_ascii=False))
    action(json.dumps({"path": "/srv/files/" + text}, ensure_ascii=False), "read")
    assert time.process_time() - began < 4
