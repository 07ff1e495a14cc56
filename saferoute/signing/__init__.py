"""Strict JSON, strict keys, and the signed envelope: what routing, capabilities, secrets and the ledger stand on."""
