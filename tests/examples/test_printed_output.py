"""What a page says that its code prints is what it prints: a `text` block right after a `python` block is compared with it."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re

import pytest

from saferoute import Client
from saferoute.testing import EmbeddedProvider

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN = re.compile(r"^```python\n(?P<code>(?:(?!```).*\n)*)```\n\n```text\n(?P<printed>(?:(?!```).*\n)*)```$", re.MULTILINE)
RUN = re.compile(r"^(?:```python|<!-- invisible-code-block: python)\n(?P<code>(?:(?!```|-->).*\n)*)(?:```|-->)$", re.MULTILINE)


def _cases() -> list[object]:
    cases: list[object] = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for number, match in enumerate(SHOWN.finditer(text), 1):
            before = [one["code"] for one in RUN.finditer(text, 0, match.start())]
            cases.append(pytest.param(before, match["code"], match["printed"], id=f"{page.relative_to(ROOT)} {number}"))
    return cases


def _close_clients(names: dict[str, object]) -> None:
    """Two lines in a notebook leave a client open, and functions of the page hold on to it: another test would see it dropped."""
    for one in names.values():
        if isinstance(one, Client):
            one.close()
    names.clear()


@pytest.mark.filterwarnings("ignore::saferoute.errors.LocalTrustWarning")
@pytest.mark.filterwarnings("ignore:.*Implicitly cleaning up:ResourceWarning")  # a page that is not run to its end
@pytest.mark.parametrize(("before", "code", "printed"), _cases())
def test_a_block_prints_what_the_page_shows(before: list[str], code: str, printed: str) -> None:
    names: dict[str, object] = {}
    with EmbeddedProvider() as provider, contextlib.ExitStack() as until_end:
        names["provider"] = provider
        until_end.callback(_close_clients, names)
        with contextlib.redirect_stdout(io.StringIO()):
            for one in before:
                exec(compile(one, "earlier block", "exec"), names)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, "block", "exec"), names)
        assert out.getvalue() == printed


def test_the_readme_shows_what_its_first_block_prints() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").index("```python\n")
    match = SHOWN.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert match is not None
    assert match.start() == first
