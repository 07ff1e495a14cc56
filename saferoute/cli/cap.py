"""`saferoute cap`: capability tokens. What holds a private key goes into files of mode 0600 and nowhere else."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from saferoute.capabilities.caveats import OPERATIONS, read_claims
from saferoute.capabilities.chain import check_now, verify_chain
from saferoute.capabilities.narrowing import merged
from saferoute.capabilities.token import read_chain, read_holder
from saferoute.capabilities.words import permission_words
from saferoute.cli.file_names import ROOT
from saferoute.cli.key_files import NewFile, create_all, read_key, refuse_existing
from saferoute.cli.role_keys import read_public
from saferoute.cli.table_files import add_root_options, chain_of, revoked_beside
from saferoute.cli.terminal import say, show
from saferoute.client.capability import Capability, Issuer
from saferoute.drivers.storage.capability_file import MAX_FILE_BYTES, as_text, holder_text
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.routing.opened import check_root_time
from saferoute.routing.spellings import duration
from saferoute.routing.trust import Trust
from saferoute.signing.refusal import Refused
from saferoute.values.permission import Permission, Scope
from saferoute.values.request import DataLabel

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from saferoute.capabilities.chain import Verified
    from saferoute.capabilities.token import Chain
    from saferoute.cli.table_files import Chain as Roots

__all__ = ["configure"]

_HOLDER: Final = "srcap1h."


@dataclass(frozen=True, slots=True)
class _Caveat:
    """An option that bounds a capability."""

    option: str
    name: str
    kind: Literal["names", "number", "text"]
    explained: str
    choices: tuple[str, ...] | None = None


_NARROWING: Final = (
    _Caveat("--audience", "audience", "names", "a client that it is for: Client(audience=...)"),
    _Caveat("--model", "models", "names", "a model's own name at its provider"),
    _Caveat("--provider", "providers", "names", "a provider"),
)
_CAVEATS: Final = (
    _Caveat("--operation", "operations", "names", "what may be done", tuple(sorted(OPERATIONS))),
    _Caveat("--route", "routes", "names", "the id of a row that may answer"),
    _Caveat("--tool", "tools", "names", "a tool that may be offered"),
    _Caveat("--region", "regions", "names", "a region that a row may be in"),
    _Caveat("--guard", "guards", "names", "a guard that must be active"),
    _Caveat("--purpose", "purpose", "names", "what calls may be for"),
    _Caveat("--data", "data", "text", "the highest label of data that may be sent", get_args(DataLabel)),
    _Caveat("--budget", "budget", "text", 'what may be spent in all, "$5", or in each window, "$5/day"'),
    _Caveat("--calls", "calls", "number", "how many requests may be sent to providers"),
    _Caveat("--requests-per-minute", "requests_per_minute", "number", "how many of them in any 60 seconds"),
    _Caveat("--tokens-per-minute", "tokens_per_minute", "number", "how many tokens in any 60 seconds, input and output together"),
    _Caveat("--concurrent", "concurrent", "number", "how many requests may be under way at once"),
    _Caveat("--max-cost", "max_cost", "text", 'what one call may cost, "$0.05"'),
    _Caveat("--max-output-tokens", "max_output_tokens", "number", "bound on the output of one call"),
    _Caveat("--max-input-tokens", "max_input_tokens", "number", "bound on the input of one call"),
    _Caveat("--max-depth", "max_depth", "number", "how many blocks the chain may have"),
    _Caveat("--table-min", "table_min", "number", "the oldest table that it may be used with"),
    _Caveat("--scope", "scope", "text", "how widely budgets, calls and limits are counted", get_args(Scope)),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which commands and options there are."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    minted = _command(commands, "mint", "make a capability; its private form goes into a file that only you can read", _mint)
    minted.add_argument("--issuer", required=True, metavar="NAME", help="whose it is: an issuer that the root names")
    minted.add_argument("--key", type=Path, required=True, metavar="FILE", help="the issuer's private key")
    minted.add_argument("--passphrase-file", metavar="FILE", help="take the key's passphrase from a file that only you can read")
    minted.add_argument("--expires-in", required=True, metavar="TIME", help='how long it lives, such as "1h" or "30m"')
    _configure_caveats(minted, required=True)
    _output(minted)
    add_root_options(minted, "in the working directory")
    shown = _command(commands, "show", "say what a capability allows; nothing is verified", _show)
    _file(shown)
    shown.add_argument("--json", action="store_true", help="as JSON")
    less = _command(commands, "attenuate", "make a capability that may do less", _attenuate)
    _file(less)
    _configure_narrowing(less)
    _output(less)
    handed = _command(commands, "delegate", "make a chain for somebody else's key; nobody else can use it", _delegate)
    _file(handed)
    handed.add_argument("--to", type=Path, required=True, metavar="FILE", help="the receiver's public key")
    handed.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (default: stdout)")
    _configure_narrowing(handed)
    checked = _command(commands, "verify", "verify a capability under the root: signatures, bounds, time, revocation", _verify)
    _file(checked)
    add_root_options(checked, "in the working directory")
    checked.add_argument("--sha256", metavar="HEX", help="the digest that the pinned root must have: the one in your program")
    checked.add_argument("--json", action="store_true", help="as JSON")


def _configure_narrowing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--expires-in", metavar="TIME", help='how long it lives from now, such as "1h" or "30m"')
    _configure_caveats(parser, required=False)


def _configure_caveats(parser: argparse.ArgumentParser, *, required: bool) -> None:
    group = parser.add_argument_group("what it allows; what is not said is not bounded" if required else "what it may no longer do")
    for caveat in (*_NARROWING, *_CAVEATS):
        many = caveat.kind == "names"
        group.add_argument(
            caveat.option,
            dest=caveat.name,
            action="append" if many else "store",
            type=int if caveat.kind == "number" else str,
            required=required and caveat in _NARROWING,
            choices=caveat.choices,
            metavar=None if caveat.choices else "N" if caveat.kind == "number" else caveat.option.strip("-").upper().replace("-", "_"),
            help=caveat.explained + ("; may be repeated" if many else ""),
        )
    group.add_argument("--no-tools", action="store_true", help="no tool may be offered")
    group.add_argument("--no-stream", action="store_true", help="answers may not be streamed")


def _caveats(options: argparse.Namespace) -> dict[str, Any]:
    given = {caveat.name: getattr(options, caveat.name) for caveat in (*_NARROWING, *_CAVEATS)}
    if options.no_tools:
        if given["tools"]:
            raise ConfigurationError("--no-tools and --tool contradict each other")
        given["tools"] = []
    given["stream"] = False if options.no_stream else None
    if options.expires_in is not None:
        try:
            given["expires_in"] = duration(options.expires_in, "--expires-in") / 1000
        except Refused as refusal:
            raise ConfigurationError(str(refusal)) from None
    return {name: value for name, value in given.items() if value is not None}


def _mint(options: argparse.Namespace) -> int:
    refuse_existing([options.output])
    roots = _roots_if_there(options)
    issuer = Issuer(options.issuer, read_key(options.key, options.passphrase_file))
    made = Capability.mint(issuer, **_caveats(options))
    if roots is None:
        _write(options.output, made)
        say(f"it was not checked, as there is no {ROOT} here: saferoute cap verify does, with --root")
        return 0
    verified = verify_chain(made.chain, roots.root.issuers)  # what verifiers would refuse is not handed out
    _check_usable(verified, roots)
    if left := _allows_nothing(verified.permission):
        raise ConfigurationError(
            f"under the ceiling that the root has for {issuer.name}, it would allow {left}, and so no call at all: saferoute root show"
        )
    _write(options.output, made, verified.permission)
    return 0


def _roots_if_there(options: argparse.Namespace) -> Roots | None:
    root = options.root or Path(ROOT)
    return chain_of(root, options.updates) if options.root is not None or root.exists() else None


def _write(path: Path, made: Capability, under_the_root: Permission | None = None) -> None:
    create_all([NewFile(path, made.to_holder().encode(), private=True)])  # no line end: `from_holder` takes the file's text as it is
    if under_the_root is None:
        say(made.describe())
    else:
        first, *_ = made.describe().splitlines()
        say("\n".join([first, *(f"  {line}" for line in permission_words(under_the_root))]))
    show(f"{path}: the capability {made.digest[:12]}; whoever reads this file holds it")


def _allows_nothing(permission: Permission) -> str:
    """What is left of nothing, where nothing left means that no call is allowed; "" if something may be."""
    needed = {
        "client": permission.audience,
        "operation": permission.operations,
        "route": permission.routes,
        "model": permission.models,
        "provider": permission.providers,
        "region": permission.regions,
        "purpose": permission.purposes,
    }
    return ", ".join(f"no {what}" for what, names in needed.items() if names is not None and not names)


def _show(options: argparse.Namespace) -> int:
    chain, is_holder = _read(options.file)
    words = permission_words(_said(chain))
    first = read_claims(chain.blocks[0].payload, 1)
    if options.json:
        said = {"digest": chain.digest, "id": first.token_id, "issuer": first.issuer, "blocks": len(chain.blocks), "allows": list(words)}
        show(json.dumps({**said, "holder": is_holder}, indent=2))
        return 0
    show(f"capability {chain.digest}")
    show(f"  minted by {first.issuer} with the id {first.token_id}; {_narrowed(len(chain.blocks) - 1)}")
    for line in words:
        show(f"  {line}")
    show("  this file holds its private key" if is_holder else "  this is a chain for somebody's key: it is useless without that")
    say("nothing was verified (saferoute cap verify)")
    return 0


def _read(path: Path) -> tuple[Chain, bool]:
    """The chain in a file, and whether the file holds its private key too; such a file is read only if nobody else can."""
    text = as_text(read_bounded(path, MAX_FILE_BYTES))
    if not text.startswith(_HOLDER):
        return read_chain(text), False
    return read_holder(holder_text(path))[0], True


def _attenuate(options: argparse.Namespace) -> int:
    refuse_existing([options.output])
    made = Capability.from_holder(holder_text(options.file)).attenuate(**_narrowing(options))
    _write(options.output, made)
    _warn_of_nothing(made.chain)
    return 0


def _warn_of_nothing(text: str) -> None:
    if left := _allows_nothing(_said(read_chain(text))):
        say(f"warning: it allows {left}, and so no call at all: what was added names nothing that it allowed before")


def _said(chain: Chain) -> Permission:
    """What the blocks of a chain say, without a ceiling; nothing is verified."""
    return merged(tuple(read_claims(block.payload, number) for number, block in enumerate(chain.blocks, 1)), chain.digests, Permission(""))


def _narrowed(times: int) -> str:
    return "nothing narrows it" if times == 0 else f"narrowed {'once' if times == 1 else f'{times} times'} since"


def _narrowing(options: argparse.Namespace) -> Any:  # noqa: ANN401  a TypedDict, whose keys the options are
    return cast("Any", _caveats(options))


def _delegate(options: argparse.Namespace) -> int:
    made = Capability.from_holder(holder_text(options.file)).delegate(to=read_public(options.to, None), **_narrowing(options))
    if options.output is None:
        show(made)
    else:
        create_all([NewFile(options.output, made.encode())])
        show(f"{options.output}: the chain, for the key in {options.to}")
    _warn_of_nothing(made)
    say("send it as it is; the receiver opens it with Capability.receive(text, private_key)")
    return 0


def _verify(options: argparse.Namespace) -> int:
    root = options.root or Path(ROOT)
    roots = chain_of(root, options.updates)
    sha256 = Trust.pinned(roots.path, sha256=options.sha256 or roots.sha256).sha256
    if sha256 != roots.sha256:
        raise ConfigurationError(f"the SHA-256 of {roots.path} is {roots.sha256}, and --sha256 is another: this is another root")
    chain, _ = _read(options.file)
    verified = verify_chain(chain, roots.root.issuers)
    _check_usable(verified, roots)
    words = permission_words(verified.permission)
    if options.json:
        show(json.dumps({"digest": verified.digest, "id": verified.token_id, "issuer": verified.issuer, "allows": list(words)}, indent=2))
    else:
        show(f"ok: capability {verified.digest[:12]} of {verified.issuer}, under root version {roots.root.version}")
        for line in words:
            show(f"  {line}")
    if options.sha256 is None:
        say(f"{roots.path} was believed as it is. Its SHA-256 is {sha256}: compare it with the one in your program, or pass --sha256")
    return 0


def _check_usable(verified: Verified, roots: Roots) -> None:
    now = time.time()
    check_root_time(roots.root, now)
    check_now(verified, now, revoked_beside(roots))


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=run)
    return parser


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a capability's file")


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the new file, for its private form")
