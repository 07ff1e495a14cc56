"""Attack: a body is made so that tools which were read before hide what it says: they stand elsewhere, twice, or beside others.

What a client's extractors remember must change nothing of what they find, in any body that anybody could write. Each test has the client
read an honest body first, then a forged one, and compares with a client that remembers nothing.

Guards: saferoute/providers/text_memory.py::value = decode_canonical(short) => value = __import__("json").loads(short)
Guards: saferoute/providers/text_memory.py::if value.get(key) != _MARK:
Guards: saferoute/providers/text_memory.py::if short.count(_MARKED) != 1:
Guards: saferoute/providers/text_memory.py::if body.startswith(one.written, at) and one.rule is rule: => if body.startswith(one.written, at):
Guards: saferoute/providers/text_rules.py::if memory is not None and not opened: => if memory is not None:
Guards: saferoute/providers/text_rules.py::if is_canonical: => if value := __import__("json").loads(body):
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from saferoute.errors import ProtocolError
from saferoute.providers.wire_text import NOTHING_OPENED, Opened, WireText
from saferoute.values.json import encode
from saferoute.values.json_exact import exact_text
from tests.support.read_before import ESCAPED, MARKED, Witness

if TYPE_CHECKING:
    from saferoute.providers.text_memory import TextMemory

WORDS = "Looks a thing up. " * 40
SCHEMA = {"type": "object", "properties": {}}
FUNCTION = {"name": "look", "description": WORDS, "parameters": SCHEMA}
TOOLS = encode([{"type": "function", "function": FUNCTION}])
EVIL = TOOLS.replace(b"Looks", b"Steal")
FLAT = encode([{"type": "function", **FUNCTION}])
GEMINI = {"functionDeclarations": [{"name": "look", "description": WORDS, "parametersJsonSchema": SCHEMA}]}
SAID = b'[{"role":"user","content":"hello"}]'


def read(dialect: str, body: bytes, memory: TextMemory | None = None, opened: Opened = NOTHING_OPENED) -> tuple[WireText, ...] | str:
    """The texts of a body; or why it is refused."""
    try:
        found: tuple[WireText, ...] = import_module(f"saferoute.providers.{dialect}_texts").texts(body, opened, memory)
    except ProtocolError as error:
        return str(error)
    return found


def taught(dialect: str = "ollama_chat", tools: bytes = TOOLS) -> Witness:
    """The memory of a client that has sent these tools."""
    memory = Witness()
    honest = b'{"model":"m","messages":%s,"tools":%s}' % (SAID, tools)
    assert read(dialect, honest, memory) == read(dialect, honest, memory) == read(dialect, honest)
    assert memory.recalled == 1
    return memory


def arguments(text: bytes) -> bytes:
    """A turn of the model's with a call; in this dialect a call's arguments are any JSON."""
    return b'[{"role":"assistant","content":"","tool_calls":[{"function":{"name":"look","arguments":%s}}]}]' % text


NESTED = arguments(b'{"tools":%s}' % TOOLS)
FORGED = {
    "others before": b'{"messages":%s,"tools":%s,"tools":%s}' % (SAID, EVIL, TOOLS),
    "others behind": b'{"messages":%s,"tools":%s,"tools":%s}' % (SAID, TOOLS, EVIL),
    "others, the key escaped": b'{"messages":%s,"t\\u006fols":%s,"tools":%s}' % (SAID, EVIL, TOOLS),
    "the same twice": b'{"messages":%s,"tools":%s,"tools":%s}' % (SAID, TOOLS, TOOLS),
    "elsewhere": b'{"messages":%s}' % NESTED,
    "elsewhere, and others": b'{"messages":%s,"tools":%s}' % (NESTED, EVIL),
    "elsewhere, and the same": b'{"messages":%s,"tools":%s}' % (NESTED, TOOLS),
    "elsewhere, and the mark": b'{"messages":%s,"tools":%s}' % (NESTED, MARKED),
    "elsewhere, and the mark escaped": b'{"messages":%s,"tools":%s}' % (NESTED, ESCAPED),
    "the mark": b'{"messages":%s,"tools":%s}' % (SAID, MARKED),
    "the mark in a text": b'{"messages":[{"role":"user","content":%s}],"tools":%s}' % (MARKED, TOOLS),
    "in a text": b'{"messages":[{"role":"user","content":%s}]}' % encode((b'"tools":%s' % TOOLS).decode()),
    "in a text that is none": b'{"messages":[{"role":"user","content":""tools":%s"}]}' % TOOLS,
    "behind a backslash": b'{"messages":[{"role":"user","content":"\\"tools":%s"}]}' % TOOLS,
    "more behind": b'{"messages":%s,"tools":%s%s}' % (SAID, TOOLS, EVIL),
    "in an array": b'[{"messages":%s,"tools":%s}]' % (SAID, TOOLS),
    "cut off": b'{"messages":%s,"tools":%s' % (SAID, TOOLS),
    "another key twice": b'{"messages":%s,"messages":[],"tools":%s}' % (SAID, TOOLS),
    "a key that nobody knows": b'{"messages":%s,"tools":%s,"system":"x"}' % (SAID, TOOLS),
    "with spaces": b'{"messages":%s, "tools":%s}' % (SAID, TOOLS),
}


@pytest.mark.parametrize("how", FORGED)
def test_what_was_read_before_hides_nothing(how: str) -> None:
    assert read("ollama_chat", FORGED[how], taught()) == read("ollama_chat", FORGED[how])


@pytest.mark.parametrize("how", FORGED)
def test_nothing_false_is_learnt(how: str) -> None:
    memory = Witness()
    read("ollama_chat", FORGED[how], memory)
    for body in (*FORGED.values(), b'{"messages":%s,"tools":%s}' % (SAID, TOOLS)):
        assert read("ollama_chat", body, memory) == read("ollama_chat", body)


def test_where_a_value_begins_is_not_told_by_a_body_that_says_things_in_another_way() -> None:
    taught = b'{"model":"\\u0061","messages":%s,"tools":%s}' % (SAID, TOOLS)  # five bytes longer than our writer's
    for shift in range(-6, 12):
        memory = Witness()
        assert not isinstance(read("ollama_chat", taught, memory), str)
        forged = b'{"messages":%s,"tools":%s}' % (SAID, taught[-1 - len(TOOLS) - shift : -1])
        assert read("ollama_chat", forged, memory) == read("ollama_chat", forged)


def test_what_one_dialect_reads_another_may_not() -> None:
    body = b'{"model":"m","max_tokens":1,"messages":[],"tools":%s}' % FLAT
    memory = Witness()
    assert not isinstance(read("openai_responses", b'{"model":"m","input":[],"tools":%s}' % FLAT, memory), str)
    assert "/tools/0/type" in read("anthropic_messages", body, memory)
    assert memory.recalled == 0


def test_what_was_passed_through_once_is_not_passed_over_later() -> None:
    secret = {"words": "which nobody approved"}
    body = b'{"contents":[],"tools":%s}' % encode([GEMINI | {"ownTool": secret}])
    memory = Witness()
    opened = {"ownTool": frozenset({exact_text(secret)})}
    assert not isinstance(read("gemini_generate", body, memory, opened), str)
    assert "/tools/0/ownTool" in read("gemini_generate", body, memory)
    assert memory.recalled == 0


def test_a_changed_tool_is_another() -> None:
    memory = taught()
    for place in range(0, len(TOOLS), 7):
        changed = TOOLS[:place] + bytes([TOOLS[place] ^ 1]) + TOOLS[place + 1 :]
        body = b'{"messages":%s,"tools":%s}' % (SAID, changed)
        assert read("ollama_chat", body, memory) == read("ollama_chat", body)
