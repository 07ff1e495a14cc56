"""Bytes to data and back, pure: HTTP/1.1, content codings, server-sent events."""
