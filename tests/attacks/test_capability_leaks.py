"""Attack: a holder's key is read out of a repr, a log line, a pickle, a copy, a notebook's output or an error message.

Guards: saferoute/client/capability.py::return f"Capability({self.digest[:12]})" => return f"Capability({self._seed!r})"
Guards: saferoute/client/capability.py#2::__copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __getstate__ = _refuse
Guards: saferoute/client/capability.py#1::__copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __getstate__ = _refuse
"""

from __future__ import annotations

import copy
import pickle

import pytest

from saferoute.capabilities.token import read_call, read_chain, read_holder
from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityError
from tests.support.token_cases import call, chain, unpacked, verified

ISSUER = Issuer.generate("acme")


def _made() -> Capability:
    return Capability.mint(ISSUER, audience="web", expires_in=60, models="m", providers="p", budget="$5")


def test_what_it_shows_is_twelve_digits_of_its_digest() -> None:
    made = _made()
    assert repr(made) == str(made) == f"{made}" == f"Capability({made.digest[:12]})"
    seed = made.to_holder().rpartition(".")[2]
    shown = [
        repr(made),
        made.describe(),
        made._repr_html_(),
        repr(read_chain(made.chain)),
        repr(verified()),
        repr(read_call(call())),
        repr(ISSUER),
    ]
    for text in shown:
        for secret in (seed, unpacked(seed).hex(), repr(unpacked(seed)), made.chain, made.chain[7:60]):
            assert secret not in text


def test_a_notebook_shows_words() -> None:
    made = _made()
    assert made._repr_html_() == "<pre>" + made.describe() + "</pre>"


@pytest.mark.parametrize("what", [_made(), ISSUER])
def test_it_is_not_copied_or_pickled(what: object) -> None:
    for leak in (copy.copy, copy.deepcopy, pickle.dumps, lambda one: one.__getstate__(), lambda one: one.__reduce_ex__(4)):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            leak(what)
    assert not hasattr(what, "__dict__")


def test_errors_hold_no_part_of_a_token() -> None:
    form = _made().to_holder()
    bad = [form[:-1], form[:-4], form + "AAAA", form.replace("srcap1h.", "srcap1h.A")]
    for text in bad:
        with pytest.raises(CapabilityError) as caught:
            Capability.from_holder(text)
        for start in range(8, len(text) - 12, 7):
            assert text[start : start + 12] not in str(caught.value)
    for text in (chain()[:-5], call()[:-3]):
        for read in (read_chain, read_call, read_holder):
            with pytest.raises(CapabilityError) as caught:
                read(text)
            assert text[20:32] not in str(caught.value)
