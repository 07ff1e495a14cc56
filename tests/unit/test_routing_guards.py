"""Guard profiles and templates of a table: how they are written, what is compiled, what is refused, and what is found in them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.cli.table_guard_words import guard_lines, profile_json, template_json
from saferoute.cli.table_words import as_json, in_words
from saferoute.cli.toml_format import format_toml
from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.lint import lint
from saferoute.routing.resolve import resolve
from saferoute.routing.table import RoutingTable
from saferoute.values.guard_profile import GuardProfile, GuardSetting
from saferoute.values.signed_template import SignedTemplate
from tests.support.trust_cases import TEMPLATE, alias, files, full_profile, row, table, wildcard

ROWS = """
[routes.eu]
extends = "openai"
model = "big"
guards = "strict"

[routes.us]
extends = "anthropic"
model = "small"
"""
TEXT = "Answer {{shortly}} in {language}."
ODD = hashlib.sha256("one\ntwo \u202e\n".encode()).hexdigest()
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()


def opened(profile: dict[str, Any], **changes: Any) -> RoutingTable:
    return files(table(row(guards="p"), **{"guards": {"p": profile}, **changes})).open()


def refused(profile: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(UntrustedTable) as caught:
        opened(profile, **changes)
    return str(caught.value).partition("the routing table is refused: ")[2]


def built(toml: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(build(toml))
    return payload


def unbuilt(toml: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        build(toml)
    return str(caught.value).removeprefix("routes.toml: ")


# ------------------------------------------------------------------------------------------------------------------- what is compiled


def test_a_row_has_the_profile_that_it_names() -> None:
    made = files(
        table(
            row(guards="p"),
            row(id="bare", model="m-2"),
            wildcard(guards="q"),
            guards={"p": full_profile(), "q": {}},
            templates={"support-v1": TEMPLATE},
        )
    ).open()
    assert made.routes["main"].guards is made.guard_profiles["p"]
    assert made.routes["bare"].guards is None
    assert resolve(made, "open/any-model")[0].guards == GuardProfile("q")
    assert hash(made.routes["main"]) != hash(replace(made.routes["main"], guards=None))


def test_a_table_without_them_has_none() -> None:
    made = files(table(row())).open()
    assert (dict(made.guard_profiles), dict(made.templates), guard_lines(made)) == ({}, {}, [])


def test_nothing_in_them_can_be_written_to() -> None:
    made = opened(full_profile(), templates={"support-v1": TEMPLATE})
    profile = made.guard_profiles["p"]
    for mapping in (made.guard_profiles, made.templates, profile.guards, profile.tools, made.templates["support-v1"].variables):
        with pytest.raises(TypeError):
            mapping["x"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ({"more": 1}, "table.guards.p.more is not a field"),
        ({"guards": {}}, "table.guards.p.guards has 0 entries"),
        ({"guards": {"PII": {}}}, "table.guards.p.guards.PII is 'PII', which is not a guard's name"),
        ({"guards": {"pii": {"action": "allow"}}}, "table.guards.p.guards.pii.action is 'allow'; it must be one of flag, redact, block"),
        ({"guards": {"pii": {"action": "block", "threshold": 1001}}}, "table.guards.p.guards.pii.threshold is 1001; it must be from 0 to 1000"),
        ({"guards": {"pii": {"action": "block", "threshold": -1}}}, "table.guards.p.guards.pii.threshold is -1"),
        ({"guards": {"pii": {"action": "block", "threshold": True}}}, "table.guards.p.guards.pii.threshold must be an integer"),
        ({"guards": {"pii": {"on_error": "allow"}}}, "table.guards.p.guards.pii.on_error is 'allow'; it must be one of block, flag"),
        ({"guards": {"pii": {"action": "block", "kinds": []}}}, "table.guards.p.guards.pii.kinds has 0 entries"),
        ({"guards": {"pii": {"action": "block", "kinds": ["pii", "pii"]}}}, "table.guards.p.guards.pii.kinds holds an entry twice"),
        ({"guards": {"pii": {"reversible": "yes"}}}, "table.guards.p.guards.pii.reversible must be true or false"),
        (
            {"guards": {"pii": {"threshold": 1}}},
            "table.guards.p.guards.pii.threshold says which finds become `action`, and there is none: add it, or take threshold out",
        ),
        ({"guards": {"pii": {"kinds": ["pii"]}}}, "table.guards.p.guards.pii.kinds says which finds become `action`, and there is none"),
        ({"guards": {"secrets": {"reversible": True}}}, "table.guards.p.guards.secrets.reversible: a secret that was taken out is never put back"),
        ({"max_characters": 0}, "table.guards.p.max_characters is 0"),
        ({"allowed_hosts": ["*"]}, "table.guards.p.allowed_hosts[0] is '*', which is not a host"),
        ({"allowed_hosts": ["*.a.*"]}, "table.guards.p.allowed_hosts[0] is '*.a.*'"),
        ({"allowed_hosts": ["https://a.example"]}, "table.guards.p.allowed_hosts[0] is 'https://a.example'"),
        ({"allowed_hosts": ["A.example"]}, "table.guards.p.allowed_hosts[0] is 'A.example'"),
        ({"allowed_hosts": ["a.example."]}, "table.guards.p.allowed_hosts[0] is 'a.example.'"),
        ({"allowed_hosts": ["аpple.example"]}, "table.guards.p.allowed_hosts[0] is 'аpple.example'"),
        ({"templates": []}, "table.guards.p.templates has 0 entries"),
        ({"templates": ["support-v2"]}, "table.guards.p.templates: the table has no template 'support-v2'"),
        ({"tools": {"a b": {}}}, "table.guards.p.tools.a b is 'a b', which is not a tool's name"),
        ({"tools": {"t": {"effects": 1}}}, "table.guards.p.tools.t.effects must be true or false"),
        ({"tools": {"t": {"approval": "often"}}}, "table.guards.p.tools.t.approval is 'often'; it must be one of never, tainted, always"),
        ({"tools": {"t": {"arguments": []}}}, "table.guards.p.tools.t.arguments has 0 entries"),
        ({"tools": {"t": {"arguments": [{"longest": 1}]}}}, "table.guards.p.tools.t.arguments[0].path is missing"),
        ({"tools": {"t": {"arguments": [{"path": "/a"}]}}}, "table.guards.p.tools.t.arguments[0] allows anything: name hosts, one_of, prefixes"),
        ({"tools": {"t": {"arguments": [{"path": "/a", "prefixes": [""]}]}}}, "table.guards.p.tools.t.arguments[0].prefixes[0] is ''"),
        ({"tools": {"t": {"arguments": [{"path": "/a", "hosts": ["*.a"]}]}}}, "table.guards.p.tools.t.arguments[0].hosts[0] is '*.a'"),
        ({"tools": {"t": {"arguments": [{"path": "/a", "longest": -1}]}}}, "table.guards.p.tools.t.arguments[0].longest is -1"),
        *(
            ({"tools": {"t": {"arguments": [{"path": path, "longest": 1}]}}}, f"table.guards.p.tools.t.arguments[0].path is {path!r}, which is not")
            for path in ("", "a", "a/b", "/~", "/a~2b", "/a\nb", "#/a", "$.a")
        ),
    ],
)  # fmt: skip
def test_what_a_profile_cannot_say(profile: dict[str, Any], why: str) -> None:
    assert refused(profile, templates={"support-v1": TEMPLATE}).startswith(why)


@pytest.mark.parametrize("path", ["/a", "/a/b/0", "/", "/a~0b~1c", "/a b", "/é/%", "//"])
def test_a_json_pointer_is_one(path: str) -> None:
    tools = opened({"tools": {"t": {"arguments": [{"path": path, "longest": 1}]}}}).guard_profiles["p"].tools
    assert tools is not None
    assert tools["t"].arguments[0].path == path


def test_an_empty_list_of_tools_allows_none() -> None:
    assert opened({"tools": {}}).guard_profiles["p"] == GuardProfile("p", tools={})
    assert opened({}).guard_profiles["p"] == GuardProfile("p")
    assert opened({"guards": {"pii": {}}}).guard_profiles["p"].guards == {"pii": GuardSetting()}


def test_a_row_cannot_name_a_profile_that_is_not_there() -> None:
    assert refused({}, guards={}) == "table.routes[0].guards: the table has no guard profile 'p'; write [guards.p]"
    assert refused({}, guards={"P": {}}).startswith("table.guards.P is 'P', which is not a name of lower-case letters")


def template(text: str, **changes: Any) -> dict[str, Any]:
    plain = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "variables": {}, "text": text}
    return {name: value for name, value in {**plain, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (template("x", sha256="0" * 64), f"table.templates.t.sha256 is not that of the text, which is {hashlib.sha256(b'x').hexdigest()}"),
        (template("x", sha256="A" * 64), "table.templates.t.sha256 is 'AAAAA"),
        (template("x", sha256=None), "table.templates.t.sha256 is missing"),
        (template("x", variables=None), "table.templates.t.variables is missing"),
        (template("x", variables={"a": "text"}), "table.templates.t.variables: 'a' does not stand in the text"),
        (template("{a}{b}", variables={"a": "text"}), "table.templates.t.variables: 'b' stands in the text and not among the variables"),
        (template("{a}", variables={"a": "any"}), "table.templates.t.variables.a is 'any'; it must be one of text, line, integer, number"),
        (template("{{a}}", variables={"a": "text"}), "table.templates.t.variables: 'a' does not stand in the text"),
        (template("x", variables={"A": "text"}), "table.templates.t.variables.A is 'A', which is not a variable's name"),
        (template("x", variables={"__class__": "text"}), "table.templates.t.variables.__class__ is '__class__'"),
        (template("x", more=1), "table.templates.t.more is not a field"),
        (template(""), "table.templates.t.text is ''"),
        (template("ä" * 40_000), "table.templates.t.text has 80000 bytes; at most 65536 are allowed"),
        (template("x" * 65_537), "table.templates.t.text is longer than 65536 characters"),
        *(
            (template(text, variables={"a": "text"}), "table.templates.t.text: the template has a ")
            for text in ("{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a}{}", "{a}{0}", "{ a }", "{a", "a}", "{{a}", "{á}", "{A}", "{a}{a-b}", "{_a}")
        ),
    ],
)  # fmt: skip
def test_what_a_template_cannot_be(raw: dict[str, Any], why: str) -> None:
    assert refused({}, templates={"t": raw}).startswith(why)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{a}{{{b_2}}}}}", {"a": "text", "b_2": "json"}), ("no variable", {}), ("{a}{a}", {"a": "line"}), ("x" * 65_536, {}),
        ('{{"a": {n}}}', {"n": "integer"}),
    ],
)  # fmt: skip
def test_a_template_is_what_it_says(text: str, variables: dict[str, Any]) -> None:
    made = opened({}, templates={"t": template(text, variables=variables)}).templates["t"]
    assert made == SignedTemplate("t", hashlib.sha256(text.encode()).hexdigest(), variables, text)


def test_a_templates_name_is_one_that_a_program_can_say() -> None:
    assert refused({}, templates={"1st": template("x")}).startswith("table.templates.1st is '1st', which is not a name of lower-case")


# ------------------------------------------------------------------------------------------------------------------ how it is written


def test_the_file_says_what_the_table_says() -> None:
    text = f"""{ROWS}
