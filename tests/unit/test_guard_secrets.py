"""The guard for secrets: what it finds and where exactly, what it leaves alone, and what it says. Every key here is made at run time."""

from __future__ import annotations

import json
import lzma
import os
import pathlib
import random
import re
import subprocess
import sys
from re import _parser  # the standard library's own reader of patterns

import pytest

from saferoute.guards import secret_blocks, secret_prefixes, secret_values, secrets_found
from saferoute.guards.answers import Streams
from saferoute.guards.secret_formats import ALPHABETS, FORMATS, SHAPES_OF_RUNS
from saferoute.guards.secret_formats import SHAPES as OTHER_SHAPES
from saferoute.guards.secret_words import FOREIGN_LABELS, PLACEHOLDERS, PUBLISHED
from saferoute.guards.secrets_found import SecretsGuard, find_secrets
from saferoute.values.guarding import ALLOWED, SILENT, Action, Guard, Segment, Span

SHAPES = SHAPES_OF_RUNS + OTHER_SHAPES
CHARACTERS = {letter: "".join(chr(code) for code in range(128) if re.match(f"[{kinds}]", chr(code))) for letter, kinds in ALPHABETS.items()}


def made(shape: str, seed: int = 1, prefix: str = "") -> str:
    """A value of a shape, by chance, with a digit and letters of both cases where the alphabet has them."""
    rng = random.Random(f"{shape} {seed} {prefix}")
    value = prefix
    for word in shape.split():
        if word[0] == "'":
            value += word[1:]
            continue
        letter, least = word[0], int(re.match(r"\d+", word[1:])[0]) + 20 * word.endswith("+")
        letters = CHARACTERS[letter]
        part = rng.choices([one for one in letters if one.isalnum()], k=least)
        wanted = [one for one in ("7", "k", "Q") if one in letters]
        for place, one in zip(rng.sample(range(1, least - 1), len(wanted)) if least > 8 else (), wanted, strict=False):
            part[place] = one
        value += "".join(part)
    return value


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_secrets(text)]


def kinds(text: str) -> list[str]:
    return [span.kind for span in find_secrets(text)]


GITHUB = made("A36", prefix="ghp" + "_")
OPENAI = made("A48", prefix="sk" + "-")
RANDOM = made("A32")
HEX = made("H32")
TYPED = "x9!" + "Kp#2vLq"
LINES = [made("B64", seed) for seed in range(4)]
BLOCK = "\n".join(["-----BEGIN RSA PRIVATE " + "KEY-----", *LINES, made("B20"), "-----END RSA PRIVATE " + "KEY-----"])


@pytest.mark.parametrize(
    ("kind", "prefix", "shape"), [(kind, prefix, shape) for kind, prefixes, shape, _ in FORMATS for prefix in prefixes]
)
def test_a_key_of_every_published_format_is_found_exactly(kind: str, prefix: str, shape: str) -> None:
    value = made(shape, prefix=prefix)
    for text in (f"failed with {value} today", value, f'{{"a": "{value}"}}', f"({value})", f"使用{value}。"):
        spans = find_secrets(text)
        assert [text[one.start : one.end] for one in spans] == [value], text
        same = {f"secret.{other}" for other, prefixes, _, _ in FORMATS if any(prefix.startswith(one) for one in prefixes)}
        assert spans[0].kind in same | {"secret.jwt", "secret.telegram"}


