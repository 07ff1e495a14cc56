"""The guard `pii`: what it finds, what it leaves alone, and what it holds back of a text that arrives in pieces."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.guards.pii import PII_KINDS, PiiGuard, find_pii, open_candidate
from saferoute.guards.pii_numbers import has_check_digit, is_card
from saferoute.values.guarding import SILENT, Action, Guard, Segment
from tests.support.growth import LINEAR, growth, seconds_of, times_as_long

FOUND = [
    # E-mail.
    ("write to ada@example.org.", "email", "ada@example.org"),
    ("'ada.l+x@mail.example.co.uk'", "email", "ada.l+x@mail.example.co.uk"),
    ('{"to":"a\\nbob@example.org"}', "email", "bob@example.org"),
    ("请联系我们bob@example.com。", "email", "bob@example.com"),
    ("jörg@bücher.example", "email", "jörg@bücher.example"),
    ("a@xn--bcher-kva.example", "email", "a@xn--bcher-kva.example"),
    ("mailto:ada@example.org", "email", "ada@example.org"),
    ("https://x.example/u/ada@example.org", "email", "ada@example.org"),
    ("(252)964-7788.foo@example.org", "email", "964-7788.foo@example.org"),
    # Telephone.
    ("My number is +44 20 7946 0958 now", "phone", "+44 20 7946 0958"),
    ("+1 (555) 010-9999", "phone", "+1 (555) 010-9999"),
    ("+15550109999", "phone", "+15550109999"),
    ("+49 (0) 3390 619677 I", "phone", "+49 (0) 3390 619677"),
    ("+49 30 1234567 555-123-4567", "phone", "+49 30 1234567"),
    ("0049 30 1234567", "phone", "0049 30 1234567"),
    ("00442079460958", "phone", "00442079460958"),
    ("001-660-845-2853x159?", "phone", "001-660-845-2853x159"),
    ("(252)964-7788x3544", "phone", "(252)964-7788x3544"),
    ("(252) 964-7788 ext. 12", "phone", "(252) 964-7788 ext. 12"),
    ("555-123-4567", "phone", "555-123-4567"),
    ("555.123.4567", "phone", "555.123.4567"),
    ("252 964 7788", "phone", "252 964 7788"),
    ("1-800-555-0100", "phone", "1-800-555-0100"),
    ("(0161) 496 0443 mobile", "phone", "(0161) 496 0443"),
    ("(11) 91234-5678", "phone", "(11) 91234-5678"),
    ("0191 498 0070", "phone", "0191 498 0070"),
    ("\\n0191 498 0146 office\\n", "phone", "0191 498 0146"),
    ("04077 72701", "phone", "04077 72701"),
    ("0171/1234567", "phone", "0171/1234567"),
    ("08-123 456 78", "phone", "08-123 456 78"),
    ("06 12 34 56 78", "phone", "06 12 34 56 78"),
    ("05 11 23 34 45", "phone", "05 11 23 34 45"),
    ("06699675631", "phone", "06699675631"),
    ("029 201 8628", "phone", "029 201 8628"),
    ("8 (495) 123-45-67", "phone", "8 (495) 123-45-67"),
    ("138 1234 5678", "phone", "138 1234 5678"),
    ("call 555-0199", "phone", "555-0199"),
    ("call 5550109999x12", "phone", "5550109999x12"),
    ("call 555-0199-", "phone", "555-0199"),
    ("Teléfono: 612 345 678", "phone", "612 345 678"),
    ("电话13812345678", "phone", "13812345678"),
    ("phone 252 964 7788 99", "phone", "252 964 7788"),
    ("Tel. 030 12345", "phone", "030 12345"),
    ("phones: 555-0100, 555-0199", "phone", "555-0199"),
    # Cards.
    ("card 4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
    ("order 4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
    ("4111-1111-1111-1111", "card", "4111-1111-1111-1111"),
    ("4111 1111 1111 1111 123", "card", "4111 1111 1111 1111"),
    ("2023 4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
    ("paid with 4111111111111111", "card", "4111111111111111"),
    ("3782 822463 10005", "card", "3782 822463 10005"),
    ("5555555555554444", "card", "5555555555554444"),
    ("visa 4222222222222", "card", "4222222222222"),
    ("my card no-4111111111111111", "card", "4111111111111111"),
    # IBAN.
    ("DE89 3704 0044 0532 0130 00", "iban", "DE89 3704 0044 0532 0130 00"),
    ("IBAN:GB29NWBK60161331926819.", "iban", "GB29NWBK60161331926819"),
    ("NO93 8601 1117 947 BIC ABCD", "iban", "NO93 8601 1117 947"),
    ("\\nGB29-NWBK-6016-1331-9268-19", "iban", "GB29-NWBK-6016-1331-9268-19"),
    # SSN.
    ("536-22-1234", "ssn", "536-22-1234"),
    ("ssn 536 22 1234", "ssn", "536 22 1234"),
    ("social security number 536221234", "ssn", "536221234"),
    # IP.
    ("192.56.25.93", "ip", "192.56.25.93"),
    ("http://54.0.86.153:8080/", "ip", "54.0.86.153"),
    ("ping 8.8.8.8", "ip", "8.8.8.8"),
    ("version 3 of the server 1.2.3.4", "ip", "1.2.3.4"),
    ("10.1.2.130/24", "ip", "10.1.2.130"),
    ("2001:4860:4860::8888", "ip", "2001:4860:4860::8888"),
    ("[fe80::1ff:fe23:4567:890a]:80", "ip", "fe80::1ff:fe23:4567:890a"),
    ("a1b2:3c4d:5e6f:7081:92a3:b4c5:d6e7:f809.", "ip", "a1b2:3c4d:5e6f:7081:92a3:b4c5:d6e7:f809"),
    ("from ::ffff:54.1.2.3", "ip", "::ffff:54.1.2.3"),
    ("\\n2600:1f18::5: up", "ip", "2600:1f18::5"),
    ("see 2600:1f18::", "ip", "2600:1f18::"),
]

LEFT = [
    "", "no one", "@", "a@b", "ada@localhost", "react@18.2.0", "logo@2x.png", "git@github.com:a/b", "https://u:p@example.org/", "@user@example.social",
    "a@b.com@c", ".@example.org", "a.@example.org", "x" * 65 + "@example.org", "a@" + ("b" * 60 + ".") * 5 + "com", "a@b_c.com",
    "order 4111 1111 1111 1112", "order 4111111111111111", "4222222222222", "4111111111111112", "41111111111111111111", "1234 5670 1234 5670",
    "card 4111 1111 1111 1112", "x4111111111111111", "4111 1111 1111 1111-5", "9999 9999 9999 9995 123",
    "token 4111-1111-1111-1111-1111-1111-1111-1111-1111-1111-1111-1111-1111-1111",
    "2023-01-15 10:22:33.123", "01.02.2023 10:30", "01/02/2023 1234", "1703266836", "1703266836123", "0.0712345678", "1,234,567", "$1234567890",
    "02134-1234", "01.50 02.75 03.99", "01 02 03 04 05 06", "550e8400-e29b-41d4-a716-446655440000", "978-3-16-148410-0", "isbn 0306406152",
    "+0100", "+28 123 456 789", "0083 123 456 789", "00831234567890", "+1234567", "call on 12-05-2024", "phone costs 1 299 000", "call 100 000 000 000 000", "0123-abc",
    "row 252 964 7788 12", "12 252 964 7788", "123 456 7890", "555 123-4567", "order number 555-123-4567", "account 0123456789", "#0123456789", "/a/555-123-4567", "a-555-123-4567",
    "555-123-4567@x", "phone 1234567890123456", "call 5551234567890123x1", "call 5550109999a",
    "000-12-3456", "666-12-3456", "900-12-3456", "536-00-1234", "536-22-0000", "078-05-1120", "536 22 1234", "part 536-22-1234", "536-22-1234-5", "ssn 000121234",
    "DE89 3704 0044 0532 0130 01", "DE89 3704 0044 0532", "XX89 3704 0044 0532 0130 00", "DE89370400440532013000A", "AB12 CD34", "xDE89370400440532013000",
    "version 1.2.30.4 released", "Build 6.9.18.6", "1.2.3.4", "see 13.7.1.2", "256.1.1.1", "54.01.1.153", "1.2.3.4.5", "pkg==54.1.1.153", "^54.1.1.153", "Chrome/99.100.1.1",
    "54.1.1.153-beta", "54.1.1.153.in-addr.arpa", "127.0.0.1", "0.0.0.0", "255.255.255.0", "239.1.1.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "版本54.1.1.153",
    "12:34:56", "std::vector", "dead::beef", "::1", "::", "2001:db8::1", "ff02::1", "aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff:00:11", "::ffff:127.0.0.1", "1:2:3:4:5:6:7:8:9", "x2600:1f18::5", "g::2600",
    "2600:1f18::5:x", "1:" * 30, "a::b::c",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "value"), FOUND)
def test_it_is_found(text: str, kind: str, value: str) -> None:
    assert (f"pii.{kind}", value) in [(span.kind, text[span.start : span.end]) for span in find_pii(text)]


@pytest.mark.parametrize("text", LEFT)
def test_it_is_left_alone(text: str) -> None:
    assert find_pii(text) == []


@pytest.mark.parametrize("text", ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "ff02::1", "::ffff:127.0.0.1", "255.255.255.0"])
def test_addresses_of_nobody_are_found_when_asked_for(text: str) -> None:
    assert [(span.start, span.end, span.kind) for span in find_pii(text, special_addresses=True)] == [(0, len(text), "pii.ip")]


def test_several_are_in_order_and_none_stands_inside_of_another() -> None:
    text = "ada@example.org, DE89 3704 0044 0532 0130 00; 555-123-4567 bob@example.org 192.56.25.93"
    assert [span.kind for span in find_pii(text)] == ["pii.email", "pii.iban", "pii.phone", "pii.email", "pii.ip"]
    assert [span.kind for span in find_pii("0171-1234567@example.org")] == ["pii.email"]
    assert [(span.start, span.end, span.kind) for span in find_pii("DE89370400440532013000-a@example.org")] == [(0, 36, "pii.email")]


@pytest.mark.parametrize("digits", ["4111111111111111", "378282246310005", "6011111111111117", "3530111333300000", "5018000000000009"])
def test_check_digits(digits: str) -> None:
    assert has_check_digit(digits)
    assert is_card(digits)
    assert not has_check_digit(digits[:-1] + str((int(digits[-1]) + 1) % 10))


def test_an_issuer_that_is_none_and_a_length_that_is_none() -> None:
    for digits in ("9000000000000001", "41111111111114"):
        assert has_check_digit(digits)
        assert not is_card(digits)


def test_the_guard_flags_and_says_how_many_of_which_kind() -> None:
    guard = PiiGuard()
    assert isinstance(guard, Guard)
    assert (guard.name, guard.stages) == ("pii", {"input", "tool_result", "output"})
    verdict = guard.check(Segment("ada@example.org bob@example.org 536-22-1234"), SILENT)
    assert verdict.action is Action.FLAG
    assert verdict.reasons == ("pii.email: 2", "pii.ssn: 1")
    assert [(span.start, span.end, span.kind) for span in verdict.spans] == [
        (0, 15, "pii.email"),
        (16, 31, "pii.email"),
        (32, 43, "pii.ssn"),
    ]
    assert guard.check(Segment("nothing"), SILENT).action is Action.ALLOW


def test_what_it_does_and_looks_for_can_be_chosen() -> None:
    guard = PiiGuard(action=Action.REDACT, kinds=frozenset({"pii.ip"}), special_addresses=True)
    verdict = guard.check(Segment("ada@example.org at 127.0.0.1"), SILENT)
    assert (verdict.action, verdict.reasons) == (Action.REDACT, ("pii.ip: 1",))
    assert guard.check(Segment("ada@example.org"), SILENT).action is Action.ALLOW


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"action": Action.ALLOW}, "the action of the guard pii is FLAG, REDACT or BLOCK"),
        ({"action": 2}, "the action of the guard pii is FLAG, REDACT or BLOCK"),
        ({"kinds": frozenset()}, "the kinds of the guard pii are some of pii.card, pii.email, pii.iban, pii.ip, pii.phone, pii.ssn"),
        (
            {"kinds": PII_KINDS | {"pii.name"}},
            "the kinds of the guard pii are some of pii.card, pii.email, pii.iban, pii.ip, pii.phone, pii.ssn",
        ),
    ],
)
def test_other_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        PiiGuard(**options)  # type: ignore[arg-type]
    assert str(caught.value) == said


# --- texts in pieces ----------------------------------------------------------------------------------------------------------------

ITEMS = [
    "bob.smith@example.org", "+49 (0) 3390 619677", "(252)964-7788x3544", "555-123-4567 ext. 12", "4111 1111 1111 1111", "4111111111111111", "DE89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819", "536-22-1234", "192.56.25.93", "2001:4860:4860::8888", "06 12 34 56 78", "0171/1234567", "001-660-845-2853x159", "8 (495) 123-45-67", "a@b.co",
]  # fmt: skip
PIECES = [
    " ", "  ", ". ", ", ", "\n", "-", "/", ":", "x", "e", "ext", "@", ".com", "12", "7", "2023", "(", ")", "+", "call ", "phone: ", "card ", "IP ", "hello", "version ", "order ",
    "AB", "DE", "DE89", "\\n", ";", "é", "电话", "::", "fe80", "A1", " 34 56", " 1111", "5",
]  # fmt: skip


def _places(text: str) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.kind) for span in find_pii(text)]


@pytest.mark.parametrize("item", ITEMS)
def test_nothing_of_an_item_is_let_go_before_its_end(item: str) -> None:
    text = f"word {item}"
    for end in range(6, len(text) + 1):
        assert open_candidate(text[:end]) <= 5
    assert open_candidate(f"{text}! word ") == len(text) + 7


@settings(max_examples=50)
@given(st.lists(st.sampled_from(ITEMS + PIECES * 2), max_size=12).map("".join))
def test_what_is_judged_before_an_open_place_is_judged_as_in_the_whole(text: str) -> None:
    whole = _places(text)
    for end in range(len(text) + 1):
        held = open_candidate(text[:end])
        assert 0 <= held <= end
        assert not [one for one in whole if one[0] < held < one[1]]
        assert _places(text[:held]) == [one for one in whole if one[1] <= held]


def _rows(seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    for _ in range(chance.randint(10, 60)):
        yield chance.choice([str(chance.randint(0, 10 ** chance.randint(1, 6))), "06 12 34 56 78", "4111 1111 1111 1111", "+49 30 1234567"])
        yield chance.choice([" "] * 8 + ["-", ".", "/", " ("])


@pytest.mark.parametrize("seed", range(4))
def test_a_long_row_of_numbers_is_let_go_without_missing_one(seed: int) -> None:
    text = "call " + "".join(_rows(seed)) + "x"
    whole = _places(text)
    for end in range(0, len(text) + 1, 23):
        held = open_candidate(text[:end])
        seen = _places(text[:held])
        assert not [one for one in whole if one[0] < held < one[1]]
        assert all(any(other[0] <= one[0] and one[1] <= other[1] for other in seen) for one in whole if one[1] <= held)
        assert end - held <= 600


def test_rows_of_small_numbers_and_of_signs_are_not_held() -> None:
    assert len("1 2 " * 200) - open_candidate("1 2 " * 200) <= 100
    assert open_candidate("9" * 500) == 500
    assert open_candidate("1" + "-" * 400) >= 300
    assert open_candidate("a" * 100) == 100
    assert open_candidate("a:" * 40) == 80
    assert open_candidate("(1a1 " * 100) >= 90


def test_what_was_let_go_stays_so() -> None:
    assert open_candidate("bob@example.org", 3) == 3
    assert open_candidate("", 0) == 0
    assert open_candidate("call 555-123-4567 ext. 12 ") == 5
    assert PiiGuard().open_candidate("to bob", 0) == 3


def test_benign_text_is_hardly_held() -> None:
    text = (
        "In 2023 the team of 14 met at 10:30 in Room 5, and everybody (but one) agreed: costs fell by 3.5 percent, to $1,200. See page 7! "
        * 10
    )
    held = [end - open_candidate(text[:end]) for end in range(1, len(text))]
    assert statistics.median(held) <= 8
    assert max(held) <= 32


# --- time -----------------------------------------------------------------------------------------------------------------------------

PROSE = (
    "In 2023 the team met twice a week, and nobody wrote down what had been said; the minutes of 14 March are lost. She asked for the report by "
    "10:30, but Mr. Miller (who had it) was in Room 512 with a customer from Porto. Sales rose by 3.5 percent to 1,204 units, prices did not. "
    "The office can be reached at office@example.org; version 2.1 of the form has twelve fields, of which only the first two are required. "
)
FAMILIES = [
    "a.",
    "sk-",
    "![",
    "1 ",
    "ignore all ",
    "key=",
    "a@",
    "\u200b",
    "<!--",
    " ",
    "+1",
    "a:b:",
    "::",
    "@a.a",
    "DE89",
    "00",
    "1234567890",
    "a@b.",
]
NEAR = [
    "12 ",
    "123-",
    "1.1.1.1.",
    "4111 ",
    "0171 ",
    "555-123-",
    "1234567 ",
    "DE89 ",
    "(0",
    "A1 ",
    "call 555-01 ",
    "DE89370400440532013001 ",
    "a@b.co ",
    "4111111111111112 ",
]


def _of_size(family: str, size: int) -> str:
    return (family * (size // len(family) + 1))[:size]


@pytest.mark.timed
@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_text_is_read_in_linear_time_and_at_most_4_times_the_time_of_prose(family: str) -> None:
    prose, hostile = _of_size(PROSE, 200_000), _of_size(family, 200_000)
    assert times_as_long(lambda: find_pii(hostile), lambda: find_pii(prose), 4.0) <= 4.0
    assert growth(find_pii, family, 50_000) <= LINEAR


@pytest.mark.timed
@pytest.mark.parametrize("family", NEAR)
def test_near_misses_are_read_in_linear_time(family: str) -> None:
    assert growth(find_pii, family, 16_000) <= LINEAR


@pytest.mark.timed
def test_the_open_place_of_a_long_text_is_found_in_linear_time() -> None:
    assert growth(open_candidate, PROSE, 2_000_000) <= LINEAR
    text = _of_size(PROSE, 2_000_000)
    assert min(seconds_of(lambda: open_candidate(text)) for _ in range(20)) < 0.05  # 0.5 ms, measured
