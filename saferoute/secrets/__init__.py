"""Keys: where they are found, how they are stored, and the rule that each goes to its own origin only."""
