"""Signatures of one or of many: with keys in files here, or anywhere else, until there are enough.

What has too few signatures waits in a file of its own (`routes.pending.json` for `routes.json`), which no client reads. Once there are
enough, it is verified as clients verify it, and only then put in place.
"""

from __future__ import annotations

import argparse
import binascii
import contextlib
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from saferoute.cli.key_files import NewFile, create_all, read_key, refuse_existing, replace
from saferoute.cli.terminal import say, show
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.routing.offline import add_signature, read_document, signers_of, to_sign
from saferoute.routing.shapes import MAX_BUNDLE_BYTES
from saferoute.signing.keys import SIGNATURE_BYTES
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from saferoute.routing.root import Role
    from saferoute.signing.keys import Signer

__all__ = ["add_signing_options", "import_signature", "load_signers", "pending_of", "read_pending", "refuse_pending", "settle"]

_MAX_SIGNATURE_FILE: Final = 1024


def add_signing_options(parser: argparse.ArgumentParser, key: str) -> None:
    """Add the options that say who signs.

    Args:
        parser: the command's.
        key: the key's file where no `--key` is given.
    """
    from pathlib import Path

    group = parser.add_argument_group("who signs")
    group.add_argument(
        "--key",
        action="append",
        type=Path,
        metavar="FILE",
        help=f"a private key; may be repeated (default: {key}; none with --export, --import or --signer)",
    )
    group.add_argument("--passphrase-file", metavar="FILE", help="take the keys' passphrase from a file that only you can read")
    group.add_argument(
        "--signer",
        action="append",
        type=_signer,
        default=[],
        metavar="openbao:KEY@ORIGIN",
        help="a key that stays in OpenBao's transit engine; may be repeated, also beside --key",
    )
    group.add_argument("--signer-token", default="bao-token", metavar="NAME", help="the stored key that logs in there (default: bao-token)")
    group.add_argument("--signer-network", action="append", default=[], metavar="CIDR", help="the private network that it is in")
    group.add_argument("--export", type=Path, metavar="FILE", help="write the exact bytes to sign, for a key that is elsewhere")
    group.add_argument(
        "--import",
        dest="imported",
        action="append",
        type=Path,
        metavar="FILE",
        help="add a signature that was made elsewhere: 64 bytes, or those in base64; may be repeated",
    )


def _signer(text: str) -> tuple[str, str]:
    """Read openbao:KEY@ORIGIN as (key, origin)."""
    kind, _, rest = text.partition(":")
    key, _, origin = rest.partition("@")
    if kind != "openbao" or not key or not origin:
        raise argparse.ArgumentTypeError(f"{text!r} is not openbao:KEY@ORIGIN, such as openbao:routing@https://bao.example.com:8200")
    return key, origin


def load_signers(options: argparse.Namespace, default: Path) -> list[Signer]:
    """The signers that the options name: private keys in files, and keys that stay where they are.

    Raises:
        ConfigurationError: a file holds no key, or a server has none.
        SecretError: a server cannot be asked.
    """
    away = options.export is not None or options.imported is not None or options.signer
    paths = options.key if options.key is not None else [] if away else [default]
    signers: list[Signer] = [read_key(path, options.passphrase_file) for path in paths]
    for key, origin in options.signer:
        from saferoute.drivers.openbao_transit import open_transit_signer

        signers.append(open_transit_signer(origin, key, token=options.signer_token, networks=options.signer_network))
    return signers


def pending_of(final: Path) -> Path:
    """Where a document waits for more signatures."""
    return final.with_name(f"{final.stem}.pending{final.suffix}")


def refuse_pending(final: Path, *, restart: bool, command: str, export: Path | None) -> None:
    """Refuse to make a second document while one waits, or to write over what was exported.

    Raises:
        ConfigurationError: one waits, and nobody said to drop it.
    """
    if export is not None:
        refuse_existing([export])
    if pending_of(final).exists() and not restart:
        raise ConfigurationError(f"{pending_of(final)} waits for signatures: {command} adds one, and --restart drops it")


def read_pending(final: Path) -> bytes:
    """The document that waits.

    Raises:
        ConfigurationError: none does.
    """
    if not pending_of(final).exists():
        raise ConfigurationError(f"nothing waits for signatures: there is no {pending_of(final)}")
    return read_bounded(pending_of(final), MAX_BUNDLE_BYTES)


def import_signature(document: bytes, root: bytes, path: Path) -> bytes:
    """Add a signature out of a file; whose it is is found out by trying everybody whose signature counts.

    Args:
        document: what was signed.
        root: as `add_signature` takes it.
        path: the signature's file.

    Raises:
        ConfigurationError: it is no signature of anybody who may sign this document.
    """
    signature = _signature(path)
    try:
        members = signers_of(read_document(document).envelope, root)
    except Refused as refusal:
        raise ConfigurationError(f"the signature cannot be added: {refusal}") from None
    message = to_sign(document)
    for key in members:
        if key.verify(signature, message):
            return add_signature(document, root, key, signature)
    raise ConfigurationError(
        f"{path} is not a signature of anybody who may sign this: sign exactly the bytes that --export wrote, with plain Ed25519"
    )


def _signature(path: Path) -> bytes:
    data = read_bounded(path, _MAX_SIGNATURE_FILE)
    if len(data) != SIGNATURE_BYTES:
        with contextlib.suppress(binascii.Error, ValueError):
            data = b64decode(data.strip(), validate=True)
    if len(data) != SIGNATURE_BYTES:
        raise ConfigurationError(f"{path} holds no signature: {SIGNATURE_BYTES} bytes, or those in base64")
    return data


def settle(
    document: bytes, final: Path, roles: Sequence[Role], verify: Callable[[bytes], str], *, export: Path | None, command: str
) -> int:
    """Put a document in place if it has enough signatures; otherwise let it wait.

    Args:
        document: with the signatures that it has.
        final: where it belongs.
        roles: every one of these must have signed.
        verify: checks it as clients do, and gives the line to show.
        export: where to write the bytes that the others sign.
        command: what adds the next signature.

    Raises:
        ConfigurationError: it does not verify, or cannot be written; then nothing was.
    """
    signed = {key_id for key_id, _ in read_document(document).envelope.signatures}
    counts = [len(signed & {key.key_id for key in role.keys}) for role in roles]
    pending = pending_of(final)
    if all(count >= role.threshold for count, role in zip(counts, roles, strict=True)):
        line = verify(document)
        replace(final, document)
        pending.unlink(missing_ok=True)
        show(f"{final}: {line}")
        return 0
    if export is not None:
        create_all([NewFile(export, to_sign(document))])
    replace(pending, document)
    there = " and ".join(f"{count} of {role.threshold}" for count, role in zip(counts, roles, strict=True))
    say(f"{pending} has {there} signatures and waits for more: {command}")
    if export is not None:
        say(f"{export} holds the exact bytes to sign, with plain Ed25519; bring the signature back with {command} --import FILE")
    return 0
