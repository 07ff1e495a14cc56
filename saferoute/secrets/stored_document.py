"""What a program or another store hands over for a secret: the key alone, or the document {v, secret, origins, revision}.

    {"v": 1, "secret": "the key", "origins": ["https://api.openai.com"], "revision": 3}

Where the key may go comes from the caller's code in every case. Origins in the document can only narrow that: a key whose document does
not list every origin that the code names is refused, so that neither a wrong reference in the code nor a document that somebody moved
sends a key to a place it was not stored for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.errors import ConfigurationError
from saferoute.secrets.document import is_document, secret_in
from saferoute.secrets.minting import read_json
from saferoute.secrets.secret import Secret, SecretRecord, bound_origins

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["record_in", "record_of"]

_FIELDS: Final = {"origins", "revision", "secret", "v"}
_VERSIONS: Final = (1, "1")  # stores whose command line writes texts only have "1"
_MAX_REVISION: Final = 2**31


def record_in(name: str, value: str | bytes, origins: tuple[str, ...]) -> SecretRecord | str:
    """Make a record of what was handed over, or say why not, without an exception and without its content.

    Args:
        name: what the routing table calls the secret.
        value: the key alone, or the document; one line end behind it is cut off.
        origins: where it may go, as the code says.
    """
    text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)
    text = text.removesuffix(b"\n").removesuffix(b"\r")
    if not is_document(text):
        made = secret_in(text)
        return made if isinstance(made, str) else SecretRecord(name, made, origins)
    found = read_json(text)
    if not isinstance(found, dict):
        return "it begins like a JSON document and is none: one object, in UTF-8, with no key twice"
    return record_of(name, found, origins)


def record_of(name: str, fields: Mapping[str, object], origins: tuple[str, ...]) -> SecretRecord | str:
    """The same of a document's fields."""
    if not {"v", "secret"} <= fields.keys() <= _FIELDS or isinstance(fields["v"], bool) or fields["v"] not in _VERSIONS:
        return 'its document is not {"v": 1, "secret": "..."}, with "origins" and "revision" if you like, and nothing else'
    value, revision = fields["secret"], fields.get("revision", 1)
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision <= _MAX_REVISION:
        return "the revision in its document is not a count"
    secret = secret_in(value) if isinstance(value, str) else "it is no text"
    if not isinstance(secret, Secret):
        return f"the secret in its document: {secret}"
    problem = _not_bound(fields["origins"], origins) if "origins" in fields else ""
    return problem or SecretRecord(name, secret, origins, revision)


def _not_bound(given: object, origins: tuple[str, ...]) -> str:
    texts = given.split() if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return "the origins in its document are not a list of texts"
    try:
        bound = bound_origins(texts)
    except ConfigurationError:
        return "the origins in its document are not 1 to 16 different origins, such as https://api.openai.com"
    outside = [origin for origin in origins if origin not in bound]
    return f"its document binds it to {', '.join(bound)}, and the code to {', '.join(outside)} as well" if outside else ""
