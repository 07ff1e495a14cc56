"""The secret itself: a value that does not show, copy, pickle or format, and knows the origins it may go to."""

from __future__ import annotations

import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn, Protocol

from typing_extensions import override

from saferoute.errors import ConfigurationError, OriginMismatch, SecretError
from saferoute.values.origin import parse_origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.secrets.signer import Signer
    from saferoute.values.http import AuthScheme

__all__ = [
    "CredentialSource",
    "Hidden",
    "Passphrase",
    "Previous",
    "Secret",
    "SecretRecord",
    "SecretSource",
    "Uncopied",
    "bound_origins",
    "check_bound",
    "check_name",
    "credential_header",
    "key_to_store",
    "make_secret",
]

_MAX_BYTES = 16_384
_MAX_ORIGINS = 16
_MAX_PASSPHRASE = 4_096
# The same names as the routing table's schema has. Whatever it looks like (env:X and file:/x do not even fit), it is only a name.
_NAME = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*")
_LONGEST_NAME = 128


def check_name(name: str) -> str:
    """Return the name of a secret if it is one: lower-case letters and digits, joined by single `.`, `_`, `-` or `/`, at most 128.

    Raises:
        ConfigurationError: for anything else. The text is not shown: people have pasted the key itself where the name belongs.
    """
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None:
        msg = (
            "that is not a name for a secret: use lower-case letters and digits, joined by single '.', '_', '-' or '/', at most 128, such "
            "as openai. A reference to somewhere else (env:X, file:/x, os.environ/X) is not looked up, and the key itself is not the name"
        )
        raise ConfigurationError(msg)
    return name


def bound_origins(origins: str | Sequence[str]) -> tuple[str, ...]:
    """Check the origins that a secret is to be bound to: one or several, each in its canonical spelling, sorted.

    Raises:
        ConfigurationError: for none, too many, one twice, or a text that is no origin.
    """
    texts = (origins,) if isinstance(origins, str) else tuple(origins)
    if not 1 <= len(texts) <= _MAX_ORIGINS or len(set(texts)) != len(texts):
        msg = f"a secret is bound to 1 to {_MAX_ORIGINS} different origins; these are {len(texts)}"
        raise ConfigurationError(msg)
    return tuple(sorted(str(parse_origin(text)) for text in texts))


def _why_not(raw: bytes) -> str:
    if not 1 <= len(raw) <= _MAX_BYTES:
        return f"a key must have 1 to {_MAX_BYTES} bytes; this one has {len(raw)}"
    if not all(0x21 <= byte <= 0x7E for byte in raw):  # noqa: PLR2004  printable ASCII
        return "a key may hold printable ASCII only: this one has a space, a line break, a control or a non-ASCII character; paste it again"
    return ""


class Uncopied:
    """Holds keys, and cannot be copied or pickled: what is copied is soon somewhere else."""

    __slots__ = ()
    why_not: ClassVar[str] = ""
    """What the error adds."""

    def _refuse(self, *_: object) -> NoReturn:
        msg = f"a {type(self).__name__} cannot be copied or pickled{self.why_not}"
        raise TypeError(msg)

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __getstate__ = _refuse


class Hidden(Uncopied):
    """Bytes that cannot be printed, formatted, copied or pickled by accident; equality takes constant time."""

    __slots__ = ("_bytes",)

    def __init__(self, raw: bytes) -> None:
        self._bytes = raw

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    __str__ = __repr__

    @override
    def __format__(self, spec: str) -> str:
        msg = f"a {type(self).__name__} cannot be formatted into text"
        raise TypeError(msg)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and type(self) is type(other) and hmac.compare_digest(self._bytes, other._bytes)

    __hash__ = None  # type: ignore[assignment]


class Secret(Hidden):
    """A key. Not a str: it cannot be printed, formatted, copied or pickled by accident.

    Three functions read its bytes: `credential_header` and `signer.make_signer`, for the origin that it is bound to, and `key_to_store`,
    for a store.
    """

    __slots__ = ()

    def __init__(self, value: str | bytes) -> None:
        """Take a key.

        Raises:
            SecretError: for an empty or over-long value, and for control characters, spaces and non-ASCII (a key with CR or LF has
                ended up in public tracebacks); the message never holds the value.
        """
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)
        problem = _why_not(raw)
        if problem:
            del value, raw  # a traceback that shows the locals of this frame must not show the key
            raise SecretError(problem)
        super().__init__(raw)


