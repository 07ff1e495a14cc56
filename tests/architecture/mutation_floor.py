"""Gate the mutation score: at least 90 of 100 mutants must be killed.

python tests/architecture/mutation_floor.py mutants/mutmut-cicd-stats.json
"""

from __future__ import annotations

import json
import pathlib
import sys

FLOOR = 90.0


def main(path: str) -> int:
    """Print the score; 1 when it is under the floor."""
    counts: dict[str, int] = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    killed = counts.get("killed", 0) + counts.get("timeout", 0) + counts.get("segfault", 0)
    tried = killed + counts.get("survived", 0) + counts.get("suspicious", 0) + counts.get("no_tests", 0)
    score = 100.0 * killed / tried if tried else 0.0
    print(f"mutants: {tried} tried, {killed} killed, score {score:.1f} (floor {FLOOR})")
    return int(score < FLOOR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
