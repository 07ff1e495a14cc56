"""Capabilities as programs hold them: minting, narrowing, handing on, proving.

The rules are in `saferoute.capabilities`; here are the clock, the randomness and the keys.
"""

from __future__ import annotations

import html
import time
from os import PathLike, urandom
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from saferoute.capabilities.asked import asked_hash
from saferoute.capabilities.caveats import Claims, read_claims
from saferoute.capabilities.deny import Deny, refused
from saferoute.capabilities.mint import extend, mint
from saferoute.capabilities.narrowing import merged
from saferoute.capabilities.options import claims_from
from saferoute.capabilities.proof import Proof, prove
from saferoute.capabilities.token import MAX_BLOCKS, read_chain, read_holder, write_holder
from saferoute.capabilities.words import permission_words
from saferoute.errors import ConfigurationError
from saferoute.signing.keys import KEY_BYTES, PrivateKey, PublicKey
from saferoute.signing.refusal import Refused
from saferoute.values.conversation import messages_from
from saferoute.values.issuer import IssuerRecord
from saferoute.values.options import check_options
from saferoute.values.output import output_from
from saferoute.values.permission import Permission
from saferoute.values.request import ChatRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from typing_extensions import Unpack

    from saferoute.capabilities.options import Caveats, Narrowing
    from saferoute.capabilities.token import Chain
    from saferoute.signing.keys import Signer
    from saferoute.values.conversation import Messages
    from saferoute.values.options import CallOptions
    from saferoute.values.output import JsonSchema
    from saferoute.values.template import Template

__all__ = ["Capability", "Issuer"]

_DEPTH = 4
_REQUEST_FIELDS = frozenset(ChatRequest.__dataclass_fields__)


class Issuer:
    """Who mints capabilities: a name that the trust root knows, and the key behind it.

    Attributes:
        name: the token's `iss`: lower-case letters and digits, joined by single ".", "-" or "_".
    """

    __slots__ = ("_signer", "name")

    name: str

    def __init__(self, name: str, signer: Signer) -> None:
        """Make an issuer of a key: a `saferoute.signing.keys.PrivateKey`, or any other Signer, such as a key in a KMS."""
        self.name = name
        self._signer = signer

    @classmethod
    def generate(cls, name: str) -> Issuer:
        """Make an issuer with a new key that lives as long as this process: for tests, notebooks and single programs."""
        return cls(name, PrivateKey.generate())

    @classmethod
    def from_file(cls, name: str, path: str | PathLike[str], *, passphrase: str | None = None) -> Issuer:
        """Make an issuer of a key file that `saferoute root make-key` wrote.

        Args:
            name: as the trust root has it.
            path: the private key, PKCS#8 in PEM, in a file that only its owner can read.
            passphrase: of an encrypted file.

        Raises:
            ConfigurationError: there is no such file, others than its owner can read it, or it does not open with this passphrase.
        """
        from saferoute.drivers.storage.capability_file import key_bytes  # noqa: PLC0415  only who has such a file

        try:
            key = PrivateKey.from_pem(key_bytes(Path(path)), None if passphrase is None else passphrase.encode())
        except Refused as refusal:
            why = str(refusal)
        else:
            return cls(name, key)
        del passphrase  # a traceback that shows the locals of this frame must not show it
        raise ConfigurationError(f"{path}: {why}")

    @property
    def public_key(self) -> PublicKey:
        """The key to put into the trust root."""
        return self._signer.public_key

    def record(self, *, max_life: int = 90 * 86_400, max_depth: int = MAX_BLOCKS, ceiling: Permission | None = None) -> IssuerRecord:
        """What a trust root would say of this issuer, for whoever verifies its tokens without a root.

        Args:
            max_life: the longest life of a token, in seconds.
            max_depth: the most blocks of a token.
            ceiling: what its tokens may allow at most; None for anything.
        """
        most = Permission(f"the issuer {self.name}") if ceiling is None else ceiling
        digest = asked_hash("issuer", self.name, [self.public_key.raw, max_life, max_depth, repr(most)])
        return IssuerRecord(self.name, frozenset({self.public_key.raw}), max_life, max_depth, most, digest)

    def sign(self, claims: Claims, next_key: bytes) -> Chain:
        """Sign an issuer's block."""
        return mint(self._signer, claims, next_key)

    @override
    def __repr__(self) -> str:
        return f"Issuer({self.name!r}, key {self.public_key.key_id[:12]})"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("an Issuer cannot be copied or pickled")

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __getstate__ = _refuse


