"""The test vectors of docs/spec, their maker, and an independent verifier in another language."""
