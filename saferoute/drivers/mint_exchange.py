"""One exchange that makes a credential: its requests, its gathered answers, and nothing of either in an error.

The drivers' part is to open, read and close; everything that is decided or kept is here, and the same for both.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from saferoute.errors import (
    Overloaded,
    RateLimited,
    SaferouteError,
    SecretError,
    ServerError,
    TimedOut,
    TransportError,
    UnexpectedRedirect,
)
from saferoute.secrets.kept import keep
from saferoute.secrets.minting import MintAnswer, Minted, MintRequest, bare, endpoint, reveal
from saferoute.secrets.recipes import recipe_for
from saferoute.secrets.secret import Uncopied
from saferoute.values.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.secrets.credentials import Credentials
    from saferoute.secrets.minting import Recipe
    from saferoute.secrets.secret import Hidden
    from saferoute.values.credential import CredentialSpec
    from saferoute.values.http import Clocks, Head, NetClass

__all__ = ["MintExchange", "limits"]

_MAX_BODY: Final = 65_536
_MAX_STEPS: Final = 6
_MOST_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 10.0
_METADATA_CONNECT_SECONDS: Final = 2.0  # a link-local address answers at once, or is not there
_TOO_MANY: Final = 429
_TIMED_OUT: Final = 408
_BUSY: Final = (503, 529)
_LONGEST_WAIT: Final = 3_600


def limits(spec: CredentialSpec, clocks: Clocks, now: float) -> Clocks:
    """The clocks of an exchange: never beyond the call's own, and half a minute at most."""
    connect = _METADATA_CONNECT_SECONDS if spec.net.kind == "metadata" else _CONNECT_SECONDS
    whole = min(_MOST_SECONDS, clocks.total)
    return replace(
        clocks,
        connect=min(clocks.connect, connect),
        first_byte=min(clocks.first_byte, _MOST_SECONDS),
        idle=min(clocks.idle, _MOST_SECONDS),
        total=whole,
        deadline=min(clocks.deadline, now + whole),
        approved=None,  # of the call's own request
    )


class _SealedRequest(Uncopied, HttpRequest):
    """A request whose body is a secret: it is read out when the transport writes it, and kept nowhere in the open."""

    __slots__ = ("_sealed",)

    def __init__(self, asked: MintRequest, origin: str, net: NetClass, secret: str | None) -> None:
        fields = {"method": asked.method, "origin": origin, "path": asked.path, "headers": asked.headers, "secret": secret, "net": net}
        for name, value in (fields | {"auth": "bearer" if secret else "none", "_sealed": asked.body}).items():
            object.__setattr__(self, name, value)

    @property
    @override
    def body(self) -> bytes:
        """The bytes to write."""
        sealed: Hidden = self._sealed  # type: ignore[attr-defined]  # set above
        return reveal(sealed)

    @override
    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.origin}, sealed)"  # a container's path is out of a secret

    @override
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]


