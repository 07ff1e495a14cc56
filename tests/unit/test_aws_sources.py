"""AWS keys out of a credentials file and out of three variables; AWS' own SDK is the oracle for the file."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import ConfigurationError, SaferouteError, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.aws_profile import key_in_profile
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.lookup import Sources
from saferoute.secrets.secret import Secret, key_to_store
from saferoute.secrets.sources import Secrets

ORIGIN = "https://bedrock-runtime.us-east-1.amazonaws.com"
ID, KEY, TOKEN = "AKIACANARY", "canarySECRET/+=", "canaryTOKEN//=="
PLAIN = f"""\
# AWS writes it so
[default]
aws_access_key_id = {ID}
aws_secret_access_key = {KEY}
region = us-east-1

[team reader]
aws_access_key_id={ID}2\r
aws_secret_access_key={KEY}2\r
aws_session_token =\t{TOKEN}
output = json
s3 =
  max_concurrent_requests = 20
  addressing_style = path
; the end
"""


def write(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "credentials"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def opened(path: Path | None, profile: str = "default", **fields: str) -> Sources:
    return open_sources(Secrets.from_aws_profile(profile, path=path, origins=ORIGIN, **fields), {})


def key_of(sources: Sources, name: str = "aws") -> bytes | None:
    found = sources.find(name)
    return None if found is None else key_to_store(found.secret)


def assert_clean(error: SaferouteError) -> None:
    text = str(error) + repr(error) + error.diagnostics()
    one: BaseException | None = error
    while one is not None:
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                text += repr(frame.f_locals)
        one = one.__cause__ or one.__context__
    assert "canary" not in text.lower(), text


# ---------------------------------------------------------------------------------------------------- the file


def test_a_profile_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    assert key_of(opened(path)) == f"{ID}:{KEY}".encode()
    sources = opened(path, "team reader", name="aws.team")
    assert key_of(sources, "aws.team") == f"{ID}2:{KEY}2:{TOKEN}".encode()
    assert sources.find("aws.team").origins == (ORIGIN,)  # type: ignore[union-attr]
    assert sources.labels == (f"the AWS profile team reader in {path}",)
    assert key_of(sources, "aws") is None


def test_it_is_read_once_when_it_is_opened(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    sources = opened(path)
    path.unlink()
    sources.forget("aws")
    assert key_of(sources) == f"{ID}:{KEY}".encode()


def test_the_default_file_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    write(tmp_path / ".aws", PLAIN)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(write(elsewhere, PLAIN.replace(ID, "AKIAOTHER"))))
    monkeypatch.setenv("AWS_PROFILE", "team reader")
    assert key_of(opened(None)) == f"{ID}:{KEY}".encode()  # no variable changes what is read
    monkeypatch.setenv("HOME", "relative")
    assert "no home directory" in str(opened(None).missing("aws"))


def test_what_is_not_there_counts_as_empty_and_says_so(tmp_path: Path) -> None:
    missing = opened(tmp_path / "nothing")
    assert missing.find("aws") is None
    assert f"There is no file {tmp_path / 'nothing'}." in str(missing.missing("aws"))
    other = opened(write(tmp_path, PLAIN), "absent")
    assert other.find("aws") is None
    assert "has no profile absent" in str(other.missing("aws"))
    with pytest.raises(SecretNotFound, match="has no profile absent"):
        Credentials(other).signer("aws", ORIGIN)


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    for mode in (0o644, 0o640, 0o660):
        with pytest.raises(SecretStoreLocked, match="chmod 600") as caught:
            opened(write(tmp_path, PLAIN, mode))
        assert_clean(caught.value)
    (tmp_path / "link").symlink_to(write(tmp_path, PLAIN))
    with pytest.raises(SecretStoreLocked, match="symbolic link"):
        opened(tmp_path / "link")
    with pytest.raises(SecretStoreLocked, match="Is a directory"):
        opened(tmp_path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretStoreLocked, match="larger than 1048576") as caught:
        opened(write(tmp_path, PLAIN + "#" * 1_048_576))
    assert_clean(caught.value)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("credential_process = /bin/canary", "credential_process"),
        ("sso_session = canary", "sso_session"),
        ("sso_start_url = https://canary", "sso_start_url"),
        ("sso_account_id = 1", "sso_account_id"),
        ("login_session = canary", "login_session"),
        ("source_profile = canary", "source_profile"),
        ("role_arn = arn:aws:iam::1:role/canary", "role_arn"),
        ("credential_source = Ec2InstanceMetadata", "credential_source"),
        ("web_identity_token_file = /canary", "web_identity_token_file"),
        ("external_id = canary", "external_id"),
        ("mfa_serial = canary", "mfa_serial"),
        ("endpoint_url = https://canary", "endpoint_url"),
        ("endpoint_url_bedrock = https://canary", "endpoint_url_bedrock"),
        ("services = canary", "services"),
        ("ca_bundle = /canary", "ca_bundle"),
        ("aws_security_token = canary", "aws_security_token"),
        ("CREDENTIAL_PROCESS=/bin/canary", "credential_process"),
    ],
)
def test_nothing_is_followed(tmp_path: Path, setting: str, says: str) -> None:
    """Attack: a line in the user's file starts a program, reads another file, or sends the key elsewhere."""
    keys = f"aws_access_key_id = {ID}\naws_secret_access_key = {KEY}\n"
    for text in (f"[default]\n{keys}{setting}\n", f"[default]\n{setting}\n{keys}", f"[default]\n{setting}\n"):
        with pytest.raises(SecretError, match=f"it has {says}, which saferoute does not follow: .{{10}}") as caught:
            opened(write(tmp_path, text))
        assert_clean(caught.value)
    beside = f"[default]\n{keys}[other]\n{setting}\n"
    assert key_of(opened(write(tmp_path, beside))) == f"{ID}:{KEY}".encode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[default]\naws_access_key_id = X\n", "it has no aws_secret_access_key"),
        ("[default]\naws_secret_access_key = canary\n", "it has no aws_access_key_id"),
        ("[default]\n", "it has no aws_access_key_id"),
        ("[default]\naws_access_key_id =\naws_secret_access_key = canary\n", "its aws_access_key_id is empty"),
        ("[default]\naws_access_key_id = X\naws_secret_access_key = canary\naws_session_token =\n", "its aws_session_token is empty"),
        ("[default]\naws_access_key_id = 'canary'\naws_secret_access_key = canary\n", "in quotes"),
        ('[default]\naws_access_key_id = X\naws_secret_access_key = "canary"\n', "in quotes"),
        ("[default]\naws_access_key_id = X\naws_secret_access_key = canary canary\n", "spaces or control characters"),
        ("[default]\naws_access_key_id = X\naws_secret_access_key = canary:canary\n", "has a colon"),
        ("[default]\naws_access_key_id = canary key\naws_secret_access_key = canary\n", "letters and digits"),
        ("[default]\naws_access_key_id = X\naws_access_key_id = canary\n", "line 3 is not name = value, or names"),
        ("[default]\naws_access_key_id = X\nAWS_ACCESS_KEY_ID = canary\n", "line 3 is not name = value, or names"),
        ("[default]\naws_access_key_id: canary\n", "line 2 is not name = value"),
        ("[default]\naws_access_key_id\n", "line 2 is not name = value"),
        ("[default]\ncanary\x00 = 1\n", "line 2 is not name = value"),
        ("[default]\naws_access_key_id = canary\x0bx\n", "line 2 is not name = value"),
        ("[default]\naws_secret_access_key = can\n  ary\n", "line 3 begins with a blank"),
        ("[default]\n aws_access_key_id = canary\n", "line 2 begins with a blank"),
        ("[default]\n[default]\naws_access_key_id = canary\n", "line 2 begins the profile a second time"),
        ("[default]\n[other]\n[default]\n", "line 3 begins the profile a second time"),
        ("[default\naws_access_key_id = canary\n", "line 1 begins with [ and is no heading"),
        ("[default] x\n", "line 1 begins with [ and is no heading"),
        ("[default]\n;\r :\n", "line 2 holds a carriage return that does not end it"),
        ("[a[default]]\n", "line 1 begins with [ and is no heading"),
        (b"[default]\naws_access_key_id = canary\xff\n", "the file is not UTF-8"),
    ],
)
def test_a_file_that_can_be_read_two_ways_is_refused(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(SecretError) as caught:
        opened(write(tmp_path, text))
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"the AWS profile default in {tmp_path / 'credentials'} cannot be used: ")
    assert_clean(caught.value)


