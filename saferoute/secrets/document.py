"""Secrets that are JSON documents, such as a service account's key file, in the one spelling that a Secret can hold.

A Secret is printable ASCII without spaces, so that no header can be broken by one. A document is stored compact, in ASCII, and with its
spaces (which stand inside texts only) escaped: the same document to every JSON reader.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from saferoute.secrets.minting import read_json, reveal
from saferoute.secrets.secret import Secret, make_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["document_of", "is_document", "make_document", "secret_in"]


def is_document(value: str | bytes) -> bool:
    """Whether a secret's text is meant as a document: no provider's key begins with a brace."""
    return value[:64].lstrip()[:1] in ("{", b"{")


def make_document(value: str | bytes) -> Secret | str:
    """Make a Secret of a JSON object, or say why not, without an exception and without its content."""
    found = read_json(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
    if not isinstance(found, dict):
        return "it begins like a JSON document and is none: one object, in UTF-8, with no key twice"
    try:
        return make_secret(json.dumps(found, ensure_ascii=True, separators=(",", ":")).replace(" ", "\\u0020"))
    except RecursionError:
        return "it is a JSON document that is nested too deeply"


def secret_in(value: str | bytes) -> Secret | str:
    """Make a Secret of what a variable, a file or a person holds: a key, or a document; or say why not, without an exception."""
    return make_document(value) if is_document(value) else make_secret(value)


def document_of(secret: Secret) -> Mapping[str, object] | None:
    """The document that a Secret holds; None if it holds none."""
    found = read_json(reveal(secret))
    return found if isinstance(found, dict) else None