SHAPED = [
    ("telegram", "{}", made("D10 ':AA A33")),
    ("mailchimp", "key {} fails", made("H32 '-us12")),
    ("azure-client", "secret={}", made("A3") + "8Q~" + made("A34")),
    ("azure-key", "{}", made("A52 'JQQJ99 A26")),
    ("azure-devops", "{}", made("A76 'AZDO A4")),
    ("terraform", '"{}"', made("A14 '.atlasv1. A67")),
    ("facebook-app", "{}", made("D15 '| A27")),
    ("slack-webhook", "post to https://{}", "hooks.slack.com/" + made("'services/T U8 '/B U8 '/ A24")),
    ("discord-webhook", "https://{}", "discord.com/api/" + made("'webhooks/ D18 '/ A68")),
    ("teams-webhook", "https://x.{}", "webhook.office.com/webhookb2/" + made("H36 '/IncomingWebhook/ H32 '/ H36")),
    ("braintree", "{}", "access_token" + made("'$production$ L16 '$ H32")),
    ("sidekiq", "BUNDLE_GEMS__CONTRIBSYS__COM={}", "cafebabe:" + "deadbeef"),
    ("sonar", 'SONAR_LOGIN := "{}"', made("H40")),
    ("sumologic", "sumologic_access_id = {}", made("'su A12")),
    ("header", "Authorization: Basic {}", made("B24")),
    ("header", "'Authorization':  '{}'", "5eb4223e-5008-46e5-" + "be67-c7b8f2732305"),
    ("bearer", "the bearer {} expired", made("A40")),
    ("azure-sas", "https://x.example/y?sv=1&sig={}&se=2", made("A43") + "%3D"),
    ("docker-login", '{{"auths": {{"r": {{"auth": "{}"}}}}}}', made("B32")),
    ("npm-login", "_auth={}", made("B24")),
    ("curl-user", "curl -u admin:{} https://h.example", TYPED),
    ("curl-user", "curl --user 'admin:{}'", TYPED),
    ("curl-user", "curl -k --proxy-user=a:{} x", "yqDVtk" + "qPECriaLRi"),
    ("password", "sshpass -p '{}' ssh h", TYPED),
    ("password", "mysqldump -u root -p{} db", TYPED),
    ("password", "machine h.example login me password {}", TYPED),
    ("aws-session", "?X-Amz-Security-Token={}&x", made("A160")),
    ("jwk", '{{"kty": "EC", "d": "{}"}}', made("W43")),
    ("url", "postgres://app:{}@db.example:5432/x", made("A18")),
    ("url", "redis://:{}@h", "cafe" + "babe"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "value"), SHAPED)
def test_what_has_no_prefix_is_found_by_its_shape(kind: str, text: str, value: str) -> None:
    assert found(text.format(value)) == [value]
    assert kinds(text.format(value)) == [f"secret.{kind}"]


def test_each_shape_is_tried() -> None:
    assert {kind for kind, _, _, _ in SHAPES} == {kind for kind, _, _ in SHAPED}


LABELLED = [
    ("ACME_API_KEY={}", RANDOM), ('api_key = "{}"', RANDOM), ("apiKey: '{}',", RANDOM), ('{{"client_secret": "{}", "n": 1}}', RANDOM),
    ('{{\\"access_token\\": \\"{}\\"}}', RANDOM), ("export AWS_SECRET_ACCESS_KEY={}\n", made("B40")), ("X-Api-Key: {}", HEX),
    ("AccountKey={};EndpointSuffix=x", made("B44") + "=="), ("my key is {} ok?", RANDOM), ("the api key for prod is {}.", RANDOM),
    ("auth failed for key {} (id 7)", RANDOM), ("- name: API_TOKEN\n  value: {}", HEX), ('<add key="ApiKey" value="{}"/>', RANDOM),
    ('{{"name":"secret_key","value":"{}"}}', RANDOM), ('env("api_token", "{}")', "dafa7817-e246-48f3-" + "91a7-e87653d587b8"),
    ("**API key:** **{}**", RANDOM), ('SNYK_TOKEN ?= "{}"', "12345678-ABCD-ABCD-" + "ABCD-1234567890AB"), ("--auth-token {} -v", HEX),
    ("-H 'Token: {}'", made("H16")), ("SERVICE_KEY={}", HEX), ('private_token = "{}"', "bkredtt81decc" + "tvzpj86"), ("token = b'{}'", RANDOM),
    ("jwtSecret => '{}',", RANDOM), ("<secretKey>{}</secretKey>", RANDOM), ("signing_key := {}", RANDOM), ("credentials: {}", RANDOM),
    ("password={}", TYPED), ("DB_PASSWORD: {}\n", TYPED), ('"password": "{}"', "hunt" + "er2"), ("my password is {}, thanks", TYPED),
    ("PGPASSWORD='{}' psql", TYPED), ("--password {} --port 1", TYPED), ("-pass {}", "ab12" + "cd34"), ("db_pass={}", TYPED), ("passphrase: {}", TYPED),
    ('password: "{}"', "@PiUKK2h" + "XaNYxbsT"), ('password: "{}"', "it's" + "4You!"), ('"password": "{}"', "kq!Vbx" + "Lmzp"), ("pwd={};Database=x", TYPED),
    ("password: '{}'", "AbcDeFgHi" + "JkL"), ("password={}", "Ekuz&DBI" + "UGAz"), ('secret = "{}"', "s3cr!T" + "xy9"), ('password: "{}\\n"', TYPED),
    ('setPassword("password", "{}")', TYPED), ("contraseña: {}", TYPED), ("密码：{}，谢谢", TYPED), ("Das Kennwort ist {}.", TYPED), ("senha = '{}'", TYPED),
    ("İ пароль: {}", TYPED),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), LABELLED)
