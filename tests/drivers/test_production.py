"""From files to calls: what opens, what does not, and what a container without anything can do."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import saferoute
from saferoute.errors import ConfigurationError, LocalTrustWarning, SecretNotFound, TableExpired, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider

TOML = """
[routes.row]
provider = "demo"
dialect = "openai_chat"
origin = "http://127.0.0.1:9"
path = "/v1"
net = "loopback"
model = "m"
auth = "none"
data = "internal"
"""


def write(folder: Path, *, age: int = 0, days: int = 7) -> saferoute.Trust:
    """Write a root and a signed table; return whom to trust."""
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    now = int(time.time()) - age
    root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 400 * 86_400)
    bundle = sign_release(root, [build(TOML)], version=1, now=now, signers=[table_key], not_after=now + days * 86_400)
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(bundle)
    return saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))


def test_it_opens_and_says_what_it_is(tmp_path: Path) -> None:
    trust = write(tmp_path)
    with saferoute.Client(tmp_path / "routes.json", trust=trust, secrets=saferoute.Secrets.of({})) as client:
        assert "trust='production'" in repr(client)
        assert "team" in repr(client)
        assert [(info.name, info.model, info.origin) for info in client.models()] == [("row", "m", "http://127.0.0.1:9")]


def test_every_flipped_byte_of_the_bundle_is_refused(tmp_path: Path) -> None:
    trust = write(tmp_path)
    good = (tmp_path / "routes.json").read_bytes()
    for position in range(0, len(good), 7):
        (tmp_path / "routes.json").write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(UntrustedTable):
            saferoute.Client(tmp_path / "routes.json", trust=trust, secrets=saferoute.Secrets.of({}))


def test_a_table_with_its_text_edited_is_refused(tmp_path: Path) -> None:
    trust = write(tmp_path)
    bundle = json.loads((tmp_path / "routes.json").read_bytes())
    table = base64.b64decode(bundle["tables"][0]).replace(b"127.0.0.1:9", b"127.0.0.1:8")
    bundle["tables"][0] = base64.b64encode(table).decode()
    (tmp_path / "routes.json").write_text(json.dumps(bundle, separators=(",", ":"), sort_keys=True))
    with pytest.raises(UntrustedTable):
        saferoute.Client(tmp_path / "routes.json", trust=trust)


def test_missing_unreadable_foreign_and_expired(tmp_path: Path) -> None:
    trust = write(tmp_path)
    with pytest.raises(ConfigurationError, match=r"nowhere\.json"):
        saferoute.Client(tmp_path / "nowhere.json", trust=trust)
    with pytest.raises(ConfigurationError):
        saferoute.Client(tmp_path, trust=trust)
    for content in (b"", b"{}", b"not json", b"\xff\xfe", b"[" * 100_000, b'{"release":1,"release":2}'):
        (tmp_path / "broken.json").write_bytes(content)
        with pytest.raises(UntrustedTable):
            saferoute.Client(tmp_path / "broken.json", trust=trust)
    other = tmp_path / "other"
    other.mkdir()
    write(other)
    with pytest.raises(UntrustedTable):
        saferoute.Client(other / "routes.json", trust=trust)
    old = tmp_path / "old"
    old.mkdir()
    with pytest.raises(TableExpired, match="table sign"):
        saferoute.Client(old / "routes.json", trust=write(old, age=8 * 86_400))


def test_a_table_that_expires_while_the_process_runs_refuses_calls(tmp_path: Path) -> None:
    trust = write(tmp_path)
    with saferoute.Client(tmp_path / "routes.json", trust=trust, secrets=saferoute.Secrets.of({})) as client:
        later = time.time() + 8 * 86_400
        core = client._core
        core._snapshot = dataclasses.replace(core._snapshot, clock=lambda: later)
        with pytest.raises(TableExpired):
            client.chat("row", "hi")


def run_bare(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing in its environment but what is given: no HOME, no D-Bus, no terminal."""
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


