"""The one way in which this package says no. Callers turn it into their own error, which knows what was being opened."""

from __future__ import annotations

__all__ = ["Refused", "TooFewSigned"]


class Refused(ValueError):  # noqa: N818  named for what happened, as the public errors are
    """Bytes, a key or an envelope that is not exactly what it must be.

    Never leaves saferoute: routing turns it into UntrustedTable, capabilities into CapabilityInvalid. It stands outside the public
    tree because only they can say whose fault it is and what to do.
    """


class TooFewSigned(Refused):
    """Nothing is wrong with the signatures, and there are not as many of the keys that are asked for as are needed."""
