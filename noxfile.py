"""Sessions that need more than one environment, or more time than CI has. `make` and `.ci/run` do not need nox.

nox -l lists them; nox -s tests-3.13 runs one.
"""

from __future__ import annotations

import os
import pathlib

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lowest", "tenacity", "lint", "types"]
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

PYTHONS = ["3.11", "3.12", "3.13"]
SHARED = os.environ.get("SAFEROUTE_SHARED", str(pathlib.Path(__file__).resolve().parent.parent / "shared"))


def _install(session: nox.Session, locked: str) -> None:
    """Install a lock file (it holds the build tools too) and the project on top, without asking an index for anything unhashed."""
    session.install("--require-hashes", "-r", f"requirements/{locked}.txt")
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite."""
    _install(session, "test")
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The whole suite on the oldest versions that pyproject.toml allows: this proves the lower bounds."""
    _install(session, "lowest")
    # Deprecations that a newer release of a dependency has mended are not ours to fail on.
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadfile", "-W", "default::DeprecationWarning", *session.posargs)


@nox.session(python="3.11")
@nox.parametrize("version", ["8.2.3", "newest"])
def tenacity(session: nox.Session, version: str) -> None:
    """The retry tests on the oldest tenacity that we allow and on the newest there is."""
    _install(session, "test")
    if version == "newest":
        session.install("--upgrade", "tenacity")
    else:
        session.install(f"tenacity=={version}")
    session.run("python", "-c", "from importlib.metadata import version; print('tenacity', version('tenacity'))")
    session.run("python", "-m", "pytest", "-q", "-k", "retry or retries or tenacity or flow", *session.posargs)


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Ruff, deptry, interrogate, slotscheck, import contracts, style bar."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("deptry", ".")
    session.run("interrogate", "--quiet", "saferoute")
    session.run("python", "-m", "slotscheck", "saferoute")
    session.run("lint-imports", "--no-logo", "--no-cache")
    session.run("python", "tests/architecture/style_bar.py")


@nox.session(python=PYTHONS)
def types(session: nox.Session) -> None:
    """Run mypy --strict as each Python sees it, and the public typing test under pyright."""
    _install(session, "lint")
    session.run("mypy", "--python-version", str(session.python))
    session.run("mypy", "--python-version", str(session.python), "tests/typing")
    session.run("pyright", "--pythonpath", f"{session.bin}/python")


@nox.session(python="3.11")
def live(session: nox.Session) -> None:
    """Servers that others wrote: a real model (llama-server), llmock, aimock, Redis, OpenBao, moto. Starts and stops them.

    The trials of real keyrings run as well where SAFEROUTE_KEYRING_TRIALS is set (they need D-Bus and a keyring daemon).
    """
    script = pathlib.Path(SHARED) / "servers" / "svc.sh"
    if not script.exists():
        session.skip(f"no {script}: set SAFEROUTE_SHARED to the folder that holds servers/svc.sh")
    _install(session, "test")
    home = os.environ.get("SVC_HOME", session.create_tmp())
    ports = {"llama": "18362", "llmock": "18301", "aimock": "18302", "redis": "18340", "openbao": "18330", "moto": "18350"}
    environment = {"SVC_HOME": home} | {f"SAFEROUTE_{name.upper()}_PORT": port for name, port in ports.items()}
    embedding = {"SVC_HOME": home, "LLAMA_ARGS": "--embedding --pooling mean"}
    tests = ("python", "-m", "pytest", "-v", "-p", "no:randomly", "--timeout=600", "-o", "norecursedirs=.*")
    try:
        for name in ports:
            session.run("bash", str(script), name, "start", external=True, env=environment)
        session.run(*tests, "tests/live", *session.posargs, env=environment)
        session.run(*tests, "tests/drivers", "tests/attacks", "-k", "accounts or budget", env=environment)
        session.run("bash", str(script), "llama", "stop", external=True, env=environment)
        session.run("bash", str(script), "llama", "start", external=True, env=embedding)
        session.run(*tests, "tests/live/test_llama_operations.py", env={**environment, "SAFEROUTE_LLAMA_EMBEDS": "1"})
    finally:
        for name in ports:
            session.run("bash", str(script), name, "stop", external=True, env=environment)


@nox.session(python="3.11")
def chaos(session: nox.Session) -> None:
    """10,000 calls at concurrency 128 against servers that fail in every way: bad_upstream.py, llmock and aimock with their faults on.

    nox -s chaos                       some five minutes; CHAOS_CALLS=500 for a look, CHAOS_SEED for another day
    """
    script = pathlib.Path(SHARED) / "servers" / "svc.sh"
    if not script.exists():
        session.skip(f"no {script}: set SAFEROUTE_SHARED to the folder that holds servers/svc.sh")
    _install(session, "test")
    home = os.environ.get("SVC_HOME", session.create_tmp())
    ports = {"llmock": "18301", "aimock": "18302"}
    environment = {"SVC_HOME": home, "CHAOS_CALLS": os.environ.get("CHAOS_CALLS", "10000"), "SAFEROUTE_SHARED": str(SHARED)}
    environment |= {f"SAFEROUTE_{name.upper()}_PORT": port for name, port in ports.items()}
    environment |= {"LLMOCK_LATENCY_MS": "20", "LLMOCK_ERROR_RATE_429": "0.06", "LLMOCK_ERROR_RATE_500": "0.06"}
    environment |= {"LLMOCK_ERROR_RATE_503": "0.04", "LLMOCK_STREAM_FAULT_DISCONNECT": "0.08", "LLMOCK_STREAM_FAULT_TRUNCATE": "0.05"}
    environment |= {"LLMOCK_STREAM_FAULT_STALL": "0.05", "LLMOCK_STREAM_FAULT_MALFORMED": "0.05"}
    tests = ("python", "-m", "pytest", "-s", "-p", "no:randomly", "-o", "norecursedirs=.*", "--timeout=1200")
    try:
        for name in ports:
            session.run("bash", str(script), name, "start", external=True, env=environment)
        memory = "tests/requirements/test_r14_memory_and_connections.py"
        kept = str(pathlib.Path(session.create_tmp()) / "chaos")
        session.run(*tests, "--basetemp", kept, "tests/chaos", memory, *session.posargs, env=environment)
    finally:
        for name in ports:
            session.run("bash", str(script), name, "stop", external=True, env=environment)


