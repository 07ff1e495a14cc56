"""A container: no D-Bus, no HOME, nothing writable. Keys from the environment work, and nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

ENVIRONMENT_ONLY = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from saferoute.drivers.secret_sources import open_sources
from saferoute.secrets.credentials import Credentials
touched = []
def watch(event, args):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.mkdir", "os.rename", "os.remove")):
        touched.append((event, args))
    if event == "open" and not str(args[0]).endswith((".py", ".pyc", ".so")):
        touched.append((event, args))
sys.addaudithook(watch)
catalogue = {"openai": (("OPENAI_API_KEY",), "https://api.openai.com"), "anthropic": (("ANTHROPIC_API_KEY",), "https://api.anthropic.com")}
credentials = Credentials(open_sources("env", catalogue))
print(credentials.header("openai", "bearer", "https://api.openai.com")[1].decode())
try:
    credentials.header("anthropic", "bearer", "https://api.anthropic.com")
except Exception as error:
    print(type(error).__name__)
print(touched, sorted({name.split(".")[0] for name in sys.modules} & {"keyring", "cryptography", "secretstorage", "jeepney", "httpx"}))
"""

ASKED = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from saferoute import keys
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import SecretError
catalogue = {"openai": (("OPENAI_API_KEY",), "https://api.openai.com")}
print(open_sources(["keyring", "vault", "prompt", "env"], catalogue).find("openai") is not None)
for spec in (None, "keyring", "vault", "prompt"):
    sources = open_sources(spec, catalogue)
    print(sources.find("openai"), sources.missing("openai"))
print(keys.list())
try:
    keys.add("openai", "k-1")
except SecretError as error:
    print(type(error).__name__, error)
"""


def run(script: str, tmp_path: Path, **variables: str) -> list[str]:
    tmp_path.chmod(0o500)
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(REPOSITORY)],
        env={"OPENAI_API_KEY": "k-env", "HOME": str(tmp_path / "nobody"), **variables},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_env_touches_nothing_but_the_environment(tmp_path: Path) -> None:
    assert run(ENVIRONMENT_ONLY, tmp_path) == ["Bearer k-env", "SecretNotFound", "[] []"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_absent_says_so_and_fails_nowhere(tmp_path: Path) -> None:
    found, none, keyring, vault, prompt, listed, added = run(ASKED, tmp_path, DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent/bus")
    assert found == "True"
    assert none.split(" Use ")[0] == keyring.split(" Use ")[0]
    assert none.startswith("None No key for openai in the keyring. This machine has no keyring that saferoute uses")
    assert "OPENAI_API_KEY is set here, but saferoute reads no environment unless told." in none
    assert "There is no vault at" in vault
    assert "Nobody can be asked" in prompt
    assert listed == "()"
    assert added.startswith(("SecretError", "SecretStoreLocked"))
