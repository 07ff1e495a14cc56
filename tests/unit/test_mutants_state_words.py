"""The exact words for what is refused because of what was accepted before, of the clock, or of what changed in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import TableExpired, TableRollback, UntrustedTable
from saferoute.routing.chain import follow
from saferoute.routing.credentials import compile_credential
from saferoute.routing.opened import check_root_time
from saferoute.routing.rollback import Seen, State, advance, check_floor
from saferoute.routing.root import parse_root
from saferoute.routing.spellings import written_proxy
from saferoute.routing.table import RoutingTable
from saferoute.signing.envelope import PayloadType
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from tests.support.trust_cases import (
    DAY,
    NOW,
    ROOT_KEY,
    ROOT_KEY_2,
    STATUS_KEY,
    TABLE_KEY,
    document,
    files,
    key_id,
    key_row,
    release_payload,
    revocations_payload,
    role_row,
    root_payload,
    row,
    status_payload,
    status_root,
    table,
)  # fmt: skip

ROOT = parse_root(canonical(root_payload()))
LOCAL = replace(ROOT, name="local/x")
SEEN = Seen(1, "a" * 64)


def opened(payload: dict[str, Any]) -> RoutingTable:
    return files(payload).open()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def credential(kind: str, **fields: Any) -> object:
    return compile_credential("c", {"kind": kind, "origins": ["https://r.example"], **fields}, "x")


def with_changed_credential() -> None:
    """A credential that somebody wrote to in memory, and a call that would use it."""
    raw = {"kind": "google_metadata", "origin": "http://169.254.169.254", "net": "metadata", "origins": ["https://api.example.com"]}
    made = opened(table(row(secret="cloud"), credentials={"cloud": raw}))
    made.recheck(made.routes["main"])
    object.__setattr__(made.credentials["cloud"], "origins", ("https://evil.example",))
    made.recheck(made.routes["main"])


CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "an older root before": (
        lambda: advance(State(Seen(2, "a" * 64), Seen(1, "b" * 64), 0), State(Seen(1, "a" * 64), Seen(1, "b" * 64), 0)), TableRollback,
        ("the trust root is version 1, and version 2 was accepted here before: deploy the newer one; to go back on purpose, "
         "sign the old content under a higher version (saferoute table revert)"),
    ),
    "an older table before": (
        lambda: advance(State(Seen(1, "a" * 64), Seen(2, "b" * 64), 0), State(Seen(1, "a" * 64), Seen(1, "b" * 64), 0)), TableRollback,
        ("the routing table is version 1, and version 2 was accepted here before: deploy the newer one; to go back on "
         "purpose, sign the old content under a higher version (saferoute table revert)"),
    ),
    "two tables of one version": (
        lambda: advance(State(Seen(1, "a" * 64), Seen(1, "b" * 64), 0), State(Seen(1, "a" * 64), Seen(1, "c" * 64), 0)), TableRollback,
        ("there are two of the routing table version 1: bbbbbbbbbbbb was accepted here before, and this is cccccccccccc. "
         "Find out who signed the other one; then sign again under a higher version"),
    ),
    "an older status before": (
        lambda: advance(State(SEEN, SEEN, 0, Seen(2, "b" * 64)), State(SEEN, SEEN, 0, SEEN)), TableRollback,
        ("the status is version 1, and version 2 was accepted here before: deploy the newer one; to go back on purpose, "
         "sign the old content under a higher version (saferoute table revert)"),
    ),
    "an older list before": (
        lambda: advance(State(SEEN, SEEN, 0, None, Seen(2, "b" * 64)), State(SEEN, SEEN, 0, None, SEEN)), TableRollback,
        ("the revocation list is version 1, and version 2 was accepted here before: deploy the newer one; to go back on "
         "purpose, sign the old content under a higher version (saferoute table revert)"),
    ),
    "a clock set back": (
        lambda: check_floor(NOW + 301, NOW), TableExpired,
        ("the clock here says 2027-01-15 08:00 UTC, and something signed on 2027-01-15 08:05 UTC was accepted before: set "
         "the clock; if that one's date was wrong, `saferoute table state reset` forgets it"),
    ),
    "more than 64 roots": (lambda: follow(ROOT, [b""] * 65), Refused, "more than 64 roots follow the pinned one: pin a newer root"),
    "a root after a local one": (lambda: follow(LOCAL, [b""]), Refused, "a root that was made in memory has no successor"),
    "a root that skips a version": (
        lambda: follow(ROOT, [document(PayloadType.ROOT, root_payload(version=3), ROOT_KEY)]), Refused,
        "root version 2 is refused: it is version 3, and version 2 is next",
    ),
    "a root of another name": (
        lambda: follow(ROOT, [document(PayloadType.ROOT, root_payload(version=2, name="other"), ROOT_KEY)]), Refused,
        "root version 2 is refused: it is for 'other', and the pinned root is for 'acme'",
    ),
    "a root that only its own keys sign": (
        lambda: follow(ROOT, [document(PayloadType.ROOT, root_payload(version=2, keys={key_id(ROOT_KEY_2): key_row(ROOT_KEY_2), key_id(TABLE_KEY): key_row(TABLE_KEY)}, roles={"root": role_row(ROOT_KEY_2), "table": role_row(TABLE_KEY)}), ROOT_KEY_2)]), Refused,
        "root version 2 is refused: by the keys of version 1, 0 of the 1 signatures that are needed are there",
    ),
    "an expired table": (
        lambda: opened(table()).check_time(NOW + 7 * DAY), TableExpired,
        ("the routing table 'acme' version 1 expired on 2027-01-22 08:00 UTC: sign it again (saferoute table sign) and "
         "reload or restart"),
    ),
    "an early table": (
        lambda: opened(table()).check_time(NOW - 301), TableExpired,
        ("the routing table 'acme' version 1 was issued on 2027-01-15 08:00 UTC, and the clock here says 2027-01-15 07:54 "
         "UTC: set the clock, or sign the table on a machine whose clock is right"),
    ),
    "a changed row": (
        lambda: opened(table()).recheck(replace(opened(table()).routes["main"], origin="https://evil.example")), UntrustedTable,
        ("the route 'main' in memory is not what was signed: something in this process changed it. Nothing was sent; "
         "restart the process and look for code that writes to saferoute's objects"),
    ),
    "an expired root": (
        lambda: check_root_time(ROOT, NOW + 365 * DAY), TableExpired,
        "the trust root 'acme' version 1 expired on 2028-01-15 08:00 UTC: make a new one and pin it",
    ),
    "an early root": (
        lambda: check_root_time(ROOT, NOW - DAY - 301), TableExpired,
        "the trust root 'acme' was issued on 2027-01-14 08:00 UTC, and the clock here says 2027-01-14 07:54 UTC: set the clock",
    ),
    "a changed credential": (
        lambda: with_changed_credential(), UntrustedTable,
        ("the credential 'cloud' in memory is not what was signed: something in this process changed it. Nothing was sent; "
         "restart the process and look for code that writes to saferoute's objects"),
    ),
    "a floor above everything": (
        lambda: files(root=status_root()).trusted(NOW, status=document(PayloadType.STATUS, status_payload(release_payload(canonical(table()))), STATUS_KEY), earlier=State(Seen(1, parse_root(canonical(status_root())).digest), Seen(1, sha(canonical(release_payload(canonical(table()))))), NOW + 301)), TableExpired,
        ("the clock here says 2027-01-15 08:00 UTC, and something signed on 2027-01-15 08:05 UTC was accepted before: set "
         "the clock; if that one's date was wrong, `saferoute table state reset` forgets it"),
    ),
    "a status that is over": (
        lambda: files(root=status_root()).trusted(NOW + DAY, status=document(PayloadType.STATUS, status_payload(release_payload(canonical(table()))), STATUS_KEY)), TableExpired,
        ("the status version 1 of 'acme' expired on 2027-01-16 08:00 UTC: get the current one (or sign one) and reload; a "
         "table that needs a status is not used without"),
    ),
    "a status from the future": (
        lambda: files(root=status_root()).trusted(NOW, status=document(PayloadType.STATUS, status_payload(release_payload(canonical(table())), issued=NOW + 301, not_after=NOW + 999), STATUS_KEY)), TableExpired,
        "the status version 1 was issued on 2027-01-15 08:05 UTC, and the clock here says 2027-01-15 08:00 UTC: set the clock",
    ),
    "a list from the future": (
        lambda: files().trusted(NOW, revocations=document(PayloadType.REVOCATIONS, revocations_payload(issued=NOW + 301), TABLE_KEY)), TableExpired,
        ("the revocation list version 1 was issued on 2027-01-15 08:05 UTC, and the clock here says 2027-01-15 08:00 UTC: "
         "set the clock"),
    ),
    "a row that is halted and is not there": (
        lambda: files(root=status_root()).trusted(NOW, status=document(PayloadType.STATUS, status_payload(release_payload(canonical(table())), halted=["a"]), STATUS_KEY)), UntrustedTable,
        "the status is refused: it halts 'a', and the table has no such row",
    ),
    "a status of another release": (
        lambda: files(root=status_root()).trusted(NOW, status=document(PayloadType.STATUS, status_payload(b"", issued=NOW), STATUS_KEY)), UntrustedTable,
        ("the status is refused: it is about release version 1 (e3b0c44298fc), and the table is of version 1 "
         "(daf3bbc60a33): get the table that is current, or sign a status for this one"),
    ),
    "a proxy": (
        lambda: written_proxy(1, "x"), Refused,
        'x must be an origin such as "http://proxy.corp:3128", or { origin = "...", net = ["10.20.0.0/16"] }',
    ),
    "a credential of a container": (
        lambda: credential("aws_container", net="metadata", origin="http://169.254.170.2"), Refused,
        "x: aws_container needs the path, or the name of the secret that holds the path of this task",
    ),
    "a credential elsewhere": (
        lambda: credential("aws_instance", net="metadata", origin="http://169.254.170.2"), Refused,
        ('x.origin: aws_instance is made at http://169.254.169.254, with net = "metadata" and no networks, tls or proxy, '
         "and nowhere else"),
    ),
    "a credential at a metadata place": (
        lambda: credential("google_service_account", net="metadata", origin="https://a.example", secret="x"), Refused,
        'x.net: "metadata" is for the kinds that a cloud makes for its own machines; google_service_account is none',
    ),
    "a receiver that makes credentials": (
        lambda: credential("aws_instance", net="metadata", origin="http://169.254.169.254", origins=["http://169.254.170.2"]), Refused,
        "x.origins: http://169.254.170.2 makes credentials and takes none",
    ),
    "a second step without an account": (
        lambda: credential("google_workload", net="public", origin="https://a.example", secret="x", audience="//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b", impersonation_origin="https://b.example"), Refused,
        "x.impersonation_origin: a service account to act as needs the origin that allows it, and only then",
    ),
    "pins with two servers": (
        lambda: credential("google_workload", net="public", origin="https://a.example", secret="x", audience="//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b", service_account="a@b.iam.gserviceaccount.com", impersonation_origin="https://b.example", tls={"pins": ["A" * 43 + "="]}), Refused,
        "x.tls: pins are those of one server, and google_workload asks two: https://a.example and https://b.example",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert str(caught.value) == words
