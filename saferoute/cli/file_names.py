"""Where files lie that belong together, unless options say otherwise."""

from typing import Final

__all__ = ["LEDGER", "REVOCATIONS", "ROOT", "STATUS", "UPDATES"]

ROOT: Final = "root.json"
UPDATES: Final = "roots"
"""The folder of the roots that follow the pinned one."""

LEDGER: Final = "audit"
"""The folder of the records that clients write."""

STATUS: Final = "status.json"
REVOCATIONS: Final = "revocations.json"
