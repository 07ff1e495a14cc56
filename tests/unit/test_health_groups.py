"""Quota groups: who shares a rate limit, and for how long a group rests."""

from __future__ import annotations

import pytest

from saferoute.routing.quota_groups import MAX_GROUPS, QuotaGroups, Resting, asked_to_wait, group_key, model_family, words_of
from tests.unit.health_rows import always, middle, row


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("gpt-5-mini", "gpt-5-mini"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-4-32k", "gpt-4-32k"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("claude-opus-4@20250514", "claude-opus-4"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", "anthropic.claude-3-5-sonnet"),
        ("anthropic.claude-3-5-sonnet-20240620-v1", "anthropic.claude-3-5-sonnet"),
        ("text-bison@001", "text-bison"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gemini-2.0-flash@default", "gemini-2.0-flash"),
        ("llama3:latest", "llama3"),
        ("mistral-large-2411", "mistral-large"),
        ("command-r-08-2024", "command-r"),
        ("llama-3.1-405b", "llama-3.1-405b"),
        ("o3", "o3"),
        ("m-0001-0001-0001-0001", "m-0001"),
        ("-latest", "-latest"),
        ("20250514", "20250514"),
        ("", ""),
    ],
)
def test_a_family_is_the_name_without_dates_and_versions(model: str, family: str) -> None:
    assert model_family(model) == family


def test_a_group_is_the_key_the_provider_and_the_family() -> None:
    one = group_key(row("a"))
    assert one == ("main", "openai", "gpt-5-mini")
    assert one == group_key(row("b", model="gpt-5-mini"))
    assert one != group_key(row("b", secret="other"))
    assert one != group_key(row("b", provider_name="azure"))
    assert one != group_key(row("b", model="gpt-5"))
    assert words_of(one) == "main openai gpt-5-mini"


def test_without_a_key_the_origin_takes_its_place() -> None:
    assert group_key(row("a", secret=None)) == ("https://api.example.com", "openai", "gpt-5-mini")


def test_the_tables_own_group_comes_first_and_is_never_mistaken_for_another() -> None:
    named = group_key(row("a", quota_group="main openai gpt-5-mini"))
    assert named == words_of(named) == "main openai gpt-5-mini"
    assert named != group_key(row("b"))


