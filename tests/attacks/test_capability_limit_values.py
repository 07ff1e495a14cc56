"""Attack: a limit that is none. 0, a negative number, a fraction, true, a text or a number that nothing ever reaches is taken for a limit.

Guards: saferoute/capabilities/caveats.py::_LIMIT: Final = _whole(1, _HIGHEST_LIMIT) => _LIMIT: Final = lambda value: value
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityInvalid, RequestError
from tests.support.token_cases import chain, root, verified, written

ISSUER = Issuer.generate("acme")
CLAIMS = {"rpm": "requests_per_minute", "tpm": "tokens_per_minute", "concurrent": "concurrent"}
BAD: list[Any] = [0, -1, True, False, "5", "", [5], [], {"amount": 5}, 1_000_000_001, 2**53 - 1]


def _mint(**more: Any) -> Capability:
    given: dict[str, Any] = {"audience": "web", "expires_in": 60, "models": "m", "providers": "example", **more}
    return Capability.mint(ISSUER, **given)


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("value", BAD, ids=repr)
def test_what_is_no_limit_denies_the_whole_token(claim: str, value: object) -> None:
    for number, text in ((1, chain(root(**{claim: value}))), (2, chain(root(), {claim: value}))):
        with pytest.raises(CapabilityInvalid) as caught:
            verified(text)
        assert caught.value.code == "claim"
        said = f"the capability token is refused: {claim} of block {number} must be a whole number from 1 to 1000000000"
        assert str(caught.value) == said


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("spelled", [b"5.0", b"5e0", b"05", b"+5", b"null", b"NaN", b"Infinity", b"9007199254740992", b"9" * 5_000])
def test_a_number_has_one_spelling(claim: str, spelled: bytes) -> None:
    good = written(root(**{claim: 5}))
    bad = good.replace(f'"{claim}":5'.encode(), f'"{claim}":'.encode() + spelled)
    assert bad != good
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(bad))
    assert caught.value.code in {"payload", "claim"}


@pytest.mark.parametrize("claim", ["requests_per_minute", "tokens_per_minute", "RPM", "rpm ", "rps", "max_concurrent", "limits"])
def test_another_name_denies_the_whole_token(claim: str) -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(), {claim: 5}))
    assert caught.value.code == "claim"


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("value", [1, 1_000_000_000])
def test_the_least_and_the_most_are_limits(claim: str, value: int) -> None:
    assert [quota.limit for quota in verified(chain(root(**{claim: value}))).permission.limits] == [value]


@pytest.mark.parametrize("name", CLAIMS.values())
@pytest.mark.parametrize("value", [0, -1, True, 5.0, float("inf"), float("nan"), "5", [5], 1_000_000_001], ids=repr)
def test_nobody_makes_one(name: str, value: object) -> None:
    wrong: Any = {name: value}
    for make in (_mint, _mint().attenuate):
        with pytest.raises(RequestError) as caught:
            make(**wrong)
        assert str(caught.value) == f"{name} must be a whole number from 1 to 1000000000"
