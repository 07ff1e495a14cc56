"""What a page says that its code prints is what it prints: a `text` block right after a `python` block is compared with it."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN = re.compile(r"^```python\n(?P<code>(?:(?!```).*\n)*)```\n\n```text\n(?P<printed>(?:(?!```).*\n)*)```$", re.MULTILINE)
CASES = [
    pytest.param(match["code"], match["printed"], id=str(page.relative_to(ROOT)))
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for match in SHOWN.finditer(page.read_text(encoding="utf-8"))
]


@pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning")
@pytest.mark.filterwarnings("ignore:.*dropped with open connections:ResourceWarning")  # two lines in a notebook leave a client open
@pytest.mark.parametrize(("code", "printed"), CASES)
def test_a_block_prints_what_the_page_shows(code: str, printed: str) -> None:
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "block", "exec"), names)
    assert out.getvalue() == printed


def test_the_readme_shows_what_its_first_block_prints() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").index("```python\n")
    match = SHOWN.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert match is not None
    assert match.start() == first