class Capability:
    """What its holder may do: a chain of blocks that only narrow, and the private key to its end.

    It does not show, copy or pickle. `chain` and what `delegate` makes are useless without a private key; what `prove` makes is good for
    one request. `to_holder` is the only form that holds the key.
    """

    __slots__ = ("_chain", "_claims", "_key", "_seed")

    def __init__(self, chain: Chain, key: PrivateKey, seed: bytes | None = None, claims: tuple[Claims, ...] = ()) -> None:
        """Hold a chain; use `mint`, `receive` or `from_holder`. The claims are those of its first blocks, if they were read already.

        Raises:
            CapabilityInvalid: if its last key is not this one, or a block says what no block may say.
        """
        self._chain = chain
        if chain.blocks[-1].next_key != key.public_key.raw:
            raise refused(Deny.NOT_YOURS, "its last key is another than the one given: use the key that it was delegated to")
        self._key = key
        self._seed = seed
        unread = enumerate(chain.blocks[len(claims) :], len(claims) + 1)
        self._claims = (*claims, *(read_claims(block.payload, number) for number, block in unread))

    @classmethod
    def mint(
        cls,
        issuer: Issuer,
        *,
        audience: str | Iterable[str],
        expires_in: float | timedelta,
        models: str | Iterable[str],
        providers: str | Iterable[str],
        **caveats: Unpack[Caveats],
    ) -> Capability:
        """Make a capability. There are no wildcards: name what may be used.

        Args:
            issuer: whose it is; the trust root of who verifies must name it.
            audience: names of the clients that it is for: `Client(audience=...)`.
            expires_in: how long it lives: seconds, or a timedelta.
            models: models' own names at their providers.
            providers: names of providers.
            **caveats: what else bounds it; `operations` is "chat" and `max_depth` 4 if they are not given.

        Raises:
            UnknownOption: for a keyword that there is not.
            RequestError: for a value of another type or form.
            CapabilityInvalid: if it would be too large.
        """
        given = {name: value for name, value in caveats.items() if value is not None}
        options = {"operations": "chat", "max_depth": _DEPTH, **given, "audience": audience, "expires_in": expires_in}
        options |= {"models": models, "providers": providers}
        claims = claims_from(options, _now(caveats), iss=issuer.name, jti=urandom(16).hex())
        seed = urandom(KEY_BYTES)
        key = PrivateKey.from_seed(seed)
        return cls(issuer.sign(claims, key.public_key.raw), key, seed)

    @classmethod
    def receive(cls, text: str, private_key: PrivateKey) -> Capability:
        """Take what `delegate` made for your key.

        Raises:
            CapabilityInvalid: if it is no chain, or ends in another key (`not_yours`).
        """
        return cls(read_chain(text.strip() if isinstance(text, str) else text), private_key)

    @classmethod
    def from_holder(cls, text: str) -> Capability:
        """Read what `to_holder` wrote.

        Raises:
            CapabilityInvalid: if it is no holder's form.
        """
        chain, seed = read_holder(text.strip() if isinstance(text, str) else text)
        return cls(chain, PrivateKey.from_seed(seed), seed)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Capability:
        """Read a file that `saferoute cap mint` or `cap attenuate` wrote, or that holds what `to_holder` made.

        Raises:
            ConfigurationError: there is no such file, or others than its owner can read it.
            CapabilityInvalid: if it holds no holder's form.
        """
        from saferoute.drivers.storage.capability_file import holder_text  # noqa: PLC0415  only who has such a file

        return cls.from_holder(holder_text(Path(path)))

    def attenuate(self, **caveats: Unpack[Narrowing]) -> Capability:
        """Make a capability that may do less, for a part of the program, a sub-agent or a tool. Nothing widens.

        What it spends counts on this one's budget too, and what it sends on this one's limits. About 0.15 ms.

        Raises:
            UnknownOption: for a keyword that there is not.
            RequestError: for a value of another type or form.
            CapabilityInvalid: if the chain may have no further block (`depth`, `blocks`), or would be too large.
        """
        seed = urandom(KEY_BYTES)
        key = PrivateKey.from_seed(seed)
        return Capability(self._longer(caveats, key.public_key.raw), key, seed, self._claims)

    def delegate(self, *, to: PublicKey | bytes, **caveats: Unpack[Narrowing]) -> str:
        """Make a chain for somebody else's key, to be sent to them: nobody else can use it.

        Args:
            to: the receiver's public key, or its 32 bytes.
            **caveats: what to narrow it by.

        Raises:
            UnknownOption: for a keyword that there is not.
            RequestError: for a value of another type or form.
            CapabilityInvalid: if the chain may have no further block, would be too large, or the key is one that anybody can sign for.
        """
        return self._longer(caveats, to.raw if isinstance(to, PublicKey) else to).text

    def prove(
        self,
        route: str,
        messages: Messages,
        *,
        audience: str,
        output: type[Any] | JsonSchema | None = None,
        system: str | Template | None = None,
        stream: bool = False,
        purpose: str | None = None,
        instance: str | None = None,
        now: float | None = None,
        **options: Unpack[CallOptions],
    ) -> str:
        """Make a call token: good once, for exactly this chat, for this audience, for about a minute.

        Args:
            route: as in `client.chat`.
            messages: as in `client.chat`.
            audience: the name of the client that will make the call.
            output: as in `client.chat`.
            system: as in `client.chat`.
            stream: whether `client.stream` will be called.
            purpose: what the call is for.
            instance: the id that the verifying process gave out, where the capability counts at process scope.
            now: the time, in seconds since the epoch; the clock's if it is not given.
            **options: as in `client.chat`.

        Raises:
            RequestError: for arguments that make no call.
            CapabilityInvalid: if audience or instance has not the form of one.
        """
        checked = check_options(options)
        fields = {name: value for name, value in checked.items() if name in _REQUEST_FIELDS}
        schema = output_from(output).schema if output is not None else None
        request = ChatRequest(messages_from(messages, system=system, templates=True), output=schema, stream=stream, **fields)
        asked = asked_hash("chat", route, request, purpose=purpose, data=request.data, max_cost=checked.get("max_cost"))
        return self.prove_asked(asked, audience=audience, instance=instance, now=now)

    def prove_asked(self, asked: str, *, audience: str, instance: str | None = None, now: float | None = None) -> str:
        """Make a call token for a request by its asked hash (`saferoute.capabilities.asked.asked_hash`).

        Raises:
            CapabilityInvalid: if hash, audience or instance has not its form.
        """
        made = int(time.time() if now is None else now)
        return prove(self._chain, self._key, Proof(audience, urandom(16).hex(), asked, made, instance))

    def to_holder(self) -> str:
        """Write chain and private key, for a file of mode 0600 or a keyring, and nowhere else: whoever reads it holds the capability.

        Every verifier refuses this form.

        Raises:
            ConfigurationError: if it was received: keep the text, and your own key where it is.
        """
        if self._seed is None:
            raise ConfigurationError("this capability was received: keep the text that you received, and your private key where it is")
        return write_holder(self._chain, self._seed)

    @property
    def chain(self) -> str:
        """The chain's text; useless without the private key."""
        return self._chain.text

    @property
    def digest(self) -> str:
        """SHA-256 of the chain's text, in hex: what logs and revocation lists name it by."""
        return self._chain.digest

    @property
    def public_key(self) -> PublicKey:
        """The chain's last key."""
        return self._key.public_key

    @property
    def depth(self) -> int:
        """How many blocks it has."""
        return len(self._chain.blocks)

    def describe(self) -> str:
        """Say what it allows, in lines; a table, a ceiling and a client's guards can only allow less."""
        first = self._claims[0]
        lines = [f"capability {self.digest[:12]}, minted by {first.issuer}, {self.depth} {'block' if self.depth == 1 else 'blocks'}"]
        lines += [f"  {line}" for line in permission_words(merged(self._claims, self._chain.digests, Permission("")))]
        return "\n".join(lines)

    def _longer(self, caveats: Mapping[str, Any], next_key: bytes) -> Chain:
        most = min((said.depth for said in self._claims if said.depth is not None), default=MAX_BLOCKS)
        if self.depth >= most:
            raise refused(Deny.DEPTH, f"it may have {most} blocks, and has them: mint it with a higher max_depth")
        return extend(self._chain, self._key, claims_from(caveats, _now(caveats)), next_key)

    @override
    def __repr__(self) -> str:
        return f"Capability({self.digest[:12]})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.describe())}</pre>"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a Capability cannot be copied or pickled: use attenuate(), or delegate(to=...) for another process")

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __getstate__ = _refuse


def _now(caveats: Mapping[str, Any]) -> float:
    now = caveats.get("now")
    return time.time() if now is None else float(now)
