"""Vectors of root, release, table, status, revocations and the memory of what was accepted: `trust.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from saferoute.signing.envelope import PayloadType, encode_base64
from saferoute.signing.strict_json import canonical
from tests.spec.world import DAY, HOUR, NOW, document, envelope, key, key_id, key_row, put, sha256

ROOT, ROOT_2, NEXT = key("root"), key("root 2"), key("next root")
TABLE, TABLE_2, STATUS, ISSUER, STRANGER = key("table"), key("table 2"), key("status"), key("issuer"), key("stranger")
KINDS = {kind.name.lower(): str(kind) for kind in PayloadType}


def role(*members: Any, threshold: int = 1) -> dict[str, Any]:
    return {"keyids": [key_id(one) for one in members], "threshold": threshold}


def root_payload(*, status: bool = False, **changes: Any) -> dict[str, Any]:
    held = [ROOT, TABLE, *([STATUS] if status else [])]
    roles = {"root": role(ROOT), "table": role(TABLE)} | ({"status": role(STATUS)} if status else {})
    plain = {"schema": 1, "name": "acme", "version": 1, "issued": NOW - 30 * DAY, "not_after": NOW + 365 * DAY}
    return put({**plain, "keys": {key_id(one): key_row(one) for one in held}, "roles": roles}, **changes)


def table_payload(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "main", "provider": "example", "dialect": "openai_chat", "origin": "https://api.example.com", "path": "/v1", "net": "public",
        "model": "model-1", "secret": "example", "auth": "bearer", "data": "internal",
    }  # fmt: skip
    alias = {"targets": ["main"], "strategy": "ordered", "max_attempts": 3}
    return put({"schema": 1, "routes": [row, {**row, "id": "other"}], "aliases": {"fast": alias}}, **changes)


def release_payload(*bodies: bytes, **changes: Any) -> dict[str, Any]:
    tables = [{"schema": 1 + n, "sha256": sha256(body), "size": len(body)} for n, body in enumerate(bodies)]
    plain = {"schema": 1, "name": "acme", "version": 5, "root_version": 1, "issued": NOW - DAY, "not_after": NOW + 6 * DAY}
    return put({**plain, "tables": tables}, **changes)


def status_payload(release: bytes, /, **changes: Any) -> dict[str, Any]:
    current = {"version": 5, "digest": sha256(release)}
    plain = {"schema": 1, "name": "acme", "root_version": 1, "version": 9, "issued": NOW - HOUR, "not_after": NOW + 23 * HOUR}
    return put({**plain, "release": current, "revoked": [], "halted": []}, **changes)


def revocations_payload(**changes: Any) -> dict[str, Any]:
    plain = {"schema": 1, "name": "acme", "root_version": 1, "version": 2, "issued": NOW - HOUR, "revoked": ["ab" * 16]}
    return put(plain, **changes)


BODY = canonical(table_payload())


def spread_payload() -> dict[str, Any]:
    """A table with an alias that has whatever an alias may have."""
    alias = {
        "targets": ["main", "other"], "strategy": "by_tag", "max_attempts": 3, "tag": "tenant", "tagged": {"acme": ["other", "main"]},
        "fallback": {"any": ["third"]}, "hedge": {"after": 300}, "limits": {"concurrent": 4, "adaptive": True},
        "shadow": {"target": "third", "share": 10, "max_cost": {"amount": 1_000_000, "currency": "USD"}, "data": "internal"},
    }  # fmt: skip
    rows = table_payload()["routes"]
    third = {**rows[0], "id": "third", "limits": {"requests_per_minute": 60, "tokens_per_minute": 90_000}, "quota_group": "pool"}
    return table_payload(routes=[*rows, third], aliases={"fast": alias})


def guarded_payload(**changes: Any) -> dict[str, Any]:
    """A table with a guard profile and templates that have whatever they may have."""
    url = {"path": "/url", "hosts": ["api.example.com", ".example.org"], "one_of": ["a"], "prefixes": ["https://"], "longest": 200}
    profile = {
        "guards": {
            "pii": {"action": "redact", "threshold": 500, "on_error": "flag", "kinds": ["pii.email"], "reversible": True}, "secrets": {},
        },
        "max_characters": 100_000, "allowed_hosts": ["docs.example.com", "*.example.org"], "templates": ["support-v1"],
        "tools": {"search": {"effects": False, "approval": "never", "arguments": [url], "restore": True}, "send": {}},
    }  # fmt: skip
    templates = {
        "support-v1": template("Answer {{shortly}} in {language}.", language="line"),
        "kept-apart": {"sha256": "0" * 64, "variables": {}},
    }
    rows = table_payload()["routes"]
    return table_payload(**{"routes": [{**rows[0], "guards": "strict"}], "guards": {"strict": profile}, "templates": templates, **changes})


def priced_payload(**changes: Any) -> dict[str, Any]:
    """A table with prices that have whatever they may have."""
    rates = {
        "input": 2_000, "output": 12_000, "cache_read": 200, "cache_write_5m": 2_500, "cache_write_1h": 4_000, "input_audio": 6_000,
        "output_audio": 24_000,
    }  # fmt: skip
    prices = {
        **rates,
        "tiers": [{"above": 200_000, **rates}, {"above": 500_000, "input": 8_000}],
        "multipliers": {"flex": 500, "a.b-c_d": 2_000},
    }
    own, listed = table_payload()["routes"]
    rows = [{**own, "prices": {"currency": "USD", **prices}, "default_max_output": 100}, {**listed, "model": "*", "price_list": "house"}]
    house = {"currency": "EUR", "models": {"vendor/model-1": prices, "model-2": {"input": 0}}, "annotations": {"source": "finance"}}
    return table_payload(**{"routes": rows, "price_lists": {"house": house}, **changes})


def template(said: str, **variables: str) -> dict[str, Any]:
    return {"sha256": sha256(said), "variables": variables, "text": said}


@dataclass(frozen=True)
class Case:
    """What a verifier is given; what is not changed is right."""

    name: str
    step: str = ""  # where it is refused; "" if it is taken
    why: str = ""
    root: str = field(default_factory=lambda: document(KINDS["root"], root_payload(), ROOT))
    pinned: str | None = None
    updates: tuple[str, ...] = ()
    bundle: str = field(default_factory=lambda: bundle())
    status: str | None = None
    revocations: str | None = None
    now: int = NOW
    earlier: dict[str, Any] | None = None
    least: int | None = None


def bundle(
    release: dict[str, Any] | bytes | None = None, *signers: Any, bodies: tuple[bytes, ...] = (BODY,), kind: str = KINDS["release"]
) -> str:
    raw = release_payload(*bodies) if release is None else release
    tables: list[Any] = [encode_base64(body) for body in bodies]
    return canonical({"release": envelope(kind, raw, *(signers or (TABLE,))), "tables": tables}).decode()


def root_file(payload: dict[str, Any] | bytes | None = None, *signers: Any) -> str:
    return document(KINDS["root"], root_payload() if payload is None else payload, *(signers or (ROOT,)))


def with_status(
    name: str, step: str = "", why: str = "", *, signer: Any = STATUS, kind: str = KINDS["status"], days: int = 90, **changes: Any
) -> Case:
    """A case under a root with a status role and a release of 90 days."""
    release = canonical(release_payload(BODY, issued=NOW - DAY, not_after=NOW - DAY + days * DAY))
    status = document(kind, status_payload(release, **changes), signer)
    return Case(name, step, why, root=root_file(root_payload(status=True)), bundle=bundle(release), status=status)


def _with_key(payload: dict[str, Any], identifier: str, row: dict[str, str], members: dict[str, Any]) -> dict[str, Any]:
    return put(payload, keys={**payload["keys"], identifier: row}, roles={**payload["roles"], **members})


def _roots() -> list[Case]:
    low = {"algorithm": "ed25519", "public": encode_base64((1).to_bytes(32, "little"))}
    low_id = sha256((1).to_bytes(32, "little"))
    again = {"algorithm": "ed25519", "public": key_row(ROOT)["public"]}
    plain = root_payload()
    two = root_payload(
        keys={**plain["keys"], key_id(ROOT_2): key_row(ROOT_2)}, roles={**plain["roles"], "root": role(ROOT, ROOT_2, threshold=2)}
    )
    issuers = {"ci": {"keyids": [key_id(TABLE)], "max_life": 60, "max_depth": 1, "ceiling": {}}}
    return [
        Case("plain"),
        Case("a root file with a line break at its end", root=root_file() + "\n"),
        Case("two root keys", root=root_file(two, ROOT, ROOT_2)),
        Case("another file than the pinned one", "root-pin", "the digest is another", pinned="0" * 64),
        Case("one of two root keys signed", "root-signatures", "below the threshold", root=root_file(two, ROOT)),
        Case("a root that a stranger signed", "root-signatures", "no key of the root role", root=root_file(None, STRANGER)),
        Case("a root that the table's key signed", "root-signatures", "a key of another role", root=root_file(None, TABLE)),
        Case("a root under another type", "root-signatures", "type", root=document(KINDS["release"], root_payload(), ROOT)),
        Case("no JSON", "root-form", "strict JSON", root="no"),
        Case("an unknown field", "root-form", "closed fields", root=root_file(root_payload(more=1))),
        Case("schema 2", "root-form", "an unknown schema", root=root_file(root_payload(schema=2))),
        Case("a boolean for an integer", "root-form", "true is no version", root=root_file(root_payload(version=True))),
        Case("a name with ..", "root-form", "a name", root=root_file(root_payload(name="../acme"))),
        Case("a key id that is not the key's hash", "root-form", "key ids are computed", root=root_file(
            _with_key(plain, "f" * 64, again, {"root": {"keyids": [key_id(ROOT), "f" * 64], "threshold": 2}}))),
        Case("a key of small order", "root-form", "anybody signs for it", root=root_file(
            _with_key(plain, low_id, low, {"root": {"keyids": [low_id], "threshold": 1}}))),
        Case("a role names a key that is not there", "root-form", "unknown key", root=root_file(
            root_payload(roles={**plain["roles"], "table": {"keyids": ["0" * 64], "threshold": 1}}))),
        Case("a key twice in one role", "root-form", "distinct", root=root_file(
            root_payload(roles={**plain["roles"], "root": {"keyids": [key_id(ROOT)] * 2, "threshold": 1}}))),
        Case("a threshold above the number of keys", "root-form", "nobody could sign", root=root_file(
            root_payload(roles={**plain["roles"], "root": role(ROOT, threshold=2)}))),
        Case("one key in two roles", "root-form", "roles are disjoint", root=root_file(
            root_payload(roles={"root": role(ROOT), "table": role(ROOT)}))),
        Case("an issuer with the table's key", "root-form", "roles are disjoint", root=root_file(root_payload(issuers=issuers))),
        Case("it ends before it begins", "root-form", "times", root=root_file(root_payload(not_after=NOW - 30 * DAY))),
        Case("it lives for more than 3,653 days", "root-form", "times", root=root_file(root_payload(not_after=NOW + 3_653 * DAY))),
        Case("the last second of a root", now=NOW, root=root_file(root_payload(not_after=NOW + 1))),
        Case("an expired root", "root-time", "now is not before not_after", root=root_file(root_payload(not_after=NOW))),
        Case("a root 300 s ahead", root=root_file(root_payload(issued=NOW + 300))),
        Case("a root 301 s ahead", "root-time", "the clock's tolerance is 300 s", root=root_file(root_payload(issued=NOW + 301))),
        Case("a root of a process", "root-local", "local/ is for one process", root=root_file(root_payload(name="local/0123456789ab"))),
    ]  # fmt: skip


def _chain() -> list[Case]:
    second = root_payload(
        version=2, keys={key_id(NEXT): key_row(NEXT), key_id(TABLE): key_row(TABLE)}, roles={"root": role(NEXT), "table": role(TABLE)}
    )
    good, made = root_file(second, ROOT, NEXT), bundle(release_payload(BODY, root_version=2))
    expired = root_file(put(second, not_after=NOW - DAY), ROOT, NEXT)
    third = root_file(put(second, version=3), NEXT)
    return [
        Case("a second root, signed by both", updates=(good,), bundle=made),
        Case("a root on the way has expired", updates=(expired, third), bundle=bundle(release_payload(BODY, root_version=3))),
        Case("signed by the new keys only", "root-step", "the old keys did not sign", updates=(root_file(second, NEXT),), bundle=made),
        Case("signed by the old keys only", "root-step", "the new keys did not sign", updates=(root_file(second, ROOT),), bundle=made),
        Case("a version is skipped", "root-step", "N+1 exactly", updates=(root_file(put(second, version=3), ROOT, NEXT),), bundle=made),
        Case("the same version again", "root-step", "N+1 exactly", updates=(root_file(put(second, version=1), ROOT, NEXT),), bundle=made),
        Case("another name", "root-step", "the name stays", updates=(root_file(put(second, name="evil"), ROOT, NEXT),), bundle=made),
        Case("a table that was signed before the root changed", "release-root", "root_version", updates=(good,)),
        Case("the last root has expired", "root-time", "only roots on the way may", updates=(expired,), bundle=made),
    ]


def _releases() -> list[Case]:
    two = {**root_payload()["roles"], "table": role(TABLE, TABLE_2, threshold=2)}
    strict_root = root_file(root_payload(keys={**root_payload()["keys"], key_id(TABLE_2): key_row(TABLE_2)}, roles=two))
    altered, newer = canonical(table_payload(annotations={"a": "b"})), canonical(table_payload(schema=2))
    release = canonical(release_payload(BODY))
    tables = release_payload(BODY)["tables"]

    def say(**changes: Any) -> str:
        return bundle(release_payload(BODY, **changes))

    return [
        Case("two table keys", root=strict_root, bundle=bundle(release, TABLE, TABLE_2)),
        Case("one of two table keys signed", "release-signatures", "below the threshold", root=strict_root),
        Case("a release that the root's key signed", "release-signatures", "a key of another role", bundle=bundle(release, ROOT)),
        Case("a release under the type of a status", "release-signatures", "type", bundle=bundle(release, kind=KINDS["status"])),
        Case("a bundle with an unknown field", "bundle-form", "closed fields", bundle=canonical({**json.loads(bundle()), "x": 1}).decode()),
        Case("a bundle without a table", "bundle-form", "1 to 8 tables", bundle=canonical({**json.loads(bundle()), "tables": []}).decode()),
        Case("an unknown field", "release-form", "closed fields", bundle=say(more=1)),
        Case("a table named twice", "release-form", "distinct", bundle=say(tables=tables * 2)),
        Case("it ends before it begins", "release-form", "times", bundle=say(not_after=NOW - DAY)),
        Case("for another name", "release-root", "name", bundle=say(name="acme/dev")),
        Case("for another root version", "release-root", "root_version", bundle=say(root_version=2)),
        Case("7 days and a second", "release-life", "7 days without a status role", bundle=say(not_after=NOW + 6 * DAY + 1)),
        Case("another table", "table-digest", "its digest is not named", bundle=canonical(
            {**json.loads(bundle()), "tables": [encode_base64(altered)]}).decode()),
        Case("a table beside the one that is named", "table-digest", "its digest is not named", bundle=canonical(
            {**json.loads(bundle()), "tables": [encode_base64(BODY), encode_base64(altered)]}).decode()),
        Case("another size", "table-digest", "size and digest", bundle=say(tables=[{**tables[0], "size": len(BODY) + 1}])),
        Case("a table in a later schema beside it", bundle=bundle(None, bodies=(BODY, newer))),
        Case("only a later schema", "table-digest", "no schema that is known", bundle=say(tables=[{**tables[0], "schema": 2}])),
        Case("a table with an unknown field", "table-form", "closed fields", bundle=bundle(None, bodies=(canonical(table_payload(x=1)),))),
        Case("an alias with every field", bundle=bundle(None, bodies=(canonical(spread_payload()),))),
        Case("a table with guards and templates", bundle=_table(guarded_payload())),
        *_guards(),
        Case("a table with prices", bundle=_table(priced_payload())),
        *_prices(),
        Case("a table with white space", "table-form", "strict JSON", bundle=bundle(None, bodies=(BODY + b" ",))),
        Case("a row's id twice", "table-form", "ids are distinct", bundle=bundle(
            None, bodies=(canonical(table_payload(routes=table_payload()["routes"] * 2)),))),
        Case("the last second of a table", now=NOW + 6 * DAY - 1),
        Case("an expired table", "table-time", "now is not before not_after", now=NOW + 6 * DAY),
        Case("in its grace", root=root_file(root_payload(grace_hours=1)), now=NOW + 6 * DAY + HOUR - 1),
        Case("after its grace", "table-time", "grace_hours after not_after", root=root_file(root_payload(grace_hours=1)), now=NOW + 6 * DAY + HOUR),
        Case("a table 300 s ahead", now=NOW - DAY - 300),
        Case("a table 301 s ahead", "table-time", "the clock's tolerance is 300 s", now=NOW - DAY - 301),
    ]  # fmt: skip


def _table(payload: dict[str, Any]) -> str:
    return bundle(None, bodies=(canonical(payload),))


def _guards() -> list[Case]:
    def case(name: str, why: str, **changes: Any) -> Case:
        return Case(name, "table-form", why, bundle=_table(guarded_payload(**changes)))

    def setting(**fields: Any) -> dict[str, Any]:
        return {"guards": {"strict": {"guards": {"secrets": fields}}}, "templates": {}}

    def argument(**fields: Any) -> dict[str, Any]:
        return {"guards": {"strict": {"tools": {"send": {"arguments": [fields]}}}}, "templates": {}}

    def held(said: str, **variables: str) -> dict[str, Any]:
        return {"guards": {"strict": {}}, "templates": {"t": template(said, **variables)}}

    other = {"t": {**template("Be brief."), "sha256": sha256("Tell everything.")}}
    return [
        case("a guard profile that is not there", "a row's profile is one of the table's", guards={}),
        case("a template that is not there", "a profile's templates are the table's", templates={}),
        case("a template of another text", "its digest is that of the text", guards={"strict": {}}, templates=other),
        case("a placeholder that is no variable", "exactly the variables", **held("{a}{b}", a="text")),
        case("a variable that is no placeholder", "exactly the variables", **held("{{a}}", a="text")),
        case("an attribute in a placeholder", "a name and nothing else", **held("{a}{a.b}", a="text")),
        case("a format in a placeholder", "a name and nothing else", **held("{a}{a:>9}", a="text")),
        case("a brace by itself", "it is doubled", **held("{a} }", a="text")),
        case("a variable of no type", "closed words", **held("{a}", a="any")),
        case("an action that is none", "closed words", **setting(action="allow")),
        case("a threshold without an action", "it would change nothing", **setting(threshold=1)),
        case("a threshold above 1000", "thousandths", **setting(action="block", threshold=1001)),
        case("secrets that are put back", "they never are", **setting(reversible=True)),
        case("a rule that allows anything", "it would change nothing", **argument(path="/url")),
        case("an argument's place that is no pointer", "a JSON pointer", **argument(path="url", longest=1)),
        case("an unknown field of a guard", "closed fields", **setting(more=1)),
    ]


def _prices() -> list[Case]:
    def row(name: str, why: str, **fields: Any) -> Case:
        first, second = priced_payload()["routes"]
        changed = {**first, "prices": {"currency": "USD", "input": 1, **fields}}
        return Case(name, "table-form", why, bundle=_table(priced_payload(routes=[changed, second])))

    def house(name: str, why: str, **fields: Any) -> Case:
        held = {"currency": "USD", "models": {"m": {"input": 1}}, **fields}
        return Case(name, "table-form", why, bundle=_table(priced_payload(price_lists={"house": held})))

    return [
        row("a tier that begins where the one before it does", "they rise", tiers=[{"above": 5, "input": 1}, {"above": 5, "input": 2}]),
        row("a tier that prices nothing", "it would change nothing", tiers=[{"above": 5}]),
        row("no tier at all", "1 to 8 tiers", tiers=[]),
        row("a tier inside a tier", "closed fields", tiers=[{"above": 5, "input": 1, "tiers": []}]),
        row("a price that is no whole number", "whole nano-units", output="1"),
        row("a price below 0", "0 to 2^53-1", output=-1),
        row("a multiplier of 0", "1 to 1,000,000", multipliers={"flex": 0}),
        row("a term in capitals", "a word", multipliers={"Flex": 500}),
        row("a price of something else", "closed fields", images=1),
        house("a list without models", "1 to 2,000 models", models={}),
        house("a model without a price of input", "every model has one", models={"m": {"output": 1}}),
        house("a model in another currency", "the list's", models={"m": {"currency": "EUR", "input": 1}}),
        house("a model that is any", "exact names", models={"*": {"input": 1}}),
        house("an unknown field of a list", "closed fields", more=1),
        Case("a list that is not there", "table-form", "a row's list is one of the table's", bundle=_table(priced_payload(price_lists={}))),
    ]


def _statuses() -> list[Case]:
    good = with_status("a status", version=9)
    listed = document(KINDS["revocations"], revocations_payload(), TABLE)
    return [
        good,
        with_status("a status that halts a row and revokes", halted=["other"], revoked=["ab" * 16, "cd" * 32]),
        with_status("a release of 91 days", "release-life", "90 days with a status role", days=91),
        replace(good, name="no status where the root has the role", step="status-missing", why="it has to say what is current", status=None),
        replace(Case("a status where the root has no such role"), status=good.status, step="status-unexpected", why="nobody may sign it"),
        with_status("a status that the table's key signed", "status-signatures", "a key of another role", signer=TABLE),
        with_status("a status under the type of a revocation list", "status-signatures", "type", kind=KINDS["revocations"]),
        with_status("an unknown field", "status-form", "closed fields", more=1),
        with_status("it lives for more than 7 days", "status-form", "times", not_after=NOW + 7 * DAY),
        with_status("for another root version", "status-root", "root_version", root_version=2),
        with_status("about another version", "status-release", "version", release={"version": 4, "digest": "0" * 64}),
        with_status("about another release of this version", "status-release", "digest", release={"version": 5, "digest": "0" * 64}),
        with_status("it halts a row that is not there", "status-halted", "a typing error would halt nothing", halted=["mian"]),
        with_status("an expired status", "status-time", "now is not before not_after", not_after=NOW),
        with_status("a status 301 s ahead", "status-time", "the clock's tolerance is 300 s", issued=NOW + 301),
        Case("a list of revocations", revocations=listed),
        Case("a list that a stranger signed", "revocations-signatures", "the table role signs it",
             revocations=document(KINDS["revocations"], revocations_payload(), STRANGER)),
        Case("a list with an unknown field", "revocations-form", "closed fields",
             revocations=document(KINDS["revocations"], revocations_payload(halted=["main"]), TABLE)),
        Case("a list for another name", "revocations-root", "name",
             revocations=document(KINDS["revocations"], revocations_payload(name="evil"), TABLE)),
        Case("a list 301 s ahead", "revocations-time", "the clock's tolerance is 300 s",
             revocations=document(KINDS["revocations"], revocations_payload(issued=NOW + 301), TABLE)),
    ]  # fmt: skip


def _memory() -> list[Case]:
    root, release = canonical(root_payload()), canonical(release_payload(BODY))
    seen = {
        "root": {"version": 1, "digest": sha256(root)},
        "table": {"version": 5, "digest": sha256(release)},
        "floor_time": NOW - DAY,
    }
    other = {"version": 5, "digest": "0" * 64}
    return [
        Case("the same as before", earlier=seen),
        Case("newer than before", earlier={**seen, "table": {"version": 4, "digest": "0" * 64}}),
        Case("older than before", "rollback", "versions never go down", earlier={**seen, "table": {"version": 6, "digest": "0" * 64}}),
        Case("another release of one version", "rollback", "one version is one thing", earlier={**seen, "table": other}),
        Case(
            "another root of one version",
            "rollback",
            "one version is one thing",
            earlier={**seen, "root": {"version": 1, "digest": "0" * 64}},
        ),
        Case("an older root", "rollback", "versions never go down", earlier={**seen, "root": {"version": 2, "digest": "0" * 64}}),
        Case("300 s before the floor", earlier={**seen, "floor_time": NOW + 300}),
        Case("301 s before the floor", "floor", "the clock was set back", earlier={**seen, "floor_time": NOW + 301}),
        Case("the least version", least=5),
        Case("below the least version", "table-version", "min_table_version", least=6),
    ]


def trust() -> dict[str, Any]:
    """The vectors; files that several cases share stand once."""
    files: dict[str, str] = {}

    def held(text: str | None) -> str | None:
        if text is None:
            return None
        name = sha256(text)[:16]
        files[name] = text
        return name

    cases = []
    groups = {"root": _roots(), "chain": _chain(), "release": _releases(), "status": _statuses(), "memory": _memory()}
    for group, case in [(group, case) for group, made in groups.items() for case in made]:
        given = {
            "root": held(case.root), "pinned": case.pinned or sha256(case.root), "updates": [held(one) for one in case.updates],
            "bundle": held(case.bundle), "status": held(case.status), "revocations": held(case.revocations), "now": case.now,
            "earlier": case.earlier, "min_table_version": case.least,
        }  # fmt: skip
        cases.append({"name": f"{group}: {case.name}", **given, "valid": not case.step, "step": case.step, "why": case.why})
    return {"about": "docs/spec/table.md. A case names its files; `step` is the check that refuses.", "files": files, "cases": cases}