@nox.session(python="3.11")
def fuzz(session: nox.Session) -> None:
    """At least 10^7 cases of our HTTP/1.1 response reader against h11: it raises, or it agrees."""
    _install(session, "test")
    session.run("python", "tests/fuzz/http1_fuzz.py", *(session.posargs or ["--cases", "10000000"]))


@nox.session(python="3.11")
def mutation(session: nox.Session) -> None:
    """Mutants of the folders of only_mutate in pyproject.toml: the floors are in tests/architecture/mutation_floor.py.

    nox -s mutation                               every mutant: many hours; what has a result is not run again
    nox -s mutation -- --sample 200 --seed 1      a random sample of 200 mutants of each folder
    """
    _install(session, "mutation")
    floor = ("python", "tests/architecture/mutation_floor.py", *session.posargs)
    names: list[str] = []
    if "--sample" in session.posargs:
        # A pattern without a match: mutmut makes the mutants, finds out which tests reach them, and stops.
        session.run("mutmut", "run", "none", success_codes=[1])
        names = str(session.run(*floor, "--names", silent=True)).split()
    session.run("mutmut", "run", *names)
    session.run(*floor)


@nox.session(python="3.11")
def guards(session: nox.Session) -> None:
    """Disable every guarded line of tests/attacks/register.toml in a copy of the tree, one after the other: its test must fail.

    nox -s guards -- --sample 20 --seed 1         some of them; --only ID for one
    """
    _install(session, "test")
    session.run("python", "tests/architecture/disable_guards.py", *session.posargs)


@nox.session(python="3.11")
def guards_others(session: nox.Session) -> None:
    """The adapters of guards that others wrote, over the packages themselves, and the suite that all adapters pass.

    LlamaFirewall comes without what it depends on: torch takes gigabytes, and the scanners asked here do not need it. llm-guard cannot be
    imported without torch, nor installed beside these versions of presidio: its tests skip here.
    """
    _install(session, "test")
    session.install("--no-deps", "llamafirewall>=1.0.3")
    session.install("--no-build-isolation", "-e", ".[presidio,openai-guardrails,nemoguardrails]")
    # NeMo changes asyncio for the whole process: loops of `asyncio.run` stay open.
    open_loops = ("-W", "default::ResourceWarning", "-W", "default::pytest.PytestUnraisableExceptionWarning")
    session.run("python", "-m", "pytest", "-v", *open_loops, "tests/integrations/guards", *session.posargs)


@nox.session(python="3.11")
def mutated(session: nox.Session) -> None:
    """A million mutations of valid tokens and signed tables: none is accepted, and none raises anything but our own errors."""
    _install(session, "test")
    session.run("python", "tests/fuzz/token_fuzz.py", *(session.posargs or ["--cases", "900000"]))
    session.run("python", "tests/fuzz/table_fuzz.py", *(session.posargs or ["--cases", "100000"]))


@nox.session(python="3.11")
def ledger(session: nox.Session) -> None:
    """Two hundred processes that write records are killed at random points: every ledger verifies, and no reported checkpoint is lost.

    Then what records cost. LEDGER_KILLS=20 for a look, LEDGER_SEED for other moments.
    """
    _install(session, "test")
    chosen = {"LEDGER_KILLS": os.environ.get("LEDGER_KILLS", "200"), "LEDGER_SEED": os.environ.get("LEDGER_SEED", "1")}
    plain = ("-s", "-p", "no:randomly", "-o", "norecursedirs=.*", "--timeout=3600")
    session.run("python", "-m", "pytest", *plain, "tests/ledger_soak", *session.posargs, env=chosen)
    session.run("python", "benchmarks/ledger.py", success_codes=[0, 1])
    session.run("python", "benchmarks/ledger_directory.py", env={"PYTHONPATH": "."}, success_codes=[0, 1])


@nox.session(python="3.11")
def prices(session: nox.Session) -> None:
    """Recorded usage priced and compared with independent price libraries."""
    session.install(".", "genai-prices==0.2.3", "tokencost==0.1.26")
    session.run("python", "benchmarks/price_comparison.py", *session.posargs)


@nox.session(python="3.11")
def canary(session: nox.Session) -> None:
    """The whole suite with everything that it logs, prints and raises searched for its own secrets, and sockets and processes watched."""
    _install(session, "test")
    plugins = ("-p", "tests.support.canary_plugin", "-p", "tests.support.watch_plugin")
    session.run("python", "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "--log-level=DEBUG", *plugins, *session.posargs)


@nox.session(python="3.11")
def bench(session: nox.Session) -> None:
    """Function-call and import gates, and what trust and the choice of rows cost in time (on an idle machine)."""
    _install(session, "test")
    session.run("python", "benchmarks/gates.py", *session.posargs)
    session.run("python", "benchmarks/trust_costs.py")
    session.run("python", "benchmarks/planner_costs.py")
