"""Our transports under httpx's interface, for programs that speak httpx: no proxies, no redirects of their own, keys from our source.

Import from `saferoute.drivers.httpx_bridge`.
"""
