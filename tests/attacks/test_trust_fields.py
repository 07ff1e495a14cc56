"""A field that the reader does not know is put into a signed statement, in the hope that another reader acts on it.

An old client that skips what a new one obeys can be made to see another table. Every object of every payload lists its fields.

Guards: saferoute/routing/root.py::check(fields, ROOT, "root")
Guards: saferoute/routing/status.py::check(fields, STATUS, "status")
Guards: saferoute/routing/status.py::check(fields, REVOCATIONS, "revocations")
Guards: saferoute/routing/rollback.py::check(fields, STATE, "state")
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.routing.release import parse_release
from saferoute.routing.rollback import decode_state
from saferoute.routing.root import parse_root
from saferoute.routing.status import parse_revocations, parse_status
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import NOW, full_root, release_payload, revocations_payload, status_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RELEASE = release_payload(b"{}", annotations={"a": "b"})
SEEN = {"version": 1, "digest": "a" * 64}
STATE = {
    "schema": 1, "pinned": "f" * 64, "name": "acme", "root": SEEN, "table": SEEN, "floor_time": NOW, "status": SEEN, "revocations": SEEN,
}  # fmt: skip
DOCUMENTS: dict[str, tuple[dict[str, Any], Callable[[bytes], object]]] = {
    "root": (full_root(), parse_root),
    "release": (RELEASE, parse_release),
    "status": (status_payload(RELEASE, revoked=["t"], halted=["main"], annotations={"a": "b"}), parse_status),
    "revocations": (revocations_payload(annotations={"a": "b"}), parse_revocations),
    "state": (STATE, lambda data: decode_state(data, "f" * 64, "acme")),
}
NAMED_BY_US = {"annotations", "keys", "issuers"}  # their keys are names, not fields


def objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        if not path or path[-1] not in NAMED_BY_US:
            yield path
        for name, item in value.items():
            yield from objects(item, (*path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from objects(item, (*path, position))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


PLACES = [(name, path) for name, (payload, _) in DOCUMENTS.items() for path in objects(payload)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_whole_documents_are_read(name: str) -> None:
    payload, read = DOCUMENTS[name]
    read(canonical(payload))


@pytest.mark.parametrize(("name", "path"), PLACES)
def test_an_unknown_field_is_refused_at_every_depth(name: str, path: tuple[Any, ...]) -> None:
    payload, read = DOCUMENTS[name]
    changed = copy.deepcopy(payload)
    at(changed, path)["zz_unknown"] = 1
    with pytest.raises(Refused, match=r"zz_unknown is not a field of this schema; the fields are"):
        read(canonical(changed))


REQUIRED = {
    "root": {"annotations", "issuers", "grace_hours", "status", "log", "budget", "max_cost", "max_output", "operations", "models",
             "providers", "routes", "tools", "data", "regions", "scope", "replicas"},
    "release": {"annotations"},
    "status": {"annotations"},
    "revocations": {"annotations"},
    "state": {"status", "revocations"},
}  # fmt: skip
FIELDS = [(name, path, field) for name, path in PLACES for field in at(DOCUMENTS[name][0], path) if field not in REQUIRED[name]]


@pytest.mark.parametrize(("name", "path", "field"), FIELDS)
def test_a_missing_field_is_refused(name: str, path: tuple[Any, ...], field: str) -> None:
    payload, read = DOCUMENTS[name]
    changed = copy.deepcopy(payload)
    del at(changed, path)[field]
    with pytest.raises(Refused, match=f"{field} is missing"):
        read(canonical(changed))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_not_required_may_be_left_out(name: str) -> None:
    payload, read = DOCUMENTS[name]
    for path in objects(payload):
        for field in list(at(payload, path)):
            if field in REQUIRED[name]:
                changed = copy.deepcopy(payload)
                del at(changed, path)[field]
                read(canonical(changed))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_another_schema_is_refused(name: str) -> None:
    payload, read = DOCUMENTS[name]
    for schema in (0, 2, True, "1", None):
        with pytest.raises(Refused, match=rf"^{name}\.schema "):
            read(canonical({**payload, "schema": schema}))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_only_the_one_spelling_is_read(name: str) -> None:
    payload, read = DOCUMENTS[name]
    good = canonical(payload)
    for bad in (
        b" " + good,
        good[:-1] + b" }",
        good + b"\n\n",
        b"\xef\xbb\xbf" + good,
        good.decode().encode("utf-16"),
        good[:-1],
        b"[]",
        b"",
    ):
        with pytest.raises(Refused):
            read(bad)
    with pytest.raises(Refused, match="twice"):
        read(good[:-1] + b',"schema":1}')
    for number in (b"1.0", b"NaN", b"1e0"):
        with pytest.raises(Refused, match="not an integer"):
            read(good.replace(b'"schema":1', b'"schema":' + number))
