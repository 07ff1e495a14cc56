"""Attack: a call token is kept and used later, or made ahead of time, or the clock is set back so that it is good again.

Guards: saferoute/capabilities/proof.py::if not proof.timestamp - FUTURE <= now <= proof.timestamp + PAST:
Guards: saferoute/capabilities/proof.py::return f"nonce:{token.digest}:{proof.nonce}", proof.timestamp + PAST + KEEP => return f"nonce:{token.digest}:{proof.nonce}", now
"""

from __future__ import annotations

import pytest

from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import NOW, call, verify_call


@pytest.mark.parametrize("now", [NOW - 30, NOW, NOW + 60])
def test_a_proof_is_good_from_half_a_minute_before_to_a_minute_after(now: float) -> None:
    assert verify_call(call(), now=now)


@pytest.mark.parametrize(
    "now", [NOW - 31, NOW - 30.001, NOW + 60.001, NOW + 61, NOW + 86_400, float("inf"), float("-inf"), float("nan"), 0]
)
def test_at_any_other_time_it_is_not(now: float) -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(call(), now=now)
    assert caught.value.code == "stale"
    assert str(caught.value).endswith(f"made at {NOW}, and it is {now:.0f}: make one for each request, and check both clocks")


def test_after_the_clock_is_set_back_the_nonce_is_still_known() -> None:
    # A store forgets a nonce when its time is over by the clock that it sees. The clock may then be set back by five minutes.
    _, until = verify_call(call())
    forgotten_at = until
    assert forgotten_at - 300 >= NOW + 60
    with pytest.raises(CapabilityInvalid):
        verify_call(call(), now=forgotten_at - 299)
