"""How long a made credential serves."""

from __future__ import annotations

import math

import pytest

from saferoute.errors import SecretError
from saferoute.secrets.kept import keep, may_remake, postponed, refused
from saferoute.secrets.minting import LONGEST_LIFE, Minted, again
from saferoute.secrets.secret import Secret
from tests.support.token_server import spec

NOW = 1_800_000_000.0
ROW = spec("https://sts.googleapis.com", origins=("https://a.example", "https://b.example"))


@pytest.mark.parametrize(
    ("life", "margin"), [(10, 2.0), (100, 20.0), (1499, 299.8), (1500, 300.0), (1501, 300.0), (3600, 300.0), (LONGEST_LIFE, 300.0)]
)
def test_the_margin(life: float, margin: float) -> None:
    kept = keep(ROW, Minted(Secret("t"), NOW + life), NOW)
    assert kept.refresh_at == pytest.approx(NOW + life - margin)
    assert kept.expires_at == NOW + life
    assert (kept.record.name, kept.record.origins) == ("cloud", ("https://a.example", "https://b.example"))
    assert kept.is_fresh(kept.refresh_at - 0.01)
    assert not kept.is_fresh(kept.refresh_at)
    assert kept.is_valid(kept.expires_at - 0.01)
    assert not kept.is_valid(kept.expires_at)


@pytest.mark.parametrize("end", [NOW, NOW - 1, -math.inf, math.inf, math.nan, NOW + LONGEST_LIFE + 1, 0.0, 1e300])
def test_ends_that_make_no_sense(end: float) -> None:
    with pytest.raises(SecretError, match="clock"):
        keep(ROW, Minted(Secret("t"), end), NOW)


def test_a_failed_refresh_is_tried_again_after_half_a_minute_or_half_of_the_rest() -> None:
    kept = keep(ROW, Minted(Secret("t"), NOW + 3600), NOW)
    assert postponed(kept, NOW + 3400).refresh_at == NOW + 3430
    assert postponed(kept, NOW + 3580).refresh_at == NOW + 3590
    assert postponed(kept, NOW + 3400).expires_at == kept.expires_at


def test_a_refused_one_is_neither_fresh_nor_valid() -> None:
    kept = refused(keep(ROW, Minted(Secret("t"), NOW + 3600), NOW))
    assert not kept.is_fresh(NOW)
    assert not kept.is_valid(0.0)


def test_what_is_not_ours_is_passed_on_as_it_is() -> None:
    error = KeyboardInterrupt()
    assert again(error) is error
    ours = SecretError("x")
    assert again(ours) is not ours
    assert str(again(ours)) == "x"


@pytest.mark.parametrize(
    ("last", "passed", "may"), [(None, 0.0, True), (NOW, 0.0, False), (NOW, 29.9, False), (NOW, 30.0, True), (NOW, -1.0, True)]
)
def test_one_refusal_in_half_a_minute_leads_to_another_exchange(last: float | None, passed: float, may: bool) -> None:
    assert may_remake(last, NOW + passed) is may
