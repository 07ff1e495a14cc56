"""Attack: any change at all to a valid token, by the thousand.

Guards: saferoute/capabilities/chain.py::if not any(key.verify(block.signature, message) for key in keys):
"""

from __future__ import annotations

from tests.fuzz.token_fuzz import run_tokens


def test_no_mutation_is_accepted_and_none_breaks_out() -> None:
    counts = run_tokens(seed=1, cases=20_000)
    assert counts.total() == 20_000
    assert counts["accepted"] == 0
    assert {"encoding", "signature", "proof"} <= counts.keys()
    assert counts["the same text"] < 1_000