@pytest.mark.parametrize("text", ["", "\ufeff[default]\n", " [default]\n", "[ default ]\n", "[Default]\n", "[profile default]\n"])
def test_a_heading_that_is_not_the_profiles(text: str) -> None:
    assert key_in_profile(text.encode(), "default") is None


@pytest.mark.parametrize("profile", ["", " a", "a ", "a]b", "[a", "a\nb", "a\x00", "x" * 129, 5, None])
def test_malformed_profiles(profile: object) -> None:
    with pytest.raises(ConfigurationError, match="a profile of AWS is named by"):
        Secrets.from_aws_profile(profile, origins=ORIGIN)  # type: ignore[arg-type]


def test_malformed_names_and_origins() -> None:
    with pytest.raises(ConfigurationError, match="not a name for a secret"):
        Secrets.from_aws_profile(origins=ORIGIN, name="AWS")
    with pytest.raises(ConfigurationError, match="is not an origin"):
        Secrets.from_aws_profile(origins="bedrock")
    with pytest.raises(ConfigurationError, match="is not an origin"):
        Secrets.from_aws_env(origins="bedrock")


LINES = (
    "[default]|[other]| [default]|[default] |[default||  |# c|; c|  # c|s3 =|  a = b|region = x|aws_access_key_id = ID|aws_access_key_id=ID2 "
    "|aws_secret_access_key = S=/+|aws_secret_access_key = S ; c|\taws_secret_access_key = T|aws_session_token = TOK|aws_session_token: X"
    "|Aws_Secret_Access_Key = U|x|= y"
)
_LINE = st.one_of(
    st.sampled_from(LINES.split("|")),
    st.text("[]=:#; adefultws_\t\r\x0b", max_size=10),
)