class Passphrase(Hidden):
    """What unlocks a vault; hidden as a Secret is. Text is normalised (NFC), so that another keyboard types the same bytes."""

    __slots__ = ()

    def __init__(self, value: str | bytes) -> None:
        """Take a passphrase.

        Raises:
            SecretError: if it is empty or longer than 4096 bytes.
        """
        text = unicodedata.normalize("NFC", value).encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)
        size = len(text)
        if not 1 <= size <= _MAX_PASSPHRASE:
            del value, text
            msg = f"a vault's passphrase must have 1 to {_MAX_PASSPHRASE} bytes; this one has {size}"
            raise SecretError(msg)
        super().__init__(text)


def make_secret(value: str | bytes) -> Secret | str:
    """Make a Secret, or say why not, without an exception.

    For callers whose own frame holds the value: they drop it and then raise, so that no traceback's locals show it.
    """
    try:
        return Secret(value)
    except SecretError as error:
        return error.message


def key_to_store(secret: Secret) -> bytes:
    """The key's bytes, for a store that is about to encrypt or hand them to the operating system's keyring."""
    return secret._bytes  # noqa: SLF001  the one reader besides credential_header


@dataclass(frozen=True, slots=True)
class Previous:
    """The key of the revision before, which may still be presented for a while after a rotation.

    Attributes:
        secret: the key.
        until: seconds since the epoch; from that second on it is not presented.
    """

    secret: Secret
    until: int


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret with the origins that it may be sent to.

    Attributes:
        name: what the routing table calls it.
        secret: the key.
        origins: canonical origins; a secret without an origin goes nowhere.
        revision: counts up with each rotation.
        previous: the key before, while the overlap of a rotation lasts; bound to the same origins.
    """

    name: str
    secret: Secret
    origins: tuple[str, ...]
    revision: int = 1
    previous: Previous | None = None


class SecretSource(Protocol):
    """A place where secrets are found by name."""

    label: str
    """What an error message calls this place, such as "the keyring"."""

    def find(self, name: str) -> SecretRecord | None:
        """Look a secret up; None if this place does not hold it.

        Raises:
            SecretError: SecretStoreLocked if the place is there but does not open.
        """

    def names(self) -> Iterable[str]:
        """The names that this place holds, as far as it can tell without asking anybody."""

    def forget(self, name: str) -> None:
        """Drop what is remembered of a name, so that the next `find` looks again."""


class CredentialSource(Protocol):
    """What a transport asks for a credential header."""

    def header(self, name: str, auth: AuthScheme, origin: str) -> tuple[bytes, bytes]:
        """The credential's header, name lower-case, for exactly this origin.

        Raises:
            SecretNotFound: no source holds it.
            OriginMismatch: it is not bound to this origin.
        """

    def signer(self, name: str, origin: str) -> Signer:
        """What signs requests to exactly this origin with an AWS key, for the scheme "sigv4"; the key itself stays inside.

        Raises:
            SecretNotFound: no source holds it.
            OriginMismatch: it is not bound to this origin.
            SecretError: it is not an AWS key.
        """


_HEADERS: dict[str, tuple[bytes, bytes]] = {
    "bearer": (b"authorization", b"Bearer "),
    "x-api-key": (b"x-api-key", b""),
    "api-key": (b"api-key", b""),
    "x-goog-api-key": (b"x-goog-api-key", b""),
}


def check_bound(record: SecretRecord, origin: str) -> None:
    """Refuse an origin that a secret is not bound to.

    Raises:
        OriginMismatch: it is not.
    """
    if origin not in record.origins:
        msg = (
            f"the secret {record.name!r} is bound to {', '.join(record.origins) or 'no origin'} and was asked to go to {origin}. "
            f"Nothing was sent. If that is right, store it anew: saferoute keys remove {record.name}, then "
            f"saferoute keys add {record.name} --origin {origin}"
        )
        raise OriginMismatch(msg)


def credential_header(record: SecretRecord, auth: AuthScheme, origin: str) -> tuple[bytes, bytes]:
    """Make the header that presents a secret to its own origin: the only function that reads a Secret's bytes for sending them.

    Raises:
        OriginMismatch: if the secret is not bound to the origin.
        ConfigurationError: if the scheme presents no secret, or signs with it instead ("sigv4").
    """
    check_bound(record, origin)
    if auth not in _HEADERS:
        msg = f"the authentication scheme {auth!r} presents no secret"
        raise ConfigurationError(msg)
    name, prefix = _HEADERS[auth]
    return name, prefix + record.secret._bytes  # noqa: SLF001  the one reader
