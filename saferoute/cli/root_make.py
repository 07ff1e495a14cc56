"""Making the trust root, and each root that follows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from saferoute.cli.file_names import ROOT, UPDATES
from saferoute.cli.issuers import read_issuers
from saferoute.cli.key_files import KEY_FOLDER, ROOT_KEY, NewFile, create_all, new_passphrase, read_key, refuse_existing
from saferoute.cli.project import DAY, name_from
from saferoute.cli.role_keys import Made, key_files, make_key, read_public
from saferoute.cli.root_words import difference
from saferoute.cli.signing import import_signature, load_signers, pending_of, read_pending, refuse_pending, settle
from saferoute.cli.table_files import chain_of
from saferoute.cli.terminal import say
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.routing.chain import follow, update_name
from saferoute.routing.offline import read_document
from saferoute.routing.publish import cosign_root, new_root, next_root, pin, read_root
from saferoute.routing.root import parse_root
from saferoute.routing.shapes import MAX_ROOT_BYTES
from saferoute.routing.table import LOCAL_PREFIX, show_time
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from saferoute.cli.table_files import Chain
    from saferoute.routing.root import Role, Root
    from saferoute.signing.keys import PrivateKey, PublicKey

__all__ = ["ROLES", "add_key", "cosign", "init_root", "make_key_pair", "rotate"]

ROLES: Final = ("root", "table", "status", "log")
_MORE: Final = "saferoute root cosign"


def make_key_pair(options: argparse.Namespace) -> int:
    """Make a key for somebody's role: a private file that stays, and a public one to hand over."""
    path: Path = options.file
    refuse_existing([path])
    made = make_key(path, _passphrase(options))
    create_all(made.files)
    private, public = made.files
    say(f"{private.path}: the private key; it stays with whoever signs ({_protected(options)})")
    say(f"{public.path}: the public key, to hand over; its id is {made.key.public_key.key_id}")
    return 0


def _passphrase(options: argparse.Namespace) -> bytes | None:
    return None if options.unsafe_plaintext_keys else new_passphrase(options.passphrase_file)


def _protected(options: argparse.Namespace) -> str:
    return "NOT ENCRYPTED" if options.unsafe_plaintext_keys else "encrypted"


def init_root(options: argparse.Namespace) -> int:
    """Make the first root: its keys where none are named, roles, thresholds and issuers."""
    folder: Path = options.folder
    final = folder / ROOT
    name = options.name or name_from(folder.resolve().name)
    if name.startswith(LOCAL_PREFIX):
        raise ConfigurationError(f"names that begin with {LOCAL_PREFIX} are those of tables in memory; choose another")
    refuse_existing([final])
    refuse_pending(final, restart=options.restart, command=_MORE, export=options.export)
    given = {role: list(getattr(options, f"{role}_key")) for role in ROLES}
    wanted = [role for role in ROLES if not given[role] and (role in {"root", "table"} or (role == "status" and options.status))]
    made = _new_keys(folder, wanted, options)
    issuers = read_issuers(options.issuers) if options.issuers else ()
    now = time.time()
    members: dict[str, list[PublicKey]] = {role: _public(given[role], options) for role in ROLES}
    members |= {role: [one.key.public_key] for role, one in made.items()}
    signers = [made["root"].key] if "root" in made else _own(given["root"], options)
    document = new_root(
        name,
        root_signers=signers,
        root_keys=members["root"],
        table_keys=members["table"],
        status_keys=members["status"],
        log_keys=members["log"],
        root_threshold=options.root_threshold,
        table_threshold=options.table_threshold,
        status_threshold=options.status_threshold,
        log_threshold=options.log_threshold,
        issuers=issuers,
        grace_hours=options.grace_hours,
        now=now,
        not_after=now + options.days * DAY,
    )
    ignore = folder / KEY_FOLDER / ".gitignore"
    create_all([*key_files(list(made.values())), *([NewFile(ignore, b"*.key.pem\n")] if made and not ignore.exists() else [])])
    for role, one in made.items():
        say(f"{one.files[0].path}: signs for the role {role} ({_protected(options)})")
    return _settle(document, final, None, export=options.export)


def _new_keys(folder: Path, roles: Sequence[str], options: argparse.Namespace) -> dict[str, Made]:
    paths = {role: folder / KEY_FOLDER / f"{role}.key.pem" for role in roles}
    refuse_existing(list(paths.values()))
    passphrase = _passphrase(options) if paths else None
    return {role: make_key(path, passphrase) for role, path in paths.items()}


def _public(paths: Sequence[Path], options: argparse.Namespace) -> list[PublicKey]:
    return [read_public(path, options.passphrase_file) for path in paths]


def _own(paths: Sequence[Path], options: argparse.Namespace) -> list[PrivateKey]:
    """Those of the named keys whose private half is here: they sign at once."""
    return [read_key(path, options.passphrase_file) for path in paths if b"PRIVATE KEY" in read_bounded(path, MAX_ROOT_BYTES)]


def add_key(options: argparse.Namespace) -> int:
    """Add a key to a role, in the root that follows."""
    chain = _chain(options)
    made = _new_or_given(options)
    members = [*_members(chain.root, options.role), made.public]
    return _next(options, chain, {f"{options.role}_keys": members, **_threshold(options)}, made)


