"""The signed routing table: opened and verified, resolved, written from TOML and signed."""
