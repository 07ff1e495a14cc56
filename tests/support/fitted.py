"""A request written as a call writes it: fitted to its row's profile, and then encoded."""

from __future__ import annotations

from dataclasses import replace

from saferoute.providers.codec import Codec, Encoded
from saferoute.providers.fitting import fit
from saferoute.values.request import ChatRequest
from saferoute.values.target import Target

__all__ = ["fit_and_encode"]


def fit_and_encode(codec: Codec, request: ChatRequest, target: Target) -> Encoded:
    """What `codec` makes of the request for this row; the notices of both steps, in the order in which a caller sees them."""
    fitted, changed = fit(request, target)
    encoded = codec.encode(fitted, target)
    return replace(encoded, notices=changed + encoded.notices)
