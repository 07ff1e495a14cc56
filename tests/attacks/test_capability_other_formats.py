"""Attack: something that is no srcap1 token is handed in as one: another version, a JWT, a macaroon, bytes, another thing of ours.

JWT libraries were talked into other algorithms, "none" among them, by the token's own header; here the prefix names the one algorithm.

Guards: saferoute/capabilities/token.py::if text.startswith(_PREFIX): => if True:
Guards: saferoute/capabilities/token.py::if not text.isascii():
Guards: saferoute/capabilities/token.py::if not isinstance(text, str):
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.capabilities.token import read_call, read_chain, read_holder
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import call, chain, root, verified

JWT = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhY21lIiwiZXhwIjo5OTk5OTk5OTk5fQ."


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (chain().replace("srcap1.", "srcap0."), "version"),
        (chain().replace("srcap1.", "srcap2."), "version"),
        (chain().replace("srcap1.", "srcap10."), "version"),
        (chain().replace("srcap1.", "srcap2h."), "version"),
        (chain().replace("srcap1.", "srcap01."), "version"),
        (chain().replace("srcap1.", "SRCAP1."), "form"),
        (chain().replace("srcap1.", "srcap."), "form"),
        (chain().replace("srcap1.", "srcap1:"), "form"),
        (chain().replace("srcap1.", ""), "form"),
        (" " + chain(), "form"),
        ("Bearer " + chain(), "form"),
        (chain() + "é", "form"),
        ("srcap１." + chain()[7:], "form"),
        ("srcap1", "form"),
        ("", "form"),
        (JWT, "form"),
        ("MDAxY2xvY2F0aW9uIGh0dHA6Ly9leGFtcGxlLmNvbS8K", "form"),
        ("sk-0123456789abcdef", "form"),
        (None, "form"),
        (7, "form"),
        (chain().encode(), "form"),
        ([chain()], "form"),
    ],
)
def test_it_is_refused_by_name(text: Any, code: str) -> None:
    for read in (read_chain, read_call):
        with pytest.raises(CapabilityInvalid) as caught:
            read(text)
        assert caught.value.code == code
    with pytest.raises(CapabilityInvalid) as caught:
        read_holder(text)
    assert caught.value.code == "form"


def test_bytes_are_named_and_not_shown() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        read_call(b"srcap1.secret")
    assert str(caught.value) == "the capability token is refused: it is a bytes, and a token is a str"


@pytest.mark.parametrize("text", ["srcap1.", "srcap1..", "srcap1.~", "srcap1.A", "srcap1.AAAA", "srcap1.A~A"])
def test_empty_blocks_are_refused(text: str) -> None:
    for read in (read_chain, read_call):
        with pytest.raises(CapabilityInvalid) as caught:
            read(text)
        assert caught.value.code in {"encoding", "form", "proof_missing"}


@pytest.mark.parametrize("version", [0, 2])
def test_a_payload_of_another_version_is_refused(version: int) -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(v=version)))
    assert caught.value.code == "claim"


def test_two_proofs_are_refused() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        read_call(call() + "~" + call().rpartition("~")[2])
    assert caught.value.code == "encoding"
