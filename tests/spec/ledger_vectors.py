"""Vectors of the ledger: `ledger.json`. What each case must be found to be is written here by hand, and judged by both implementations."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from saferoute.ledger.certificate import Certificate, certify
from saferoute.ledger.checkpoint import Checkpoint, read_note, sign_note
from saferoute.ledger.content import encrypt
from saferoute.ledger.merkle import inclusion_path, leaf_hash, root_of
from saferoute.ledger.proof import prove
from saferoute.ledger.record import parse_line
from saferoute.ledger.segment import Link, SegmentWriter
from saferoute.signing.envelope import Envelope, PayloadType, encode_base64, sign
from saferoute.signing.strict_json import canonical, parse
from saferoute.values.receipt import Entry
from tests.spec.world import DAY, NOW, key, sha256

if TYPE_CHECKING:
    from saferoute.signing.keys import PrivateKey

US = NOW * 1_000_000
SECRET = bytes(range(32))
LOG_ROLE, PROCESS, OTHER = key("log role"), key("log key"), key("another log key")
A, B, C, INSTANCE = (sha256(f"ledger {word}")[:32] for word in ("a", "b", "c", "instance"))
CALL = sha256("call")[:32]
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")

COMMON: dict[str, Any] = {"call": CALL, "capabilities": [sha256("chain")], "route": "fast", "tags": {"team": "support"}, "verdicts": []}
TABLE = {"name": "acme", "sha256": sha256("table"), "trust": "acme", "version": 3}
INTENT = {
    **COMMON, "attempt": 1, "data": "internal", "max_cost": {"currency": "USD", "nano": 1_234_000}, "model": "gpt-5-mini", "operation": "chat",
    "origin": "https://api.openai.com", "provider": "openai", "purpose": None, "rejected": [["sonnet", "breaker open for 4.2 s"]],
    "secret": "openai", "stream": False, "table": TABLE, "target": "openai-mini", "templates": [{"name": "support-v3", "sha256": sha256("x")}],
    "why": "next in order",
}  # fmt: skip
OUTCOME = {
    **COMMON, "attempt": 1, "cost": "0.00021", "currency": "USD", "deny": None, "estimated": False, "finish_reason": "stop", "first_us": None,
    "model": "gpt-5-mini-2026-08-07", "outcome": "ok", "request_id": "req_1", "requests": 1, "status": 200, "target": "openai-mini",
    "us": 812_345, "usage": {"cache_read": 0, "cache_write": 0, "input": 11, "output": 7, "reasoning": None},
}  # fmt: skip
DENIAL = {
    **COMMON, "capabilities": [], "data": None, "deny": "models", "error": "CapabilityDenied", "operation": "chat", "purpose": "caf\u00e9 \U0001f600",
    "rejected": [], "table": TABLE, "verdicts": [
        {"action": "block", "guard": "pii", "path": "/messages/0", "reasons": ["an e-mail address"], "stage": "input", "version": "1"},
    ],
}  # fmt: skip


def certificate(signer: PrivateKey = LOG_ROLE, **changes: Any) -> Envelope:
    given: dict[str, Any] = {
        "key": PROCESS.public_key,
        "instance": INSTANCE,
        "issued": NOW,
        "not_after": NOW + DAY,
        "name": "acme",
        **changes,
    }
    return certify(Certificate(**given), [signer])


class Segment:
    """A segment as it is written."""

    def __init__(
        self, name: str = A, signer: PrivateKey = PROCESS, previous: Link | None = None, certified: Envelope | None = None
    ) -> None:
        self.writer = SegmentWriter(name, INSTANCE, signer, secret=SECRET, certificate=certified, previous=previous, now_us=US)
        self.lines = [self.writer.first().decode().removesuffix("\n")]
        self.salts: dict[str, dict[str, bytes]] = {}
        self.notes: list[str] = []

    def add(self, kind: str, fields: dict[str, Any], contents: dict[str, bytes], system: str | None = None) -> str:
        written = self.writer.add(Entry(kind, fields, contents, system), US + len(self.lines))  # type: ignore[arg-type]  # one of its kinds
        self.lines.append(written.line.decode().removesuffix("\n"))
        self.salts[written.id] = written.salts
        return written.id

    def intent(self) -> str:
        return self.add("intent", INTENT, {"asked": sha256("asked").encode(), "request": b'{"model":"gpt-5-mini"}'}, "Be brief.")

    def outcome(self, intent: str | None, **changes: Any) -> str:
        return self.add("outcome", {**OUTCOME, "intent": intent, **changes}, {"response": b'{"content":[],"role":"assistant"}'})

    def other(self, kind: str, fields: dict[str, Any]) -> None:
        self.lines.append(self.writer.add_fields(kind, fields, US + len(self.lines)).line.decode().removesuffix("\n"))

    def checkpoint(self, *, final: bool = False) -> str:
        line, note = self.writer.checkpoint(US + len(self.lines), final=final)
        self.lines.append(line.decode().removesuffix("\n"))
        self.notes.append(note)
        return note

    @property
    def data(self) -> bytes:
        return "".join(f"{line}\n" for line in self.lines).encode()


def whole(name: str = A, signer: PrivateKey = PROCESS, previous: Link | None = None, certified: Envelope | None = None) -> Segment:
    """Of seven records: segment, intent, outcome, checkpoint, denial, content, final checkpoint."""
    made = Segment(name, signer, previous, certified)
    ref = made.intent()
    made.outcome(ref)
    made.checkpoint()
    made.add("denial", DENIAL, {"asked": sha256("asked").encode()})
    made.other("content", encrypt(b"c" * 32, b"n" * 12, ref, "request", b'{"model":"gpt-5-mini"}'))
    made.checkpoint(final=True)
    return made


WHOLE = whole()


def edited(lines: list[str], place: int, *, chain: bool = False, **changes: Any) -> list[str]:
    """Lines of which one says something else; and all hashes after it made right again, if asked for."""
    made = lines.copy()
    made[place] = canonical(parse(lines[place].encode()) | changes).decode()
    for later in range(place + 1, len(made) if chain else 0):
        fields = parse(made[later].encode()) | {"prev": leaf_hash(made[later - 1].encode()).hex(), "seq": later}
        made[later] = canonical(fields).decode()
    return made


def moved(lines: list[str]) -> list[str]:
    """Lines numbered and chained anew."""
    return edited(lines, 0, chain=True)


def role(*signers: PrivateKey, threshold: int = 1, version: int = 1) -> dict[str, Any]:
    """A root's log role."""
    keys = [one.public_key.raw.hex() for one in signers or (LOG_ROLE,)]
    return {"keys": keys, "threshold": threshold, "version": version}


