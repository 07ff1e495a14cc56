"""Roots with every field, the roots that follow them, statuses, and what an opened table says about itself."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import ConfigurationError
from saferoute.routing.issuers import Issuer
from saferoute.routing.local import local_bundle
from saferoute.routing.publish import (
    bodies_of,
    cosign_root,
    new_root,
    next_root,
    pin,
    read_root,
    release_of,
    sign_release,
    sign_revocations,
    sign_status,
)
from saferoute.routing.release import MAX_LIFE_LOCAL, longest_life
from saferoute.routing.root import MAX_ROOT_LIFE, Role, Root, parse_root
from saferoute.routing.trust import Trust, TrustFiles, verify_bundle, verify_trust
from saferoute.signing.envelope import Envelope, encode_base64
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from saferoute.values.permission import Budget, Cost, Permission
from saferoute.values.server import loopback
from tests.support.trust_cases import (
    DAY,
    ISSUER_KEY,
    LOG_KEY,
    NOW,
    ROOT_KEY,
    ROOT_KEY_2,
    STATUS_KEY,
    STRANGER,
    TABLE_KEY,
    TABLE_KEY_2,
    full_root,
    issuer_row,
    key_id,
    root_payload,
    row,
    table,
)

BODY = canonical(table(row(), row(id="other")))
YEAR = NOW + 365 * DAY
CEILING = {"operations": ["chat"], "tools": [], "max_cost": {"amount": 7, "currency": "EUR"}}


def a_root(**changes: Any) -> bytes:
    plain: dict[str, Any] = {"root_signers": [ROOT_KEY], "table_keys": [TABLE_KEY.public_key], "now": NOW, "not_after": YEAR}
    return new_root("acme", **{**plain, **changes})


def following(previous: bytes, **changes: Any) -> bytes:
    return next_root(previous, **{"signers": [ROOT_KEY], "now": NOW + 5.9, "not_after": YEAR + 5.9, **changes})


FULL = {
    "status_keys": [STATUS_KEY.public_key],
    "log_keys": [LOG_KEY.public_key],
    "issuers": [Issuer("ci", [ISSUER_KEY.public_key], max_life=60, max_depth=2, ceiling=CEILING)],
    "grace_hours": 12,
}


def test_a_root_with_everything() -> None:
    root = read_root(a_root(**FULL))
    assert root.status == Role((STATUS_KEY.public_key,), 1)
    assert root.log == Role((LOG_KEY.public_key,), 1)
    assert root.grace_hours == 12
    assert root.digest == hashlib.sha256(Envelope.read(a_root(**FULL)).payload).hexdigest()
    issuer = root.issuers["ci"]
    assert (issuer.name, issuer.keys, issuer.max_life, issuer.max_depth) == ("ci", {ISSUER_KEY.public_key.raw}, 60, 2)
    ceiling = {"operations": frozenset({"chat"}), "tools": frozenset(), "max_cost": Cost(7, "EUR")}
    assert issuer.ceiling == Permission("the ceiling of the issuer 'ci'", **ceiling)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        root.issuers["x"] = issuer  # type: ignore[index]


def test_a_root_with_nothing_more() -> None:
    root = read_root(a_root())
    assert (root.status, root.log, dict(root.issuers), root.grace_hours) == (None, None, {}, 0)
    assert parse(Envelope.read(a_root()).payload).keys() == {"schema", "name", "version", "issued", "not_after", "keys", "roles"}


def test_a_ceiling_with_every_field() -> None:
    issuer = parse_root(canonical(full_root())).issuers["ci"]
    assert (issuer.max_life, issuer.max_depth) == (3600, 4)
    assert issuer.ceiling == Permission(
        "the ceiling of the issuer 'ci'",
        operations=frozenset({"chat"}),
        routes=frozenset({"main"}),
        models=frozenset({"model-1"}),
        providers=frozenset({"example"}),
        tools=frozenset({"search"}),
        regions=frozenset({"eu"}),
        data="internal",
        max_output=900,
        max_cost=Cost(1, "USD"),
        scope="host",
        budgets=(Budget("issuer:acme:ci", 5, "USD", "day", owner="the issuer ci (all capabilities that it minted)", replicas=2),),
    )
    plain = full_root()
    plain["issuers"]["ci"]["ceiling"] = {"budget": {"amount": 5, "currency": "USD", "per": "week"}}
    ceiling = parse_root(canonical(plain)).issuers["ci"].ceiling
    weekly = Budget("issuer:acme:ci", 5, "USD", "week", owner="the issuer ci (all capabilities that it minted)")
    assert ceiling == Permission("the ceiling of the issuer 'ci'", budgets=(weekly,))


def test_an_issuers_digest_is_over_its_record_and_its_keys() -> None:
    def digest(**changes: Any) -> str:
        root = full_root()
        root["issuers"]["ci"] = {**root["issuers"]["ci"], **changes}
        return parse_root(canonical(root)).issuers["ci"].digest

    record = full_root()["issuers"]["ci"]
    whole = {"root": "acme", "issuer": "ci", "record": record, "keys": [encode_base64(ISSUER_KEY.public_key.raw)]}
    assert digest() == hashlib.sha256(canonical(whole)).hexdigest()  # type: ignore[arg-type]
    assert len({digest(), digest(max_life=3601), digest(max_depth=3), digest(ceiling={}), digest(annotations={})}) == 5
    later = full_root()
    later["version"] = 2
    assert parse_root(canonical(later)).issuers["ci"].digest == digest()
    renamed = full_root()
    renamed["name"] = "other"
    assert parse_root(canonical(renamed)).issuers["ci"].digest != digest()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"max_life": 0}, "max_life is 0; it must be from 1 to 31622400"),
        ({"max_life": 366 * DAY + 1}, "max_life is 31622401; it must be from 1 to 31622400"),
        ({"max_depth": 0}, "max_depth is 0; it must be from 1 to 8"),
        ({"max_depth": 9}, "max_depth is 9; it must be from 1 to 8"),
        ({"keyids": []}, "keyids has 0 entries; it must have 1 to 16"),
        ({"ceiling": {"models": ["*"]}}, "ceiling.models[0] is '*', which is not a model's name"),
        ({"ceiling": {"operations": ["*"]}}, "ceiling.operations[0] is '*'; it must be one of chat, "),
        ({"ceiling": {"providers": []}}, "ceiling.providers has 0 entries; it must have 1 to 200"),
        ({"ceiling": {"routes": ["a", "a"]}}, "ceiling.routes holds an entry twice"),
        ({"ceiling": {"aliases": True}}, "ceiling.aliases is not a field of this schema; the fields are budget, data, limits, max_cost"),
        ({"ceiling": None}, "ceiling is missing"),
    ],
)
def test_what_makes_no_issuer(changes: dict[str, Any], why: str) -> None:
    root = full_root()
    root["issuers"]["ci"] = issuer_row(ISSUER_KEY, **changes)
    with pytest.raises(Refused) as caught:
        parse_root(canonical(root))
    assert str(caught.value).startswith(f"root.issuers.ci.{why}")


def test_an_issuer_lives_a_day_unless_said_otherwise() -> None:
    made = Issuer("ci", [ISSUER_KEY.public_key])
    assert made.to_json() == {"keyids": [key_id(ISSUER_KEY)], "max_life": DAY, "max_depth": 8, "ceiling": {}}


def test_a_root_lives_ten_years_at_most() -> None:
    parse_root(canonical(root_payload(issued=NOW, not_after=NOW + MAX_ROOT_LIFE)))
    with pytest.raises(Refused) as caught:
        parse_root(canonical(root_payload(issued=NOW, not_after=NOW + MAX_ROOT_LIFE + 1)))
    assert str(caught.value) == "root.not_after: it would live 3653 days; at most 3653 are allowed"
    with pytest.raises(Refused, match=r"root\.not_after is not after root\.issued"):
        parse_root(canonical(root_payload(issued=NOW, not_after=NOW)))
    parse_root(canonical(root_payload(issued=NOW, not_after=NOW + 1)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuers": [Issuer("ci", [ISSUER_KEY.public_key]), Issuer("ci", [STRANGER.public_key])]}, "two issuers have one name"),
        ({"issuers": [Issuer("ci", [TABLE_KEY.public_key])]}, "is in both roles: table and issuer ci"),
        ({"status_keys": [TABLE_KEY.public_key]}, "is in both roles: status and table"),
        ({"log_keys": [ROOT_KEY.public_key]}, "is in both roles: log and root"),
        ({"status_keys": [STATUS_KEY.public_key], "status_threshold": 2}, "root.roles.status.threshold is 2, and the role has 1 keys"),
        ({"log_keys": [LOG_KEY.public_key], "log_threshold": 2}, "root.roles.log.threshold is 2, and the role has 1 keys"),
        ({"grace_hours": 73}, "root.grace_hours is 73; it must be from 0 to 72"),
        ({"not_after": NOW + MAX_ROOT_LIFE + 1}, "at most 3653 are allowed"),
    ],
)
def test_what_makes_no_root(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"this makes no trust root: .*{why}"):
        a_root(**changes)


def payload_of(root: bytes) -> dict[str, Any]:
    return parse(Envelope.read(root).payload)


def test_the_next_root_changes_only_what_is_said() -> None:
    first = a_root(**FULL)
    second = payload_of(following(first))
    assert second == {**payload_of(first), "version": 2, "issued": NOW + 5, "not_after": YEAR + 5}
    third = payload_of(following(following(first)))
    assert third["version"] == 3


def test_the_next_root_changes_everything() -> None:
    more = following(
        a_root(**FULL),
        signers=[ROOT_KEY, ROOT_KEY_2],
        root_keys=[ROOT_KEY.public_key, ROOT_KEY_2.public_key],
        root_threshold=2,
        table_keys=[TABLE_KEY_2.public_key, TABLE_KEY.public_key],
        table_threshold=2,
        status_keys=(),
        log_keys=[LOG_KEY.public_key, STATUS_KEY.public_key],
        log_threshold=2,
        issuers=[Issuer("web", [STRANGER.public_key])],
        grace_hours=0,
    )
    root = read_root(more)
    assert (root.version, root.root.threshold, root.table.threshold, root.status, root.grace_hours) == (2, 2, 2, None, 0)
    assert root.table.keys == (TABLE_KEY_2.public_key, TABLE_KEY.public_key)
    assert root.log == Role((LOG_KEY.public_key, STATUS_KEY.public_key), 2)
    assert root.issuers.keys() == {"web"}
    used = (ROOT_KEY, ROOT_KEY_2, TABLE_KEY, TABLE_KEY_2, LOG_KEY, STATUS_KEY, STRANGER)
    assert payload_of(more)["keys"].keys() == {key_id(key) for key in used}  # the old issuer's is gone
    assert read_root(following(more, signers=[ROOT_KEY, ROOT_KEY_2], issuers=())).issuers == {}
    assert read_root(following(more, signers=[ROOT_KEY, ROOT_KEY_2], log_keys=())).log is None
    with_status = following(a_root(), status_keys=[STATUS_KEY.public_key])
    assert read_root(with_status).status == Role((STATUS_KEY.public_key,), 1)
    two = {"status_keys": [STATUS_KEY.public_key, STRANGER.public_key], "status_threshold": 2}
    assert read_root(following(a_root(), **two)).status == Role((STATUS_KEY.public_key, STRANGER.public_key), 2)
    assert read_root(following(following(a_root(), **two), status_threshold=1)).status == Role(
        (STATUS_KEY.public_key, STRANGER.public_key), 1
    )


def test_a_role_that_was_never_there_can_be_taken_away() -> None:
    assert read_root(following(a_root(), status_keys=(), log_keys=())).status is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"signers": [STRANGER]}, "is not in the root role"),
        ({"signers": [TABLE_KEY]}, "is not in the root role"),
        ({"root_keys": ()}, "root.roles.root.keyids has 0 entries"),
        ({"table_keys": ()}, "root.roles.table.keyids has 0 entries"),
        ({"table_threshold": 2}, "root.roles.table.threshold is 2, and the role has 1 keys"),
        ({"status_threshold": 1}, "root.roles.status.keyids has 0 entries"),
        ({"not_after": NOW}, "root.not_after is not after root.issued"),
        ({"issuers": [Issuer("a", [STRANGER.public_key]), Issuer("a", [LOG_KEY.public_key])]}, "two issuers have one name"),
    ],
)
def test_what_makes_no_next_root(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        following(a_root(), **changes)
    assert str(caught.value).startswith("this makes no next root: ")
    assert why in str(caught.value)


def test_only_a_signed_root_has_a_next_one() -> None:
    unsigned = a_root(root_signers=(), root_keys=[ROOT_KEY.public_key])
    with pytest.raises(ConfigurationError, match="this makes no next root: an envelope has 1 to 16 signatures"):
        following(unsigned)
    with pytest.raises(ConfigurationError, match="the root cannot be signed: an envelope has 1 to 16 signatures"):
        cosign_root(following(a_root()), ROOT_KEY, unsigned)
    with pytest.raises(ConfigurationError, match=r"the root cannot be signed: it is a .*release.*, not a"):
        cosign_root(sign_release(a_root(), [BODY], version=1, now=NOW, signers=[TABLE_KEY]), ROOT_KEY)
    with pytest.raises(ConfigurationError, match=r"the root cannot be signed: .* is not in the root role"):
        cosign_root(following(a_root(), root_keys=[ROOT_KEY_2.public_key]), ROOT_KEY)


class Wrong:
    """A signer whose signatures are not its key's."""

    public_key = ROOT_KEY_2.public_key

    def sign(self, message: bytes) -> bytes:
        return STRANGER.sign(message)


