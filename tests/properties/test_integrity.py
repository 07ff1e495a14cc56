"""No benign request is stopped by the check of prompt integrity, whatever a wire format does to it; and one that lost a text is.

Every seed is one request to one row. A few hundred for each dialect run by default; `nox -s integrity` runs SAFEROUTE_INTEGRITY_CASES.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import Any

import pytest

from saferoute.errors import GuardBlocked, InvalidMessages, ProtocolError, UnknownOption, UnsupportedParameter
from saferoute.guards.approval import approved, check_integrity
from saferoute.providers.fitting import fit, instructions
from saferoute.providers.registry import codec_for, texts_for
from saferoute.values.request import ChatRequest
from saferoute.values.target import Dialect, Target
from tests.support.talk import DIALECTS, request_of, row_of

pytestmark = pytest.mark.large  # made by chance: what it covers must not count
CASES = int(os.environ.get("SAFEROUTE_INTEGRITY_CASES", "150"))


def _made(dialect: Dialect, seed: int) -> tuple[ChatRequest, Target, bytes] | None:
    """A request, its row and its body; None for a request that the row refuses."""
    random = Random(f"{dialect} {seed}")
    target = row_of(random, dialect)
    request = request_of(random, target)
    try:
        return request, target, codec_for(dialect).encode(fit(request, target)[0], target).request.body
    except (InvalidMessages, UnknownOption, UnsupportedParameter):
        return None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_benign_request_is_stopped(dialect: Dialect) -> None:
    texts = texts_for(dialect)
    sent = 0
    for seed in range(CASES):
        made = _made(dialect, seed)
        if made is None:
            continue
        request, _, body = made
        sent += 1
        try:
            allowed = approved(request, instructions(request))
            check_integrity(allowed, texts(body, allowed.opened))
        except Exception as error:
            raise AssertionError(f"{dialect}, seed {seed}: {error}") from error
    assert sent > CASES / 4


def _changed(body: bytes, path: str, text: str) -> bytes | None:
    """The body with another text at a place; None for a place that does not hold the text as it is, such as a document's bytes."""
    value: Any = json.loads(body)
    *steps, last = path.split("/")[1:]
    inner = value
    for step in steps:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    key: Any = int(last) if isinstance(inner, list) else last
    if inner[key] != text:
        return None
    inner[key] = f"{text}!"
    return json.dumps(value).encode()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_text_that_is_changed_anywhere_is_noticed(dialect: Dialect) -> None:
    texts = texts_for(dialect)
    changed = 0
    for seed in range(CASES // 3):
        made = _made(dialect, seed)
        if made is None:
            continue
        request, _, body = made
        allowed = approved(request, instructions(request))
        for kind, path, text in texts(body, allowed.opened):
            planted = _changed(body, path, text) if text else None
            if planted is None:
                continue
            changed += 1
            with pytest.raises((GuardBlocked, ProtocolError)) as caught:
                check_integrity(allowed, texts(planted, allowed.opened))
            assert kind != "user" or path.rpartition("/")[0] in str(caught.value), (seed, path)
    assert changed > CASES / 4
