"""A key is shown nowhere: not by repr, str, format, copy, pickle, JSON, errors, or the locals of a traceback."""

from __future__ import annotations

import copy
import dataclasses
import gc
import json
import pickle
import pprint
from typing import TYPE_CHECKING, Any

import pytest

from saferoute import keys
from saferoute.drivers.prompt import PromptSource, ask_passphrase
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, SaferouteError, SecretError
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.secret import Passphrase, Secret, make_secret
from saferoute.secrets.sources import Secrets
from saferoute.secrets.vault import VaultKey
from tests.support.secret_stores import CATALOGUE, ORIGIN, OTHER, assert_not_shown, canary, forms, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BAD_KEYS = ["\r\n", "\n", "\x00", "\x1b[31m", "\x7f", " ", "\t", "\u2028", "é", "\ud800", "\u200b"]


def credentials() -> Credentials:
    made = Credentials(Sources([MemorySource([record()])]))
    made.header("openai", "bearer", ORIGIN)
    return made


HIDING: dict[str, Callable[[], object]] = {
    "secret": lambda: Secret(canary()),
    "passphrase": lambda: Passphrase(canary()),
    "vault key": lambda: VaultKey(canary().encode(), b""),
    "record": record,
    "source": lambda: MemorySource([record()]),
    "sources": lambda: Sources([MemorySource([record()])]),
    "credentials": credentials,
    "held": lambda: Secrets.of({"openai": (canary(), ORIGIN)}),
    "vault place": lambda: Secrets.vault("x", passphrase=canary()),
    "opened": lambda: open_sources(Secrets.of({"openai": (canary(), ORIGIN)}), CATALOGUE),
}


def _attempt(show: Callable[[Any], object], value: object) -> str:
    try:
        return repr(show(value))
    except (TypeError, ValueError, AttributeError) as error:
        return f"{error!r} {error}"


SHOWS: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "fstring": lambda value: f"{value}",
    "format": lambda value: f"{value:>20}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031  one of the ways
    "pprint": pprint.pformat,
    "json": json.dumps,
    "json str": lambda value: json.dumps(value, default=str),
    "vars": vars,
    "dir": dir,
    "asdict": dataclasses.asdict,
    "astuple": dataclasses.astuple,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "iter": list,
    "bytes": bytes,
    "reduce": lambda value: value.__reduce_ex__(4),
    "list of": lambda value: [value],
}


@pytest.mark.parametrize("how", SHOWS)
@pytest.mark.parametrize("what", HIDING)
def test_no_way_of_showing_shows_it(what: str, how: str) -> None:
    shown = _attempt(SHOWS[how], HIDING[what]())
    assert not [form for form in forms(canary()) if form in shown]


@pytest.mark.parametrize("what", HIDING)
def test_none_of_them_pickles(what: str) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as caught:
            pickle.dumps(HIDING[what](), protocol)
        assert canary() not in str(caught.value)


def test_a_secret_refuses_by_name() -> None:
    for refused in (copy.copy, copy.deepcopy, pickle.dumps, format):
        with pytest.raises(TypeError, match="a Secret cannot be"):
            refused(Secret(canary()))
    with pytest.raises(TypeError):
        vars(Secret("x"))
    assert not hasattr(Secret("x"), "__dict__")


def test_descriptions_without_a_key_do_pickle() -> None:
    """A client's recipe crosses processes: it says where keys are."""
    env, asked = Secrets.from_env({"a": ("A", ORIGIN)}), Secrets.prompt({"a": ORIGIN})
    for spec in (Secrets.keyring(), Secrets.vault("x", key_file="y"), env, asked):
        assert pickle.loads(pickle.dumps(spec)) == spec


def test_no_cycle_keeps_a_secret_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        made = credentials()
        made.forget("openai")
        del made
        left = [thing for thing in gc.get_objects() if isinstance(thing, Credentials | Sources | MemorySource)]
    finally:
        gc.enable()
    assert left == []