class MintExchange(Uncopied):
    """One recipe on its way, with what it was answered so far. Nothing of it shows."""

    __slots__ = ("_credentials", "_head", "_lent", "_next", "_pieces", "_recipe", "_size", "_spec", "_steps", "_wall")

    def __init__(self, spec: CredentialSpec, credentials: Credentials, wall: Callable[[], float]) -> None:
        self._spec = spec
        self._credentials = credentials
        self._wall = wall
        self._recipe: Recipe | None = None
        self._next: MintRequest | None = None
        self._head: Head | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._steps = 0
        self._lent: str | None = None

    @override
    def __repr__(self) -> str:
        return f"MintExchange({self._spec.name})"

    def begin(self) -> None:
        """Read what the credential is made from and prepare the first request: may wait for files and keyrings, and sign.

        Raises:
            SecretError: there is none, or it is not usable.
        """
        spec = self._spec
        self._recipe = recipe_for(spec.kind)(spec, self._credentials.material(spec), self._wall())
        self._advance(None)

    def request(self) -> HttpRequest | None:
        """The next request; None when the credential was made.

        Raises:
            SecretError: the recipe asks for what its row does not allow.
        """
        asked, spec = self._next, self._spec
        if asked is None:
            return None
        self._steps += 1
        origin = asked.origin or spec.origin
        problem = ""
        if origin != spec.origin and origin not in spec.more_origins:
            problem = "asks a place that its row does not name"
        elif self._steps > _MAX_STEPS or len(asked.secret_headers) > 1 or len(reveal(asked.body)) >= _MAX_BODY:
            problem = "asks for more than an exchange may"
        if problem:
            raise SecretError(f"the recipe of the credential {spec.name!r} ({spec.kind}) {problem}; nothing was sent")
        for header, value in asked.secret_headers:
            self._lent = self._credentials.lend(header, value, origin)
        return _SealedRequest(asked, origin, spec.net, self._lent)

    def head(self, head: Head) -> None:
        """Take the head of the answer.

        Raises:
            UnexpectedRedirect: it is one; none is followed.
            ServerError, Overloaded, RateLimited: it may go better later.
        """
        self._take_back()
        status, where = head.status, endpoint(self._spec).rstrip(",")
        if status < 200 or 300 <= status < 400:  # noqa: PLR2004  HTTP's classes
            raise UnexpectedRedirect(f"{endpoint(self._spec)} answered {status}, a redirect; none is followed", sent=False)
        if status == _TOO_MANY:
            raise RateLimited(status=status, provider_name=where, retry_after=_wait(head))
        if status in _BUSY:
            raise Overloaded(status=status, provider_name=where, retry_after=_wait(head))
        if status >= 500 or status == _TIMED_OUT:  # noqa: PLR2004  HTTP's classes
            raise ServerError(status=status, provider_name=where, retry_after=_wait(head))
        self._head = head
        self._pieces = []
        self._size = 0

    def gather(self, piece: bytes) -> bool:
        """Take a piece of the body; say whether there may be more.

        Raises:
            SecretError: the body is larger than any such answer.
        """
        self._size += len(piece)
        if self._size > _MAX_BODY:
            del piece
            self._pieces = []
            raise SecretError(f"{endpoint(self._spec)} answered with more than {_MAX_BODY} bytes; nothing of it was used")
        self._pieces.append(piece)
        return bool(piece)

    def answered(self) -> None:
        """The answer is whole: let the recipe go on, and remember what it has made.

        Raises:
            SaferouteError: the answer is not usable.
        """
        head, pieces = self._head, self._pieces
        self._pieces = []
        if head is not None:
            self._advance(MintAnswer(head.status, head.headers, b"".join(pieces)))

    def _advance(self, answer: MintAnswer | None) -> None:
        self._next = None
        outcome = self._step(answer)
        if isinstance(outcome, MintRequest):
            self._next = outcome
        elif isinstance(outcome, Minted):
            self._credentials.keep(keep(self._spec, outcome, self._wall()))
        else:
            raise outcome

    def _step(self, answer: MintAnswer | None) -> MintRequest | Minted | BaseException:
        """Run the recipe to its next request or its end. Its frames see everything, so that no error may lead to them."""
        recipe = self._recipe
        puzzled = SecretError(f"{endpoint(self._spec)} answered in a way that is not understood; nothing of it was used")
        try:
            if recipe is None:
                return puzzled
            return next(recipe) if answer is None else recipe.send(answer)
        except StopIteration as stop:
            return stop.value if isinstance(stop.value, Minted) else puzzled
        except SaferouteError as error:
            return bare(error)
        except Exception:  # noqa: BLE001  a recipe's defect, whose message may hold content
            return puzzled

    def end(self) -> None:
        """Drop everything that was exchanged."""
        self._take_back()
        self._pieces = []
        self._next = None
        recipe, self._recipe = self._recipe, None
        if recipe is not None:
            with contextlib.suppress(ValueError):  # still running in a thread that nobody waits for any more
                recipe.close()

    def _take_back(self) -> None:
        lent, self._lent = self._lent, None
        if lent is not None:
            self._credentials.take_back(lent)

    def explained(self, failure: BaseException | None, bounds: Clocks, clocks: Clocks) -> BaseException | None:
        """Say of a failure that it was this exchange's and not the call's: nothing of the call's own request was sent."""
        if isinstance(failure, TimedOut) and failure.clock == "total" and bounds.deadline < clocks.deadline:
            return TransportError(f"{endpoint(self._spec)} did not answer whole within {bounds.total:g} s", sent=False)
        if isinstance(failure, TransportError):
            failure.sent = False
        elif failure is not None and not isinstance(failure, SaferouteError | KeyboardInterrupt | SystemExit):
            return SecretError(f"{endpoint(self._spec)} was not asked: {type(failure).__name__}. This is a defect of saferoute")
        return failure


def _wait(head: Head) -> float | None:
    """Retry-After in seconds, if it is that."""
    text = head.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= _LONGEST_WAIT else None  # noqa: PLR2004