LOG_ROLES = [role()]


def noted(said: Checkpoint, signer: PrivateKey = PROCESS) -> list[str]:
    return edited(WHOLE.lines, 6, note=sign_note(said, signer))


class Store:
    """Lines by short names."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}

    def names(self, lines: list[str]) -> list[str]:
        found = [sha256(line)[:12] for line in lines]
        self.lines |= dict(zip(found, lines, strict=True))
        return found


def segments(store: Store) -> list[dict[str, Any]]:
    """One segment each, with what it must be found to be."""
    lines, last = WHOLE.lines, read_note(WHOLE.notes[-1], PROCESS.public_key)
    forked = whole()
    forked.lines = moved(edited(forked.lines, 1, target="openai-huge"))
    honest = Segment()
    honest.checkpoint()
    fork = Segment()
    fork.outcome(None)
    fork.checkpoint()
    twice, wrong_call, late = Segment(), Segment(), Segment()
    ref = twice.intent()
    twice.outcome(ref)
    twice.outcome(ref)
    wrong_call.outcome(wrong_call.intent(), attempt=2)
    late.other("content", encrypt(b"c" * 32, b"n" * 12, f"{A}:1", "request", b""))
    (wrong_row,) = certificate().signatures
    forged = Envelope(PayloadType.LOG_KEY, certificate().payload, ((wrong_row[0], bytes(64)),))
    released = sign(PayloadType.RELEASE, certificate().payload, [LOG_ROLE])
    witness = WHOLE.notes[-1] + f"\u2014 witness.example {encode_base64(b'1234' + bytes(64))}\n"
    open_, plain = {"closed": False}, {"log_roles": None}
    both = [LOG_ROLE, OTHER]

    def case(name: str, put: list[str], first: int | None = None, **said: Any) -> dict[str, Any]:
        given = {"tail": "", "anchors": [], "log_roles": [role()], "first": first, "closed": True, "certified": None}
        found = {"unsigned_tail": 0, "maybe_sent": []}
        return {"name": name, "lines": store.names(put), **given, **found, **said}

    return [
        case("whole", lines),
        case("whole, and its anchors", lines, anchors=WHOLE.notes),
        case("certified", whole(certified=certificate()).lines, certified=1),
        case("a certificate, and no keys to check it with", whole(certified=certificate()).lines, **plain),
        case("a certificate with a threshold that is not met", whole(certified=certificate()).lines, log_roles=[role(*both, threshold=2)]),
        case("a certificate of a log role that a later root replaced", whole(certified=certificate()).lines, log_roles=[role(OTHER, version=2), role()], certified=1),
        case("a certificate of a log role that two roots have", whole(certified=certificate()).lines, log_roles=[role(*both, version=2), role()], certified=2),
        case("a certificate of a log role of which a later root wants more", whole(certified=certificate()).lines, log_roles=[role(*both, threshold=2, version=2), role()], certified=1),
        case("a certificate of no root's log role", whole(certified=certificate()).lines, log_roles=[role(OTHER, version=2), role(PROCESS)]),
        case("a certificate that somebody else signed", whole(certified=certificate(OTHER)).lines),
        case("a certificate that was over before the last checkpoint", whole(certified=certificate(issued=1, not_after=NOW)).lines),
        case("a certificate that was issued 301 seconds later", whole(certified=certificate(issued=NOW + 301)).lines),
        case("a certificate that was issued 300 seconds later", whole(certified=certificate(issued=NOW + 300)).lines, certified=1),
        case("a certificate of another key", whole(certified=certificate(key=OTHER.public_key)).lines, 0),
        case("a certificate of another process", whole(certified=certificate(instance=A)).lines, 0),
        case("a certificate with a wrong signature", whole(certified=forged).lines, 0),
        case("a certificate that is a release", whole(certified=released).lines, 0),
        case("not closed", lines[:6], unsigned_tail=2, **open_),
        case("no checkpoint yet", lines[:2], unsigned_tail=2, maybe_sent=[f"{A}:1"], **open_),
        case("a torn tail", lines[:5], tail=lines[5][:70], unsigned_tail=1, **open_),
        case("a whole record without its line feed", lines[:6], tail=lines[6], unsigned_tail=2, **open_),
        case("cut, and nobody knows", lines[:4], **open_),
        case("cut, and an anchor knows", lines[:4], 4, anchors=WHOLE.notes, **open_),
        case("cut before the last checkpoint: the anchor covers what is there", lines[:6], anchors=WHOLE.notes, unsigned_tail=2, **open_),
        case("an anchor of another segment", lines, anchors=[whole(B).notes[0]]),
        case("an anchor from before two histories parted", fork.lines, anchors=honest.notes, **open_),
        case("an anchor of another history", whole().lines, 2, anchors=[sign_note(Checkpoint(A, 3, bytes(32), 1), PROCESS)]),
        case("nothing", [], unsigned_tail=0, **open_),
        case("nothing whole", [], tail=lines[0][:70], unsigned_tail=0, **open_),
        case("a first record without its line feed", [], tail=lines[0], unsigned_tail=0, **open_),
        case("nothing, and an anchor that knows of more", [], anchors=WHOLE.notes, unsigned_tail=0, **open_),
        case("a first line that is no record", ["{}"], 0, unsigned_tail=1, **open_),
        case("not the first record", lines[1:], 0, unsigned_tail=6),
        case("a changed word", edited(lines, 4, deny="other"), 4, unsigned_tail=3),
        case("a changed word, and the chain made right again", edited(lines, 4, chain=True, deny="other"), 6, unsigned_tail=3),
        case("a changed word before both checkpoints, chained again", forked.lines, 3, unsigned_tail=7),
        case("a record missing", lines[:2] + lines[3:], 2, unsigned_tail=6, maybe_sent=[f"{A}:1"]),
        case("a record missing, numbered again", moved(lines[:4] + lines[5:]), 5, unsigned_tail=2),
        case("two records exchanged", [*lines[:4], lines[5], lines[4], lines[6]], 4, unsigned_tail=3),
        case("a record twice", [*lines[:5], lines[4], *lines[5:]], 5, unsigned_tail=4),
        case("white space", [lines[0], lines[1].replace(":", ": ", 1), *lines[2:]], 1, unsigned_tail=7),
        case("an unsorted tag", [lines[0], canonical(parse(lines[1].encode()) | {"tags": {"a": "1"}}).decode().replace('{"a":"1"}', '{"b":"1","a":"1"}')], 1, unsigned_tail=2, **open_),
        case("another field", edited(lines[:2], 1, more=1), 1, unsigned_tail=2, **open_),
        case("a text of 501", edited(lines[:2], 1, why="\U0001f600" * 501), 1, unsigned_tail=2, **open_),
        case("a text of 500", edited(lines[:2], 1, why="\U0001f600" * 500), unsigned_tail=2, maybe_sent=[f"{A}:1"], **open_),
        case("another version", edited(lines[:2], 1, v=2), 1, unsigned_tail=2, **open_),
        case("a key of small order", edited(lines[:1], 0, key=encode_base64(bytes(32))), 0, unsigned_tail=1, **open_),
        case("a checkpoint by another key", noted(last, OTHER), 6, unsigned_tail=3),
        case("a checkpoint of another segment", noted(Checkpoint(B, 6, last.root, last.time_us)), 6, unsigned_tail=3),
        case("a checkpoint of another size", noted(Checkpoint(A, 5, last.root, last.time_us)), 6, unsigned_tail=3),
        case("a checkpoint of another time", noted(Checkpoint(A, 6, last.root, last.time_us + 1)), 6, unsigned_tail=3),
        case("a checkpoint of another root", noted(Checkpoint(A, 6, bytes(32), last.time_us)), 6, unsigned_tail=3),
        case("a checkpoint with a witness", edited(lines, 6, note=witness), 6, unsigned_tail=3),
        case("a record after the end", [*lines, canonical(parse(lines[4].encode()) | {"seq": 7, "prev": leaf_hash(lines[6].encode()).hex()}).decode()], 7, unsigned_tail=1),
        case("a torn tail after the end", lines, 7, tail="{"),
        case("a second beginning", moved([lines[0], lines[0]]), 1, unsigned_tail=2, **open_),
        case("a second outcome", twice.lines, 3, unsigned_tail=4, **open_),
        case("an outcome of another attempt", wrong_call.lines, 2, unsigned_tail=3, **open_),
        case("content before its record", late.lines, 1, unsigned_tail=2, **open_),
    ]  # fmt: skip


def ledgers(store: Store) -> list[dict[str, Any]]:
    """Several segments each, with what they must be found to be."""
    one = whole()
    two = whole(B, previous=one.writer.link())
    three = whole(C, previous=two.writer.link())
    link = one.writer.link()
    unlike = Segment()
    unlike.outcome(unlike.intent(), status=201)
    unlike.checkpoint()
    for _ in range(2):
        unlike.add("denial", DENIAL, {"asked": sha256("asked").encode()})
    unlike.checkpoint(final=True)
    asked = Segment()
    ref = asked.intent()
    asked.checkpoint(final=True)
    answer, answer2 = Segment(B, previous=asked.writer.link()), Segment(C, previous=asked.writer.link(), signer=OTHER)
    lonely, forgetful = Segment(B), Segment(C, signer=OTHER)
    for made in (answer, answer2, lonely):
        made.outcome(ref)
        made.checkpoint(final=True)
    forgetful.other("retention", {"removed": [Link(A[::-1], 1, "0" * 64, "0" * 64).fields()]})
    forgetful.checkpoint()

    def pruned(gone: Link, *, signed: bool = True, after: bool = True) -> list[str]:
        made = Segment(C, previous=two.writer.link() if after else None, signer=PROCESS if after else OTHER)
        made.other("retention", {"removed": [gone.fields()]})
        if signed:
            made.checkpoint()
        return made.lines

    def case(name: str, put: dict[str, list[str]], first: list[Any] | None = None, **said: Any) -> dict[str, Any]:
        files = {file: store.names(lines) for file, lines in put.items()}
        return {"name": name, "segments": files, "anchors": [], "first": first, "maybe_sent": [], "removed": [], **said}

    forked = moved(edited(one.lines, 4, deny="other"))
    after, beside = whole(B, previous=link).lines, whole(C, previous=link).lines
    return [
        case("three that follow one another", {"1": one.lines, "2": two.lines, "3": three.lines}, anchors=[one.notes[1], three.notes[1]]),
        case("names that hold their ids", {f"x-{A}.jsonl": one.lines, f"y-{B}.jsonl": two.lines}),
        case("the first left out", {"2": two.lines, "3": three.lines}, ["2", 0]),
        case("the second left out", {"1": one.lines, "3": three.lines}, ["3", 0]),
        case("the last left out, and nobody knows", {"1": one.lines, "2": two.lines}),
        case("the last left out, and an anchor knows", {"1": one.lines, "2": two.lines}, ["", 0], anchors=three.notes),
        case("two exchanged", {f"x-{A}.jsonl": two.lines, f"y-{B}.jsonl": one.lines}, [f"x-{A}.jsonl", 0]),
        case("the first cut short", {"1": one.lines[:5], "2": two.lines}, ["1", 5]),
        case("the first with another history", {"1": forked, "2": two.lines}, ["1", 6]),
        case("one twice", {"1": one.lines, "2": one.lines}, ["2", 0]),
        case("two histories of one segment", {"1": one.lines, "2": Segment().lines}, ["2", 0]),
        case("two that follow one under one key", {"1": one.lines, "2": after, "3": beside}, ["3", 0]),
        case("two that follow one under two keys", {"1": one.lines, "2": after, "3": whole(C, OTHER, previous=link).lines}),
        case("two beginnings under one key", {"1": one.lines, "2": whole(B).lines}, ["2", 0]),
        case("the first removed", {"2": two.lines, "3": pruned(link)}, removed=[A]),
        case("the first removed, which an anchor knew", {"2": two.lines, "3": pruned(link)}, removed=[A], anchors=one.notes),
        case("the first removed, and still there", {"1": one.lines, "2": two.lines, "3": pruned(link)}, anchors=one.notes),
        case("the first removed, still there, and cut short since", {"1": one.lines[:6], "3": pruned(link, after=False)}, ["1", 6]),
        case("the first removed, and another history there", {"1": unlike.lines, "3": pruned(link, after=False)}, ["1", 6]),
        case("the first removed, and nobody signed that", {"2": two.lines, "3": pruned(link, signed=False)}, ["2", 0]),
        case("another first one removed", {"2": two.lines, "3": pruned(Link(A, 7, link.hash, "0" * 64))}, ["2", 0], removed=[A]),
        case("a shorter first one removed", {"2": two.lines, "3": pruned(Link(A, 6, link.hash, link.root))}, ["2", 0], removed=[A]),
        case("an outcome in the next segment", {"1": asked.lines, "2": answer.lines}),
        case("no outcome in any", {"1": asked.lines}, maybe_sent=[ref]),
        case("an outcome in two segments", {"1": asked.lines, "2": answer.lines, "3": answer2.lines}, ["3", 1]),
        case("an outcome whose intent's segment is missing", {"2": answer.lines}, ["2", 0]),
        case("the same, where nothing was removed", {"2": lonely.lines}, ["2", 1]),
        case("the same, where segments were removed", {"2": lonely.lines, "3": forgetful.lines}, removed=[A[::-1]]),
        case("a file in which nothing whole was written", {"1": one.lines, f"y-{B}.jsonl": []}),
        case("the same, and another one follows it", {"1": [], "2": two.lines}, ["2", 0]),
        case("the same, and an anchor knows of more", {"1": []}, ["", 0], anchors=one.notes),
        case("a segment that follows itself", {"1": Segment(previous=Link(A, 1, "0" * 64, "0" * 64)).lines}, ["1", 0]),
    ]  # fmt: skip


def proofs() -> list[dict[str, Any]]:
    made = whole(certified=certificate())
    salts = made.salts[f"{A}:1"]
    plain, opened = prove(made.data, 1).decode(), prove(made.data, 1, {"asked": salts["asked"]}).decode()
    fields = parse(plain.encode().removesuffix(b"\n"))
    path: Any = fields["path"]
    record: Any = fields["record"]

    def wrong(**changes: Any) -> str:
        return canonical(fields | changes).decode()

    def case(name: str, proof: str, *, valid: bool = False, log_roles: Any = LOG_ROLES, **said: Any) -> dict[str, Any]:
        good = (
            {"id": f"{A}:1", "key_id": PROCESS.public_key.key_id, "certified": 1 if log_roles else None, "time": US + 3, "opened": {}}
            if valid
            else {}
        )
        return {"name": name, "proof": proof, "log_roles": log_roles, "valid": valid, **good, **said}

    return [
        case("plain", plain, valid=True),
        case("without a line feed", plain[:-1], valid=True),
        case("no keys to check its certificate with", plain, valid=True, log_roles=None),
        case("without a certificate", wrong(certificate=None), valid=True, certified=None),
        case("a log role that a later root replaced", plain, valid=True, log_roles=[role(OTHER, version=2), role()]),
        case("no root's log role", plain, log_roles=[role(OTHER, version=2)]),
        case("opened", opened, valid=True, opened={"asked": salts["asked"].hex()}, contents={"asked": sha256("asked")}),
        case("a later checkpoint", wrong(note=made.notes[1])),
        case("a record that says something else", wrong(record={**record, "target": "openai-huge"})),
        case("a record of another place", wrong(record={**record, "seq": 2})),
        case("a path that is too short", wrong(path=path[:-1])),
        case("a path that is too long", wrong(path=[*path, "0" * 64])),
        case("another path", wrong(path=["0" * 64, *path[1:]])),
        case("another key", wrong(key=encode_base64(OTHER.public_key.raw))),
        case("a certificate of another key", wrong(certificate=certificate(key=OTHER.public_key).to_json())),
        case("a certificate of somebody else", wrong(certificate=certificate(OTHER).to_json())),
        case("an opening of what is not committed to", wrong(openings={"response": "0" * 64})),
        case("another version", wrong(v=2)),
        case("another field", wrong(more=1)),
    ]


def notes() -> list[dict[str, Any]]:
    said, good = read_note(WHOLE.notes[0], PROCESS.public_key), WHOLE.notes[0]
    ours, other = PROCESS.public_key.raw.hex(), OTHER.public_key.raw.hex()
    shown = {"segment": said.segment, "size": said.size, "root": said.root.hex(), "time": said.time_us}
    rows: list[tuple[str, str, str | None, bool]] = [
        ("good", good, ours, True),
        ("believed for where it was kept", good, None, True),
        ("a witness below", good + f"\u2014 witness.example {encode_base64(b'1234' + bytes(64))}\n", ours, True),
        ("another key", good, other, False),
        ("another size", good.replace("\n3\n", "\n4\n"), ours, False),
        ("a leading zero", good.replace("\n3\n", "\n03\n"), None, False),
        ("another line", good.replace("\ntime", "\nmore 1\ntime"), None, False),
        ("no line feed at the end", good[:-1], None, False),
        ("a line that is no signature", good + "more\n", None, False),
    ]
    return [{"name": name, "note": note, "key": raw, "valid": valid, **(shown if valid else {})} for name, note, raw, valid in rows]


def ledger() -> dict[str, Any]:
    """Everything of `ledger.json`."""
    store, hashes = Store(), [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
    paths = [(index, size) for size in (1, 2, 3, 5, 8) for index in {0, size // 2, size - 1}]
    intent, ref = parse_line(WHOLE.lines[1].encode()).fields, f"{A}:1"
    contents = {"asked": sha256("asked"), "request": '{"model":"gpt-5-mini"}', "system": "Be brief."}
    found = {"segments": segments(store), "ledgers": ledgers(store)}
    return {
        "secret": SECRET.hex(),
        "tree": {
            "leaves": LEAVES,
            "roots": [root_of(hashes[:size]).hex() for size in range(9)],
            "paths": [
                {"index": index, "size": size, "path": [node.hex() for node in inclusion_path(hashes[:size], index)]}
                for index, size in sorted(paths, key=lambda place: place[::-1])
            ],
        },
        "commitments": [
            {
                "segment": A,
                "seq": 1,
                "name": name,
                "content": content,
                "salt": WHOLE.salts[ref][name].hex(),
                "commitment": intent["commit"][name],
            }
            for name, content in contents.items()
        ],
        "system_ids": [
            {"text": text, "id": hmac.digest(hmac.digest(SECRET, b"saferoute system prompt v1", "sha256"), text.encode(), "sha256").hex()}
            for text in ("", "Be brief.", "caf\u00e9")
        ],
        "content": {"key": (b"c" * 32).hex(), "record": parse(WHOLE.lines[5].encode()), "content": '{"model":"gpt-5-mini"}'},
        "notes": notes(),
        "lines": store.lines,
        **found,
        "proofs": proofs(),
    }
