"""What guards insert leaves with the request in every dialect, and prompt integrity takes it for our own only where it was approved.

Every seed is one request to one row, as in test_integrity.
"""

from __future__ import annotations

from random import Random

import pytest

from saferoute.errors import GuardBlocked, InvalidMessages, ProtocolError, UnknownOption, UnsupportedParameter
from saferoute.guards import CanaryGuard, SpotlightingGuard
from saferoute.guards.approval import approved, check_integrity
from saferoute.guards.function import active_guards
from saferoute.guards.insertion import for_call, inserted
from saferoute.providers.fitting import fit, instructions
from saferoute.providers.registry import codec_for, texts_for
from saferoute.values.target import Dialect
from tests.requirements.dialects import DIALECTS
from tests.support.talk import request_of, row_of

pytestmark = pytest.mark.large  # made by chance: what it covers must not count
SEEDS = 60
ACTIVE = for_call(active_guards([CanaryGuard(), SpotlightingGuard()]), "k3f9x0abk3f9x0ab")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_insertions_leave_where_they_were_approved_and_nowhere_else(dialect: Dialect) -> None:
    texts = texts_for(dialect)
    sent = noticed = 0
    for seed in range(SEEDS):
        random = Random(f"{dialect}/{seed}")
        target = row_of(random, dialect)
        request = request_of(random, target)
        made = inserted(ACTIVE, request)
        try:
            body = codec_for(dialect).encode(fit(made.request, target)[0], target).request.body
        except (InvalidMessages, UnknownOption, UnsupportedParameter):
            continue
        allowed = approved(made.request, instructions(made.request))
        check_integrity(allowed, texts(body, allowed.opened))
        sent += 1
        if made.own:
            before = approved(request, instructions(request))
            with pytest.raises((GuardBlocked, ProtocolError)):
                check_integrity(before, texts(body, before.opened))
            noticed += 1
    assert sent > SEEDS / 4
    assert noticed