def test_a_label_gives_its_value_away_and_nothing_else_is_taken_out(text: str, value: str) -> None:
    assert found(text.format(value)) == [value.rstrip(".")]


NOTHING = [
    "", "a", "   ", "\ud800", "\u200b" * 40, "password", "password:", "password: ", "api_key = ", "key=key=key=",
    # Placeholders, variables, expressions.
    "api_key: YOUR_API_KEY", "API_KEY=<your-key-goes-here-1>", 'secret_key = "changeme"', "token: " + "x" * 32, "OPENAI_API_KEY=sk-...",
    "password: ${DB_PASSWORD1}", "password=$DB_PASSWORD1", "password: {{ vault.pw1 }}", "password=%DB_PASS1%", "password = os.environ['DB_PASS1']",
    "token = get_token(user1)", "token: a1b2c3d4e5f6g7h8(x)", "key: process.env.API_KEY1", "password = args.password1", "password: ******** (8)",
    "password = None", 'password: "{}"', "secret: @SECRET_1@", "ghp" + "_" + "x" * 36, "ghp" + "_" + "1234567890abcdefghijklmnopqrstuvwxyz",
    "sk" + "-" + "a" * 48, "password: [a1b2c3d4]", "password: 12345678", "password: aaaaaa1", 'token = f"{user_id1}-{page2}-abcdef"', "pw: secret123",
    "Authorization: Bearer $TOKEN1234567", "Authorization: AWS4-HMAC-SHA256 Credential=x", "Authorization: Bearer YOUR_TOKEN_12345",
    "ghp" + "_" + "aB1" * 12, "ghp" + "_" + "123456789" * 4, '"password": "minimum8 characters"', "password: Optional<Text>", "password=" + "aB3!" * 600,
    "enclave: a1b2c3!d", "clave: a123456", "clave: <your-1>",
    # Prose, names, types and file names.
    "The password is incorrect.", "password must have 8 characters and 1 digit", "password: String!", "password: Option<String>", "password is case-sensitive",
    "password: must be at least 8", '"password": "at least 8 chars, 1 digit"', "pass `check=False`", "passed: 120", "bypass: on12345", "compass: N45E12345",
    "monkey: a1b2c3d4e5f6g7h8i9j0", "keyboard: qwertz102keys", "max_tokens: 4096", "tokenizer: cl100k_base", "key = getUserAccessTokenFromStore",
    "secret: my-app-tls-2024-prod", "key=/run/secrets/db_key_1", "token=https://h.example/a1b2c3", "password = userPasswordField", "password=stream=True1",
    "private_key: PKCS7PrivateKeyTypes,", "[\n    PrivateKey,\n    Ed25519PublicKey]", '("password",\n "tests/a.py::b1")', '"password", "a/b1.py"', "secret_name, a1b2c3d4",
    # Other things' keys, hashes, identifiers.
    "public key: " + made("B44"), "cache_key=" + RANDOM, "partition key: " + RANDOM, "next_page_token=" + RANDOM, "publicKeyToken=" + HEX,
    "primary key = " + RANDOM, "key: " + made("H40"), "commit " + made("H40"), "sha256:" + made("H64"), "password: $2b$12$" + made("A53"), "key_hash: sha256-" + RANDOM,
    "request 5eb4223e-5008-46e5-be67-c7b8f2732305", "key: 5eb4223e-5008-46e5-be67-c7b8f2732305", "api_key: 00000000-0000-0000-0000-000000000000",
    "arn:aws:secretsmanager:eu-west-1:1:secret:MyTestSecret-a1b2c3", '"AWS::IAM::AccessKey": "72c2d9dd90025459"', "password_hash=" + TYPED[:0] + "no",
    '"integrity": "sha512-' + made("B86") + '=="', "flask==3.0.0 --hash=sha256:" + made("H64"), "data:image/png;base64," + made("B400"), "ssh-rsa AAAAB3" + made("B300"),
    # Nearly a known form.
    "x" + GITHUB, GITHUB[:20], GITHUB + "x" * 250, "icons/ico-" + HEX + ".png", "AIza" + "a" * 35, "xoxb-12345-abcd234", "s.makeKubeConfigControllerForX",
    "s." + "T" * 24, "TODAYIN" + "AK" + "IAACKOFRICEFELLOVER", "glpat-short-1", "eyJhbGciOiJub25lIn0", "re_compile_pattern_of_words_x1", "sk-learn-and-sk-image-are-names-of-packages",
    "https://h.example:8080/a@b", "https://user:password@h.example", "https://u:${PW}@h", "https://u:pw@h", "https://u:xxx@h", "postgres://postgres:postgres@h",
    "http://a.example:80,b.example:81@x", "curl -u username:token", 'curl -u "${_u}:${_p}"', "curl -u a:bcdefg", "1|abc", ":aa" * 9, "q~" + "a" * 33, "discord /api/webhooks/" + made("D18 '/ A68"),
    '"auth": "none"', "bearer of bad news and of many other long words", "sig=" + made("A43"), "-----BEGIN CERTIFICATE-----\n" + "\n".join(LINES) + "\n-----END CERTIFICATE-----",
    "It begins with -----BEGIN PRIVATE " + "KEY----- and so on.", "-----BEGIN PRIVATE " + "KEY-----\n...\n-----END", "-----BEGIN PRIVATE " + "KEY-----\n\n", "-----BEGIN PRIVATE " + "KEY-----\nMII\n",
    "-----BEGIN PRIVATE " + "KEY----------END PRIVATE " + "KEY-----", "private, but no key",
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING, ids=range(len(NOTHING)))
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert found(text) == []


