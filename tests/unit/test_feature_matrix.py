"""docs/reference/providers.md says what the catalogue and the dialects do, and every refusal in it says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saferoute.errors import InvalidMessages, UnsupportedParameter
from saferoute.providers.registry import codec_for
from saferoute.routing.catalogue import load_catalogue
from saferoute.values.target import Dialect
from tests.support.features import FEATURES
from tests.support.provider_page import DIALECTS, PAGE, matrix, outcome, page, plain_target

EVERYWHERE = ["text", "system prompt", "several turns", "stream", "output bound", "temperature", "top_p", "tools", "parallel tool results",
              "tool choice: auto", "JSON Schema"]  # fmt: skip


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.support.provider_page"


def test_the_page_names_every_row_and_every_feature() -> None:
    text = page()
    assert all(f"| `{entry.name}` | {entry.label} |" in text for entry in load_catalogue().entries)
    assert all(f"| `{kind}` |" in text for kind in load_catalogue().kinds)
    assert [line.split("|")[1].strip() for line in matrix().splitlines() if line.startswith("|")][2:] == list(FEATURES)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("feature", EVERYWHERE)
def test_what_a_caller_can_count_on_everywhere(feature: str, dialect: Dialect) -> None:
    word, notes = outcome(FEATURES[feature], dialect)
    assert word == "yes" or (feature == "parallel tool results" and word != "no" and notes)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("feature", FEATURES)
def test_a_refusal_says_what_to_do_and_drop_takes_it_out(feature: str, dialect: Dialect) -> None:
    target, codec = plain_target(dialect), codec_for(dialect)
    try:
        codec.encode(FEATURES[feature], target)
    except UnsupportedParameter as error:
        assert error.parameter
        assert str(error).startswith(error.parameter)
        assert len(str(error)) > 40
        dropped = codec.encode(replace(FEATURES[feature], on_unsupported="drop"), target)
        assert any(notice.kind == "dropped" for notice in dropped.notices)
    except InvalidMessages as error:
        assert len(str(error)) > 40
