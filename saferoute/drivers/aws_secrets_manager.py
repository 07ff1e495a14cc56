"""AWS Secrets Manager: one signed request for each secret, no SDK.

The protocol is AWS JSON 1.1: POST / with X-Amz-Target: secretsmanager.GetSecretValue, signed by `saferoute.wire.sigv4`. The AWS key that
signs is a secret itself, found in another place and bound to the store's address.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from saferoute.drivers.store_exchange import StoreExchange
from saferoute.errors import SaferouteError, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.secret import Hidden
from saferoute.secrets.signer import make_signer
from saferoute.wire.sigv4 import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.store_exchange import StoreAnswer
    from saferoute.secrets.remote_places import AwsStorePlace
    from saferoute.secrets.secret import SecretRecord

__all__ = ["AwsSecretsManager"]

_OK: Final = 200
_HEADERS: Final = (("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue"))
_KIND: Final = re.compile(r"(?:[A-Za-z0-9._]{1,80}#)?([A-Za-z]{1,60})")
_ABSENT: Final = "ResourceNotFoundException"


class AwsSecretsManager:
    """AWS Secrets Manager as a `saferoute.secrets.other_stores.ForeignStore`: a reference is a secret's name or ARN."""

    __slots__ = ("_exchange", "_find", "_place", "label")

    def __init__(self, place: AwsStorePlace, find: Callable[[str], SecretRecord | None]) -> None:
        """Describe the store; nobody is connected to.

        Args:
            place: where, and which secrets.
            find: finds the AWS key that signs.
        """
        self.label = place.label
        self._place = place
        self._find = find
        self._exchange = StoreExchange(place.origin, place.net)

    def fetch(self, reference: str) -> str | None:
        """The current text of a secret; None if there is none.

        Raises:
            SecretNotFound: no place holds the AWS key.
            OriginMismatch: the AWS key is bound to another address.
            SecretStoreLocked: the request is refused.
            SecretError: the store cannot be reached, or holds bytes in place of a text.
        """
        answer = self._asked(reference)
        if isinstance(answer, SaferouteError):
            try:
                raise answer
            finally:
                del answer  # no cycle through this frame
        if answer.status != _OK:
            kind = _kind(answer)
            if kind == _ABSENT:
                return None
            raise SecretStoreLocked(f"{self.label} refuses {reference} ({answer.status}{kind and f', {kind}'})")
        text = answer.fields.get("SecretString")
        if isinstance(text, str):
            return text
        raise SecretError(f"{self.label} has no text for {reference}: store the key as SecretString")

    def _asked(self, reference: str) -> StoreAnswer | SaferouteError:
        """Nothing is raised from here: this frame has the AWS key."""
        place = self._place
        try:
            record = self._find(place.key)
            if record is None:
                return SecretNotFound(f"no key for {place.key}, which signs for {self.label}, in the places of `credentials`")
            signer = make_signer(record, place.origin, Scope("secretsmanager", place.region))
        except SaferouteError as error:
            return type(error)(error.message)
        body = Hidden(json.dumps({"SecretId": reference}).encode())
        return self._exchange.ask("POST", "/", _HEADERS, body, signer)


def _kind(answer: StoreAnswer) -> str:
    """The error's name, if it looks like one."""
    said = answer.fields.get("__type")
    match = _KIND.fullmatch(said) if isinstance(said, str) else None
    return match[1] if match else ""