[guards.strict]
max_characters = 1000
allowed_hosts = ["docs.example.com"]
templates = ["support-v1"]

[guards.strict.guards]
pii = {{ action = "redact", kinds = ["pii.email"], reversible = true }}

[guards.strict.tools.fetch]
arguments = [{{ path = "/url", hosts = [".example.com"] }}]

[templates.support-v1]
text = "{TEXT}"
variables = {{ language = "line" }}

[templates.elsewhere]
sha256 = "{"1" * 64}"
"""
    payload = built(text)
    assert payload["guards"] == {
        "strict": {
            "max_characters": 1000,
            "allowed_hosts": ["docs.example.com"],
            "templates": ["support-v1"],
            "guards": {"pii": {"action": "redact", "kinds": ["pii.email"], "reversible": True}},
            "tools": {"fetch": {"arguments": [{"path": "/url", "hosts": [".example.com"]}]}},
        }
    }
    assert payload["templates"] == {
        "support-v1": {"sha256": DIGEST, "variables": {"language": "line"}, "text": TEXT},
        "elsewhere": {"sha256": "1" * 64, "variables": {}},
    }
    assert [one.get("guards") for one in payload["routes"]] == ["strict", None]


def test_every_row_can_have_one_by_default() -> None:
    rows = ROWS + '[defaults]\nguards = "plain"\n[guards.plain]\n[guards.strict]\n[routes.third]\nextends = "eu"\n'
    assert [one["guards"] for one in built(rows)["routes"]] == ["strict", "plain", "strict"]


def test_the_sections_have_their_place() -> None:
    text = '[templates.t]\ntext = "x"\n\n[grant]\ntools = []\n\n[guards.g]\nmax_characters=9\n\n[aliases]\na = "eu"\n'
    written = format_toml(text)
    assert [line for line in written.splitlines() if line.startswith("[")] == ["[aliases]", "[guards.g]", "[templates.t]", "[grant]"]
    assert format_toml(written) == written


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("", "routes.eu.guards: the table has no guard profile 'strict'; write [guards.strict]"),
        ("[guards]\nstrict = 1\n", "guards.strict must be an object"),
        ('[guards."a b"]\n', "guards.a b is 'a b', which is not a name of lower-case letters"),
        ("[guards.strict]\nmore = 1\n", "guards.strict.more is not a field"),
        ('[guards.strict]\ntemplates = ["t"]\n', "guards.strict.templates: the table has no template 't'"),
        ("[guards.strict]\n[templates]\nt = 'x'\n", "templates.t must be a table such as { text = "),
        ("[guards.strict]\n[templates.t]\n", "templates.t needs its text, or the sha256 of a text that the program brings"),
        ("[guards.strict]\n[templates.t]\ntext = 1\n", "templates.t needs its text, or the sha256"),
        ("[guards.strict]\n[templates.t]\nfile = 'x.txt'\ntext = 'x'\n", "templates.t.file is not a field"),
        ("[guards.strict]\n[templates.T]\ntext = 'x'\n", "templates.T is 'T', which is not a name"),
        ("[guards.strict]\n[templates.t]\ntext = '{x}'\n", "templates.t.variables: 'x' stands in the text and not among the variables"),
        (f"[guards.strict]\n[templates.t]\ntext = 'x'\nsha256 = '{DIGEST}'\n", "templates.t.sha256 is not that of the text, which is "),
        ("guards = 1\n[guards.strict]\n", "routes.us.guards must be a name"),
    ],
)
def test_mistakes_are_told_with_their_place(more: str, why: str) -> None:
    assert unbuilt(ROWS + more).startswith(why)


# --------------------------------------------------------------------------------------------------------------- what is found in them

LOOSE = """
[guards.strict]
allowed_hosts = ["*.example.com", "docs.example.com"]

