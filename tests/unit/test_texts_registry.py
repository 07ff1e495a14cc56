"""Every dialect has an extractor, and it reads every body that the dialect's codec writes."""

from __future__ import annotations

from typing import get_args

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.registry import codec_for, texts_for
from saferoute.values.http import NetClass
from saferoute.values.target import Dialect, Target
from tests.support.features import FEATURES


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_what_a_codec_writes_its_extractor_reads(dialect: Dialect, feature: str) -> None:
    target = Target("t", "p", dialect, "https://api.example.com", "", NetClass(), "m", None, "none", default_max_output=100)
    request = FEATURES[feature]
    try:
        body = codec_for(dialect).encode(request, target).request.body
    except UnsupportedParameter:
        pytest.skip("this dialect refuses it")
    found = texts_for(dialect)(body)
    written = [part.text for message in request.messages for part in message.content if part.type == "text"]
    texts = [text.text for text in found]
    assert all(any(text in one for one in texts) for text in written)
    assert all(text.path.startswith("/") for text in found)
