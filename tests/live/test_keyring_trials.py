"""A real GNOME keyring in every situation that docs/reference/key-stores.md has a line for.

Each trial is a program of its own in a private D-Bus session with a throw-away keyring. They run where SAFEROUTE_KEYRING_TRIALS is set
and `dbus-run-session` and `gnome-keyring-daemon` are installed; `SAFEROUTE_KEYRINGS_ALT` names a folder into which the package
keyrings.alt was installed, for the trials that need it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ALT = os.environ.get("SAFEROUTE_KEYRINGS_ALT", "")
TOOLS = ("dbus-run-session", "gnome-keyring-daemon")

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SAFEROUTE_KEYRING_TRIALS"), reason="SAFEROUTE_KEYRING_TRIALS is not set"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"{' and '.join(TOOLS)} are not installed"),
    pytest.mark.timeout(120),
]

KEY = "-".join(["sk", "canary", "4f0b7d21c9"])  # noqa: FLY002  in pieces: no source line of a traceback shows it
ORIGIN = "https://api.example.com"
TRIAL = """
import json, os, sys, time
import warnings
warnings.simplefilter("ignore")
from saferoute import keys
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import SaferouteError
from saferoute.secrets.credentials import Credentials

said = {}
def attempt(what, run):
    begun = time.perf_counter()
    try:
        said[what] = run()
    except SaferouteError as error:
        said[what] = [type(error).__name__, error.message]
    said[what + " seconds"] = round(time.perf_counter() - begun, 3)

key = os.environ.pop("TRIAL_KEY")
attempt("add", lambda: keys.add("trial", key, origins="https://api.example.com", store="keyring").store)
attempt("list", lambda: [stored.name for stored in keys.list(store="keyring")])
attempt("header", lambda: Credentials(open_sources("keyring", {})).header("trial", "bearer", "https://api.example.com")[0].decode())
attempt("missing", lambda: Credentials(open_sources("keyring", {})).header("absent", "bearer", "https://api.example.com")[0].decode())
attempt("default", lambda: Credentials(open_sources(None, {})).header("trial", "bearer", "https://api.example.com")[0].decode())
attempt("holding", lambda: list(open_sources(None, {}).holding(["trial"] + [f"absent-{n}" for n in range(23)])))
attempt("auto", lambda: keys.add("second", key, origins="https://api.example.com").store)
print("SAID " + json.dumps(said))
"""
EVIL = """
from pathlib import Path
from keyring.backend import KeyringBackend
Path(__file__).with_name("imported").touch()
class Keyring(KeyringBackend):
    priority = 100
    def get_password(self, service, username): Path(__file__).with_name("asked").touch()
    def set_password(self, service, username, password): Path(__file__).with_name("asked").touch()
    def delete_password(self, service, username): Path(__file__).with_name("asked").touch()
