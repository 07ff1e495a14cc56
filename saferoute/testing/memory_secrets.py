"""Keys that live in a dict, bound to origins like any other: for tests, never for real keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.values.origin import parse_origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MemorySecrets"]


class MemorySecrets:
    """A secret source for tests. It implements `saferoute.secrets.secret.SecretSource`."""

    __slots__ = ("_records",)

    label = "the in-memory test secrets"

    def __init__(self, keys: Mapping[str, str], *, origin: str | Iterable[str]) -> None:
        """Bind each key to the same origin or origins.

        Args:
            keys: secret name to key, such as `{"openai": "sk-test"}`.
            origin: the only places that the keys may go to, such as `provider.origin`.

        Raises:
            ConfigurationError: for an origin that is not canonical.
            SecretError: for a key with spaces, control characters or non-ASCII.
        """
        given = (origin,) if isinstance(origin, str) else tuple(origin)
        origins = tuple(str(parse_origin(text)) for text in given)
        self._records = {name: SecretRecord(name, Secret(value), origins) for name, value in keys.items()}

    def find(self, name: str) -> SecretRecord | None:
        """Look a secret up; None if this source does not hold it."""
        return self._records.get(name)

    def names(self) -> tuple[str, ...]:
        """The names of the secrets here."""
        return tuple(self._records)

    @override
    def __repr__(self) -> str:
        return f"MemorySecrets({', '.join(self._records) or 'empty'})"
