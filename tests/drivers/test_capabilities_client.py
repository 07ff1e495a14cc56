"""Calls under capabilities, through the public clients and both drivers: what they allow, charge, and refuse before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute import Accounts, Capability, Issuer
from saferoute.errors import (
    BudgetExceeded,
    CapabilityExpired,
    CapabilityForbidden,
    CapabilityInvalid,
    ConfigurationError,
    LocalTrustWarning,
    RoutingError,
    UntrustedTable,
)
from saferoute.routing import issuers as table_issuers
from saferoute.routing.authoring import build
from saferoute.routing.publish import pin, sign_release
from saferoute.routing.publish_root import new_root
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider, ErrorAnswer
from tests.attacks.test_grants import ROWS
from tests.support.both import KINDS, Face

Make = Callable[..., Face]


class Deployment:
    """A root that names one issuer, and tables signed under it."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder = folder
        self.issuer = Issuer.generate("billing-issuer")
        self._root_key, self._table_key = PrivateKey.generate(), PrivateKey.generate()
        self._origin = origin
        self._version = 0
        named = table_issuers.Issuer("billing-issuer", [self.issuer.public_key])
        now = int(time.time())
        self.root = new_root(
            "team",
            root_signers=[self._root_key],
            table_keys=[self._table_key.public_key],
            now=now,
            not_after=now + 86_400,
            issuers=[named],
        )
        (folder / "root.json").write_bytes(self.root)
        self.sign("")

    def sign(self, grant: str) -> None:
        """Sign a table as the next version."""
        self._version += 1
        bundle = sign_release(
            self.root, [build(ROWS.format(origin=self._origin) + grant)], version=self._version, now=time.time(), signers=[self._table_key]
        )
        (self.folder / "routes.json").write_bytes(bundle)

    def client(self, kind: str, **options: Any) -> Face:
        """Open it."""
        trust = saferoute.Trust.pinned(self.folder / "root.json", sha256=pin(self.root))
        return Face(
            kind,
            lambda client: client(self.folder / "routes.json", trust=trust, secrets=saferoute.Secrets.of({}), data="public", **options),
        )

    def mint(self, **changes: Any) -> Capability:
        """A capability for everything that is there."""
        plain = {"audience": "team", "expires_in": 600, "models": ["small", "large"], "providers": "demo", "scope": "process"}
        return Capability.mint(self.issuer, **{**plain, **changes})


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture
def deployed(provider: EmbeddedProvider, tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, provider.origin)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, deployed: Deployment) -> Iterator[Make]:
    faces: list[Face] = []

    def opened(**options: Any) -> Face:
        faces.append(deployed.client(request.param, **options))
        return faces[-1]

    yield opened
    for face in faces:
        face.__exit__()


def refused(face: Face, *arguments: Any, **options: Any) -> Any:
    """The error of a chat that must be refused."""
    with pytest.raises((CapabilityForbidden, CapabilityInvalid, CapabilityExpired, BudgetExceeded)) as caught:
        face.chat(*arguments, **options)
    return caught.value


def test_without_grant_and_capability_nothing_is_sent_and_with_one_it_is(
    make: Make, deployed: Deployment, provider: EmbeddedProvider
) -> None:
    face = make()
    error = refused(face, "fast", "hi")
    assert (error.code, provider.requests) == ("no_grant", ())
    assert "pass capability=" in str(error)
    assert face.chat("fast", "hi", capability=deployed.mint()).finish_reason == "stop"
    assert len(provider.requests) == 1


def test_a_capability_replaces_the_grant_and_is_never_united_with_it(make: Make, deployed: Deployment) -> None:
    deployed.sign('[grant]\nroutes = ["fast"]\ntools = []\nmax_output = 50\n')
    face = make()
    assert face.chat("fast", "hi").finish_reason == "stop"
    only_large = deployed.mint(models="large", routes="dear")
    assert face.chat("fast", "hi", capability=only_large).target == "dear"
    error = refused(face, "cheap", "hi", capability=only_large)
    assert error.code == "routes"


