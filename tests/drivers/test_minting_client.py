"""From a signed table to an answer, through the public clients: the credential is made on the way."""

from __future__ import annotations

import json
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.errors import AuthenticationRejected, SecretNotFound
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.kept import keep
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.minting import Minted
from saferoute.secrets.secret import Secret
from saferoute.signing.keys import PrivateKey
from saferoute.testing import EmbeddedProvider
from tests.support.both import KINDS, Face
from tests.support.token_server import TOKEN, Front, TokenServer, Told, clocks, spec, token

TOML = """
[routes.row]
provider = "demo"
dialect = "openai_chat"
origin = "{api}"
path = "/v1"
net = "loopback"
model = "m"
auth = "bearer"
secret = "cloud"
data = "internal"

[credentials.cloud]
kind = "openai_workload"
origin = "{sts}"
net = "loopback"
secret = "token"
identity_provider_id = "idp_1"
service_account_id = "sa_1"

[aliases]
fast = {{ targets = ["row"], max_attempts = 3 }}

[grant]
data = "internal"
"""


def write(folder: Path, api: str, sts: str) -> saferoute.Trust:
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    now = int(time.time())
    root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 400 * 86_400)
    body = build(TOML.format(api=api, sts=sts))
    bundle = sign_release(root, [body], version=1, now=now, signers=[table_key], not_after=now + 7 * 86_400)
    (folder / "root.json").write_bytes(root)
    (folder / "routes.json").write_bytes(bundle)
    return saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))