@pytest.mark.parametrize(
    ("asked", "wait"),
    [(None, 0.0), (0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (0.25, 0.25), (3600.0, 3600.0), (3601.0, 3600.0), (float("inf"), 3600.0)],
)
def test_a_wait_that_is_asked_for_has_bounds(asked: float | None, wait: float) -> None:
    assert asked_to_wait(asked) == wait


KEY = "group"


def refuse(groups: QuotaGroups, now: float, wait: float = 0.0, began: float | None = None) -> Resting:
    groups.refused(KEY, now, now if began is None else began, wait, middle)
    found = groups.resting(KEY, now)
    assert found is not None
    return found


def test_what_the_provider_asks_for_is_waited_for_to_the_instant() -> None:
    groups = QuotaGroups()
    assert refuse(groups, 100.0, 12.0) == Resting(112.0, 1, 100.0, asked=112.0)
    assert groups.until == 112.0
    assert groups.resting(KEY, 111.999) is not None
    assert groups.resting(KEY, 112.0) is None
    assert groups.resting("another", 100.0) is None


def test_without_a_word_it_is_a_second_that_doubles_to_a_quarter_of_a_minute() -> None:
    groups, now, waits = QuotaGroups(), 100.0, []
    for _ in range(30):
        until = refuse(groups, now).until
        waits.append(until - now)
        now = until + 1.0
    assert waits[:8] == pytest.approx([1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0])
    assert max(waits) == pytest.approx(15.0)


@pytest.mark.parametrize(("number", "wait"), [(0.0, 0.9), (1.0, 1.1)])
def test_a_wait_of_our_own_is_jittered(number: float, wait: float) -> None:
    groups = QuotaGroups()
    groups.refused(KEY, 100.0, 100.0, 0.0, always(number))
    assert groups.until == pytest.approx(100.0 + wait)


def test_what_was_under_way_together_is_refused_once() -> None:
    groups = QuotaGroups()
    refuse(groups, 100.0, began=99.0)
    for at in (100.0, 100.1, 100.2):
        assert refuse(groups, at, began=99.5) == Resting(101.0, 1, 100.0)
    groups.refused(KEY, 130.0, 100.0, 0.0, middle)
    assert groups.resting(KEY, 130.0) is None
    groups.refused(KEY, 130.0, 100.001, 0.0, middle)
    assert groups.until == pytest.approx(132.0)


def test_together_the_longest_wait_that_is_asked_for_counts() -> None:
    groups = QuotaGroups()
    refuse(groups, 100.0, 5.0, began=99.0)
    assert refuse(groups, 100.5, 10.0, began=99.0) == Resting(110.5, 1, 100.5, asked=110.5)
    assert refuse(groups, 101.0, 2.0, began=99.0) == Resting(110.5, 1, 101.0, asked=110.5)


def test_a_success_ends_the_doubling_and_a_rest_that_was_guessed() -> None:
    groups = QuotaGroups()
    refuse(groups, 100.0)
    refuse(groups, 102.0)
    groups.succeeded(KEY, 102.5, 102.1)
    assert groups.resting(KEY, 102.5) is None
    assert len(groups) == 0
    assert refuse(groups, 103.0).until == pytest.approx(104.0)


def test_a_success_does_not_end_what_the_provider_asked_for() -> None:
    groups = QuotaGroups()
    refuse(groups, 100.0, 2.0)
    groups.used_up(KEY, 101.0, 0.0)
    assert groups.resting(KEY, 101.0) == Resting(161.0, 1, 101.0, quota=True, asked=102.0)
    groups.succeeded(KEY, 101.5, 101.1)
    assert groups.resting(KEY, 101.5) == Resting(102.0, 0, 101.0, quota=True, asked=102.0)
    groups.used_up(KEY, 101.6, 0.0)
    groups.succeeded(KEY, 102.0, 101.7)
    assert groups.resting(KEY, 102.0) is None


def test_a_rest_knows_how_much_of_it_was_asked_for() -> None:
    groups = QuotaGroups()
    assert refuse(groups, 100.0) == Resting(101.0, 1, 100.0)  # all of it is a guess
    assert refuse(groups, 100.5, 5.0, began=99.0) == Resting(105.5, 1, 100.5, asked=105.5)
    groups.used_up(KEY, 101.0, 0.0)
    assert groups.resting(KEY, 101.0) == Resting(161.0, 1, 101.0, quota=True, asked=105.5)
    assert refuse(groups, 110.0) == Resting(161.0, 2, 110.0, quota=True, asked=105.5)
    groups.used_up(KEY, 120.0, 10.0)
    assert groups.resting(KEY, 120.0) == Resting(161.0, 2, 120.0, quota=True, asked=130.0)
    assert refuse(groups, 200.0) == Resting(204.0, 3, 200.0)  # what is over is forgotten


def test_a_success_of_what_left_before_the_refusal_ends_nothing() -> None:
    groups = QuotaGroups()
    refuse(groups, 100.0)
    groups.succeeded(KEY, 100.0, 100.0)
    groups.succeeded(KEY, 101.5, 100.0)
    assert refuse(groups, 102.0).until == pytest.approx(104.0)


def test_a_group_that_is_well_again_is_forgotten() -> None:
    groups = QuotaGroups()
    groups.succeeded(KEY, 1.0, 0.0)
    refuse(groups, 100.0)
    assert len(groups) == 1
    groups.succeeded(KEY, 101.0, 100.5)
    assert len(groups) == 0


def test_a_quota_rests_for_a_minute_or_what_is_asked_for_and_does_not_double() -> None:
    groups = QuotaGroups()
    groups.used_up(KEY, 100.0, 0.0)
    assert groups.resting(KEY, 100.0) == Resting(160.0, 0, 100.0, quota=True)
    groups.used_up(KEY, 200.0, 7.0)
    assert groups.resting(KEY, 200.0) == Resting(207.0, 0, 200.0, quota=True, asked=207.0)
    assert refuse(groups, 210.0).until == pytest.approx(211.0)


def test_a_shorter_rest_does_not_end_a_longer_one() -> None:
    groups = QuotaGroups()
    groups.used_up(KEY, 100.0, 0.0)
    assert refuse(groups, 101.0, 2.0) == Resting(160.0, 1, 101.0, quota=True, asked=103.0)
    assert refuse(groups, 150.0, 10.0) == Resting(160.0, 2, 150.0, asked=160.0)  # of two that end together, the later one is told


@pytest.mark.parametrize(("back", "rests"), [(10.0, True), (3540.0, True), (3541.0, False), (1e7, False)])
def test_a_clock_that_goes_back_makes_no_group_rest_for_more_than_an_hour(back: float, rests: bool) -> None:
    groups = QuotaGroups()
    groups.used_up(KEY, 10_000.0, 0.0)
    assert (groups.resting(KEY, 10_000.0 - back) is not None) is rests


def test_a_clock_that_went_back_hides_no_refusal() -> None:
    groups = QuotaGroups()
    refuse(groups, 10_000.0)
    assert refuse(groups, 100.0) == Resting(102.0, 2, 100.0)
    groups.succeeded(KEY, 50.0, 49.0)
    assert groups.resting(KEY, 100.0) is None


def test_groups_have_a_bound_and_those_that_rest_longest_stay() -> None:
    groups = QuotaGroups()
    groups.refused("kept", 0.0, 0.0, 3600.0, middle)
    for number in range(3 * MAX_GROUPS):
        groups.refused(f"hostile {number}", 10.0 + number / 1000, 10.0, 30.0, middle)
        assert MAX_GROUPS * 7 // 8 < len(groups) <= MAX_GROUPS or number < MAX_GROUPS
    assert groups.resting("kept", 20.0) is not None
    assert groups.resting(f"hostile {3 * MAX_GROUPS - 1}", 20.0) is not None
    assert groups.resting("hostile 0", 20.0) is None


def test_what_is_over_goes_before_what_still_rests() -> None:
    groups = QuotaGroups()
    over = {5, 700, *range(800, 926)}
    for number in range(MAX_GROUPS):
        groups.refused(f"{number}", float(number), float(number), 1.0 if number in over else 3000.0, middle)
    groups.refused("5", 1024.0, 1024.0, 1.0, middle)  # one that is known takes no place
    assert len(groups) == MAX_GROUPS
    groups.refused("new", 1024.0, 1024.0, 5.0, middle)
    assert len(groups) == MAX_GROUPS - 127
    assert groups.resting("new", 1024.0) is not None
    assert [number for number in range(MAX_GROUPS) if groups.resting(f"{number}", 1024.0) is None] == sorted(over)