@pytest.mark.parametrize("bad", BAD_KEYS)
@pytest.mark.parametrize("place", ["front", "middle", "end"])
def test_control_characters_are_refused_and_the_key_is_not_shown(bad: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def key() -> str:
        return {"front": bad + canary(), "middle": canary() + bad + canary(), "end": canary() + bad}[place]

    uses: list[Callable[[], object]] = [
        lambda: Secret(key()),
        lambda: Secret(key().encode("utf-8", "surrogatepass")),
        lambda: Secrets.of({"openai": (key(), ORIGIN)}),
        lambda: keys.add("openai", key(), origins=ORIGIN, store=Secrets.vault("nowhere", passphrase="long enough")),
    ]
    if bad not in {"\x00", "\ud800"}:  # the environment cannot hold these
        monkeypatch.setenv("OPENAI_API_KEY", key())
        uses += [
            lambda: open_sources("env", CATALOGUE).find("openai"),
            lambda: open_sources(Secrets.from_env({"openai": ("OPENAI_API_KEY", ORIGIN)}), {}),
        ]
    uses.append(lambda: PromptSource({"openai": (ORIGIN,)}, ask=lambda _: key()).find("openai"))
    for use in uses:
        with pytest.raises(SecretError, match="printable ASCII only") as caught:
            use()
        assert_not_shown(caught.value, canary())
    assert isinstance(make_secret(key()), str)
    assert canary() not in str(make_secret(key()))


def test_errors_around_a_good_key_do_not_show_it(tmp_path: Path) -> None:
    vault = Secrets.vault(tmp_path / "missing" / "x" / "y.json", passphrase="long enough")
    (tmp_path / "missing").write_text("a file where a directory should be")
    uses: list[Callable[[], object]] = [
        lambda: keys.add("openai", canary(), origins="not an origin", store=vault),
        lambda: keys.add("no name", canary(), origins=ORIGIN, store=vault),
        lambda: keys.add(canary().upper(), None, store=vault),
        lambda: keys.add("openai", canary(), origins=ORIGIN, store=vault),
        lambda: keys.add("openai", canary(), origins=ORIGIN, store="elsewhere"),  # type: ignore[arg-type]
        lambda: keys.rotate("openai", canary(), store=vault),
        lambda: Secrets.of({"openai": (canary(), "*")}),
        lambda: Secrets.of({"no name": (canary(), ORIGIN)}),
        lambda: Secrets.of({"openai": canary()}),  # type: ignore[dict-item]
        lambda: credentials().header("openai", "bearer", OTHER),
        lambda: credentials().header("openai", "none", ORIGIN),
    ]
    for use in uses:
        with pytest.raises(SaferouteError) as caught:
            use()
        assert_not_shown(caught.value, canary())


def test_a_key_in_the_place_of_its_source_is_not_repeated() -> None:
    for spec in (canary(), [canary()], ["env", canary()]):
        with pytest.raises(ConfigurationError, match=r"saferoute\.keys\.add") as caught:
            open_sources(spec, CATALOGUE)  # type: ignore[arg-type]
        assert canary() not in str(caught.value)


def test_a_passphrase_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    typed = iter([canary(), canary() + "x"])
    monkeypatch.setattr("saferoute.drivers.prompt.ask_hidden", lambda _: next(typed))
    with pytest.raises(SecretError) as caught:
        ask_passphrase("the vault", twice=True)
    assert_not_shown(caught.value, canary())
    place = Secrets.vault(tmp_path / "v.json", passphrase=lambda: canary() * 400)
    with pytest.raises(ConfigurationError) as refused:
        keys.add("openai", "k-1", origins=ORIGIN, store=place)
    assert_not_shown(refused.value, canary())
    with pytest.raises(SecretError) as too_long:
        Secrets.vault("x", passphrase=canary() * 400)
    error: BaseException = too_long.value
    assert canary() not in str(error)


REFERENCES = ["env:OPENAI_API_KEY", "os.environ/OPENAI_API_KEY", "file:/etc/passwd", "op://vault/key"]


@pytest.mark.parametrize("name", [*REFERENCES, "../../etc/passwd", "/etc/passwd", "${OPENAI_API_KEY}", "$(id)"])
def test_a_reference_is_never_resolved(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", canary())
    vault = Secrets.vault(tmp_path / "v.json", passphrase="long enough")
    sources = open_sources(["env", vault, Secrets.of({"a": ("k", ORIGIN)})], CATALOGUE)
    uses: list[Callable[[], object]] = [
        lambda: sources.find(name),
        lambda: Credentials(sources).header(name, "bearer", ORIGIN),
        lambda: keys.add(name, "k-1", origins=ORIGIN, store=vault),
        lambda: Secrets.from_env({name: ("OPENAI_API_KEY", ORIGIN)}),
    ]
    for use in uses:
        with pytest.raises(ConfigurationError, match="not a name for a secret"):
            use()


@pytest.mark.parametrize("value", REFERENCES)
def test_a_key_that_looks_like_a_reference_is_sent_as_it_is(value: str) -> None:
    sources = open_sources(Secrets.of({"openai": (value, ORIGIN)}), CATALOGUE)
    assert Credentials(sources).header("openai", "x-api-key", ORIGIN) == (b"x-api-key", value.encode())


def test_a_name_that_only_looks_like_a_reference_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("x", canary())
    assert open_sources("env", CATALOGUE).find("os.environ/x") is None
