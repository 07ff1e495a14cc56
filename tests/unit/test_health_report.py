"""What `client.health()` shows: an aligned table, and an escaped one in a notebook."""

from __future__ import annotations

import pytest

from saferoute.values.balancing import TargetHealth
from saferoute.values.health_report import HealthReport

WELL = TargetHealth("fast", "closed", 0.0, "", 2, 120, 3, 1.234, 0.4, None, "main openai gpt-5-mini")
OPEN = TargetHealth("b", "open", 4.24, "breaker open for 4.2 s", 0, 7, 5, None, None, 8, "shared")
FULL = TargetHealth("c", "closed", 0.0, "its adaptive bound of 1 requests under way is reached", 1, 0, 0, None, None, 1, "<script>")
REPORT = HealthReport((WELL, OPEN, FULL))


def test_it_is_a_table_with_aligned_columns() -> None:
    assert str(REPORT) == (
        "target  breaker  available  under way  ended  failed  latency  first token  quota group             why not\n"
        "fast    closed         now          2    120       3   1.23 s       0.40 s  main openai gpt-5-mini\n"
        "b       open      in 4.2 s     0 of 8      7       5        -            -  shared                  breaker open for 4.2 s\n"
        "c       closed       later     1 of 1      0       0        -            -  <script>                "
        "its adaptive bound of 1 requests under way is reached"
    )


def test_without_rows_it_says_so() -> None:
    assert str(HealthReport()) == "no rows"
    assert HealthReport()._repr_html_().count("<tr>") == 1


def test_a_notebooks_table_is_escaped_and_coloured() -> None:
    html = REPORT._repr_html_()
    assert html.count("<tr>") == 4
    assert html.count("<th>") == 10
    assert html.count("<td ") == 30
    assert "<script>" not in html
    assert '<td style="text-align:left">&lt;script&gt;</td>' in html
    assert '<td style="text-align:left;color:#1a7f37">closed</td>' in html
    assert '<td style="text-align:left;color:#b00020">open</td>' in html
    assert '<td style="text-align:right">0 of 8</td>' in html


def test_an_id_in_the_tables_words_is_no_markup() -> None:
    hostile = TargetHealth("<img src=x onerror=alert(1)>", "half_open", 1.0, '"&', 0, 0, 0, None, None, None, "'")
    html = HealthReport((hostile,))._repr_html_()
    assert "<img" not in html
    assert "&quot;&amp;" in html
    assert "&#x27;" in html
    assert "#9a6700" in html


def test_it_is_a_sequence_that_is_asked_by_place_or_by_id() -> None:
    assert len(REPORT) == 3
    assert list(REPORT) == [WELL, OPEN, FULL]
    assert REPORT[0] is REPORT["fast"] is WELL
    assert REPORT[-1] is FULL
    with pytest.raises(KeyError, match="nobody"):
        REPORT["nobody"]
    with pytest.raises(IndexError):
        REPORT[3]
