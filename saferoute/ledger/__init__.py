"""Receipts and the ledger: what is written of each call, how it is chained and signed, how it is verified and proven.

Everything here is a function of bytes, keys and times that are given to it. Files and clocks are in `saferoute.drivers`. The format is
written down in docs/spec/ledger.md.
"""
