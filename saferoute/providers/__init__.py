"""Dialects: how each wire format says what a ChatRequest means and what its answer means. Pure; a vendor is data, not code."""
