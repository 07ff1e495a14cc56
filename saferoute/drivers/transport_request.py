"""The bytes of a request, and the one moment at which the key is among them.

The key exists in this package's frames only inside `write_request`: it is asked for, joined into the buffer that is being written, and
gone before anything can be raised. What goes wrong while writing is returned, not raised, with its traceback cut off, so that no
exception leads to a frame that saw the key.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from saferoute.errors import ProtocolError, RequestError, SaferouteError, SecretError, SecretNotFound
from saferoute.values.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.drivers.transport_site import HeadParts
    from saferoute.secrets.secret import CredentialSource
    from saferoute.values.http import Clocks

__all__ = ["CREDENTIAL_NAMES", "OWN_NAMES", "SIGNATURE_NAMES", "altered", "credential_pairs", "head_of", "write_request"]

# RFC 9112 section 3 and RFC 9110 section 5.5; a line break inside any part makes the lines outnumber the headers.
_HEAD = re.compile(r"[A-Z]{1,16} /[!-~]*+ HTTP/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9a-z]++: [\t -~]*+\r\n)*+")
_CREDENTIAL_VALUE = re.compile(rb"[\x20-\x7e]+")

CREDENTIAL_NAMES = frozenset(
    {
        "authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token", "cookie",
        "x-aws-ec2-metadata-token",
    }
)  # fmt: skip
"""Header names that carry credentials: only the transport's own source may fill them."""

OWN_NAMES = frozenset(
    {
        "host", "content-length", "transfer-encoding", "accept-encoding", "user-agent",
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect",
    }
)  # fmt: skip
"""Header names that frame the message or belong to the connection: the transport writes them itself."""

SIGNATURE_NAMES = frozenset({"x-amz-date"})
"""Header names that a signature makes and that carry no credential: what another program signed is signed anew."""

_REFUSED_NAMES = CREDENTIAL_NAMES | OWN_NAMES
_PRESENTED_NAMES = frozenset(name.encode("ascii") for name in CREDENTIAL_NAMES)
_SIGNATURE_NAMES = ((b"x-amz-date", b"authorization"), (b"x-amz-date", b"x-amz-security-token", b"authorization"))
_SMALL_BODY = 65_536
_PIECE = 262_144
_OWN_LINES = 4  # request line, host, user-agent, accept-encoding
_MOST_KEPT = 16  # heads of one origin; whoever sends others each time gains nothing and loses little
_LONGEST_KEPT = 4_096


def altered(request: HttpRequest, clocks: Clocks) -> ProtocolError | None:
    """The error for a body that is not the one that was approved; None for one that is, and where nothing had to be approved."""
    body = clocks.approved
    if body is None or request.body is body or request.body == body:
        return None
    return ProtocolError(
        "the request's body is not the one that was looked at: something before the transport changed it; nothing was sent"
    )


def head_of(request: HttpRequest, fixed: str, checked: dict[HeadParts, bytes] | None = None) -> bytes:
    r"""Make and check a request's head, without credential and blank line.

    Args:
        request: what to send.
        fixed: " HTTP/1.1\r\n" with the lines that belong to the origin (host, user-agent, accept-encoding).
        checked: the origin's heads that were made and found good, by what they are made of; this one is added. None to remember none.

    Raises:
        RequestError: a line break, control or non-ASCII character in method, path or header, or a header that the transport writes
            itself. The value is not shown.
        ConfigurationError: the request is to be signed, and its origin is no AWS address.
    """
    parts = (request.method, request.path, request.headers)
    head = None if checked is None else checked.get(parts)
    if head is None:
        head = _checked_head(request, fixed)
        # A request of a class of its own is one that gets a credential: its path may come out of a secret.
        if checked is not None and len(head) <= _LONGEST_KEPT and type(request) is HttpRequest:
            if len(checked) >= _MOST_KEPT:
                checked.clear()
            checked[parts] = head
    if request.auth == "sigv4":
        from saferoute.secrets.signer import check_signable  # noqa: PLC0415  most programs never sign

        check_signable(request)
    size = len(request.body)
    return b"%bcontent-length: %d\r\n" % (head, size) if size or request.method != "GET" else head


