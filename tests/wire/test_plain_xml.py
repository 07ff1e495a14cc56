"""XML as AWS' query services write it, and everything else that XML can be."""

from __future__ import annotations

import contextlib
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.wire.plain_xml import texts_by_path

STS = b"""<?xml version="1.0" encoding="UTF-8"?>
<A xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <B><Key>AK</Key><Empty/><Text> a &lt;b&gt; &amp;amp; &#65;&#x42; </Text></B>
  <M><Id>1</Id></M >
</A>
"""


def test_what_sts_writes() -> None:
    assert texts_by_path(STS) == {
        ("A", "B", "Key"): "AK",
        ("A", "B", "Empty"): "",
        ("A", "B", "Text"): " a <b> &amp; AB ",
        ("A", "M", "Id"): "1",
    }
    assert texts_by_path(b"<a>x</a>") == {("a",): "x"}
    assert texts_by_path(b'<?xml version="1.0"?><a/>') == {("a",): ""}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"x",
        b"<",
        b"<a>",
        b"<a></b>",
        b"</a>",
        b"<a></a></a>",
        b"<a/><a/>",
        b"<a/><b/>",
        b"<a>x</a>y",
        b"y<a>x</a>",
        b"<a>x<b/></a>",
        b"<a><b/>x</a>",
        b"<a><b/><b/></a>",
        b"<a><b/><b><c/></b></a>",
        b"<a><b><c/></b><b><d/></b></a>",
        b"<a b='1'/>",
        b'<a b="1"/>',
        b'<a xmlns:x="y"/>',
        b"<x:a/>",
        b"<a><!-- c --></a>",
        b"<!-- c --><a/>",
        b"<a><![CDATA[x]]></a>",
        b"<a><?php x?></a>",
        b'<?xml version="1.1"?><a/>',
        b'<?xml version="1.0" encoding="UTF-16"?><a/>',
        b'<?xml-stylesheet href="x"?><a/>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"<a>&x;</a>",
        b"<a>&</a>",
        b"<a>&amp</a>",
        b"<a>&#0;</a>",
        b"<a>&#xD800;</a>",
        b"<a>&#xFFFFFF;</a>",
        b"<a>&#9999999;</a>",
        b"<a>\xff</a>",
        b"\xef\xbb\xbf<a/>",
        b"<a\x00/>",
        b"<" + b"a" * 129 + b"/>",
        b"<a>" * 17 + b"</a>" * 17,
        b"<r>" + b"".join(b"<e%d/>" % number for number in range(256)) + b"</r>",
        b"<a>" + b"x" * 65_536 + b"</a>",
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        texts_by_path(data)


def test_bounds_are_reached_by_what_is_allowed() -> None:
    assert len(texts_by_path(b"<r>" + b"".join(b"<e%d/>" % number for number in range(255)) + b"</r>")) == 255
    deep = b"".join(b"<a>" for _ in range(16)) + b"x" + b"</a>" * 16
    assert list(texts_by_path(deep).values()) == ["x"]
    assert len(texts_by_path(b"<a>" + b"x" * 65_529 + b"</a>")[("a",)]) == 65_529


_NAME = st.text("abcXYZ", min_size=1, max_size=3)
_WORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=8)
_TREE = st.recursive(_WORDS, lambda inner: st.dictionaries(_NAME, inner, min_size=1, max_size=3), max_leaves=12)


def _grow(parent: ET.Element, tree: object) -> None:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            _grow(ET.SubElement(parent, name), inner)
    else:
        parent.text = str(tree)


@settings(max_examples=300, deadline=None)
@given(tree=_TREE, mutation=st.none() | st.tuples(st.integers(0, 400), st.binary(max_size=3)))
def test_what_is_read_is_what_another_parser_reads(tree: object, mutation: tuple[int, bytes] | None) -> None:
    root = ET.Element("root")
    _grow(root, tree)
    data = ET.tostring(root)
    if mutation is not None:
        at = mutation[0] % len(data)
        data = data[:at] + mutation[1] + data[at + len(mutation[1]) :]
    try:
        found = texts_by_path(data)
    except ValueError:
        assert mutation is not None or b"\r" in data
        return
    theirs: dict[tuple[str, ...], str] = {}

    def walk(element: ET.Element, path: tuple[str, ...]) -> None:
        if len(element) == 0:
            theirs[path] = element.text or ""
        for child in element:
            walk(child, (*path, child.tag.rpartition("}")[2]))

    try:
        parsed = ET.fromstring(data)
    except ET.ParseError:
        assert mutation is not None  # a control character: no key has one, and it is refused there
        return
    walk(parsed, (parsed.tag.rpartition("}")[2],))
    assert found == {path: text.replace("\r\n", "\n") for path, text in theirs.items()} or "\r" in data.decode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text("<>/ab&;!?[]#x1 ", max_size=80).map(str.encode))
def test_hostile_bytes_raise_one_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        texts_by_path(data)
