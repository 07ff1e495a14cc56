"""The log secret, a log key or what a program's function says gets out: by repr, pickle, an error, or a traceback that shows its locals.

Guards: saferoute/drivers/ledger_segments.py::return None, reason(error)
Guards: saferoute/drivers/ledger_segments.py::return str(error) if isinstance(error, (SaferouteError, Refused)) else type(error).__name__
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.ledger import Ledger
from saferoute.drivers.ledger_capture import Capture
from saferoute.errors import ConfigurationError, LedgerError
from saferoute.signing.keys import PrivateKey, PublicKey
from saferoute.values.receipt import Entry
from tests.support.leak_search import reachable, shown_by_error, where
from tests.support.ledger_entries import denial, exchange, intent

CANARY = "canary-of-the-log-secret-0123456789"
RAW = CANARY.encode()


def assert_hidden(text: str, place: str) -> None:
    found = where(text, (CANARY,))
    assert found is None, f"{place}: {found}"


def assert_error_hides(error: BaseException) -> None:
    for place, text in shown_by_error(error):
        assert_hidden(text, place)


def failed(ledger: Ledger, entry: Entry) -> LedgerError:
    with pytest.raises(LedgerError) as error:
        ledger.append(entry)
    return error.value


def test_the_secret_shows_in_no_repr_and_no_file(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit", secret=RAW, capture=Capture(["fast"], RAW[:32]))
    receipt = exchange(ledger)
    for one in (ledger, ledger.for_table(stop=True), receipt, ledger._settings, ledger._own(), *reachable(ledger)):
        assert_hidden(repr(one), type(one).__name__)
        assert_hidden(str(one), type(one).__name__)
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as error:
            take(ledger)
        assert_error_hides(error.value)
    ledger.close()
    for data in ledger.read().values():
        assert_hidden(data.decode(), "a segment")


def test_no_error_of_writing_holds_the_secret_or_a_key(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit", secret=RAW)
    exchange(ledger)
    assert_error_hides(failed(ledger, Entry("denial", {"route": object()}, {"asked": b"x"})))
    assert_error_hides(failed(ledger, Entry("nothing", {}, {"asked": b"x"})))  # type: ignore[arg-type]
    ledger.close()
    assert_error_hides(failed(ledger, denial()))


class _Broken:
    """A signer that raises what it knows."""

    public_key: PublicKey = PrivateKey.from_seed(bytes(32)).public_key

    def sign(self, message: bytes) -> bytes:
        raise RuntimeError(f"https://{CANARY}@hsm.example")


def test_no_error_of_beginning_holds_the_secret_or_what_a_signer_said(tmp_path: Path) -> None:
    ledger = Ledger.directory(tmp_path / "audit", secret=RAW, signer=_Broken())
    assert_error_hides(failed(ledger, denial()))


def test_no_error_holds_what_a_function_said() -> None:
    def emit(line: bytes, record: Mapping[str, Any]) -> None:
        raise RuntimeError(f"postgres://{CANARY}@db")

    assert_error_hides(failed(Ledger.to(emit, secret=RAW), intent()))


@pytest.mark.parametrize("short", [RAW[:31], CANARY])
def test_no_error_of_an_argument_holds_the_secret(tmp_path: Path, short: Any) -> None:
    with pytest.raises(ConfigurationError) as error:
        Ledger.directory(tmp_path / "audit", secret=short)
    for place, text in shown_by_error(error.value):
        assert CANARY[:31] not in text, place
    with pytest.raises(ConfigurationError) as error:
        Ledger.directory(tmp_path / "audit", secret=RAW, fsync="sometimes")  # type: ignore[arg-type]
    assert_error_hides(error.value)
    with pytest.raises(ConfigurationError) as error:
        Ledger.to("x", secret=RAW)  # type: ignore[arg-type]
    assert_error_hides(error.value)
    with pytest.raises(ConfigurationError) as error:
        Ledger.otlp("x", secret=RAW)
    assert_error_hides(error.value)
    with pytest.raises(ConfigurationError) as error:
        Capture(["fast"], short)
    for place, text in shown_by_error(error.value):
        assert CANARY[:31] not in text, place