def _checked_head(request: HttpRequest, fixed: str) -> bytes:
    """All of a head that does not depend on the body."""
    headers = request.headers
    text = f"{request.method} {request.path}{fixed}" + "".join([f"{name}: {value}\r\n" for name, value in headers])
    count = _OWN_LINES + len(headers)
    if _HEAD.fullmatch(text) is None or text.count("\n") != count or not _REFUSED_NAMES.isdisjoint(dict(headers)):
        raise RequestError(_what_is_wrong(request))
    return text.encode("ascii")


def _what_is_wrong(request: HttpRequest) -> str:
    for name, value in request.headers:
        if name.lower() in _REFUSED_NAMES:
            return f"the header {name.lower()!r} is the transport's business and cannot be set; nothing was sent"
        if re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9a-z]+", name) is None:
            return "a header's name has characters that a name (in lower case) cannot have; nothing was sent"
        if re.fullmatch(r"[\t -~]*", value) is None:
            return f"the header {name!r} has a line break, a control or a non-ASCII character in its value; nothing was sent"
    return "the request's method or path has a character that cannot stand there, such as a blank or a line break; nothing was sent"


def write_request(
    request: HttpRequest,
    head: bytes,
    credentials: CredentialSource | None,
    sendall: Callable[[bytes], object],
    before_piece: Callable[[], object],
    *,
    wall: Callable[[], float] = time.time,
) -> BaseException | None:
    """Add the key, if the request names one, and write the request.

    A body of 64 KiB or more follows in pieces, and `before_piece` is called before each, to set a time limit. `wall` gives seconds since
    the epoch, which a signature holds.

    Returns:
        None, or what went wrong while writing, without its traceback: raise something fresh.

    Raises:
        SecretError: no key, or a key that is not bound to the origin; nothing was written.
        TimedOut: from before_piece.
    """
    line = b"\r\n"
    pairs: Sequence[tuple[bytes, bytes]] = ()
    failure: BaseException | None = None
    body = request.body
    try:
        if request.secret is not None:
            pairs = credential_pairs(request, credentials, wall)
            line = b"%b: %b\r\n\r\n" % pairs[0] if len(pairs) == 1 else b"".join([b"%b: %b\r\n" % pair for pair in pairs]) + line
        if len(body) < _SMALL_BODY:
            sendall(b"".join((head, line, body)))
        else:
            sendall(head + line)
            line = b""
            for at in range(0, len(body), _PIECE):
                before_piece()
                sendall(body[at : at + _PIECE])
    except SaferouteError:
        raise
    except BaseException as error:  # noqa: BLE001  KeyboardInterrupt too: the frames below hold the key
        failure = error.with_traceback(None)
    finally:
        line, pairs = b"", ()
    return failure


def credential_pairs(
    request: HttpRequest, credentials: CredentialSource | None, wall: Callable[[], float] = time.time
) -> Sequence[tuple[bytes, bytes]]:
    """Ask for the credential headers of a request that names a secret, and check that they are such: one, or those of a signature.

    Raises:
        SecretError: no key, one that is not bound to the origin, or one that cannot be sent.
    """
    pairs: Sequence[tuple[bytes, bytes]] = ()
    try:
        if credentials is None or request.secret is None:
            raise SecretNotFound("the request names a secret, and the transport was given no source of secrets; nothing was sent")
        if request.auth == "sigv4":
            pairs = credentials.signer(request.secret, request.origin).pairs(request, wall())
            names = tuple([name for name, _ in pairs])
            right = names in _SIGNATURE_NAMES and all(_CREDENTIAL_VALUE.fullmatch(value) for _, value in pairs)
        else:
            pairs = (credentials.header(request.secret, request.auth, request.origin),)
            right = pairs[0][0] in _PRESENTED_NAMES and _CREDENTIAL_VALUE.fullmatch(pairs[0][1]) is not None
        if not right:
            raise SecretError(f"the source of the secret {request.secret!r} made a header that cannot be sent; nothing was sent")
        return pairs
    finally:
        pairs = ()
