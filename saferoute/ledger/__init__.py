"""Receipts and the hash-chained ledger. Still empty: a later issue builds them."""