@settings(max_examples=600, deadline=None)
@given(lines=st.lists(_LINE, max_size=9), well_begun=st.booleans())
def test_the_sdk_reads_the_same_or_we_refuse(tmp_path_factory: pytest.TempPathFactory, lines: list[str], well_begun: bool) -> None:
    loader = pytest.importorskip("botocore.configloader", reason="botocore is not installed; it is the oracle here")
    begin = ["[default]", "aws_access_key_id = ID", "aws_secret_access_key = S"] if well_begun else []
    data = "\n".join([*begin, *lines]).encode()
    ours = key_in_profile(data, "default")
    if not isinstance(ours, Secret):
        return
    path = tmp_path_factory.getbasetemp() / "credentials"
    path.write_bytes(data)
    from botocore.exceptions import ConfigParseError

    try:
        theirs = loader.raw_config_parse(str(path))["default"]
    except ConfigParseError:
        return  # another profile is broken; ours is read all the same
    parts = [theirs.get(name) for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")]
    assert key_to_store(ours).decode() == ":".join(part for part in parts if part is not None)


def test_the_sdks_own_provider_takes_the_same_key(tmp_path: Path) -> None:
    credentials = pytest.importorskip("botocore.credentials", reason="botocore is not installed; it is the oracle here")
    path = write(tmp_path, PLAIN)
    for profile in ("default", "team reader"):
        theirs = credentials.SharedCredentialProvider(str(path), profile_name=profile).load()
        parts = (theirs.access_key, theirs.secret_key, theirs.token)
        assert key_of(opened(path, profile)) == ":".join(filter(None, parts)).encode()


# ---------------------------------------------------------------------------------------------------- variables


def from_variables(**fields: str) -> Sources:
    return open_sources(Secrets.from_aws_env(origins=ORIGIN, **fields), {})


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MY_ID", "MY_KEY", "MY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_three_variables_are_one_key(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AWS_ACCESS_KEY_ID", ID)
    variables.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    assert key_of(from_variables()) == f"{ID}:{KEY}".encode()
    variables.setenv("AWS_SESSION_TOKEN", TOKEN)
    sources = from_variables(name="aws.x")
    assert key_of(sources, "aws.x") == f"{ID}:{KEY}:{TOKEN}".encode()
    assert sources.labels == ("the environment",)
    assert "environment variables" in sources.notes[0]
    variables.setenv("MY_ID", "OTHER")
    variables.setenv("MY_KEY", "other")
    own = {"access_key": "MY_ID", "secret_key": "MY_KEY", "session_token": "MY_TOKEN"}
    assert key_of(from_variables(**own)) == b"OTHER:other"  # the token of another key is not mixed in


def test_half_a_key_is_an_error_now(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AWS_ACCESS_KEY_ID", ID)
    with pytest.raises(SecretError, match="AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not") as caught:
        from_variables()
    assert_clean(caught.value)
    variables.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    variables.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SecretError, match="AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not"):
        from_variables()


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ACCESS_KEY_ID", "canary id"), ("AWS_SECRET_ACCESS_KEY", "canary:x"), ("AWS_SESSION_TOKEN", "canary\n")]
)
def test_variables_that_are_no_key_are_an_error_now(variables: pytest.MonkeyPatch, name: str, value: str) -> None:
    variables.setenv("AWS_ACCESS_KEY_ID", ID)
    variables.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    variables.setenv(name, value)
    with pytest.raises(SecretError, match="the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: ") as caught:
        from_variables()
    assert_clean(caught.value)


def test_no_variable_is_no_key(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AWS_SESSION_TOKEN", TOKEN)  # alone it is nothing
    sources = from_variables()
    assert sources.find("aws") is None
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set." in str(sources.missing("aws"))


@pytest.mark.parametrize(
    "change", [{"access_key": ""}, {"secret_key": "A=B"}, {"session_token": "AWS_ACCESS_KEY_ID"}, {"access_key": "A B"}]
)
def test_malformed_variables(change: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="three different environment variables"):
        Secrets.from_aws_env(origins=ORIGIN, **change)
