"""Build the wheel twice, look inside, install it into a bare environment, and run it there.

    python tests/architecture/check_wheel.py

Checked: the two builds are the same bytes; nothing lies outside saferoute/ and the dist-info folder; no .pth, no sitecustomize, no
compiled or executable file; the dependencies are exactly the six, without upper bounds; on the bare install (no extra) the package
imports, `python -m saferoute --help` works, and so does every command that a message or docstring of the package names.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIX = {"httpx", "pydantic", "tenacity", "cryptography", "opentelemetry-api", "keyring"}
EPOCH = "1767225600"  # any fixed time: what is built must not depend on when
LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".svc", "*_cache", "__pycache__", "mutants", "dist", "build", ".hypothesis", "htmlcov"
)
SUFFIXES = {".py", ".typed", ".json", ".toml", ".txt", ".md", ".pem", ""}
PRICES_LICENCE = "saferoute/routing/catalogue_prices.LICENSE"  # of where the catalogue's prices come from
MODEL = "saferoute/guards/injection_model.bin"  # weights, one byte each; the module beside it holds their digest


def _build(source: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the wheel does not build:\n{done.stdout}\n{done.stderr}")
    (wheel,) = out.glob("*.whl")
    return wheel


def _look_inside(wheel: pathlib.Path) -> list[str]:
    wrong: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata_name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(metadata_name).decode()
        record_name = metadata_name.replace("METADATA", "RECORD")
        recorded = {line.split(",", 1)[0] for line in archive.read(record_name).decode().splitlines()}
    info = metadata_name.split("/", 1)[0]
    for name in names:
        path = pathlib.PurePosixPath(name)
        if path.parts[0] not in {"saferoute", info} or ".." in path.parts:
            wrong.append(f"outside the package: {name}")
        if path.suffix == ".pth" or path.stem in {"sitecustomize", "usercustomize"}:
            wrong.append(f"runs at every start of the interpreter: {name}")
        if path.parts[0] == "saferoute" and path.suffix not in SUFFIXES and name not in {MODEL, PRICES_LICENCE}:
            wrong.append(f"a kind of file that the package has no use for: {name}")
    wrong += [f"not in RECORD: {name}" for name in set(names) - recorded]
    needed = ["saferoute/__init__.py", "saferoute/py.typed", f"{info}/entry_points.txt", f"{info}/licenses/LICENSE", MODEL, PRICES_LICENCE]
    wrong += [f"missing: {name}" for name in needed if name not in names]
    requires = [line.removeprefix("Requires-Dist: ") for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    plain = [line for line in requires if "extra ==" not in line]
    found = {re.split(r"[\s<>=!~;\[]", line, maxsplit=1)[0] for line in plain}
    if found != SIX or len(plain) != len(SIX):
        wrong.append(f"runtime dependencies are {sorted(plain)}")
    wrong += [f"not just a lower bound: {line}" for line in plain if not re.fullmatch(r"[a-z-]+>=[\d.]+", line)]
    if "Name: saferoute-sdk" not in metadata.splitlines():
        wrong.append("the distribution must be called saferoute-sdk")
    return wrong


def named_commands() -> list[list[str]]:
    """Every command that a text of the package tells a reader to run, without its arguments: [["keys", "add"], ...]."""
    pattern = re.compile(r"(?:python3? -m saferoute|`saferoute)((?: [a-z][a-z-]+)+)")
    groups = {"keys", "table", "root", "cap", "route", "guard", "audit", "import"}  # commands that have commands of their own
    found: set[tuple[str, ...]] = set()
    for path in sorted((ROOT / "saferoute").rglob("*.py")):
        for match in pattern.finditer(path.read_text(encoding="utf-8")):
            words = match.group(1).split()
            found.add(tuple(words[:2]) if words[0] in groups else tuple(words[:1]))
    return [list(command) for command in sorted(found)]


def _run_bare(wheel: pathlib.Path, folder: pathlib.Path) -> list[str]:
    venv.create(folder, with_pip=True)
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "--quiet", "install", "--no-input"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "runtime.txt")], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    wrong: list[str] = []
    checks = [
        [python, "-m", "pip", "check"],
        [python, "-I", "-c", "import saferoute; assert saferoute.__file__.count('site-packages')"],
        [python, "-I", "-W", "error", "-c", "import saferoute; [getattr(saferoute, name) for name in saferoute.__all__]"],
        [python, "-I", "-W", "error", "-c", "from saferoute.guards import InjectionModelGuard; InjectionModelGuard()"],
        [python, "-I", "-m", "saferoute", "--help"],
        [str(pathlib.Path(python).parent / "saferoute"), "--help"],
        *([python, "-I", "-m", "saferoute", *command, "--help"] for command in named_commands()),
    ]
    for command in checks:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            wrong.append(f"{' '.join(command[1:])} ends with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
    left = {path.name for path in folder.rglob("*.pth")} - {"distutils-precedence.pth"}
    if left:
        wrong.append(f"start-up files in the bare environment: {sorted(left)}")
    return wrong


def main() -> int:
    """Print what was checked; 1 when something is wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        copy = folder / "elsewhere" / "tree"
        shutil.copytree(ROOT, copy, ignore=LEFT_BEHIND)
        first, second = _build(ROOT, folder / "one"), _build(copy, folder / "two")
        digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (first, second)]
        wrong = [] if digests[0] == digests[1] else [f"two builds differ: {digests}"]
        wrong += _look_inside(first)
        wrong += _run_bare(first, folder / "bare")
        print(f"{first.name}: {first.stat().st_size // 1024} KiB, sha256 {digests[0]}")
        print(f"commands named by messages: {', '.join(' '.join(command) for command in named_commands()) or 'none'}")
    for line in wrong:
        print(f"WRONG: {line}")
    print("wheel: " + ("not fit for release" if wrong else "reproducible, nothing outside the package, runs bare"))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
