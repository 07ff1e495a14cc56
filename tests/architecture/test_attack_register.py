"""The register of attacks holds: its tests exist, its guarded lines stand in the source, no attack test is missing, its page is fresh."""

from __future__ import annotations

import dataclasses
import pathlib
from collections import Counter

import pytest

from tests.support import attack_register
from tests.support.attack_register import (
    ATTACKS,
    PAGE,
    REGISTER,
    ROOT,
    UNBUILT,
    Attack,
    Guard,
    disabled,
    find,
    guard_from,
    load,
    names_in,
    page,
)

ROWS = load()
SOURCE = """\
def f(x):
    if x < 0:
        raise ValueError
    elif x == 3:
        return 3
    if (
        x > 5
        and x > 6
    ):
        raise ValueError(
            "long"
        )
    check(x)
    check(x)
    with x:
        pass
"""


def test_every_row_has_an_id_of_its_own() -> None:
    assert [name for name, count in Counter(row.id for row in ROWS).items() if count > 1] == []
    assert all(
        row.id == row.id.lower() and " " not in row.id and row.title[0] == row.title[0].upper() and not row.title.endswith(".")
        for row in ROWS
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_has_tests_or_waits_for_a_part_that_is_not_built(row: Attack) -> None:
    if row.pending:
        assert row.pending in UNBUILT
        assert (row.tests, row.guards) == ((), ())
        return
    assert row.tests
    for test in row.tests:
        path, colons, name = test.partition("::")
        assert (ROOT / path).is_file(), test
        assert not colons or name.partition("[")[0] in names_in(ROOT / path), test


@pytest.mark.parametrize("row", [row for row in ROWS if row.guards], ids=lambda row: row.id)
def test_the_guarded_lines_stand_in_the_source_once_and_can_be_disabled(row: Attack) -> None:
    for guard in row.guards:
        assert guard.path.startswith("saferoute/")
        source = (ROOT / guard.path).read_text(encoding="utf-8")
        assert disabled(source, guard) != source, str(guard)


def test_no_attack_test_is_missing_from_the_register() -> None:
    named = {test for row in ROWS for test in row.tests}
    files = {test.partition("::")[0] for test in named}
    missing = [path.name for path in ATTACKS.glob("test_*.py") if f"tests/attacks/{path.name}" not in files]
    assert missing == [], "add a row to tests/attacks/register.toml"


def test_lines_that_a_test_says_it_guards_are_in_the_register() -> None:
    """A docstring's `Guards: path::line` and the register say the same, as far as lines of Python go."""
    registered = {(guard.path, guard.line) for row in ROWS for guard in row.guards}

    def stands(guard: Guard) -> bool:
        return guard.line in (line.strip() for line in (ROOT / guard.path).read_text(encoding="utf-8").splitlines())

    missing = [
        f"{path.name}: {line}"
        for path in sorted(ATTACKS.glob("test_*.py"))
        for line in attack_register.said_guards(path)
        if (guard_from(line).path, guard_from(line).line) not in registered and stands(guard_from(line))
    ]
    assert missing == []


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(ROWS), "run: python tests/architecture/disable_guards.py --page"


def test_a_register_with_a_wrong_field_is_refused(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "register.toml"
    for text in (
        '[[attack]]\nid = "a"\ntitle = "b"\nrule = "c"\n',
        REGISTER.read_text(encoding="utf-8") + '\n[[attack]]\nid = "x"\nwhy = "y"\n',
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match="has the fields"):
            load(file)


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("a/b.py::if x:", Guard("a/b.py", "if x:")),
        ("a/b.py#2::if x:", Guard("a/b.py", "if x:", 2)),
        ("a/b.py::if x: => if y:", Guard("a/b.py", "if x:", 0, "if y:")),
        ("a/b.py::x =>", Guard("a/b.py", "x =>")),
        ("a/b.py::x => ", Guard("a/b.py", "x", 0, "")),
    ],
)
def test_how_a_guard_is_written(text: str, guard: Guard) -> None:
    assert guard_from(text) == guard


@pytest.mark.parametrize("text", ["a/b.py", "a/b.py:if x:", "a b::x", ""])
def test_what_is_no_guard(text: str) -> None:
    with pytest.raises(ValueError, match="is no guard"):
        guard_from(text)


@pytest.mark.parametrize(
    ("guard", "became"),
    [
        ("f.py::if x < 0:", "    if False:\n        raise ValueError\n"),
        ("f.py::elif x == 3:", "    elif False:\n        return 3\n"),
        ("f.py::if (", "    if False:\n        raise ValueError(\n"),
        ("f.py::raise ValueError(", "    ):\n        pass\n    check(x)\n"),
        ("f.py::and x > 6 => and x > 9", "        and x > 9\n"),
        ("f.py::with x: => if True:", "    if True:\n        pass\n"),
        ("f.py#2::check(x)", "    check(x)\n    pass\n"),
        ("f.py#1::check(x) => ", "    pass\n    check(x)\n"),
    ],
)
def test_a_guard_that_is_disabled(guard: str, became: str) -> None:
    assert became in disabled(SOURCE, guard_from(guard))


@pytest.mark.parametrize("guard", ["f.py::check(x)", "f.py#3::check(x)", "f.py::nowhere"])
def test_a_line_that_is_not_there_once(guard: str) -> None:
    with pytest.raises(LookupError, match="stands there"):
        find(SOURCE, guard_from(guard))


@pytest.mark.parametrize("guard", ["f.py::with x:", "f.py::and x > 6", "f.py::def f(x):"])
def test_a_line_that_begins_no_plain_statement(guard: str) -> None:
    with pytest.raises(ValueError, match="write what replaces it"):
        disabled(SOURCE, guard_from(guard))


def test_a_replacement_that_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        disabled(SOURCE, guard_from("f.py::if x < 0: => if"))


def test_the_page_shows_stories_and_what_is_not_built() -> None:
    row = Attack(
        "a", "A | b", "trust 1", "table", story="It happened.", tests=("tests/attacks/x.py::y",), guards=(Guard("saferoute/a.py", "b"),)
    )
    text = page((row, dataclasses.replace(row, id="c", tests=(), guards=(), pending="cache")))
    assert "| A \\| b<br>It happened. | trust 1 | `attacks/x.py::y` | 1 in `a.py` |" in text
    assert "| not yet: cache |" in text
    assert text.startswith("# Attacks\n")