CONTAINER = """
import os, resource, warnings
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file can grow: as good as a read-only disk
import saferoute
warnings.simplefilter("ignore")
client = saferoute.Client.local(secrets="env")
print(client)
print([info.name for info in client.models()])
"""


def test_a_container_without_home_bus_or_disk_starts_with_env() -> None:
    done = run_bare(CONTAINER, OPENAI_API_KEY="sk-test-of-the-container", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0, done.stderr
    assert "openai/*" in done.stdout
    assert "'fast'" in done.stdout
    assert "sk-test" not in done.stdout + done.stderr


ANSWER = """
import sys, warnings, saferoute
warnings.simplefilter("ignore")
secrets = saferoute.Secrets.from_env({"row": ("MY_KEY", sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:%d")})
with saferoute.Client.local(secrets=secrets, servers=[saferoute.loopback("row", port=%d, secret="row")]) as client:
    print(client.chat("row/m", "hello").finish_reason)
"""


def test_a_container_gets_a_first_answer_with_a_key_from_the_environment() -> None:
    with EmbeddedProvider(api_key="sk-container-1234") as provider:
        done = run_bare(ANSWER % (provider.port, provider.port), MY_KEY="sk-container-1234")
    assert (done.returncode, done.stdout) == (0, "stop\n"), done.stderr


def test_no_key_says_what_to_do_on_this_machine() -> None:
    done = run_bare(
        "import saferoute\ntry: saferoute.Client.local()\nexcept saferoute.SaferouteError as error: print(type(error).__name__, error)",
        OPENAI_API_KEY="sk-x-12345",
    )
    assert "SecretNotFound" in done.stdout
    assert "OPENAI_API_KEY is set here, but saferoute reads no environment unless told" in done.stdout
    assert 'secrets="env"' in done.stdout
    assert "keys add openai" in done.stdout
    assert "sk-x" not in done.stdout + done.stderr


def test_local_can_be_forbidden_and_warns_once() -> None:
    done = run_bare('import saferoute\nsaferoute.Client.local(secrets="env")', OPENAI_API_KEY="sk-x-12345", SAFEROUTE_FORBID_LOCAL="1")
    assert "SAFEROUTE_FORBID_LOCAL" in done.stderr
    assert done.returncode == 1
    with pytest.warns(LocalTrustWarning, match="signed? one|made in memory") as caught:
        saferoute.Client.local(servers=[saferoute.loopback("x", port=9)], secrets=saferoute.Secrets.of({})).close()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.raises(SecretNotFound):
        saferoute.Client.local(secrets=saferoute.Secrets.of({}))


def test_one_client_serves_many_threads() -> None:
    with EmbeddedProvider() as provider, pytest.warns(LocalTrustWarning):
        client = saferoute.Client.local(servers=[saferoute.loopback("row", port=provider.port)], secrets=saferoute.Secrets.of({}))
        with client:
            texts: list[str] = []

            def work(name: int) -> None:
                for turn in range(10):
                    texts.append(client.chat("row/m", f"thread {name} turn {turn}").text)

            threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert sorted(texts) == sorted(f"You said: thread {name} turn {turn}" for name in range(8) for turn in range(10))


FORK = """
import os, sys, warnings, saferoute
warnings.simplefilter("ignore")
client = saferoute.Client.local(servers=[saferoute.loopback("row", port=int(sys.argv[1]))], secrets=saferoute.Secrets.of({}))
assert client.chat("row/m", "parent").text == "You said: parent"
child = os.fork()
assert client.chat("row/m", "both").text == "You said: both"
if child == 0:
    os._exit(0)
_, status = os.waitpid(child, 0)
assert client.chat("row/m", "after").text == "You said: after"
print("ok", status)
"""


def test_after_a_fork_nothing_is_shared() -> None:
    with EmbeddedProvider() as provider:
        program = FORK.replace("sys.argv[1]", str(provider.port))
        done = run_bare(program)
    assert (done.stdout, done.returncode) == ("ok 0\n", 0), done.stderr
    assert provider.connections == 2  # the parent's, kept, and the child's own
