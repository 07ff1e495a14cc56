"""Where files lie that belong together, unless options say otherwise."""

from typing import Final

__all__ = ["REVOCATIONS", "ROOT", "STATUS", "UPDATES"]

ROOT: Final = "root.json"
UPDATES: Final = "roots"
"""The folder of the roots that follow the pinned one."""

STATUS: Final = "status.json"
REVOCATIONS: Final = "revocations.json"