def test_a_signer_that_does_not_sign_is_noticed() -> None:
    with pytest.raises(ConfigurationError, match="made a signature that is not plain Ed25519 over the bytes given"):
        following(a_root(), signers=[ROOT_KEY, Wrong()], root_keys=[ROOT_KEY_2.public_key])


WITH_STATUS = a_root(**FULL)
BUNDLE = sign_release(WITH_STATUS, [BODY], version=3, now=NOW, signers=[TABLE_KEY], not_after=NOW + 90 * DAY)


def test_a_status_is_signed_for_a_day() -> None:
    data = sign_status(WITH_STATUS, BUNDLE, version=2, revoked=["b", "a"], halted=["other"], now=NOW + 0.9, signers=[STATUS_KEY])
    assert payload_of(data) == {
        "schema": 1, "name": "acme", "root_version": 1, "version": 2, "issued": NOW, "not_after": NOW + DAY,
        "release": {"version": 3, "digest": release_of(BUNDLE).digest}, "revoked": ["a", "b"], "halted": ["other"],
    }  # fmt: skip
    longer = sign_status(WITH_STATUS, BUNDLE, version=2, now=NOW, not_after=NOW + 7 * DAY + 0.9, signers=[STATUS_KEY])
    assert (payload_of(longer)["not_after"], payload_of(longer)["revoked"], payload_of(longer)["halted"]) == (NOW + 7 * DAY, [], [])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"root": a_root()}, "the trust root has no status role: make the next root with status_keys, or sign a revocation list"),
        ({"root": b""}, "it does not begin with a JSON object"),
        ({"bundle": sign_release(WITH_STATUS, [BODY], version=1, now=NOW, signers=())}, "an envelope has 1 to 16 signatures"),
        ({"halted": ["othr"]}, "it halts 'othr', and the table has no such row"),
        ({"revoked": ["a b"]}, "status.revoked[0] is 'a b', which is not a token's jti or a digest"),
        ({"revoked": [str(number) for number in range(601)]}, "status.revoked has 601 entries; it must have 0 to 600"),
        ({"not_after": NOW + 7 * DAY + 1}, "status.not_after: it would live 604801 seconds"),
        ({"not_after": NOW}, "status.not_after is not after status.issued"),
        ({"version": 0}, "status.version is 0"),
        ({"signers": [TABLE_KEY]}, f"the key {key_id(TABLE_KEY)[:12]} is not in the status role"),
    ],
)
def test_what_clients_would_refuse_is_not_signed(changes: dict[str, Any], why: str) -> None:
    plain: dict[str, Any] = {"root": WITH_STATUS, "bundle": BUNDLE, "version": 1, "now": NOW, "signers": [STATUS_KEY]}
    plain.update(changes)
    with pytest.raises(ConfigurationError) as caught:
        sign_status(plain.pop("root"), plain.pop("bundle"), **plain)
    assert str(caught.value).startswith(f"this status cannot be signed: {why}")


