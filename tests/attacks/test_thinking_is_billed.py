"""A wish not to think is carried or refused: thinking that goes on in silence is billed."""

from __future__ import annotations

from typing import get_args

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.fitting import fit
from saferoute.providers.registry import codec_for
from saferoute.values.http import NetClass
from saferoute.values.messages import Message, Text
from saferoute.values.request import ChatRequest, OnUnsupported
from saferoute.values.target import Dialect, Profile, Target

OFF = (b'"none"', b'"disabled"', b'"thinkingBudget":0', b'"think":false')


@pytest.mark.parametrize("asked", ["none", 0])
@pytest.mark.parametrize("policy", get_args(OnUnsupported))
@pytest.mark.parametrize("dial", [None, "effort", "budget", "adaptive"])
@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_no_dialect_leaves_a_wish_not_to_think_out_in_silence(
    dialect: Dialect, dial: str | None, policy: OnUnsupported, asked: object
) -> None:
    profile = Profile(reasoning=dial)  # type: ignore[arg-type]
    target = Target(
        "t", "p", dialect, "https://api.example.com", "", NetClass(), "m", None, "none", default_max_output=100, profile=profile
    )
    wish = ChatRequest((Message("user", (Text("hi"),)),), reasoning=asked, on_unsupported=policy)  # type: ignore[arg-type]
    try:
        request, fitted = fit(wish, target)
        encoded = codec_for(dialect).encode(request, target)
    except UnsupportedParameter as error:
        assert error.parameter == "reasoning"
        assert policy != "drop"
        return
    carried = any(word in encoded.request.body for word in OFF)
    said = any(notice.parameter == "reasoning" for notice in (*fitted, *encoded.notices))
    assert carried or said
