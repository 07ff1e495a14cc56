"""Attack: a list of topics holds a pattern that a text can keep busy for hours, and somebody sends that text.

A search of Python's cannot be stopped from outside: the thread hangs, and with it the application. Whoever configures a pattern does not
know that it is one of those, so it is refused when the guard is made.

Guards: saferoute/guards/topics_patterns.py::if found[0] in {"*", "+"} or (found[2] and not found[3]): => if False:
Guards: saferoute/guards/topics_patterns.py::if most > 1 and (shape.ways > 1 or not shape.most):
Guards: saferoute/guards/topics_patterns.py::if shape.ways > _MOST_WAYS:
"""

from __future__ import annotations

import pytest

from saferoute.errors import ConfigurationError
from saferoute.guards import TopicGuard


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a*)*b",
        "(a|aa)+b",
        "(?:a|a){30}b",
        "(?:a?){30}b",
        "(a{0,30}){0,30}b",
        "(?:[a-z]{1,8}[0-9]?){1,20}!",
        r"\w{0,64}\w{0,64}\w{0,64}b",
        r"(?:\s{0,32}x?){0,32}b",
        r"\d+\d+b",
        "a{1,}b",
        "a?" * 30 + "a" * 30,
        "(a|a|a|a)(a|a|a|a)(a|a|a|a)(a|a|a|a)(a|a|a|a)b",
        r"(a)\1b",
        "(?=a)b",
        "(?!a)b",
        "(?<=a)b",
        "(?>a{1,9})b",
        "(?i:a)b",
        "(?P<a>a)b",
    ],
)
def test_a_pattern_that_may_never_end_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="is not taken"):
        TopicGuard(patterns=[pattern])