def saferoute_client(path: Path, trust: saferoute.Trust, secrets: saferoute.Secrets, client: type[Any]) -> Any:
    return client(path, trust=trust, secrets=secrets, data="internal")


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_makes_its_credential(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("eyJ.of.workload\n")
    with EmbeddedProvider(api_key=TOKEN) as provider, TokenServer() as sts:
        trust = write(tmp_path, provider.origin, sts.origin)
        secrets = saferoute.Secrets.from_file({"token": (path, sts.origin)})
        with Face(kind, partial(saferoute_client, tmp_path / "routes.json", trust, secrets)) as face:
            for _ in range(2):
                assert face.chat("fast", "hi").text == "You said: hi"
            assert [event.text for event in face.stream("fast", "hi") if hasattr(event, "text")]
    assert len(sts.exchanges) == 1
    assert json.loads(sts.exchanges[0].body)["subject_token"] == "eyJ.of.workload"


@pytest.mark.parametrize("kind", KINDS)
def test_the_flow_tries_again_when_the_endpoint_is_busy(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("eyJ")
    with EmbeddedProvider(api_key=TOKEN) as provider, TokenServer(Told(b"", 503), Told(b"", 500), token()) as sts:
        trust = write(tmp_path, provider.origin, sts.origin)
        secrets = saferoute.Secrets.from_file({"token": (path, sts.origin)})
        with Face(kind, partial(saferoute_client, tmp_path / "routes.json", trust, secrets)) as face:
            reply = face.chat("fast", "hi")
    assert [attempt.outcome for attempt in reply.attempts] == ["Overloaded", "ServerError", "ok"]
    assert len(sts.exchanges) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_workload_is_an_error_of_authentication(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("eyJ")
    with EmbeddedProvider(api_key=TOKEN) as provider, TokenServer(Told(b'{"error": "invalid_grant"}', 400)) as sts:
        trust = write(tmp_path, provider.origin, sts.origin)
        for places, error, why in (
            (saferoute.Secrets.from_file({"token": (path, sts.origin)}), AuthenticationRejected, "code invalid_grant"),
            (saferoute.Secrets.of({}), SecretNotFound, "No key for token"),
        ):
            opened = partial(saferoute_client, tmp_path / "routes.json", trust, places)
            with Face(kind, opened) as face, pytest.raises(error, match=why):
                face.chat("fast", "hi")
    assert len(sts.exchanges) == 1


def test_a_made_aws_key_signs_until_another_is_made() -> None:
    origin = "https://bedrock-runtime.us-east-1.amazonaws.com"
    row = spec("https://sts.us-east-1.amazonaws.com", "aws_web_identity", origins=(origin,), parameters={})
    credentials = Credentials(Sources([MemorySource([])]), {"cloud": row})
    one, two = (keep(row, Minted(Secret(f"ASIA{n}:secret:token"), 2_000.0), 1_000.0) for n in (1, 2))
    credentials.keep(one)
    signer = credentials.signer("cloud", origin)
    assert credentials.signer("cloud", origin) is signer
    assert credentials.cached("cloud", "sigv4", origin) is None  # asked for again each time: it may have to be made anew
    credentials.keep(two)
    assert credentials.signer("cloud", origin) is not signer


@pytest.mark.parametrize("kind", KINDS)
def test_two_steps_present_what_the_first_one_gave(kind: str) -> None:
    """IMDSv2 over real sockets: the session's token is a secret header of the second and third request, and of no other."""
    seen: list[tuple[str, str, str | None]] = []
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_800_000_000 + 3600))
    keys = {"Code": "Success", "AccessKeyId": "ASIAX", "SecretAccessKey": "abc", "Token": "tok", "Expiration": end}
    folder = "/latest/meta-data/iam/security-credentials/"
    answers = {"/latest/api/token": b"session-1", folder: b"runner", folder + "runner": json.dumps(keys).encode()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            seen.append((self.command, self.path, self.headers.get("x-aws-ec2-metadata-token")))
            self.send_response(200)
            self.send_header("content-length", str(len(answers[self.path])))
            self.end_headers()
            self.wfile.write(answers[self.path])

        do_PUT = do_GET  # noqa: N815  http.server's names

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        bedrock = "https://bedrock-runtime.us-east-1.amazonaws.com"
        row = spec(origin, "aws_instance", secret=None, parameters={}, origins=(bedrock,))
        with Front(kind, row) as front:
            front.wait(front.front._minter.ready(row, clocks()))
            assert front.credentials.signer("cloud", bedrock) is not None
            assert front.credentials._lent == {}
    finally:
        server.shutdown()
        server.server_close()
    assert seen == [("PUT", "/latest/api/token", None), ("GET", folder, "session-1"), ("GET", folder + "runner", "session-1")]


STORED = """
[routes.row]
provider = "demo"
dialect = "openai_chat"
origin = "{api}"
path = "/v1"
net = "loopback"
model = "m"
auth = "bearer"
secret = "cloud"
data = "internal"

[grant]
data = "internal"
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_reload_brings_and_takes_made_credentials(kind: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("eyJ.of.workload\n")
    (tmp_path / "key").write_text("sk-stored-0123456789\n")
    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    now = int(time.time())
    root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
    (tmp_path / "root.json").write_bytes(root)
    trust = saferoute.Trust.pinned(tmp_path / "root.json", sha256=pin(root))

    def sign(version: int, toml: str) -> None:
        bundle = sign_release(root, [build(toml)], version=version, now=now, signers=[table_key])
        (tmp_path / "routes.json").write_bytes(bundle)

    with EmbeddedProvider() as provider, TokenServer() as sts:
        places = {"token": (tmp_path / "token", sts.origin), "cloud": (tmp_path / "key", provider.origin)}
        secrets = saferoute.Secrets.from_file(places)
        sign(1, STORED.format(api=provider.origin))
        with Face(kind, partial(saferoute_client, tmp_path / "routes.json", trust, secrets)) as face:
            face.chat("row", "hi")
            sign(2, TOML.format(api=provider.origin, sts=sts.origin))
            face.wait(face.client.reload())
            face.chat("row", "hi")
            sign(3, STORED.format(api=provider.origin))
            face.wait(face.client.reload())
            face.chat("row", "hi")
        carried = [[request.carries_key(key) for key in ("sk-stored-0123456789", TOKEN)] for request in provider.requests]
    assert carried == [[True, False], [False, True], [True, False]]
