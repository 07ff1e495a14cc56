"""docs/how-to/prompt-templates.md: its table builds, its prints print what it says, and its bounds are the code's."""

from __future__ import annotations

import hashlib
import re
from functools import cache

import pytest

from saferoute.errors import GuardBlocked, InvalidMessages
from saferoute.guards.templates import LONGEST_RENDERED, check_pinned, with_templates
from saferoute.routing.authoring import build
from saferoute.routing.release import Release
from saferoute.routing.resolve import resolve
from saferoute.routing.table import RoutingTable, compile_table
from saferoute.values.conversation import messages_from
from saferoute.values.request import ChatRequest
from saferoute.values.template import Template
from saferoute.values.template_text import LONGEST_TEMPLATE
from saferoute.values.template_values import fits
from tests.support.commands import ROOT

ADA = Template("support-v3", {"customer": "Ada", "plan": "gold", "facts": {"since": 2021}})


@cache
def page() -> str:
    return (ROOT / "docs" / "how-to" / "prompt-templates.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page(), re.DOTALL | re.MULTILINE)


@cache
def table() -> RoutingTable:
    return compile_table(build("\n".join(blocks("toml"))), Release("page", 1, 1, 0, 1, ()))


def asked(*messages: object, system: Template | str | None = None) -> ChatRequest:
    return with_templates(ChatRequest(messages_from(list(messages), system=system, templates=True)), table().templates)


def test_the_prompt_is_the_one_that_the_page_prints() -> None:
    assert asked("hi", system=ADA).messages[0].text + "\n" == blocks("text")[0]


def test_the_refusal_is_the_one_that_the_page_prints() -> None:
    with pytest.raises(InvalidMessages) as caught:
        asked("hi", system=Template("support-v3", {"customer": "Ada", "plan": "gold"}))
    assert f"{caught.value}\n" == blocks("text")[1]


def test_the_route_of_the_page_is_pinned() -> None:
    (row,) = resolve(table(), "desk")
    assert row.guards is not None
    check_pinned(asked("hi", system=ADA), row.guards.templates, table().templates)
    with pytest.raises(GuardBlocked) as caught:
        check_pinned(asked("hi", system="You sell boats."), row.guards.templates, table().templates)
    assert f"{caught.value}\n" == blocks("text")[2]


def test_the_digest_is_that_of_the_text_that_the_page_brings() -> None:
    (text,) = re.findall(r'summary\.txt"\)\.write_text\((".*")\)', page())
    brought = text.strip('"').replace("\\n", "\n")
    assert table().templates["summary"].sha256 == hashlib.sha256(brought.encode()).hexdigest()
    made = asked(Template("summary", {"page": "Boats float."}, text=brought, retrieved={"page"}))
    assert made.messages[0].text.endswith("\n\nBoats float.")


def test_the_types_and_bounds_are_those_of_the_code() -> None:
    kinds = re.findall(r"^\| `(\w+)` \|", page(), re.MULTILINE)
    assert kinds == ["text", "line", "integer", "number", "boolean", "json"]
    assert all(fits("1", kind) is (kind != "boolean") for kind in kinds)
    assert f"{LONGEST_TEMPLATE:,} characters" in page()
    assert f"{LONGEST_RENDERED:,} characters" in page()
