"""One virtual environment per peer, in a folder of the caller's, from pinned wheels."""

import hashlib
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

START_UP = ("sitecustomize.py", "usercustomize.py")


@dataclass(frozen=True)
class Line:
    """A line of peers.txt."""

    name: str
    requirement: str
    sha256: str | None
    override: str | None


def read_peers(text):
    rows = [line.split("|") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Line(*(None if cell.strip() == "-" else cell.strip() for cell in row)) for row in rows]


def python_of(folder):
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def make(line, folder):
    """Install a peer, unless it is there; give its Python. Raises CalledProcessError or ValueError, with the reason."""
    home, done = folder / line.name, folder / f"{line.name}.done"
    if done.exists() and done.read_text() == repr(line):
        return python_of(home)
    wheels = folder / f"{line.name}.wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    if line.override is None:
        _pip("download", "--only-binary=:all:", "--dest", wheels, line.requirement)
    else:
        _pip("download", "--only-binary=:all:", "--dest", wheels, "--no-deps", line.requirement)
        _pip("download", "--only-binary=:all:", "--dest", wheels, *_overridden(_wheel_of(line, wheels), line.override))
    _check(line, wheels)
    venv.create(home, clear=True, with_pip=False)
    _pip("--python", python_of(home), "install", "--no-deps", "--no-index", *sorted(wheels.glob("*.whl")))
    done.write_text(repr(line))
    return python_of(home)


def _pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check", "--no-input", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _wheel_of(line, wheels):
    name = line.requirement.split("==")[0].split("[")[0].replace("-", "_")
    return next(path for path in wheels.glob("*.whl") if path.name.lower().startswith(name + "-"))


def _overridden(wheel, override):
    """The wheel's own requirements, with one of them replaced."""
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(entry).decode().splitlines()
    wanted = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    name = override.split(">")[0].split("=")[0]
    return [override if one.startswith(name) else one for one in wanted]


def _check(line, wheels):
    """Refuse another wheel than the one that was looked at, and any file that Python would run at its start."""
    if line.sha256 is not None:
        found = hashlib.sha256(_wheel_of(line, wheels).read_bytes()).hexdigest()
        if found != line.sha256:
            raise ValueError(f"{line.requirement}: the wheel's SHA-256 is {found}; peers.txt says {line.sha256}")
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".pth") or Path(name).name in START_UP:
                    raise ValueError(f"{wheel.name} holds {name}, which runs at every start of Python: not installed")


def version_of(python, distribution):
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    return subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout.strip()
