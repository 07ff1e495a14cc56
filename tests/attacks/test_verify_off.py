"""A line that turns certificate checks off, or that lets the environment choose the roots, comes into the package.

In real life: `verify=False` is the first answer to a certificate error on every forum, and a parameter for it is in most HTTP clients; in
2012 "The most dangerous code in the world" (Georgiev and others) found it in payment SDKs and cloud clients.

Guards: saferoute/drivers/tls.py::context.minimum_version = ssl.TLSVersion.TLSv1_2
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "saferoute"
NAMES = {
    "CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "_create_default_https_context", "_create_stdlib_context", "PROTOCOL_TLS",
    "PROTOCOL_SSLv23", "create_default_context", "load_default_certs", "set_default_verify_paths", "get_server_certificate",
    "hostname_checks_common_name", "OP_LEGACY_SERVER_CONNECT", "VERIFY_ALLOW_PROXY_CERTS", "disable_warnings",
}  # fmt: skip
SETTINGS = {"check_hostname", "verify_mode", "keylog_filename", "maximum_version"}
ARGUMENTS = {"verify", "verify_ssl", "ssl_verify", "check_hostname", "cert_reqs", "trust_env", "do_handshake_on_connect", "server_side"}
ALLOWED = {("verify_flags", "drivers/tls.py")}  # adds partial chains for a row's own certificates
CONTEXTS = {"drivers/tls.py"}  # the one place that makes a context


def faults(tree: ast.AST, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=word) | ast.Name(id=word) if word in NAMES:
                yield f"{name}:{node.lineno}: {word}"
            case ast.alias(name=word) if word in NAMES:
                yield f"{name}: imports {word}"
            case ast.Attribute(attr=word, ctx=ast.Store()) if word in SETTINGS:
                yield f"{name}:{node.lineno}: sets {word}"
            case ast.Attribute(attr="verify_flags", ctx=ast.Store()) if ("verify_flags", name) not in ALLOWED:
                yield f"{name}:{node.lineno}: sets verify_flags"
            case ast.Attribute(attr="minimum_version", ctx=ast.Store()) if name not in CONTEXTS:
                yield f"{name}:{node.lineno}: sets minimum_version"
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=word), _]) if word in SETTINGS | {"verify_flags"}:
                yield f"{name}:{node.lineno}: sets {word}"
            case ast.Call(func=ast.Attribute(attr="SSLContext") | ast.Name(id="SSLContext")) if name not in CONTEXTS:
                yield f"{name}:{node.lineno}: makes a context"
            case ast.keyword(arg=word, value=ast.Constant(value=False | None)) if word in ARGUMENTS:
                yield f"{name}:{node.value.lineno}: {word} off"
            case ast.Constant(value=str(word)) if word in NAMES:
                yield f"{name}:{node.lineno}: names {word}"


def test_no_line_of_the_package_turns_verification_off() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    found = [fault for file in files for fault in faults(ast.parse(file.read_text()), str(file.relative_to(PACKAGE)).replace("\\", "/"))]
    # The handshake is made by hand right after it, so that it can be broken off from another thread.
    place = next(fault for fault in found if fault.endswith("do_handshake_on_connect off"))
    assert place.startswith("drivers/transport_connect.py:")
    assert [fault for fault in found if fault != place] == []
    assert len(files) > 100


def test_a_handshake_that_is_not_made_at_once_is_made_before_anything_is_written() -> None:
    tree = ast.parse((PACKAGE / "drivers" / "transport_connect.py").read_text())
    secure = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_secure")
    calls = [ast.unparse(node.func) for node in ast.walk(secure) if isinstance(node, ast.Call)]
    assert calls.index("secured.do_handshake") > calls.index("context.wrap_socket")
    assert not {"secured.send", "secured.sendall", "secured.write"} & set(calls)


def test_the_one_context_is_a_clients_and_not_old() -> None:
    text = (PACKAGE / "drivers" / "tls.py").read_text()
    calls = [ast.unparse(node) for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Call, ast.Assign))]
    assert [call for call in calls if call.startswith("ssl.SSLContext(")] == ["ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)"]
    assert [call for call in calls if "minimum_version" in call] == ["context.minimum_version = ssl.TLSVersion.TLSv1_2"]


@pytest.mark.parametrize(
    "line",
    [
        "context.check_hostname = False", "context.verify_mode = ssl.CERT_NONE", "x = ssl.CERT_OPTIONAL", "ssl._create_unverified_context()",
        "ssl.create_default_context()", "context.load_default_certs()", "context.set_default_verify_paths()", "httpx.Client(verify=False)",
        "requests.get(url, verify=None)", "setattr(context, 'verify_mode', 0)", "from ssl import CERT_NONE as fine",
        "getattr(ssl, 'CERT_NONE')", "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)", "SSLContext(16)", "context.keylog_filename = path",
        "context.verify_flags = 0", "context.maximum_version = old", "context.minimum_version = old",
    ],
)  # fmt: skip
def test_the_gate_sees_each_way(line: str) -> None:
    assert list(faults(ast.parse(line), "drivers/other.py"))