[guards.strict.guards]
house = { on_error = "flag" }
pii = { action = "block" }

[guards.strict.tools]
find = { effects = false, approval = "never" }
send = { approval = "never", arguments = [{ path = "/to", hosts = [".example.com", "example.com"] }] }

[guards.unused]

[templates.greeting]
text = "Hello."

[aliases]
both = ["eu", "us"]
one = "eu"
"""


def test_what_is_found() -> None:
    rules = ("unused-profile", "guard-fails-open", "wide-hosts", "unapproved-tool", "unpinned-template", "no-profile", "mixed-profiles")
    found = [(one.severity, one.rule, one.place) for one in lint(build(ROWS + LOOSE)) if one.rule in rules]
    assert found == [
        ("warning", "wide-hosts", "guards.strict.allowed_hosts"),
        ("warning", "guard-fails-open", "guards.strict.guards.house"),
        ("warning", "unapproved-tool", "guards.strict.tools.send"),
        ("warning", "wide-hosts", "guards.strict.tools.send.arguments"),
        ("warning", "unused-profile", "guards.unused"),
        ("note", "mixed-profiles", "aliases.both"),
        ("note", "no-profile", "routes.us"),
        ("note", "unpinned-template", "templates.greeting"),
    ]
    texts = {one.rule: one.text for one in lint(build(ROWS + LOOSE))}
    assert texts["unused-profile"] == 'no row names it: write guards = "unused" in a row, or take it out'
    assert texts["mixed-profiles"] == (
        "its rows have several guard profiles (none, strict): a call passes the strictest of all, whichever row answers"
    )
    assert texts["wide-hosts"].startswith("/to .example.com: every host below that name")


def test_nothing_is_found_where_all_is_well() -> None:
    text = ROWS + '[guards.strict]\nmax_characters = 9\ntemplates = ["t"]\n[templates.t]\ntext = "x"\n[defaults]\nguards = "strict"\n'
    assert not [one for one in lint(build(text)) if one.place.startswith(("guards", "templates")) or "profile" in one.rule]


def test_rows_that_a_call_may_fall_back_to_count() -> None:
    made = table(
        row(guards="p"),
        row(id="other", model="m-2", guards="q"),
        aliases={"a": alias("main", fallback={"any": ["other"]})},
        guards={"p": {}, "q": {"max_characters": 1}},
    )
    from saferoute.signing.strict_json import canonical

    (found,) = [one for one in lint(canonical(made)) if one.rule == "mixed-profiles"]
    assert (found.place, "(p, q)" in found.text) == ("aliases.a", True)


# ------------------------------------------------------------------------------------------------------------------------- how it is shown


def full() -> RoutingTable:
    templates = {"support-v1": TEMPLATE, "apart": {"sha256": "0" * 64, "variables": {}}, "odd": template("one\ntwo \u202e\n")}
    return opened(full_profile(), templates=templates, guards={"p": full_profile(), "q": {"tools": {}}, "r": {}})


def test_it_is_shown_in_words() -> None:
    assert guard_lines(full()) == [
        "",
        "Guards: what calls pass besides the guards of the client",
        "  p  for main",
        "      guard house-rules: finds count as what it says, UNSAFE: a failure of it is only told",
        "      guard pii: finds at least REDACT, from a score of 0.5 on, of the kinds pii.email, pii.phone, put back into answers",
        "      guard secrets: finds at least BLOCK",
        "      at most 100000 characters in all texts of a request",
        "      links and images of answers may lead to *.example.org, docs.example.com",
        "      only these templates may stand as instructions: support-v1",
        (
            "      tool search: no effects; nobody has to agree; /url is a URL of .example.org, api.example.com, one of 'a', 'b', a text that "
            "begins with 'https://', at most 200 characters long; what was taken out is put back into its arguments"
        ),
        "      tool send: has effects; somebody has to agree once untrusted content was read",
        "      no other tool may be called",
        "  q  for no row",
        "      no tool may be called",
        "  r  for no row",
        "      asks for nothing",
        "",
        "Templates: prompts that programs can name",
        "  apart  no variables",
        f"      SHA-256 {'0' * 64}",
        "      programs bring the text",
        "  odd  no variables",
        f"      SHA-256 {ODD}",
        "      | one",
        "      | two \\u202e",
        "      | ",
        "  support-v1  language (line)",
        f"      SHA-256 {TEMPLATE['sha256']}",
        "      | Answer {{shortly}} in {language}.",
    ]
    assert "      guards p" in in_words(full(), "a draft")


def test_it_is_shown_to_scripts() -> None:
    made = full()
    shown = json.loads(json.dumps(as_json(made, "")))
    assert shown["routes"]["main"]["guards"] == "p"
    plain: dict[str, Any] = {"max_characters": None, "allowed_hosts": [], "templates": [], "guards": {}, "tools": None}
    assert shown["guards"]["r"] == plain
    assert shown["guards"]["q"] == {**plain, "tools": {}}
    assert shown["guards"]["p"] == json.loads(json.dumps(profile_json(made.guard_profiles["p"])))
    assert shown["guards"]["p"]["guards"]["pii"] == full_profile()["guards"]["pii"]
    assert shown["guards"]["p"]["guards"]["house-rules"] == {
        "action": None,
        "threshold": None,
        "on_error": "flag",
        "kinds": [],
        "reversible": False,
    }
    (rule,) = shown["guards"]["p"]["tools"]["search"]["arguments"]
    assert rule == {**full_profile()["tools"]["search"]["arguments"][0], "hosts": [".example.org", "api.example.com"]}
    assert shown["templates"]["support-v1"] == template_json(made.templates["support-v1"]) == TEMPLATE
    assert shown["templates"]["apart"]["text"] is None
    assert files(table(row())).open().routes["main"].guards is None
