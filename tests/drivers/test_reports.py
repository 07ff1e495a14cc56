"""What a client says about its security, and whether it is ready: through both clients, and on the command line."""

from __future__ import annotations

import json
import os
import stat
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.cli.program import main
from saferoute.client import report as client_report
from saferoute.client import shared as client_shared
from saferoute.drivers import host_survey
from saferoute.drivers.host_survey import loose_modes, survey
from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.errors import CapabilityForbidden
from saferoute.routing.publish import pin
from saferoute.testing import EmbeddedProvider
from saferoute.values.report import Finding, Report
from tests.drivers.test_capabilities_client import Deployment
from tests.support.both import KINDS, Face

KEY = "sk-report-0123456789abcdef"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's environment shows in these reports."""
    for name in (*host_survey.IGNORED, *host_survey.OWNING, "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(host_survey, "_startup_files", list)
    monkeypatch.setattr(host_survey, "_is_installed", lambda _: False)


def levels(report: Report, area: str) -> list[tuple[str, str]]:
    return [(one.level, one.text) for one in report.findings if one.area == area]


@pytest.fixture(params=KINDS)
def local(request: pytest.FixtureRequest) -> Any:
    with EmbeddedProvider() as provider:
        server = saferoute.loopback("demo", port=provider.port, secret="demo")
        held = saferoute.Secrets.of({"demo": (KEY, provider.origin)})
        with Face(request.param, lambda client: client.local(servers=[server], secrets=held)) as face:
            face.provider = provider  # type: ignore[attr-defined]
            yield face


def test_a_local_client_says_that_it_is_local(local: Any) -> None:
    report = local.client.security_report()
    assert report.ok
    assert levels(report, "trust") == [
        ("warning", "the table was made in memory and is trusted by this process only; for production sign one: saferoute init")
    ]
    assert report.facts["trust"] == "local"
    assert report.facts["origins"] == [local.provider.origin]
    assert levels(report, "routes") == [("note", f"demo: any model at {local.provider.origin} may be asked for")]
    assert levels(report, "environment") == levels(report, "host") == levels(report, "files") == []


def test_a_report_shows_no_key_in_any_form(local: Any) -> None:
    local.chat("demo/m", "hi")
    report = local.client.security_report()
    ready = local.wait(local.client.check())
    for shown in (str(report), json.dumps(report.to_json()), report._repr_html_(), repr(report), str(ready), repr(ready)):
        assert KEY not in shown


def test_ready_says_what_is_there(local: Any) -> None:
    ready = local.wait(local.client.check(["demo/anything"], connect=True))
    assert ready.ok
    assert [(one.level, one.area, one.text) for one in ready.findings] == [
        ("ok", "keys", f"demo: the key demo is there, for {local.provider.origin}"),
        ("ok", "routes", f"demo: {local.provider.origin} answers"),
    ]
    assert local.provider.requests == ()


def test_an_unknown_route_and_a_host_that_is_gone_are_problems(local: Any) -> None:
    assert [one.level for one in local.wait(local.client.check(["nope"])).findings] == ["problem"]
    local.provider.__exit__(None, None, None)
    ready = local.wait(local.client.check(connect=True))
    assert not ready.ok
    assert ready.findings[0].level == "problem"
    assert ready.findings[0].text.startswith("demo: ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_key_is_a_problem_that_says_what_to_do(kind: str) -> None:
    server = saferoute.loopback("demo", port=9, secret="demo")
    with Face(kind, lambda client: client.local(servers=[server], secrets=saferoute.Secrets.of({}))) as face:
        ready = face.wait(face.client.check())
    assert not ready.ok
    assert [one.area for one in ready.findings] == ["keys"]
    assert "demo" in ready.findings[0].text


@pytest.fixture
def deployed(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, "http://127.0.0.1:9")


@pytest.mark.parametrize("kind", KINDS)
def test_a_production_client_says_how_old_tables_are_kept_out(kind: str, deployed: Deployment) -> None:
    with deployed.client(kind) as face:
        report = face.client.security_report()
    assert levels(report, "trust")[-1] == (
        "ok",
        "the table is signed under a pinned root, and older tables are refused: the newest one that was accepted is remembered",
    )
    assert ("ok", "callers without a capability may do nothing") in levels(report, "permissions")
    assert ("note", "billing-issuer may mint capabilities that live up to 86400 seconds") in levels(report, "permissions")
    assert report.facts["issuers"] == ["billing-issuer"]


def test_a_budget_that_begins_anew_is_told(deployed: Deployment) -> None:
    deployed.sign('[grant]\nroutes = ["fast"]\nbudget = { amount = "$5/day", scope = "process" }\n')
    with deployed.client("blocking") as face:
        report = face.client.security_report()
    assert levels(report, "budgets") == [
        ("note", "the table's grant: its budget in USD is counted in this process, and begins anew when it restarts")
    ]


class _Noted(MemoryAccounts):
    notes = ("Redis at accounts.internal:6379 may forget budgets when it restarts: appendonly is off", "and another")


@pytest.mark.parametrize(("store", "notes"), [(_Noted, _Noted.notes), (MemoryAccounts, ())])
def test_what_the_place_of_the_accounts_may_lose_is_told(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch, store: type[MemoryAccounts], notes: tuple[str, ...]
) -> None:
    monkeypatch.setattr(client_shared, "open_accounts", lambda _: store(clock=time.time))
    with deployed.client("blocking") as face:
        assert levels(face.client.security_report(), "budgets") == [("warning", note) for note in notes]


def test_a_server_that_was_not_used_yet_is_not_asked(deployed: Deployment) -> None:
    pytest.importorskip("redis")
    nobody = saferoute.Accounts.redis("redis://127.0.0.1:1")
    with deployed.client("blocking", accounts=nobody) as face:
        assert levels(face.client.security_report(), "budgets") == []


def test_files_that_others_may_write_are_told(deployed: Deployment) -> None:
    table = deployed.folder / "routes.json"
    table.chmod(0o666)
    with deployed.client("blocking") as face:
        assert levels(face.client.security_report(), "files") == [
            ("warning", f"{table} can be written by others than its owner (chmod go-w)")
        ]
        table.unlink()
        ((level, text),) = levels(face.client.security_report(), "files")
    assert level == "warning"
    assert text.startswith(f"{table} cannot be looked at: ")


def test_an_expired_table_is_a_problem(deployed: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    with deployed.client("blocking") as face:
        later = time.time() + 8 * 86_400
        monkeypatch.setattr(client_report, "time", type("Clock", (), {"time": staticmethod(lambda: later)}))
        report, ready = face.client.security_report(), face.client.check([])
    assert not report.ok
    assert not ready.ok
    assert report.findings[0].level == "problem"
    assert "expired on" in report.findings[0].text


def test_a_part_of_a_client_is_refused(local: Any) -> None:
    part = local.client.using(purpose="x")
    for ask in (part.security_report, lambda: local.wait(part.check())):
        with pytest.raises(CapabilityForbidden) as caught:
            ask()
        assert caught.value.code == "scoped"


@pytest.mark.parametrize(
    ("variable", "level", "words"),
    [
        ("HTTPS_PROXY", "note", "saferoute does not read them"),
        ("SSLKEYLOGFILE", "note", "saferoute does not read them"),
        ("KEYRING_PROPERTY_APPID", "note", "saferoute does not read them"),
        ("LD_PRELOAD_X", "", ""),
        ("PYTHONSTARTUP", "warning", "no library defends that"),
        ("OPENAI_API_KEY", "warning", "any package in this process can read a key there"),
    ],
)
def test_dangerous_variables_are_named_without_their_values(
    local: Any, monkeypatch: pytest.MonkeyPatch, variable: str, level: str, words: str
) -> None:
    monkeypatch.setenv(variable, "the-value")
    report = local.client.security_report()
    found = [(one, text) for one, text in levels(report, "environment") if text.startswith(f"{variable}: ")]
    assert [one for one, _ in found] == ([level] if level else [])
    assert all(words in text for _, text in found)
    assert "the-value" not in str(report)


def test_what_python_runs_by_itself_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "implant.pth").write_text("/some/folder\nimport os; os.getpid()\n")
    (tmp_path / "plain.pth").write_text("/some/folder\n# import nothing\n")
    (tmp_path / "sitecustomize.py").write_text("")
    monkeypatch.setattr("site.getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr("site.getusersitepackages", lambda: str(tmp_path / "none"))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = survey(())
    assert found.startup_files == (str(tmp_path / "implant.pth"),)
    assert "sitecustomize" in found.startup_modules


def test_an_unreadable_pth_file_and_an_odd_module_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "folder.pth").mkdir()
    monkeypatch.setattr("site.getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "usercustomize").mkdir()
    assert survey(()).startup_files == ()
    assert "usercustomize" not in survey(()).startup_modules
    (tmp_path / "usercustomize" / "__init__.py").write_text("")
    assert "usercustomize" in survey(()).startup_modules


@pytest.mark.parametrize(("mode", "words"), [(0o644, ""), (0o664, "others than its owner"), (0o646, "others than its owner")])
def test_modes_of_files(tmp_path: Path, mode: int, words: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    path.chmod(mode)
    assert words in loose_modes(str(path))
    assert bool(loose_modes(str(path))) == bool(words)


def test_a_folder_that_everybody_may_write(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    path = folder / "x"
    path.write_bytes(b"")
    folder.chmod(0o777)
    assert loose_modes(str(path)) == f"the folder of {path} can be written by everybody (chmod o-w)"
    folder.chmod(0o777 | stat.S_ISVTX)
    assert loose_modes(str(path)) == ""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to give a file away")
def test_a_file_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    os.chown(path, 12345, 12345)
    assert loose_modes(str(path)) == f"{path} belongs to another user"


def test_the_most_urgent_comes_first_and_all_shapes_say_the_same() -> None:
    report = Report(
        "t",
        {"a": ["x", "y"], "bb": 1, "c": []},
        (Finding("ok", "trust", "fine"), Finding("problem", "keys", "<none>"), Finding("note", "host", "n")),
    )
    assert [one.level for one in report.findings] == ["problem", "note", "ok"]
    assert not report.ok
    assert (
        str(report) == "t\n  a   x, y\n  bb  1\n  c   none\nPROBLEM keys         <none>\nNOTE    host         n\nOK      trust        fine"
    )
    assert report.to_json()["findings"][0] == {"level": "problem", "area": "keys", "text": "<none>"}
    assert "&lt;none&gt;" in report._repr_html_()
    assert "<none>" not in report._repr_html_()


def test_on_the_command_line(deployed: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    folder = deployed.folder
    where = [
        "--table",
        str(folder / "routes.json"),
        "--root",
        str(folder / "root.json"),
        "--sha256",
        pin(deployed.root),
        "--secrets",
        "env",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["check", *where]) == 0
        shown = capsys.readouterr().out
        assert main(["check", "--ready", "--json", "--route", "nope", *where]) == 1
    assert shown.startswith("saferoute: security report\n")
    assert "saferoute: ready?" in shown
    (ready,) = json.loads(capsys.readouterr().out)
    assert (ready["ok"], ready["title"]) == (False, "saferoute: ready?")


@pytest.mark.parametrize(
    ("grant", "area", "said"),
    [
        ('budget = "$5/day"', "permissions", "must be counted by all processes of this host"),
        ('audience = ["billing"]', "permissions", "the table's grant is for the audience billing, and this client's is team"),
        ('guards = ["pii", "house-rules"]', "permissions", "asks for the guards house-rules, which are not active in this client"),
    ],
)
def test_a_client_whose_every_call_is_refused_is_not_ready(deployed: Deployment, grant: str, area: str, said: str) -> None:
    deployed.sign(f'[grant]\nroutes = ["fast"]\n{grant}\n')
    with deployed.client("blocking") as face:
        ready = face.client.check()
    assert not ready.ok
    ((level, text),) = [found for found in levels(ready, area) if found[0] == "problem"]
    assert level == "problem"
    assert said in text


def test_a_client_that_needs_a_capability_for_each_call_is_told_so(deployed: Deployment) -> None:
    with deployed.client("blocking") as face:
        ready = face.client.check()
        assert levels(ready, "permissions") == [
            ("warning", "the table grants nothing, and this client holds no capability: each call has to bring one (capability=...)")
        ]
        assert ready.ok
    with deployed.client("blocking", capability=deployed.mint()) as face:
        assert levels(face.client.check(), "permissions") == []


def test_accounts_that_cannot_be_reached_are_a_problem(deployed: Deployment, tmp_path: Path) -> None:
    place = tmp_path / "accounts.db"
    deployed.sign('[grant]\nroutes = ["fast"]\nbudget = "$5/day"\n')
    with deployed.client("blocking", accounts=saferoute.Accounts.sqlite(place)) as face:
        assert face.client.check().ok
        place.unlink()
        ready = face.client.check()
    assert [level for level, _ in levels(ready, "budgets")] == ["problem"]


def test_calls_without_a_label_are_noted(deployed: Deployment) -> None:
    trust = saferoute.Trust.pinned(deployed.folder / "root.json", sha256=pin(deployed.root))
    with saferoute.Client(deployed.folder / "routes.json", trust=trust, secrets=saferoute.Secrets.of({})) as client:
        found = levels(client.check(), "permissions")
    assert ("note", 'this client gives calls no data label, and without one a call counts as "restricted": Client(data=...)') in found
