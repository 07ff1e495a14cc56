"""What the demo plays on: two embedded providers, a temporary vault with one key, a signed table, and a client."""

from __future__ import annotations

import contextlib
import secrets
import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from saferoute import Client, Secrets, Trust
from saferoute.cli.project import make_project
from saferoute.cli.terminal import show
from saferoute.errors import SaferouteError
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from saferoute.cli.project import Project

__all__ = ["DemoError", "Stage", "Step", "expect", "routes", "tell"]

KEY_NAME = "demo"
_WIDTH = 110

_ROUTES = """\
[routes.gpt]                        # the wire format of OpenAI and of many compatible servers
provider = "embedded"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "embedded-1"
auth = "bearer"
secret = "demo"
data = "internal"

[routes.claude]                     # the wire format of Anthropic
provider = "embedded-too"
dialect = "anthropic_messages"
origin = "{origin}"
path = ""
net = "loopback"
model = "embedded-1"
auth = "x-api-key"
secret = "demo"
data = "internal"
default_max_output = 1000

[aliases]
fast = ["gpt", "claude"]
"""
GRANT = """
[grant]
routes = ["fast", "gpt", "claude"]
data = "internal"
"""


class DemoError(Exception):
    """Something did not behave as the demo says."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to show.

    Attributes:
        title: what happens.
        play: makes it happen, tells about it, and raises DemoError unless it is so.
        part: heading of the part that begins here.
    """

    title: str
    play: Callable[[Stage], None]
    part: str = ""


class Stage:
    """What the steps share. Everything is made when it is entered, and closed when it is left."""

    def __init__(self, folder: Path) -> None:
        """Describe the stage; nothing is made.

        Args:
            folder: an empty folder that the caller removes.
        """
        self.folder = folder
        self.key = f"sk-demo-{secrets.token_hex(16)}"
        self.vault = Secrets.vault(folder / "vault.json", passphrase=secrets.token_urlsafe(24))
        self.provider = EmbeddedProvider(api_key=self.key)
        self.elsewhere = EmbeddedProvider()
        self.root_key = PrivateKey.generate()
        self.table_key = PrivateKey.generate()
        self._main: tuple[Project, Client] | None = None
        self._until_end = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start both providers."""
        self._until_end.enter_context(self.provider)
        self._until_end.enter_context(self.elsewhere)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the client and stop the providers."""
        self._until_end.close()

    def publish(self, name: str, toml_text: str) -> Project:
        """Build and sign a table with the demo's keys, as `saferoute init` does, and write NAME-root.json and NAME-routes.json."""
        project = make_project("demo", toml_text, root_key=self.root_key, table_key=self.table_key, now=time.time(), days=1, root_days=1)
        self.write(name, project.root, project.bundle)
        return project

    def write(self, name: str, root: bytes, bundle: bytes) -> None:
        """Write the two files of a table."""
        (self.folder / f"{name}-root.json").write_bytes(root)
        (self.folder / f"{name}-routes.json").write_bytes(bundle)

    def open(self, name: str, sha256: str) -> Client:
        """Open a published table with the production constructor; it is closed with the stage."""
        trust = Trust.pinned(self.folder / f"{name}-root.json", sha256=sha256)
        # A memory for each table: two roots of one second are the same root, and two of its tables would be the same version.
        state = self.folder / f"{name}-state"
        client = Client(self.folder / f"{name}-routes.json", trust=trust, secrets=self.vault, data="internal", state=state)
        self._until_end.callback(client.close)
        return client

    def open_main(self) -> Project:
        """Publish and open the main table."""
        project = self.publish("main", routes(self.provider.origin))
        self._main = project, self.open("main", project.sha256)
        return project

    @property
    def main(self) -> tuple[Project, Client]:
        """The main table and its client.

        Raises:
            DemoError: no step has opened it.
        """
        if self._main is None:
            raise DemoError("the main table was not opened")
        return self._main

    @property
    def client(self) -> Client:
        """The main table's client."""
        return self.main[1]

    def refused(self, kind: type[SaferouteError], act: Callable[[], object]) -> str:
        """Do something that must be refused, before anything is sent.

        Returns:
            The error's message.

        Raises:
            DemoError: it was not refused, refused in another way, or something was sent.
        """
        before = len(self.provider.requests), len(self.elsewhere.requests)
        try:
            act()
        except kind as error:
            expect((len(self.provider.requests), len(self.elsewhere.requests)) == before, "something was sent")
            return error.message
        except SaferouteError as error:
            raise DemoError(f"refused with {type(error).__name__} where {kind.__name__} was expected") from error
        raise DemoError(f"{kind.__name__} was expected, and nothing was refused")


def routes(origin: str, *, grant: bool = True) -> str:
    """The demo's routes.toml."""
    return _ROUTES.format(origin=origin) + (GRANT if grant else "")


def expect(is_so: bool, otherwise: str) -> None:  # noqa: FBT001  a check reads best with its condition first
    """Go on only if something is so.

    Raises:
        DemoError: it is not.
    """
    if not is_so:
        raise DemoError(otherwise)


def tell(*lines: str) -> None:
    """Show lines below a step's title, folded to a readable width."""
    for line in lines:
        indent = " " * (4 + len(line) - len(line.lstrip()))
        for folded in textwrap.wrap(line.strip(), _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
            show(f"{indent}{folded}")