@pytest.mark.parametrize(
    ("caveats", "options", "code"),
    [
        ({"models": "other"}, {}, "models"),
        ({"providers": "other"}, {}, "providers"),
        ({"operations": "embed"}, {}, "operation"),
        ({"audience": "elsewhere"}, {}, "aud"),
        ({"routes": "dear"}, {"route": "cheap"}, "routes"),
        ({"tools": []}, {"tools": [saferoute.Tool.from_schema("look", {"type": "object"})]}, "tools"),
        ({"data": "public"}, {"data": "internal"}, "data"),
        ({"regions": "eu"}, {}, "regions"),
        ({"max_output_tokens": 10}, {"max_output_tokens": 11}, "max_output"),
        ({"max_input_tokens": 5}, {}, "max_input"),
        ({"max_cost": "$0.000001"}, {}, "max_cost"),
        ({"guards": "house-rules"}, {}, "guards"),
        ({"purpose": "support"}, {}, "purpose"),
        ({"table_min": 2}, {}, "table_min"),
        ({"not_before": int(time.time()) + 7200, "expires_in": 10_000}, {}, "nbf"),
        ({"expires_in": 86_401}, {}, "life"),
        ({"requests": "ab" * 32}, {}, "req"),
        ({"budget": "$0.000001"}, {}, "budget"),
        ({"scope": "host"}, {}, "scope"),
        ({"scope": "cluster", "calls": 5}, {}, "scope"),
        ({"scope": None, "calls": 5}, {}, "scope"),
    ],
)
def test_each_caveat_denies_before_anything_is_sent(
    make: Make, deployed: Deployment, provider: EmbeddedProvider, caveats: dict[str, Any], options: dict[str, Any], code: str
) -> None:
    options = dict(options)
    error = refused(make(), options.pop("route", "fast"), "hi", capability=deployed.mint(**caveats), **options)
    assert (error.code, provider.requests) == (code, ())


