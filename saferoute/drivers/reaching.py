"""Does a row's host answer? Connects as a call would, address check and TLS included, sends nothing, and closes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from saferoute.drivers.address import resolve_with_system
from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport_connect import Connector
from saferoute.drivers.transport_site import Site
from saferoute.errors import SaferouteError
from saferoute.values.http import Clocks

if TYPE_CHECKING:
    from saferoute.values.target import Target

__all__ = ["reach"]


def reach(target: Target, seconds: float = 10.0) -> str:
    """Connect to a row's origin, and let go of it.

    Args:
        target: the row.
        seconds: how long it may take; the row's own connect clock if that is shorter.

    Returns:
        What went wrong; "" for nothing.
    """
    limit = min(seconds, target.deadlines.connect)
    connector = Connector(ClientTls(), time.monotonic, resolve_with_system)
    try:
        connector.connect(Site(target.origin, target.net), Clocks(limit, limit, limit, limit, time.monotonic() + limit)).close()
    except SaferouteError as error:
        return str(error)
    return ""
