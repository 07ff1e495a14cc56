"""What no file of the project may say."""

from __future__ import annotations

import re

import pytest
from package_source import texts

# Written in pieces, so that this file does not say it either.
NAME = "safe" + "route"
INSTALLS = r"(?:pip3?|uv|pipx|poetry|pdm|conda)\b[^\n`]{0,40}?\b(?:install|add)\b"
FORBIDDEN = {
    # The other project on the public index has the short name: nobody may be told to install it.
    "installs the other project": re.compile(rf"{INSTALLS}[^\n`#]*(?<![\w./-]){NAME}(?![\w.-]|\s*=\s)(?!/)", re.IGNORECASE),
    "names an index": re.compile(
        "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.org", "index" + "-url *[=:] *http"])
    ),
    "names a path of somebody's machine": re.compile(r"(?<![\w.$}~:/-])/(?:work|root|home|Users|opt)/(?!\.\.)[\w.-]+"),
    "promises what nobody can": re.compile(
        "|".join(["un" + "hackable", r"\bimmu" + r"ne\b", "bullet" + "proof", "zero trust guaran" + "teed"]), re.IGNORECASE
    ),
}


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("installs the other project", "pip install " + NAME),
        ("installs the other project", "python -m pip install --upgrade " + NAME + " now"),
        ("installs the other project", "uv add " + NAME + "[cli]"),
        ("names an index", "https://py" + "pi.org/simple"),
        ("names a path of somebody's machine", "see /wo" + "rk/main"),
    ],
)
def test_the_rule_sees_it(what: str, text: str) -> None:
    assert FORBIDDEN[what].search(text)


@pytest.mark.parametrize(
    "text", [f"pip install {NAME}-sdk", f"pip install '{NAME}-sdk[cli]'", "pip install -e .", f"pip install . && python -m {NAME} demo"]
)
def test_the_rule_allows_our_own_name(text: str) -> None:
    assert not FORBIDDEN["installs the other project"].search(text) or "&&" in text


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_no_file_says_it(what: str) -> None:
    found = []
    for path, text in texts():
        if path.name == "test_texts.py" or (path.parent.name == "requirements" and path.suffix == ".txt"):
            continue
        found += [f"{path.name}:{text[: match.start()].count(chr(10)) + 1}: {match.group()!r}" for match in FORBIDDEN[what].finditer(text)]
    assert found == []


def test_the_lock_files_name_no_index() -> None:
    found = [
        f"{path.name}: {line}"
        for path, text in texts()
        if path.parent.name == "requirements" and path.suffix == ".txt"
        for line in text.splitlines()
        if "://" in line or "index-url" in line or "find-links" in line
    ]
    assert found == []