def rotate(options: argparse.Namespace) -> int:
    """Put a key in the place of another, take one away, or only make a root that is valid for longer."""
    chain = _chain(options)
    if options.role is None:
        if options.new or options.public or options.old or options.threshold or options.remove:
            raise ConfigurationError("--role says which role's keys change")
        return _next(options, chain, {}, None)
    if options.remove:
        if options.new or options.public:
            raise ConfigurationError("--remove takes a key away: no other takes its place")
        left = _without(chain.root, options)
        return _next(options, chain, {f"{options.role}_keys": left, **_threshold(options)}, None)
    if not (options.new or options.public):
        if options.threshold is None:
            raise ConfigurationError("--new FILE makes the new key, --public FILE names it, and --remove takes the old one away")
        return _next(options, chain, _threshold(options), None)
    left = _without(chain.root, options)
    made = _new_or_given(options)
    return _next(options, chain, {f"{options.role}_keys": [*left, made.public], **_threshold(options)}, made)


@dataclass(frozen=True, slots=True)
class _Key:
    """The key that comes in: its public half, and the whole of it where it is made here."""

    public: PublicKey
    made: Made | None


def _new_or_given(options: argparse.Namespace) -> _Key:
    if options.public is not None:
        return _Key(read_public(options.public, options.passphrase_file), None)
    refuse_existing([options.new])
    made = make_key(options.new, _passphrase(options))
    return _Key(made.key.public_key, made)


def _threshold(options: argparse.Namespace) -> dict[str, Any]:
    return {} if options.threshold is None else {f"{options.role}_threshold": options.threshold}


def _members(root: Root, role: str) -> tuple[PublicKey, ...]:
    held: Role | None = getattr(root, role)
    return () if held is None else held.keys


def _without(root: Root, options: argparse.Namespace) -> list[PublicKey]:
    members = _members(root, options.role)
    if options.old is None and len(members) != 1:
        listed = ", ".join(key.key_id[:12] for key in members) or "none"
        raise ConfigurationError(f"--old says which key goes: the keys of the role {options.role} are {listed}")
    going = [key for key in members if options.old is None or key.key_id.startswith(options.old)]
    if len(going) != 1:
        raise ConfigurationError(
            f"{options.old!r} is the beginning of {len(going)} ids of keys in the role {options.role}, and must be of one"
        )
    return [key for key in members if key not in going]


def _chain(options: argparse.Namespace) -> Chain:
    return chain_of(options.root, options.updates)


def _next(options: argparse.Namespace, chain: Chain, changes: dict[str, Any], key: _Key | None) -> int:
    final = chain.folder / update_name(chain.root.version + 1)
    refuse_existing([final])
    refuse_pending(final, restart=options.restart, command=_MORE, export=options.export)
    signers = load_signers(options, chain.path.parent / ROOT_KEY)
    if key is not None and key.made is not None and options.role == "root":
        signers.append(key.made.key)
    now = time.time()
    if options.issuers is not None:
        changes["issuers"] = read_issuers(options.issuers)
    if options.grace_hours is not None:
        changes["grace_hours"] = options.grace_hours
    document = next_root(chain.current, signers=signers, now=now, not_after=now + options.days * DAY, **changes)
    if key is not None and key.made is not None:
        create_all(key.made.files)
        say(f"{key.made.files[0].path}: the new key for the role {options.role} ({_protected(options)})")
    chain.folder.mkdir(exist_ok=True)
    for line in difference(chain.root, parse_root(read_document(document).envelope.payload)):
        say(line)
    return _settle(document, final, chain, export=options.export)


def cosign(options: argparse.Namespace) -> int:
    """Add a signature to the root that waits for more."""
    path: Path = options.root
    if pending_of(path).exists() and not path.exists():
        return _cosign(options, path, None)
    chain = _chain(options)
    return _cosign(options, chain.folder / update_name(chain.root.version + 1), chain)


def _cosign(options: argparse.Namespace, final: Path, chain: Chain | None) -> int:
    document = read_pending(final)
    before = document if chain is None else chain.current
    for path in options.imported or ():
        document = import_signature(document, before, path)
    for signer in load_signers(options, options.root.parent / ROOT_KEY):
        document = cosign_root(document, signer, None if chain is None else chain.current)
    return _settle(document, final, chain, export=options.export)


def _settle(document: bytes, final: Path, chain: Chain | None, *, export: Path | None) -> int:
    made = parse_root(read_document(document).envelope.payload)

    def verify(data: bytes) -> str:
        try:
            root = read_root(data) if chain is None else follow(chain.root, [data])
        except Refused as refusal:
            raise ConfigurationError(f"clients would refuse it: {refusal}; nothing was put in place") from None
        if chain is None:
            updates = str(final.with_name(UPDATES))
            say(f"your program pins its digest: Trust.pinned({str(final)!r}, sha256={pin(data)!r}, updates={updates!r})")
        else:
            say(f"deploy it in the folder that Trust.pinned(updates={str(final.parent)!r}) names, and sign the table again under it")
        return f"root {root.name} version {root.version}, valid until {show_time(root.not_after)}"

    roles = [made.root] if chain is None else [chain.root.root, made.root]
    return settle(document, final, roles, verify, export=export, command=_MORE)
