"""Made-up keys, bound to origins like real ones: for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.secrets.sources import Secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["memory_secrets"]


def memory_secrets(keys: Mapping[str, str], *, origin: str | Sequence[str]) -> Secrets:
    """Hold keys in memory, each bound to the same origin or origins: what `Client(secrets=...)` takes.

    Args:
        keys: secret name to key, such as `{"openai": "sk-test"}`.
        origin: the only places that the keys may go to, such as `provider.origin`.

    Raises:
        ConfigurationError: for an origin that is not canonical.
        SecretError: for a key with spaces, control characters or non-ASCII.
    """
    return Secrets.of({name: (value, origin) for name, value in keys.items()})