def test_revocations_are_signed_by_the_table_role() -> None:
    data = sign_revocations(a_root(), version=2, revoked=["b", "a", "b"], now=NOW + 0.9, signers=[TABLE_KEY])
    assert payload_of(data) == {"schema": 1, "name": "acme", "root_version": 1, "version": 2, "issued": NOW, "revoked": ["a", "b"]}
    for changes, why in (
        ({"signers": [ROOT_KEY]}, f"the key {key_id(ROOT_KEY)[:12]} is not in the table role"),
        ({"version": 0}, "revocations.version is 0"),
        ({"revoked": [""]}, "revocations.revoked[0] is ''"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            sign_revocations(a_root(), **{"version": 1, "revoked": [], "now": NOW, "signers": [TABLE_KEY], **changes})
        assert str(caught.value).startswith(f"this revocation list cannot be signed: {why}")


def test_600_digests_fit() -> None:
    many = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(600)]
    data = sign_status(WITH_STATUS, BUNDLE, version=1, revoked=many, now=NOW, signers=[STATUS_KEY])
    opened = verify_trust(TrustFiles(WITH_STATUS, BUNDLE, (), data), pin(WITH_STATUS), NOW)
    assert opened.revoked == set(many)


def test_an_old_table_comes_back_under_a_higher_version() -> None:
    old = sign_release(a_root(), [BODY], version=1, now=NOW, signers=[TABLE_KEY])
    assert bodies_of(old) == (BODY,)
    again = sign_release(a_root(), bodies_of(old), version=7, now=NOW, signers=[TABLE_KEY])
    opened = verify_trust(TrustFiles(a_root(), again), pin(a_root()), NOW)
    assert (opened.table.version, opened.table.digest) == (7, hashlib.sha256(BODY).hexdigest())
    for broken in (b"", a_root(), again[:50]):
        with pytest.raises(ConfigurationError, match="this is no bundle"):
            bodies_of(broken)


def test_how_long_a_release_may_live() -> None:
    def root(name: str, status: Role | None) -> Root:
        return replace(read_root(a_root()), name=name, status=status)

    role = Role((STATUS_KEY.public_key,), 1)
    assert longest_life(root("acme", None)) == 7 * DAY
    assert longest_life(root("acme", role)) == 90 * DAY
    assert longest_life(root("local/x", None)) == MAX_LIFE_LOCAL
    assert longest_life(root("local", None)) == 7 * DAY


def test_what_an_opened_table_says_about_its_time() -> None:
    status = sign_status(WITH_STATUS, BUNDLE, version=2, halted=["other", "main"], now=NOW, signers=[STATUS_KEY])
    opened = verify_trust(TrustFiles(WITH_STATUS, BUNDLE, (), status), pin(WITH_STATUS), NOW, remembered=True)
    halted = "The status halts main, other: no call goes there."
    late_status = "The status version 2 is past half of its life and expires on 2027-01-16 08:00 UTC."
    late = "The routing table 'acme' version 3 is past half of its life and expires on 2027-04-15 08:00 UTC: sign it again."
    assert opened.notes(NOW) == opened.notes(NOW + DAY / 2 - 1) == (halted,)
    assert opened.notes(NOW + DAY / 2) == (late_status, halted)
    assert opened.notes(NOW + 45 * DAY - 1) == (late_status, halted)
    assert opened.notes(NOW + 45 * DAY) == (late, late_status, halted)
    root = "The trust root 'acme' version 1 expires on 2028-01-15 08:00 UTC: sign a new one (saferoute root rotate)."
    assert root not in opened.notes(YEAR - 30 * DAY - 1)
    assert root in opened.notes(YEAR - 30 * DAY)


def test_a_local_table_says_nothing_about_its_time_and_takes_issuers() -> None:
    made = local_bundle([], [loopback("llama", port=8080)], NOW, issuers=[("dev", ISSUER_KEY.public_key), ("ci", STRANGER.public_key)])
    opened = verify_trust(TrustFiles(made.root, made.bundle), made.sha256, NOW, allow_local=True)
    assert (opened.notes(NOW), opened.notes(NOW + 350 * DAY), opened.rollback) == ((), (), "none")
    assert opened.issuers.keys() == {"dev", "ci"}
    dev = opened.issuers["dev"]
    assert (dev.keys, dev.max_life, dev.max_depth, dev.ceiling) == (
        {ISSUER_KEY.public_key.raw}, DAY, 8, Permission("the ceiling of the issuer 'dev'"),
    )  # fmt: skip
    for issuers in ([("Dev", ISSUER_KEY.public_key)], [("a", ISSUER_KEY.public_key), ("b", ISSUER_KEY.public_key)]):
        with pytest.raises(ConfigurationError, match="this makes no trust root"):
            local_bundle([], [loopback("llama", port=8080)], NOW, issuers=issuers)


def test_an_opened_table_cannot_be_changed() -> None:
    opened = verify_trust(TrustFiles(a_root(), sign_release(a_root(), [BODY], version=1, now=NOW, signers=[TABLE_KEY])), pin(a_root()), NOW)
    with pytest.raises(AttributeError):
        opened.halted = frozenset()  # type: ignore[misc]
    assert (opened.revoked, opened.halted, opened.status, opened.revocations, opened.rollback) == (
        frozenset(),
        frozenset(),
        None,
        None,
        "none",
    )


def test_tools_verify_a_bundle_with_and_without_its_status() -> None:
    status = sign_status(WITH_STATUS, BUNDLE, version=1, now=NOW, signers=[STATUS_KEY])
    given = (WITH_STATUS, pin(WITH_STATUS), BUNDLE, NOW)
    assert verify_bundle(*given, allow_local=False, status=status).version == 3
    assert verify_bundle(*given, allow_local=False, status_required=False).version == 3


def test_a_trust_names_its_files() -> None:
    trust = Trust.pinned("root.json", sha256="0" * 64, updates="roots", status="status.json", revocations="r.json", min_table_version=4)
    assert trust == Trust("root.json", "0" * 64, 4, "roots", "status.json", "r.json")
    assert Trust.pinned("root.json", sha256="0" * 64) == Trust("root.json", "0" * 64, None, None, None, None)