"""
UNLOCKED = 'printf "%s\\n" pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; "$@"'
LOCKED = 'gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1; "$@"'
NO_KEYRING = '"$@"'
# A bus without the folders of services that it could start by itself.
BARE_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""


class Machine:
    """A home of its own, and what a trial in it said."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DBUS", "XDG", "KEYRING", "PYTHON", "SAFEROUTE"))}
        (home / "run").mkdir(mode=0o700)
        self.environment = kept | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{home}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TRIAL_KEY": KEY,
        }
        (home / "evil_keyring.py").write_text(EVIL)

    def __call__(self, script: str | None, *, bare: bool = False) -> dict[str, Any]:
        """Run the trial in a session that begins with this script; None for no D-Bus at all, `bare` for one that starts no service."""
        command = [sys.executable, "-c", TRIAL]
        if script is not None:
            (self.home / "bare.conf").write_text(BARE_BUS)
            options = ["--config-file", str(self.home / "bare.conf")] if bare else []
            command = ["dbus-run-session", *options, "--", "bash", "-c", script, "_", *command]
        done = subprocess.run(
            command, env=self.environment, cwd=self.home, capture_output=True, text=True, check=False, timeout=100, stdin=subprocess.DEVNULL
        )
        assert KEY not in done.stdout + done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("SAID ")]
        assert lines, done.stderr
        assert not (self.home / "asked").exists()
        return json.loads(lines[-1].removeprefix("SAID "))  # type: ignore[no-any-return]

    def files_with_the_key(self) -> list[str]:
        """Files of this home that hold the key in the clear."""
        return [str(path) for path in self.home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_works(said: dict[str, Any], machine: Machine) -> None:
    assert (said["add"], said["list"], said["header"], said["default"]) == ("keyring", ["trial"], "authorization", "authorization")
    assert said["missing"][0] == "SecretNotFound"
    assert said["holding"] == ["trial"]
    assert said["auto"] == "keyring"
    assert machine.files_with_the_key() == []


def test_an_open_keyring(machine: Machine) -> None:
    said = machine(UNLOCKED)
    assert_works(said, machine)
    assert said["holding seconds"] < 1.0  # one question; about 0.1 s on a slow machine, where one for each name took 0.47 s


def test_a_locked_keyring_is_an_error_everywhere_and_never_a_reason_for_the_vault(machine: Machine) -> None:
    machine(UNLOCKED)  # makes the keyring; the next daemon finds it locked
    said = machine(LOCKED)
    for what in ("add", "list", "header", "missing", "default", "holding", "auto"):
        assert said[what][0] == "SecretStoreLocked", what
        assert said[what][1].startswith("the keyring is locked and was not unlocked")
    assert not (machine.home / ".config").exists()


def test_no_keyring_service_on_the_bus(machine: Machine) -> None:
    _assert_absent(machine(NO_KEYRING, bare=True))


def test_a_keyring_that_the_bus_starts_where_no_desktop_can_ask_for_its_password(machine: Machine) -> None:
    """A server with a desktop's packages: the service is there, and has no keyring that anybody could open. That is locked, not absent."""
    said = machine(NO_KEYRING)
    for what in ("add", "list", "header", "missing", "default", "holding", "auto"):
        assert said[what][0] == "SecretStoreLocked", what
        assert said[what][1].startswith("the keyring is locked and was not unlocked (InitError)")


def test_no_bus_at_all(machine: Machine) -> None:
    said = machine(None)
    _assert_absent(said)


def test_a_bus_address_where_nobody_listens(machine: Machine) -> None:
    machine.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={machine.home}/nobody"
    _assert_absent(machine(None))


def _assert_absent(said: dict[str, Any]) -> None:
    assert said["add"][0] == "StoreAbsent"
    assert said["add"][1].startswith("This machine has no keyring that saferoute uses (secret service: ")
    assert said["list"][0] == "StoreAbsent"
    assert said["header"][0] == "SecretNotFound"
    assert "This machine has no keyring that saferoute uses" in said["header"][1]
    assert said["default"][0] == "SecretNotFound"
    assert said["holding"] == []
    assert said["auto"][0] == "SecretStoreLocked"  # the vault takes its place, and nobody is there to type a passphrase
    assert "the vault needs its passphrase" in said["auto"][1]


@pytest.mark.skipif(not ALT, reason="SAFEROUTE_KEYRINGS_ALT names no folder with keyrings.alt")
@pytest.mark.parametrize("script", [NO_KEYRING, None])
def test_keyrings_alt_is_not_taken_in_the_place_of_a_missing_keyring(machine: Machine, script: str | None) -> None:
    """It would keep keys in a plain file; the keyring package takes it by itself."""
    machine.environment["PYTHONPATH"] += f"{os.pathsep}{ALT}"
    _assert_absent(machine(script, bare=True))
    assert machine.files_with_the_key() == []
    assert not list(machine.home.rglob("*keyring*.cfg"))


@pytest.mark.skipif(not ALT, reason="SAFEROUTE_KEYRINGS_ALT names no folder with keyrings.alt")
@pytest.mark.parametrize("backend", ["keyrings.alt.file.PlaintextKeyring", "keyrings.alt.file.EncryptedKeyring"])
def test_keyrings_alt_is_not_taken_though_the_environment_names_it(machine: Machine, backend: str) -> None:
    machine.environment["PYTHONPATH"] += f"{os.pathsep}{ALT}"
    machine.environment["PYTHON_KEYRING_BACKEND"] = backend
    assert_works(machine(UNLOCKED), machine)


@pytest.mark.parametrize("script", [UNLOCKED, None])
def test_a_hostile_configuration_file(machine: Machine, script: str | None) -> None:
    config = machine.home / "config" / "python_keyring"
    config.mkdir(parents=True)
    (config / "keyringrc.cfg").write_text(f"[backend]\ndefault-keyring=evil_keyring.Keyring\nkeyring-path={machine.home}\n")
    said = machine(script)
    if script is None:
        _assert_absent(said)
    else:
        assert_works(said, machine)
    assert not (machine.home / "imported").exists()


@pytest.mark.parametrize("script", [UNLOCKED, None])
@pytest.mark.parametrize("backend", ["evil_keyring.Keyring", "keyring.backends.null.Keyring", "keyring.backends.fail.Keyring"])
def test_a_hostile_backend_in_the_environment(machine: Machine, backend: str, script: str | None) -> None:
    machine.environment["PYTHON_KEYRING_BACKEND"] = backend
    said = machine(script)
    if script is None:
        _assert_absent(said)
    else:
        assert_works(said, machine)
    assert not (machine.home / "imported").exists()


def test_hostile_properties_in_the_environment(machine: Machine) -> None:
    machine.environment |= {
        "KEYRING_PROPERTY_PREFERRED_COLLECTION": "/org/freedesktop/secrets/collection/evil",
        "KEYRING_PROPERTY_APPID": "evil",
        "KEYRING_PROPERTY_SCHEME": "KeePassXC",
        "KEYRING_PROPERTY_KEYCHAIN": "/tmp/evil.keychain",
        "KEYCHAIN_PATH": "/tmp/evil.keychain",
    }
    assert_works(machine(UNLOCKED), machine)
    machine.environment = {name: value for name, value in machine.environment.items() if not name.startswith("KEY")}
    said = machine(UNLOCKED)
    assert said["add"][0] == "SecretError"  # what was stored under hostile properties is where it would be without them
    assert said["header"] == "authorization"
