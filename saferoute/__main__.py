"""`python -m saferoute`: the same as the `saferoute` script."""

from __future__ import annotations

import sys

from saferoute.cli import main

if __name__ == "__main__":
    sys.exit(main())
