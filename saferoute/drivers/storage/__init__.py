"""Files that keep state between runs: written in one step, under a lock, for one user."""
