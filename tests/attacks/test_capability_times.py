"""Attack: a token is used after its time, before its time, or with a clock that was set to another time.

Guards: saferoute/capabilities/chain.py::if not now < verified.expires_at:
Guards: saferoute/capabilities/chain.py::if now < verified.not_before - SKEW:
Guards: saferoute/capabilities/chain.py::if now < verified.issued_at - SKEW:
"""

from __future__ import annotations

import math

import pytest

from saferoute.capabilities.chain import check_now
from saferoute.errors import CapabilityError, CapabilityExpired, CapabilityInvalid
from tests.support.token_cases import LIFE, NOW, chain, root, verified


def _denied(kind: type[CapabilityError], text: str, now: float) -> tuple[str, str]:
    with pytest.raises(kind) as caught:
        check_now(verified(text), now)
    assert type(caught.value) is kind
    return caught.value.code, str(caught.value)


def test_it_ends_at_the_exact_second() -> None:
    one = verified()
    check_now(one, NOW + LIFE - 1)
    check_now(one, NOW + LIFE - 0.001)
    code, message = _denied(CapabilityExpired, chain(), NOW + LIFE)
    assert code == "exp"
    assert message == f"the capability {one.digest[:12]} expired at {NOW + LIFE}; it is {NOW + LIFE}: get a new one"


def test_a_later_block_can_end_it_earlier_and_not_later() -> None:
    earlier, later = chain(root(), {"exp": NOW + 10}), chain(root(), {"exp": NOW + 10 * LIFE}, {"exp": NOW + 20 * LIFE})
    check_now(verified(earlier), NOW + 9)
    assert _denied(CapabilityExpired, earlier, NOW + 10)[0] == "exp"
    check_now(verified(later), NOW + LIFE - 1)
    assert _denied(CapabilityExpired, later, NOW + LIFE)[0] == "exp"


def test_it_begins_half_a_minute_early_at_most() -> None:
    text = chain(root(nbf=NOW + 100))
    check_now(verified(text), NOW + 70)
    code, message = _denied(CapabilityExpired, text, NOW + 69.9)
    assert code == "nbf"
    assert message.endswith(f"is not valid before {NOW + 100}; it is {NOW + 70}: wait, or set the clock")
    check_now(verified(text), NOW + 100)


def test_the_latest_beginning_counts() -> None:
    for text in (chain(root(nbf=NOW + 100), {"nbf": NOW}), chain(root(nbf=NOW), {"nbf": NOW + 100})):
        check_now(verified(text), NOW + 70)
        assert _denied(CapabilityExpired, text, NOW + 69)[0] == "nbf"


def test_it_cannot_come_from_the_future() -> None:
    text = chain(root(iat=NOW + 100, exp=NOW + 200))
    check_now(verified(text), NOW + 70)
    code, message = _denied(CapabilityInvalid, text, NOW + 69)
    assert code == "iat"
    assert message.endswith(f"it was issued at {NOW + 100}, and it is {NOW + 69}: one of the two clocks is wrong")


def test_a_clock_that_is_no_number_allows_nothing() -> None:
    assert _denied(CapabilityExpired, chain(), math.nan)[0] == "exp"
    assert _denied(CapabilityExpired, chain(), math.inf)[0] == "exp"
    assert _denied(CapabilityExpired, chain(), -math.inf)[0] == "nbf"


def test_a_clock_that_is_set_back_does_not_make_it_good_again_for_long() -> None:
    # Before its issue it is not good, so that a clock can be set back into its life at most.
    assert _denied(CapabilityInvalid, chain(), NOW - 31)[0] == "iat"
    check_now(verified(), NOW - 30)