WEB = "ey" + "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
DOCUMENTED = [
    "AK" + "IAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "sk_" + "test_4eC39HqLyjWDarjtT1zdp7dc",
    WEB + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    WEB + "eyJzdWIiOiJtZSJ9." + "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "AI" + "zaSyAnLA7NfeLquW1tJFpx_eQCxoX-oo6YyIs",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/" + "K1SZFPTOtr/KBHBeksoGMGw==",
]


@pytest.mark.parametrize("value", DOCUMENTED)
def test_keys_that_documentation_published_are_no_secrets(value: str) -> None:
    assert found(value) == []
    assert found(f"api_key = '{value}'") == []


def test_every_occurrence_is_found_labelled_or_not() -> None:
    text = f"{GITHUB} and {GITHUB}; api_key={RANDOM} then {RANDOM} and again '{RANDOM}', password={TYPED} or {TYPED}"
    assert found(text) == [GITHUB, GITHUB, RANDOM, RANDOM, RANDOM, TYPED, TYPED]


def test_a_text_that_repeats_itself_is_judged_alike() -> None:
    header = "Authorization: Basic " + made("B24")
    assert found(f"{header}\n{header}\nAuthorization: Basic none\nAuthorization: Basic none1234") == [header[21:]] * 2
    line = f"api_key = '{RANDOM}'\n"
    assert found(line * 3) == [RANDOM] * 3
    assert found("key token secret pass " * 500 + line) == [RANDOM]
    assert found("a key, a token and a pass " + line) == [RANDOM]


