"""What changes in guard profiles and templates: the words, and which changes are marked."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.routing.authoring import build
from saferoute.routing.difference import compare
from saferoute.routing.difference_guards import profile_changes, row_guard_changes, template_changes

Json = dict[str, Any]


def changes(old: Json, new: Json) -> list[tuple[bool, str, str]]:
    found = list(profile_changes({"p": old}, {"p": new}))
    assert {one.place for one in found} <= {"guards.p"}
    return [(one.dangerous, one.field, one.text) for one in found]


def setting(**fields: Any) -> Json:
    return {"guards": {"pii": fields}}


def tool(**fields: Any) -> Json:
    return {"tools": {"t": fields}}


PAGE, MAIL = {"path": "/url", "hosts": ["a"]}, {"path": "/to", "longest": 9}
MARKED: list[tuple[Json, Json, str, str]] = [
    (setting(action="block"), setting(action="redact"), "guards.pii.action", "guards.pii.action changes from block to redact"),
    (setting(action="redact"), setting(action="flag"), "guards.pii.action", "guards.pii.action changes from redact to flag"),
    (setting(action="flag"), setting(), "guards.pii.action", "guards.pii.action is no longer flag, but not set"),
    (
        setting(action="block", threshold=500), setting(action="block", threshold=501), "guards.pii.threshold",
        "guards.pii.threshold changes from 500 to 501",
    ),
    (setting(action="block"), setting(action="block", threshold=1), "guards.pii.threshold", "guards.pii.threshold is now 1"),
    (setting(), setting(on_error="flag"), "guards.pii.on_error", "guards.pii.on_error changes from block to flag"),
    (setting(action="block"), setting(action="block", kinds=["pii.email"]), "guards.pii.kinds", "guards.pii.kinds is now pii.email"),
    (
        setting(action="block", kinds=["pii"]), setting(action="block", kinds=["pii.email"]), "guards.pii.kinds",
        "guards.pii.kinds changes from pii to pii.email",
    ),
    (
        setting(action="block", kinds=["pii", "link"]), setting(action="block", kinds=["pi", "link"]), "guards.pii.kinds",
        "guards.pii.kinds changes from pii, link to pi, link",
    ),
    (setting(), setting(reversible=True), "guards.pii.reversible", "guards.pii.reversible changes from false to true"),
    (setting(), setting(later=1), "guards.pii.later", "guards.pii.later is now 1"),
    (setting(), {}, "guards.pii", "the guard pii is no longer asked for"),
    ({}, setting(on_error="flag"), "guards.pii", "the guard pii is asked for; guards.pii.on_error changes from block to flag"),
    ({}, setting(reversible=True), "guards.pii", "the guard pii is asked for; guards.pii.reversible changes from false to true"),
    ({"max_characters": 9}, {"max_characters": 10}, "max_characters", "max_characters changes from 9 to 10"),
    ({"max_characters": 9}, {}, "max_characters", "max_characters is no longer 9, but not set"),
    ({}, {"allowed_hosts": ["a"]}, "allowed_hosts", "allowed_hosts is now a"),
    ({"allowed_hosts": ["a"]}, {"allowed_hosts": ["b"]}, "allowed_hosts", "allowed_hosts changes from a to b"),
    ({"templates": ["a"]}, {"templates": ["a", "b"]}, "templates", "templates changes from a to a, b"),
    ({"templates": ["a"]}, {}, "templates", "templates is no longer a, but not set"),
    ({"later": 1}, {}, "later", "later is no longer 1, but not set"),
    ({"tools": {}}, {}, "tools", "tools that are not listed may be called again"),
    (
        {"tools": {}}, tool(approval="never"), "tools.t", "the tool t may be called too; tools.t.approval changes from tainted to never",
    ),
    (tool(), tool(effects=False), "tools.t.effects", "tools.t.effects changes from true to false"),
    (tool(), tool(restore=True), "tools.t.restore", "tools.t.restore changes from false to true"),
    (tool(), tool(approval="never"), "tools.t.approval", "tools.t.approval changes from tainted to never"),
    (tool(approval="always"), tool(), "tools.t.approval", "tools.t.approval changes from always to tainted"),
    (tool(arguments=[PAGE]), tool(), "tools.t.arguments", 'tools.t.arguments is no longer [{"hosts":["a"],"path":"/url"}], but not set'),
    (
        tool(arguments=[MAIL]), tool(arguments=[{**MAIL, "longest": 8}]), "tools.t.arguments",
        'tools.t.arguments changes from [{"longest":9,"path":"/to"}] to [{"longest":8,"path":"/to"}]',
    ),
    (
        {}, {"tools": {"t": {"effects": False}, "a": {}}}, "tools",
        "only these tools may be called: a, t; tools.t.effects changes from true to false",
    ),
]  # fmt: skip
UNMARKED: list[tuple[Json, Json, str, str]] = [
    ({}, setting(action="block", threshold=900, kinds=["x"]), "guards.pii", (
        "the guard pii is asked for; guards.pii.action is now block; guards.pii.kinds is now x; guards.pii.threshold is now 900")),
    ({}, setting(), "guards.pii", "the guard pii is asked for"),
    (setting(action="redact"), setting(action="block"), "guards.pii.action", "guards.pii.action changes from redact to block"),
    (
        setting(action="block", threshold=2), setting(action="block", threshold=1), "guards.pii.threshold",
        "guards.pii.threshold changes from 2 to 1",
    ),
    (
        setting(action="block", threshold=2), setting(action="block"), "guards.pii.threshold",
        "guards.pii.threshold is no longer 2, but not set",
    ),
    (setting(on_error="flag"), setting(), "guards.pii.on_error", "guards.pii.on_error changes from flag to block"),
    (
        setting(action="block", kinds=["pii.email"]), setting(action="block", kinds=["pii"]), "guards.pii.kinds",
        "guards.pii.kinds changes from pii.email to pii",
    ),
    (
        setting(action="block", kinds=["pii.email"]), setting(action="block"), "guards.pii.kinds",
        "guards.pii.kinds is no longer pii.email, but not set",
    ),
    (setting(reversible=True), setting(), "guards.pii.reversible", "guards.pii.reversible changes from true to false"),
    ({"max_characters": 9}, {"max_characters": 8}, "max_characters", "max_characters changes from 9 to 8"),
    ({}, {"max_characters": 8}, "max_characters", "max_characters is now 8"),
    ({"allowed_hosts": ["a", "b"]}, {"allowed_hosts": ["b"]}, "allowed_hosts", "allowed_hosts changes from a, b to b"),
    ({}, {"templates": ["a"]}, "templates", "templates is now a"),
    ({"templates": ["a", "b"]}, {"templates": ["b"]}, "templates", "templates changes from a, b to b"),
    ({}, {"tools": {}}, "tools", "only these tools may be called: none"),
    ({}, tool(approval="always"), "tools", "only these tools may be called: t"),
    (tool(), {"tools": {}}, "tools.t", "the tool t may no longer be called"),
    (tool(effects=False), tool(), "tools.t.effects", "tools.t.effects changes from false to true"),
    (tool(restore=True), tool(), "tools.t.restore", "tools.t.restore changes from true to false"),
    (tool(), tool(approval="always"), "tools.t.approval", "tools.t.approval changes from tainted to always"),
    (
        tool(arguments=[MAIL]), tool(arguments=[PAGE, MAIL]), "tools.t.arguments",
        'tools.t.arguments changes from [{"longest":9,"path":"/to"}] to [{"hosts":["a"],"path":"/url"},{"longest":9,"path":"/to"}]',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "old", "new", "field", "text"), [(True, *one) for one in MARKED] + [(False, *one) for one in UNMARKED])
def test_what_a_profile_changes(marked: bool, old: Json, new: Json, field: str, text: str) -> None:
    assert changes(old, new) == [(marked, field, text)]


def test_saying_which_finds_are_raised_weakens_nothing_where_none_was() -> None:
    found = changes(setting(), setting(action="redact", threshold=900, kinds=["pii.email"]))
    assert [(one, field) for one, field, _ in found] == [
        (False, "guards.pii.action"), (False, "guards.pii.kinds"), (False, "guards.pii.threshold"),
    ]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [({}, {"on_error": "block"}), ({"approval": "tainted"}, {}), ({"effects": True}, {})])
def test_what_is_the_default_need_not_be_written(before: Json, after: Json) -> None:
    place = "guards" if "on_error" in after else "tools"
    assert changes({place: {"x": before}}, {place: {"x": after}}) == []


def test_profiles_come_and_go() -> None:
    one = {"max_characters": 9, **tool(approval="never")}
    sides: list[tuple[dict[str, Json], dict[str, Json]]] = [({}, {"p": one}), ({}, {"p": {}}), ({"p": one}, {})]
    (new,), (empty,), (gone,) = (list(profile_changes(*pair)) for pair in sides)
    said = "only these tools may be called: t; tools.t.approval changes from tainted to never; max_characters is now 9"
    assert (new.dangerous, new.text, new.before, new.after) == (False, f"is new: {said}", None, one)
    assert (empty.dangerous, empty.text) == (False, "is new: it asks for nothing")
    assert (gone.dangerous, gone.text, gone.before, gone.after) == (False, "is gone", one, None)
    assert list(profile_changes({"p": one}, {"p": one})) == []


STRICT, LOOSE = {"max_characters": 9, **setting(action="block")}, {"max_characters": 10}


@pytest.mark.parametrize(
    ("names", "marked", "text"),
    [
        ((None, "strict"), False, "guards is now strict"),
        (("loose", "strict"), False, "guards changes from loose to strict"),
        (
            ("strict", "loose"), True,
            "guards changes from strict to loose, which is weaker: the guard pii is no longer asked for; max_characters changes from 9 to 10",
        ),
        (
            ("strict", None), True,
            ("guards is no longer strict: the row asks nothing of guards, which is weaker: the guard pii is no longer asked for; "
            "max_characters is no longer 9, but not set"),
        ),
        (("empty", None), True, "guards is no longer empty: the row asks nothing of guards"),
        ((None, "open"), True, "guards is now open, which is weaker: allowed_hosts is now a"),
    ],
)  # fmt: skip
def test_what_a_row_changes(names: tuple[str | None, str | None], marked: bool, text: str) -> None:
    held = {"strict": STRICT, "loose": LOOSE, "empty": {}, "open": {"allowed_hosts": ["a"]}}
    (found,) = row_guard_changes("routes.r", names, held, held)
    assert (found.place, found.field, found.dangerous, found.text) == ("routes.r", "guards", marked, text)
    assert (found.before, found.after) == names
    assert list(row_guard_changes("routes.r", (names[0], names[0]), held, held)) == []


SHORT = {"sha256": "1" * 64, "variables": {}, "text": "Be brief."}
LONG = {"sha256": "2" * 64, "variables": {}, "text": "Be brief. Then tell everything."}
APART = {"sha256": "1" * 64, "variables": {}}


@pytest.mark.parametrize(
    ("old", "new", "field", "marked", "text"),
    [
        (None, SHORT, "", True, "is new: models may be told what it says; its text is in the table"),
        (None, APART, "", True, f"is new: models may be told what it says; its text has the SHA-256 {'1' * 64}"),
        (SHORT, None, "", False, "is gone"),
        (
            SHORT, LONG, "sha256", True,
            "models are told something else: from character 9 on, 'Be brief.' becomes 'Be brief. Then tell everything.'",
        ),
        (
            {**SHORT, "text": "a" * 50 + "x\u202e" + "b" * 100}, {**LONG, "text": "a" * 50 + "y" + "b" * 100}, "sha256", True,
            f"models are told something else: from character 50 on, '{'a' * 20}x\\u202e{'b' * 58}' becomes '{'a' * 20}y{'b' * 59}'",
        ),
        (SHORT, {**APART, "sha256": "3" * 64}, "sha256", True, (
            f"models are told something else: sha256 changes from {'1' * 64} to {'3' * 64}")),
        (SHORT, APART, "text", False, "the text is the same, and no longer in the table"),
        (APART, SHORT, "text", False, "the text is the same, and now in the table"),
        (APART, {**APART, "variables": {"a": "text"}}, "variables", True, 'variables changes from {} to {"a":"text"}'),
        (APART, {**APART, "later": 1}, "later", True, "later is now 1"),
    ],
)  # fmt: skip
def test_what_a_template_changes(old: Json | None, new: Json | None, field: str, marked: bool, text: str) -> None:
    (found,) = template_changes({} if old is None else {"t": old}, {} if new is None else {"t": new})
    assert (found.place, found.field, found.dangerous, found.text) == ("templates.t", field, marked, text)
    assert list(template_changes({"t": SHORT}, {"t": SHORT})) == []


ROWS = '[routes.r]\nextends = "openai"\nmodel = "m"\n'


def test_a_review_of_tables_tells_all_of_it() -> None:
    old = build(ROWS + 'guards = "a"\n[guards.a]\nmax_characters = 9\n[templates.t]\ntext = "x"\n')
    new = build(ROWS + '[guards.a]\nmax_characters = 10\n[templates.t]\ntext = "y"\n[routes.s]\nextends = "r"\nguards = "a"\n')
    found = [(one.place, one.field, one.dangerous) for one in compare(old, new).changes if one.place != "routes.s"]
    assert found == [
        ("routes.r", "guards", True), ("guards.a", "max_characters", True), ("templates.t", "sha256", True),
    ]  # fmt: skip
    (added,) = [one for one in compare(old, new).changes if one.place == "routes.s"]
    assert (added.dangerous, added.text.endswith("data up to public, guards a")) == (False, True)