def test_what_is_bound_and_not_said_is_filled_in_and_noted(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    reply = make().chat("cheap", "hi", capability=deployed.mint(max_output_tokens=33))
    assert [(notice.kind, notice.parameter) for notice in reply.warnings] == [("filled", "max_output_tokens")]
    assert provider.requests[0].body["max_completion_tokens"] == 33


def test_a_budget_is_charged_what_the_provider_reports(make: Make, deployed: Deployment) -> None:
    face = make(capability=deployed.mint(budget="$1", calls=2))
    reply = face.chat("cheap", "hi")
    spent = {one.unit: (one.limit, one.spent, one.reserved, one.left) for one in face.wait(face.client.remaining())}
    cost = int(reply.cost * 10**9)
    assert spent == {"USD": (10**9, cost, 0, 10**9 - cost), "calls": (2, 1, 0, 1)}
    face.chat("cheap", "hi")
    error = refused(face, "cheap", "hi")
    assert (error.code, error.limit, error.spent, error.asked) == ("calls", 2, 2, 1)


def test_a_budget_denies_what_its_worst_case_would_overflow(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face = make(capability=deployed.mint(budget="$0.001"))
    error = refused(face, "cheap", "hi", max_output_tokens=1000)
    assert (error.code, provider.requests) == ("budget", ())
    assert face.chat("cheap", "hi", max_output_tokens=10).finish_reason == "stop"


def test_retries_are_charged(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face = make(capability=deployed.mint(calls=2))
    provider.script([ErrorAnswer(500)] * 3)
    with pytest.raises(BudgetExceeded) as caught:
        face.chat("fast", "hi", max_attempts=5)
    assert [attempt.outcome for attempt in caught.value.attempts] == ["ServerError", "ServerError"]
    assert len(provider.requests) == 2


def test_siblings_share_their_parents_account(make: Make, deployed: Deployment) -> None:
    parent = deployed.mint(calls=3)
    face = make()
    one, two = parent.attenuate(calls=2), parent.attenuate(calls=2)
    for capability in (one, one, two):
        face.chat("cheap", "hi", capability=capability)
    assert refused(face, "cheap", "hi", capability=two).limit == 3  # its own account has one left, its parent's none
    assert refused(face, "cheap", "hi", capability=parent.attenuate()).limit == 3


def test_a_narrowed_client_conjoins_every_capability(make: Make, deployed: Deployment) -> None:
    face = make(capability=deployed.mint(models="small"))
    part = face.client.using(deployed.mint(max_output_tokens=20), data="internal", purpose="support")
    inner = Face.__new__(Face)
    inner.kind, inner.client, inner._loop = face.kind, part, face._loop
    assert inner.chat("cheap", "hi").warnings[0].message.startswith("set to 20")
    assert refused(inner, "dear", "hi", data="public").code == "models"
    assert refused(inner, "cheap", "hi", max_output_tokens=21).code == "max_output"
    assert part.allows("cheap")
    assert not part.allows("cheap", max_output_tokens=21)
    assert [info.name for info in part.models()] == ["fast", "cheap", "extra"]
    with pytest.raises(CapabilityForbidden) as caught:
        face.wait(part.reload())
    assert caught.value.code == "scoped"
    face.wait(part.close())
    assert face.chat("cheap", "hi").finish_reason == "stop"
    assert "narrowed" in repr(part)


def test_a_purpose_is_set_once(make: Make, deployed: Deployment) -> None:
    face = make(capability=deployed.mint(purpose=["support", "sales"]))
    assert refused(face, "cheap", "hi").code == "purpose"
    support = face.client.using(purpose="support")
    assert support.allows("cheap")
    assert support.using(purpose="support").allows("cheap")
    with pytest.raises(ConfigurationError, match="purpose is 'support'"):
        support.using(purpose="sales")
    for wrong in ("", 5):
        with pytest.raises(ConfigurationError, match="purpose= takes"):
            face.client.using(purpose=wrong)
    with pytest.raises(ConfigurationError, match="is no data label"):
        face.client.using(data="secret")


def test_a_budget_of_a_part_allows_nothing_by_itself(make: Make) -> None:
    part = make().client.using(budget="$5")
    assert not part.allows("cheap")
    with pytest.raises(TypeError, match="must not be a float"):
        make().client.using(budget=5.0)


def test_a_budget_of_a_part_is_its_own(make: Make, deployed: Deployment) -> None:
    face = make(capability=deployed.mint())
    part = face.client.using(budget="$0.0012")
    assert part.allows("cheap", max_output_tokens=100)
    assert not part.allows("fast", max_output_tokens=100, max_cost="$0")
    (standing,) = face.wait(part.remaining())
    assert str(standing) == "the budget of this client: $0.0012 of $0.0012 left"
    assert face.wait(face.client.remaining()) == ()


@pytest.mark.parametrize("given", [5, {"chain": "srcap1.x"}, b"srcap1."])
def test_what_is_no_capability_is_refused(make: Make, given: Any) -> None:
    face = make()
    with pytest.raises(ConfigurationError, match=r"capability= takes a saferoute\.Capability"):
        face.chat("cheap", "hi", capability=given)
    with pytest.raises(ConfigurationError, match=r"capability= takes a saferoute\.Capability"):
        face.client.using(given)


def test_a_chain_or_holder_form_is_no_call_token(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face, capability = make(), deployed.mint()
    assert refused(face, "cheap", "hi", capability=capability.chain).code == "proof_missing"
    assert refused(face, "cheap", "hi", capability=capability.to_holder()).code == "holder_form"
    assert provider.requests == ()
    with pytest.raises(ConfigurationError, match="a call token is good for one call"):
        face.client.using(capability.prove("cheap", "hi", audience="team"))


def test_a_call_token_is_good_once_for_its_request(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face, capability = make(), deployed.mint()
    token = capability.prove("cheap", "hi", audience="team", instance=face.client.instance, max_output_tokens=5)
    assert refused(face, "cheap", "ho", capability=token, max_output_tokens=5).code == "asked"
    assert refused(face, "cheap", "hi", capability=token, max_output_tokens=6).code == "asked"
    assert face.chat("cheap", "hi", capability=token, max_output_tokens=5).finish_reason == "stop"
    assert refused(face, "cheap", "hi", capability=token, max_output_tokens=5).code == "replayed"
    assert len(provider.requests) == 1


def test_a_call_token_needs_nonces_that_every_process_of_the_host_sees(make: Make, deployed: Deployment, tmp_path: Path) -> None:
    capability = deployed.mint(scope=None)
    token = capability.prove("cheap", "hi", audience="team")
    assert refused(make(), "cheap", "hi", capability=token).code == "scope"
    shared = Accounts.sqlite(tmp_path / "accounts.db")
    assert make(accounts=shared).chat("cheap", "hi", capability=token).finish_reason == "stop"
    assert refused(make(accounts=shared), "cheap", "hi", capability=token).code == "replayed"


def test_a_token_for_another_process_is_refused(make: Make, deployed: Deployment) -> None:
    token = deployed.mint().prove("cheap", "hi", audience="team", instance="saferoute-other")
    assert refused(make(), "cheap", "hi", capability=token).code == "instance"
    assert refused(make(), "cheap", "hi", capability=deployed.mint().prove("cheap", "hi", audience="team")).code == "instance"


def test_a_foreign_issuer_is_refused_when_the_client_is_narrowed(make: Make, deployed: Deployment) -> None:
    foreign = Issuer.generate("billing-issuer")
    forged = Capability.mint(foreign, audience="team", expires_in=60, models="small", providers="demo")
    face = make()
    with pytest.raises(CapabilityInvalid) as caught:
        face.client.using(forged)
    assert caught.value.code == "signature"
    with pytest.raises(CapabilityInvalid):
        deployed.client(face.kind, capability=forged)


def test_a_capability_that_expired_is_refused(make: Make, deployed: Deployment) -> None:
    old = deployed.mint(expires_in=timedelta(seconds=60), now=time.time() - 61)
    assert refused(make(), "cheap", "hi", capability=old).code == "exp"


def test_reload_takes_a_newer_table_and_parts_follow(make: Make, deployed: Deployment) -> None:
    face = make(capability=deployed.mint(table_min=2))
    whole = make()
    part = whole.client.using(deployed.mint(table_min=2))
    assert refused(face, "cheap", "hi").code == "table_min"
    assert not part.allows("cheap")
    deployed.sign("")
    whole.wait(whole.client.reload())
    assert part.allows("cheap")
    assert "v2" in repr(whole.client)
    face.wait(face.client.reload())  # what every call is made under bounds calls, and not whose files they are
    assert face.client.allows("cheap")


def test_a_reload_that_does_not_verify_changes_nothing(make: Make, deployed: Deployment) -> None:
    face = make()
    (deployed.folder / "routes.json").write_bytes(b"{}")
    with pytest.raises(UntrustedTable):
        face.wait(face.client.reload())
    assert "v1" in repr(face.client)
    assert face.chat("cheap", "hi", capability=deployed.mint()).finish_reason == "stop"
    deployed.sign("")
    deployed.sign("")
    face.wait(face.client.reload())
    deployed._version = 1
    deployed.sign("")
    with pytest.raises(RoutingError):  # the state remembers version 3
        face.wait(face.client.reload())
    assert "v3" in repr(face.client)


def test_a_call_in_flight_ends_on_its_own_table(deployed: Deployment) -> None:
    with deployed.client("blocking", capability=None) as face:
        core = face.client._core
        call = core.call("cheap", "hi", None, None, {"capability": deployed.mint()}, stream=False)
        deployed.sign("")
        core.shared.reload()
        assert core.snapshot.opened.table.version == 2
        call.recheck(call.targets[0])  # against version 1, which is still valid


def test_streams_and_operations_go_the_same_way(make: Make, deployed: Deployment, provider: EmbeddedProvider) -> None:
    face = make(capability=deployed.mint(stream=False, operations=["chat", "embed"]))
    with pytest.raises(CapabilityForbidden) as caught:
        face.stream("cheap", "hi")
    assert caught.value.code == "stream"
    assert len(face.wait(face.client.embed("cheap", ["a"]))) == 1
    with pytest.raises(CapabilityForbidden) as caught:
        face.wait(face.client.embed("cheap", ["a"], capability=deployed.mint(operations="chat")))
    assert caught.value.code == "operation"
    assert len(provider.requests) == 1


def test_an_embedding_is_charged(make: Make, deployed: Deployment) -> None:
    face = make(capability=deployed.mint(operations="embed", budget="$1", calls=1))
    made = face.wait(face.client.embed("cheap", ["some text"]))
    standing = {one.unit: one.spent for one in face.wait(face.client.remaining())}
    assert made.cost is not None
    assert standing == {"USD": int(made.cost * 10**9), "calls": 1}


def test_a_local_client_takes_the_issuers_it_is_given(provider: EmbeddedProvider) -> None:
    issuer = Issuer.generate("notebook")
    server = saferoute.loopback("demo", port=provider.port)
    with pytest.warns(LocalTrustWarning):
        client = saferoute.Client.local(servers=[server], issuers=[issuer], secrets=saferoute.Secrets.of({}))
    capability = Capability.mint(issuer, audience="local", expires_in=60, models="m", providers="demo")
    with client, client.using(capability) as part:
        assert part.chat("demo/m", "hi").finish_reason == "stop"
        assert [info.name for info in part.models()] == ["demo/m"]
        with pytest.raises(CapabilityForbidden):
            part.chat("demo/other", "hi")
        assert client.chat("demo/other", "hi").finish_reason == "stop"


def test_a_local_budget_needs_prices(provider: EmbeddedProvider) -> None:
    server = saferoute.loopback("demo", port=provider.port)
    with pytest.warns(LocalTrustWarning):
        client = saferoute.Client.local(servers=[server], secrets=saferoute.Secrets.of({}), budget="$1")
    with client, pytest.raises(CapabilityForbidden) as caught:
        client.chat("demo/m", "hi")
    assert caught.value.code == "budget"


@pytest.mark.parametrize("wrong", [{"audience": ""}, {"accounts": "memory"}, {"audience": 5}])
def test_arguments_of_the_constructor(deployed: Deployment, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))}= takes"):
        deployed.client("blocking", **wrong)


def test_files_of_capabilities_and_issuers(deployed: Deployment, tmp_path: Path) -> None:
    held = tmp_path / "agent.cap"
    held.write_text(deployed.mint().to_holder() + "\n")
    held.chmod(0o600)
    with deployed.client("blocking", capability=Capability.from_file(held)) as face:
        assert face.client.allows("cheap")
    key = PrivateKey.generate()
    plain, locked = tmp_path / "issuer.pem", tmp_path / "locked.pem"
    plain.write_bytes(key.to_pem(None))
    locked.write_bytes(key.to_pem(b"words"))
    for path in (plain, locked):
        path.chmod(0o600)
    assert Issuer.from_file("i", plain).public_key == Issuer.from_file("i", locked, passphrase="words").public_key == key.public_key
    with pytest.raises(ConfigurationError, match="the passphrase is wrong"):
        Issuer.from_file("i", locked, passphrase="other")
    for path in (held, plain):
        path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"agent\.cap"):
        Capability.from_file(held)
    with pytest.raises(ConfigurationError, match=r"issuer\.pem"):
        Issuer.from_file("i", plain)
    with pytest.raises(ConfigurationError, match="there is no file"):
        Capability.from_file(tmp_path / "none")


def test_models_lists_what_the_grant_allows(make: Make, deployed: Deployment) -> None:
    deployed.sign('[grant]\nroutes = ["dear"]\ntools = []\n')
    assert [info.name for info in make().client.models()] == ["fast", "dear"]