def test_a_key_within_a_word_or_beside_another_is_found() -> None:
    assert found(f"x-{GITHUB}") == [GITHUB]
    assert found(f"{GITHUB}/{OPENAI}") == [GITHUB, OPENAI]
    assert found(f"key={GITHUB};other={OPENAI}") == [GITHUB, OPENAI]
    assert found("sk-" * 30 + OPENAI) == [OPENAI]
    assert found("sk-" + "x" * 40 + " " + OPENAI) == [OPENAI]
    assert found("glpat-" + "a" * 4000 + "/" + GITHUB) == [GITHUB]


def test_of_two_readings_of_one_value_the_published_form_wins() -> None:
    assert kinds(f"Authorization: Bearer {OPENAI}") == ["secret.sk-key"]
    assert kinds(f"password={GITHUB}") == ["secret.github"]
    assert kinds(f"https://me:{GITHUB}@h.example/x") == ["secret.github"]
    wider = f"password=a!{GITHUB}"
    assert found(wider) == [f"a!{GITHUB}"]
    assert kinds(wider) == ["secret.github"]


def test_a_key_ends_before_what_is_no_letter_of_it() -> None:
    for end in (".", ",", ")", "。", "\n", "é", '"', "\\n", "…"):
        assert found(f"use {GITHUB}{end}") == [GITHUB]
    assert found("sk-" + "ant-" + made("W50") + ".") == ["sk-" + "ant-" + made("W50")]


BLOCKS = [
    BLOCK,
    BLOCK.replace("\n", "\\n"),
    BLOCK.replace("\n", "\\\\n"),
    BLOCK.replace("\n", "\r\n"),
    BLOCK.replace("\n", '\\n" +\n  "'),
    BLOCK.replace("RSA ", ""),
    BLOCK.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK").replace("KEY BLOCK-----\n", "KEY BLOCK-----\nVersion: GnuPG v2\n\n", 1),
    BLOCK.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n", 1),
    BLOCK.rpartition("\n")[0],
    BLOCK.rpartition("\n")[0].rpartition("\n")[0],
    "\n".join(["Private-Lines: 4", *LINES]),
]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_private_keys_block_is_one_find_from_the_first_dash_to_the_last(block: str) -> None:
    for text in (block, f"here: {block}", f"{block} and more, in words"):
        assert found(text) == [block]
        assert kinds(text) == ["secret.private-key"]
    assert found(f"{block}\nthen\n{block}") == [block, block]


def test_a_block_that_is_cut_off_ends_with_its_last_line() -> None:
    cut = "\n".join([BLOCK.split("\n", maxsplit=1)[0], LINES[0], LINES[1]])
    assert found(f"{cut}\nand so on") == [cut]
    assert found(f"{cut}\nQ29n!") == [f"{cut}\nQ29n"]
    assert found(f"{cut}\n--x") == [cut]
    assert found(f"{cut}\n(and so on)") == [cut]
    assert found(f"{cut}\n{BLOCK}") == [f"{cut}", BLOCK]


def test_a_token_that_touches_a_block_is_found_apart_from_it() -> None:
    assert found(GITHUB + BLOCK) == [GITHUB, BLOCK]
    token = "sk-" + "ant-" + made("W50")
    assert found(token + BLOCK) == [token, BLOCK]
    assert found(f"{BLOCK}{GITHUB}") == [BLOCK, GITHUB]


def test_a_block_has_an_end_however_many_lines_it_has() -> None:
    first = BLOCK.split("\n", maxsplit=1)[0]
    lines = "\n".join([first, *[LINES[0]] * 3000])
    assert found(lines)[0] == "\n".join([first, *[LINES[0]] * 2000])


def test_the_guard_is_a_guard_that_can_stream() -> None:
    guard = SecretsGuard()
    assert isinstance(guard, Guard)
    assert isinstance(guard, Streams)
    assert (guard.name, guard.version) == ("secrets", "1")
    assert guard.stages == {"input", "tool_result", "tool_call", "output"}
    assert guard.check(Segment("nothing here"), SILENT) is ALLOWED
    assert guard.open_candidate("a wor", 0) == 2
    assert guard == SecretsGuard()
    assert not hasattr(guard, "__dict__")


