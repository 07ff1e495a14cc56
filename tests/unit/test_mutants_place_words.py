"""The exact words for places of secrets that are described wrongly, and what right ones say."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.errors import ConfigurationError, SecretError
from saferoute.secrets.aws_places import AwsEnvironmentPlace, AwsProfilePlace
from saferoute.secrets.aws_profile import key_in_profile
from saferoute.secrets.lookup import Sources
from saferoute.secrets.other_stores import ForeignSource
from saferoute.secrets.places import EnvironmentPlace, FilePlace, HeldPlace, PromptPlace, VaultPlace
from saferoute.secrets.platform_places import DirectoryPlace, ProgramPlace
from saferoute.secrets.remote_places import AwsStorePlace, BaoLogin, BaoServer, OpenBaoPlace
from saferoute.secrets.secret import (
    Passphrase,
    Secret,
    SecretRecord,
)  # fmt: skip
from saferoute.secrets.sources import Secrets
from saferoute.values.http import NetClass, TlsTerms

API, OTHER = "https://api.openai.com", "https://other.example"
AWS = "https://bedrock-runtime.us-east-1.amazonaws.com"
CATALOGUE = {"openai": (("OPENAI_API_KEY", "OPENAI_KEY"), API), "groq": (("GROQ_API_KEY",), OTHER)}
UNTYPED: Any = Secrets


def sources(*opened: Any, **more: Any) -> Sources:
    return Sources(opened, catalogue=CATALOGUE, **more)


def raised(text: Secret | SecretRecord | str | None) -> None:
    """What is said instead of being raised."""
    if isinstance(text, str):
        raise SecretError(text)


def b64(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


def vault(record: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """A vault's bytes, as far as its form goes."""
    row = {
        "name": "a", "origins": [API], "revision": 1, "salt": b64(16), "nonce": b64(12), "commitment": b64(32), "data": b64(17),
        **(record or {}),
    }  # fmt: skip
    kdf = {"name": "argon2id", "iterations": 3, "lanes": 4, "memory_kib": 65_536, "salt": b64(16)}
    whole = {"schema": 1, "kdf": kdf, "check": b64(32), "mac": b64(32), "records": [row], **changes}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


class Store:
    label = "our store"

    def __init__(self, value: Any) -> None:
        self.value = value

    def fetch(self, reference: str) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def foreign(value: Any) -> object:
    return ForeignSource(Store(value), [("openai", "llm/openai", (API,))]).find("openai")


CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "a profile that is not UTF-8": (lambda: raised(key_in_profile(b"\xff", "a")), SecretError, "the file is not UTF-8"),
    "a heading that is none": (lambda: raised(key_in_profile(b"[a", "a")), SecretError, "line 1 begins with [ and is no heading"),
    "a profile twice": (lambda: raised(key_in_profile(b"[a]\n[a]", "a")), SecretError, "line 2 begins the profile a second time"),
    "a line that begins with a blank": (
        lambda: raised(key_in_profile(b"[a]\n x = 1", "a")), SecretError,
        "line 2 begins with a blank, which makes it a part of the line above",
    ),
    "a setting twice": (
        lambda: raised(key_in_profile(b"[a]\nx = 1\nX = 2", "a")), SecretError,
        "line 3 is not name = value, or names a setting a second time",
    ),
    "no setting": (
        lambda: raised(key_in_profile(b"[a]\n\n# c\nx", "a")), SecretError,
        "line 4 is not name = value, or names a setting a second time",
    ),
    "a program": (
        lambda: raised(key_in_profile(b"[a]\ncredential_process = /bin/x", "a")), SecretError,
        ("it has credential_process, which saferoute does not follow: what it makes can be handed over in variables, by "
         "`aws configure export-credentials --format env` and Secrets.from_aws_env, or as a stored key"),
    ),
    "single sign-on": (
        lambda: raised(key_in_profile(b"[a]\nsso_session = x", "a")), SecretError,
        ("it has sso_session, which saferoute does not follow: what it makes can be handed over in variables, by `aws "
         "configure export-credentials --format env` and Secrets.from_aws_env, or as a stored key"),
    ),
    "an address in a profile": (
        lambda: raised(key_in_profile(b"[a]\nendpoint_url_x = x", "a")), SecretError,
        "it has endpoint_url_x, which saferoute does not follow: where a call goes is said by its row in the routing table",
    ),
    "a role": (
        lambda: raised(key_in_profile(b"[a]\nrole_arn = x", "a")), SecretError,
        ("it has role_arn, which saferoute does not follow: a row of the routing table's credentials does that "
         "(aws_web_identity, aws_container, aws_instance)"),
    ),
    "an old name": (
        lambda: raised(key_in_profile(b"[a]\naws_security_token = x", "a")), SecretError,
        "it has aws_security_token, which saferoute does not follow: its present name is aws_session_token",
    ),
    "authorities": (
        lambda: raised(key_in_profile(b"[a]\nca_bundle = x", "a")), SecretError,
        "it has ca_bundle, which saferoute does not follow: whom a call trusts is said by its route and the operating system",
    ),
    "no key id": (lambda: raised(key_in_profile(b"[a]\naws_secret_access_key = x", "a")), SecretError, "it has no aws_access_key_id"),
    "an empty secret": (
        lambda: raised(key_in_profile(b"[a]\naws_access_key_id = x\naws_secret_access_key =", "a")), SecretError,
        "its aws_secret_access_key is empty",
    ),
    "an empty token": (
        lambda: raised(key_in_profile(b"[a]\naws_access_key_id = x\naws_secret_access_key = x\naws_session_token =", "a")), SecretError,
        "its aws_session_token is empty",
    ),
    "quotes": (
        lambda: raised(key_in_profile(b"[a]\naws_access_key_id = 'x'\naws_secret_access_key = x", "a")), SecretError,
        "its aws_access_key_id is in quotes, which AWS takes for a part of the value",
    ),
    "a variable that is none": (
        lambda: Secrets.from_env({"x": ("A=B", API)}), ConfigurationError,
        "the variable for 'x' is not the name of an environment variable",
    ),
    "a variable without an origin": (
        lambda: UNTYPED.from_env({"x": "A"}), ConfigurationError,
        "write 'x' as a pair with the origin, such as (\"OPENAI_API_KEY\", \"https://api.openai.com\")",
    ),
    "a file without an origin": (
        lambda: UNTYPED.from_file({"x": "/a"}), ConfigurationError,
        "write 'x' as a pair with the origin, such as (\"/etc/acme/key\", \"https://api.example.com\")",
    ),
    "a file that is no path": (lambda: Secrets.from_file({"x": ("", API)}), ConfigurationError, "the file for 'x' is not a path"),
    "a directory that is no path": (
        lambda: Secrets.directory("", {}), ConfigurationError,
        "Secrets.directory takes the path of a directory and, for each secret in it, where that secret may go",
    ),
    "a directory's name with a slash": (
        lambda: Secrets.directory("/a", {"a/b": API}), ConfigurationError,
        "the secret 'a/b' cannot be a file of one directory, as its name has a slash; Secrets.from_file takes any path for it",
    ),
    "a program's time": (
        lambda: Secrets.from_process({}, timeout=120.1), ConfigurationError,
        "the timeout of a credential program is a number of seconds, above 0 and at most 120",
    ),
    "a program's time of nothing": (
        lambda: Secrets.from_process({}, timeout=0), ConfigurationError,
        "the timeout of a credential program is a number of seconds, above 0 and at most 120",
    ),
    "a program's environment": (
        lambda: Secrets.from_process({}, environment={"1A": "x"}), ConfigurationError,
        "the environment of a credential program is a mapping of variable names to texts",
    ),
    "a program without an origin": (
        lambda: UNTYPED.from_process({"x": ["/bin/a"]}), ConfigurationError,
        "write 'x' as a pair, such as ([\"/usr/bin/pass\", \"show\", \"openai\"], \"https://api.openai.com\")",
    ),
    "a program in PATH": (
        lambda: Secrets.from_process({"x": (["a"], API)}), ConfigurationError,
        ("the program for 'x' is a list of words whose first is the absolute path of the program, such as [\"/usr/bin/pass\", "
         '"show", "openai"]: nothing is looked up in PATH, and no shell reads it'),
    ),
    "a store that is none": (
        lambda: UNTYPED.from_store(5, {}), ConfigurationError,
        "Secrets.from_store takes an object with a label and fetch(reference), not int",
    ),
    "a reference without an origin": (
        lambda: UNTYPED.from_store(Store(None), {"x": "a"}), ConfigurationError,
        "write 'x' as a pair of its reference and the origin, such as (\"llm/openai\", \"https://api.openai.com\")",
    ),
    "a reference that is none": (
        lambda: Secrets.from_store(Store(None), {"x": ("", API)}), ConfigurationError,
        "the reference of 'x' is not a printable text",
    ),
    "no login": (
        lambda: Secrets.openbao(API, {}), ConfigurationError,
        ('say one way to log in to OpenBao: token="NAME", approle=("ROLE-ID", "NAME"), or kubernetes=("ROLE", "NAME"), NAME '
         "a secret"),
    ),
    "two logins": (
        lambda: Secrets.openbao(API, {}, token="a", approle=("r", "a")), ConfigurationError,
        ('say one way to log in to OpenBao: token="NAME", approle=("ROLE-ID", "NAME"), or kubernetes=("ROLE", "NAME"), NAME '
         "a secret"),
    ),
    "a login that is no pair": (
        lambda: UNTYPED.openbao(API, {}, approle=("r",)), ConfigurationError,
        "approle= takes a pair: the role, and the name of the secret that logs in",
    ),
    "another login that is no pair": (
        lambda: Secrets.openbao(API, {}, kubernetes=("", "a")), ConfigurationError,
        "kubernetes= takes a pair: the role, and the name of the secret that logs in",
    ),
    "a path that is none": (
        lambda: Secrets.openbao(API, {"x": ("../a", API)}, token="a"), ConfigurationError,
        "the path is words of letters, digits, '.', '_' and '-', joined by '/', such as llm/openai; no word begins with '.'",
    ),
    "a mount that is none": (
        lambda: Secrets.openbao(API, {}, token="a", mount=""), ConfigurationError,
        "the mount is words of letters, digits, '.', '_' and '-', joined by '/', such as llm/openai; no word begins with '.'",
    ),
    "a namespace that is none": (
        lambda: Secrets.openbao(API, {}, token="a", namespace="/"), ConfigurationError,
        ("the namespace is words of letters, digits, '.', '_' and '-', joined by '/', such as llm/openai; no word begins "
         "with '.'"),
    ),
    "OpenBao in the clear": (
        lambda: Secrets.openbao("http://bao.example", {}, token="a"), ConfigurationError,
        ("http://bao.example is plain http, which shows keys to everybody on the way: use https. Plain http is for "
         "127.0.0.1 and [::1]"),
    ),
    "a region that is none": (
        lambda: Secrets.aws_secrets_manager("x", {}), ConfigurationError,
        "Secrets.aws_secrets_manager takes a region of AWS, such as eu-central-1",
    ),
    "a secret id that is none": (
        lambda: Secrets.aws_secrets_manager("eu-central-1", {"x": ("a b", API)}), ConfigurationError,
        "a secret of AWS Secrets Manager is named by its name or its ARN, such as prod/openai",
    ),
    "a vault with both": (
        lambda: Secrets.vault(passphrase="p", key_file="k"), ConfigurationError,
        "give the vault a passphrase or a key_file, not both",
    ),
    "a key without an origin": (
        lambda: UNTYPED.of({"x": "k"}), ConfigurationError,
        "write 'x' as a pair with the origin, such as (\"OPENAI_API_KEY\", \"https://api.openai.com\")",
    ),
    "a key in memory that is none": (
        lambda: Secrets.of({"x": ("a b", API)}), SecretError,
        ("a key may hold printable ASCII only: this one has a space, a line break, a control or a non-ASCII character; "
         "paste it again"),
    ),
    "AWS variables that are two": (
        lambda: Secrets.from_aws_env(origins=AWS, secret_key="AWS_ACCESS_KEY_ID"), ConfigurationError,
        ("an AWS key comes from three different environment variables: its id, its secret, and the session token of "
         "temporary keys"),
    ),
    "an AWS profile that is none": (
        lambda: Secrets.from_aws_profile("[a]", origins=AWS), ConfigurationError,
        "a profile of AWS is named by what stands between [ and ] in the credentials file, such as default",
    ),
    "a foreign store that fails": (
        lambda: foreign(ValueError("k")), SecretError,
        "our store failed for 'openai' (ValueError); whether it has the key is not known",
    ),
    "a foreign store's own error": (lambda: foreign(SecretError("sealed")), SecretError, "sealed"),
    "neither text nor bytes": (
        lambda: foreign(5), SecretError,
        "what our store has for 'openai' cannot be used: it is neither text nor bytes",
    ),
    "a foreign key that is none": (
        lambda: foreign("a b"), SecretError,
        ("what our store has for 'openai' cannot be used: a key may hold printable ASCII only: this one has a space, a line "
         "break, a control or a non-ASCII character; paste it again"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert str(caught.value) == words


def test_what_places_say() -> None:
    pair = ("openai", "a/b", (API,))
    bao = Secrets.openbao(
        "https://bao.example", {"openai": ("a/b", API)}, approle=("r", "bao"), namespace="n", networks=["10.0.0.0/8"], ca_pem="PEM"
    )
    assert bao.places == (
        OpenBaoPlace(
            BaoServer(
                "https://bao.example", BaoLogin("approle", "bao", "r", "approle"), None, "n",
                NetClass("private", ("10.0.0.0/8",), TlsTerms("ca_pem", "PEM")),
            ),
            "secret", (pair,), "OpenBao at https://bao.example",
        ),
    )  # fmt: skip
    near = Secrets.openbao("http://127.0.0.1:8200", {}, kubernetes=("r", "jwt"), mount="kv").places
    server = BaoServer("http://127.0.0.1:8200", BaoLogin("kubernetes", "jwt", "r", "kubernetes"), None, "", NetClass("loopback"))
    assert near == (OpenBaoPlace(server, "kv", (), "OpenBao at http://127.0.0.1:8200"),)
    plain = Secrets.openbao("https://bao.example", {}, token="t").places[0]
    assert plain == OpenBaoPlace(
        BaoServer("https://bao.example", BaoLogin("token", "t"), None, "", NetClass()), "secret", (), "OpenBao at https://bao.example"
    )
    where = "https://secretsmanager.eu-central-1.amazonaws.com"
    assert Secrets.aws_secrets_manager("eu-central-1", {"openai": ("a/b", API)}).places == (
        AwsStorePlace(where, "eu-central-1", None, "aws", (pair,), NetClass(), f"AWS Secrets Manager at {where}"),
    )
    china = Secrets.aws_secrets_manager("cn-north-1", {}, key="k", credentials="env").places[0]
    where = "https://secretsmanager.cn-north-1.amazonaws.com.cn"
    assert china == AwsStorePlace(where, "cn-north-1", "env", "k", (), NetClass(), f"AWS Secrets Manager at {where}")
    program = Secrets.from_process({"openai": (["/bin/a", "b"], API)}, timeout=120, environment={"A_1": "x"})
    assert program.places == (ProgramPlace((("openai", ("/bin/a", "b"), (API,)),), 120.0, (("A_1", "x"),)),)
    assert Secrets.from_process({}).places == (ProgramPlace((), 10.0, ()),)
    assert Secrets.directory("/a", {"openai": API}).places == (DirectoryPlace("/a", (("openai", (API,)),), "the directory /a"),)
    assert Secrets.systemd({"openai": API}).labels == ("the credentials of this systemd service",)
    assert Secrets.from_aws_profile("p", origins=AWS, path="/c").places == (
        AwsProfilePlace("aws", "p", "/c", (AWS,), "the AWS profile p in /c"),
    )
    assert Secrets.from_aws_profile(origins=AWS).places == (
        AwsProfilePlace("aws", "default", None, (AWS,), "the AWS profile default in ~/.aws/credentials"),
    )
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    assert Secrets.from_aws_env(origins=AWS).places == (AwsEnvironmentPlace("aws", names, (AWS,)),)
    assert Secrets.from_env({"openai": ("A", [OTHER, API])}).places == (EnvironmentPlace((("openai", "A", (API, OTHER)),)),)
    assert Secrets.from_file({"openai": ("/k", API)}).places == (FilePlace((("openai", "/k", (API,)),)),)
    assert Secrets.vault("/v", key_file="/k").places == (VaultPlace("/v", None, "/k"),)
    assert Secrets.vault(passphrase="p").places == (VaultPlace(None, Passphrase("p"), None),)
    assert Secrets.prompt({"openai": API}).places == (PromptPlace((("openai", (API,)),)),)
    assert Secrets.prompt().places == (PromptPlace(()),)
    assert Secrets.of({"openai": ("k", API)}).places == (HeldPlace((SecretRecord("openai", Secret("k"), (API,)),)),)


def test_a_profile_is_read() -> None:
    text = b"# x\n\n[b]\naws_access_key_id = n\n[a]\r\nAWS_access_key_id=AKIA\r\naws_secret_access_key = s/+=\nregion = x\ns3 =\n  max = 1\n[c]\n x\n"
    assert key_in_profile(text, "a") == Secret("AKIA:s/+=")
    assert key_in_profile(text + b"[d]\naws_access_key_id = A\naws_secret_access_key = s\naws_session_token = t", "d") == Secret("A:s:t")
    assert key_in_profile(text, "e") is None
