"""The public surface is small, written down, and real."""

from __future__ import annotations

import re

from package_source import ROOT, public_names

REFERENCE = ROOT / "docs" / "reference" / "public-names.md"


def test_at_most_30_public_names() -> None:
    assert 0 < len(public_names()) <= 30


def test_public_names_are_the_documented_ones() -> None:
    documented = re.findall(r"^\| `(\w+)`", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(public_names()) == sorted(documented)


def test_every_public_name_exists() -> None:
    import saferoute

    assert [name for name in public_names() if not hasattr(saferoute, name)] == []