def test_a_verdict_takes_out_the_places_and_names_kinds_only() -> None:
    text = f"{GITHUB} {OPENAI} password={TYPED}"
    verdict = SecretsGuard().check(Segment(text), SILENT)
    assert verdict.action is Action.REDACT
    assert verdict.reasons == ("text holds a secret: github", "text holds a secret: password", "text holds a secret: sk-key")
    places = ((0, 40, "secret.github"), (41, 92, "secret.sk-key"), (len(text) - len(TYPED), len(text), "secret.password"))
    assert verdict.spans == tuple(Span(*one) for one in places)
    assert not any(value in repr(verdict) for value in (GITHUB, OPENAI, TYPED))


def test_a_text_of_many_kinds_still_makes_a_verdict() -> None:
    text = "\n".join(made(shape, prefix=prefixes[0]) for _, prefixes, shape, _ in FORMATS)
    verdict = SecretsGuard().check(Segment(text), SILENT)
    assert len(verdict.reasons) == 21
    assert re.fullmatch(r"and \d+ more kinds of secrets", verdict.reasons[-1])


def test_tables_are_well_formed() -> None:
    for kind in [*(row[0] for row in FORMATS), *(row[0] for row in SHAPES)]:
        assert Span(0, 1, f"secret.{kind}")
    assert {needs for *_, needs in FORMATS} <= {"", "any", "digit", "mixed", "random"}
    assert all(len(one) >= 4 and one == one.lower() for one in PLACEHOLDERS if one != "\u2026")
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in PUBLISHED)
    assert all(label == label.lower() for label in FOREIGN_LABELS)
    for _, needed, _, pattern in SHAPES:
        assert all(one.rstrip() in pattern.replace("\\", "") for one in needed)


def _unbounded(tree: object) -> int:
    """How many repetitions without an end a pattern has, at any depth."""
    total = 0
    for name, argument in tree:
        parts = argument if isinstance(argument, (tuple, list)) else ()
        if str(name) in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            total += argument[1] == _parser.MAXREPEAT
        for part in parts:
            inner = part if isinstance(part, list) else [part]
            total += sum(_unbounded(one) for one in inner if isinstance(one, _parser.SubPattern))
    return total


def test_no_pattern_repeats_without_an_end_but_single_runs() -> None:
    modules = (secrets_found, secret_prefixes, secret_values, secret_blocks)
    compiled = [(name, one.pattern) for module in modules for name, one in vars(module).items() if isinstance(one, re.Pattern)]
    compiled += [(needed[0], one.encode()) for _, needed, before, pattern in SHAPES for one in (before, pattern)]
    assert len(compiled) > 50
    assert {name for name, pattern in compiled if _unbounded(_parser.parse(pattern))} == {"_BETWEEN", "_OPEN_RUN"}


def test_the_package_does_not_load_the_guard() -> None:
    code = "import sys, saferoute; sys.exit('saferoute.guards.secrets_found' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=pathlib.Path(__file__).parents[2]).returncode == 0


def test_the_shared_cases_are_judged_as_expected() -> None:
    shared = pathlib.Path(os.environ.get("SAFEROUTE_SHARED", pathlib.Path(__file__).parents[3] / "shared")) / "guards"
    if not shared.exists():
        pytest.skip("the shared folder is not here")
    with lzma.open(shared / "hostile_cases.jsonl.xz", "rt", encoding="utf-8") as lines:
        cases = {case["id"]: case["input"] for case in map(json.loads, lines)}
    assert kinds(cases["h33"]) == ["secret.openai"]
    assert found("".join(cases["h34"])) == ["".join(cases["h34"]).removeprefix("my key is ").removesuffix(" bye")]
    assert [found(cases[one]) for one in ("h37", "h38", "h39", "h66", "h67", "h68")] == [[]] * 6
