"""A table cannot have requests signed for a place that is not AWS: the host says the scope, and nothing else does."""

from __future__ import annotations

import pytest

from saferoute.routing.rows import compile_row
from saferoute.signing.refusal import Refused

ROW = {
    "id": "row", "provider": "aws.bedrock", "dialect": "bedrock_converse", "path": "", "net": "public", "model": "m", "secret": "aws",
    "auth": "sigv4", "data": "internal", "origin": "https://bedrock-runtime.eu-west-1.amazonaws.com",
}  # fmt: skip


def test_a_row_of_aws_is_signed() -> None:
    target = compile_row(ROW, "routes[0]").target
    assert (target.auth, target.secret) == ("sigv4", "aws")


@pytest.mark.parametrize(
    "origin",
    [
        "https://api.example.com",
        "https://bedrock-runtime.eu-west-1.amazonaws.com.evil.example",
        "https://bedrock-runtime.amazonaws.com",
        "https://s3.eu-west-1.amazonaws.com",
    ],
)
def test_a_row_of_another_place_is_not(origin: str) -> None:
    with pytest.raises(Refused, match=r"routes\[0\]\.auth"):
        compile_row(ROW | {"origin": origin}, "routes[0]")
    assert compile_row(ROW | {"origin": origin, "auth": "bearer"}, "routes[0]").target.auth == "bearer"
