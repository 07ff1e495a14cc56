"""Measures the guard for secrets: what it finds, what it takes for one, and what it costs.

    PYTHONPATH=. SAFEROUTE_SHARED=... python benchmarks/guard_secrets.py

Three sets. The shared corpus, in two halves by a hash of the row's id: "seen" is what the rules were written with, "held out" is not.
And a set made here by chance, from key forms and contexts that are not the guard's own tables. All randomness has a fixed seed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import os
import pathlib
import random
import re
import string
import sys
import time
import uuid

from saferoute.guards.secrets_found import find_secrets, open_candidate

ALPHABETS = {
    "A": string.ascii_letters + string.digits,
    "W": string.ascii_letters + string.digits + "_-",
    "H": "0123456789abcdef",
    "D": string.digits,
    "U": string.ascii_uppercase + string.digits,
    "L": string.ascii_lowercase + string.digits,
    "B": string.ascii_letters + string.digits + "+/",
    "P": string.ascii_letters + string.digits + "!@#%^&*?+=",
    "C": string.ascii_letters + string.digits + "!#%^*+",
}
KEYS = {
    "anthropic": "sk-ant-|api03-{W93}AA",
    "openai": "sk-|proj-{W74}T3Blbk|FJ{W74}",
    "openai-old": "sk-|{A20}T3Blbk|FJ{A20}",
    "deepseek": "sk-|{H32}",
    "openrouter": "sk-or-|v1-{H64}",
    "groq": "gsk|_{A52}",
    "xai": "xai|-{A80}",
    "huggingface": "hf|_{A34}",
    "replicate": "r8|_{A37}",
    "perplexity": "pplx|-{A48}",
    "nvidia": "nvapi|-{W64}",
    "langsmith": "lsv2|_pt_{H32}_{H10}",
    "pinecone": "pcsk|_{A6}_{A60}",
    "tavily": "tvly|-dev-{A32}",
    "aws-id": "AK|IA{U16}",
    "aws-temporary": "AS|IA{U16}",
    "google": "AI|za{W35}",
    "google-oauth": "GOC|SPX-{W28}",
    "github": "ghp|_{A36}",
    "github-app": "ghs|_{A36}",
    "github-fine": "github|_pat_{A22}_{A59}",
    "gitlab": "glpat|-{W20}",
    "slack": "xoxb|-{D12}-{D12}-{A24}",
    "slack-user": "xoxp|-{D12}-{D12}-{D12}-{H32}",
    "stripe": "sk_|live_{A24}",
    "stripe-restricted": "rk_|live_{A99}",
    "npm": "npm|_{A36}",
    "pypi": "pypi|-AgEIcHlwaS5vcmc{W120}",
    "sendgrid": "SG|.{W22}.{W43}",
    "telegram": "{D10}|:AA{W33}",
    "twilio": "S|K{H32}",
    "mailgun": "key|-{H32}",
    "mailchimp": "{H32}|-us{D2}",
    "digitalocean": "dop|_v1_{H64}",
    "databricks": "dapi|{H32}",
    "grafana": "glsa|_{A32}_{H8}",
    "newrelic": "NRAK|-{U27}",
    "doppler": "dp|.pt.{A43}",
    "linear": "lin|_api_{A40}",
    "notion": "ntn|_{A46}",
    "figma": "figd|_{W40}",
    "postman": "PMAK|-{H24}-{H34}",
    "shopify": "shpat|_{H32}",
    "square": "sq0atp|-{W22}",
    "docker": "dckr|_pat_{W27}",
    "vault": "hvs|.{W90}",
    "terraform": "{A14}|.atlasv1.{W67}",
    "rubygems": "rubygems|_{H48}",
    "atlassian": "ATATT|3{W186}",
    "airtable": "pat{A14}|.{H64}",
    "discord": "M{W23}|.{W6}.{W38}",
    "azure-client": "{A3}8|Q~{A34}",
    "age": "AGE-SECRET|-KEY-1{U58}",
    "sentry": "sntryu|_{H64}",
    "tailscale": "tskey|-auth-{A12}-{A32}",
    "jwt": "ey|JhbGciOiJIUzI1NiJ9.eyJ{A60}.{W43}",
    "supabase": "sbp|_{H40}",
    "netlify": "nfp|_{A36}",
}
LABELLED = {
    "API_KEY": "A32",
    "ACME_API_TOKEN": "H40",
    "acme_secret_key": "W43",
    "clientSecret": "W40",
    "DB_PASSWORD": "C16",
    "password": "C14",
    "SMTP_PASSWORD": "A18",
    "access_token": "A64",
    "auth-token": "H32",
    "AWS_SECRET_ACCESS_KEY": "B40",
    "AccountKey": "B86",
    "jwt_secret": "B44",
    "SECRET_KEY_BASE": "H128",
    "encryption_key": "H64",
    "admin_password": "P12",
    "webhook_secret": "A32",
    "COHERE_API_KEY": "A40",
    "MISTRAL_API_KEY": "A32",
    "AZURE_OPENAI_KEY": "H32",
    "private_token": "L20",
}
ANYWHERE = (
    "my key is {} please keep it",
    "{}",
    "request failed with key {} (status 401)",
    "| prod | {} | yes |",
    "curl -H 'X-Api-Key: {}' https://h.example/v1",
    "https://h.example/v1/items?limit=3&api_key={}",
    "Ich habe {} benutzt, aber es geht nicht.",
    "\u6211\u7684\u5bc6\u94a5\u662f {}\uff0c\u4e3a\u4ec0\u4e48\u5931\u8d25\uff1f",
    "\u8bf7\u770b\uff1a{}\u3002",
    '{{"role":"user","content":"use {} now"}}',
    "export KEY={}\necho done",
    "```\nAuthorization: Bearer {}\n```",
    "client = Client('{}')",
    "const c = new Client({{ apiKey: `{}` }});",
    "it was {}.",
    "({})",
    "<li>{}</li>",
    "key1={};key2=x",
    "//registry.example/:_authToken={}",
)
AFTER_A_LABEL = (
    "{label}={value}",
    '{label} = "{value}"',
    "{label}: {value}\n",
    '{{"{label}": "{value}", "n": 3}}',
    "export {label}='{value}'",
    '{{\\"{label}\\": \\"{value}\\"}}',
    "ENV {label}={value}\nRUN make",
    '  - name: {label}\n    value: "{value}"',
    "the {label} is {value} and it fails",
    '<add key="{label}" value="{value}"/>',
    "<{label}>{value}</{label}>",
    "**{label}**: `{value}`",
    "setdefault('{label}', '{value}')",
    "--{label} {value} --verbose",
    "{label} := {value}",
    "{label} => '{value}',",
    'os.environ["{label}"] = "{value}"',
)
PLACEHOLDERS = (
    "API_KEY=<your-key>",
    "api_key = 'YOUR_API_KEY'",
    "token: xxxxxxxxxxxxxxxxxxxxxxxx",
    "password: ${DB_PASSWORD}",
    "secret = os.environ['SECRET_KEY']",
    "OPENAI_API_KEY=sk-...",
    "api_key: {{ vault_api_key }}",
    "password=changeme",
    "PASSWORD=$PASSWORD",
    "token = get_token(user)",
    "key: process.env.API_KEY",
    "client_secret: *****",
    "api_key=ENTER_YOUR_KEY_HERE",
    "password = None",
    "the password is case sensitive",
    "token: str = Field(default='')",
    "max_tokens=4096, stop_token=None",
    "primary key (id)",
    "Passwords must have 8 characters, 1 digit",
    "keyboard: querty2",
    "secretName: my-app-tls-2024",
    "tokenizer: cl100k_base",
    "publicKeyToken=b77a5c561934e089",
    "passed: 120, failed: 3",
    "key = f'{user_id}:{page}'",
    "sk-learn 1.4.2 and sk-image",
)


AROUND_UUIDS = ("id {}", '{{"trace_id": "{}"}}', "request {} failed", "https://h.example/jobs/{}", "user_id={}", "session {} ended")
AROUND_HASHES = (
    "commit {}",
    "sha256:{}",
    'etag: "{}"',
    "md5 {}  a.tar",
    "--hash=sha256:{}",
    '"checksum": "{}"',
    "index {}..0",
    "image@sha256:{}",
)
AROUND_DIGESTS = (
    '"integrity": "sha512-{}"',
    "integrity sha384-{}",
    "h1:{}",
    '<script integrity="sha256-{}">',
    "resolution: {{integrity: sha512-{}}}",
)
IDENTIFIERS = (
    "getUserAccountSettings{}V2",
    "my_long_function_name_{}",
    "test-case-number-{}-of-the-suite",
    "pkg.module{}.ClassName",
)


def made(form: str, rng: random.Random) -> str:
    form = form.replace("|", "")
    return re.sub(r"\{([A-Z])(\d+)\}", lambda m: "".join(rng.choices(ALPHABETS[m[1]], k=int(m[2]))), form)


def own_positives(rng: random.Random) -> list[tuple[str, str, str]]:
    rows = []
    for kind, form in KEYS.items():
        for _ in range(30):
            value = made(form, rng)
            rows.append((f"form {kind}", rng.choice(ANYWHERE).format(value), value))
    for label, shape in LABELLED.items():
        for _ in range(60):
            value = made("{" + shape + "}", rng)
            rows.append((f"label {label}", rng.choice(AFTER_A_LABEL).format(label=label, value=value), value))
    for scheme in ("postgres", "mysql", "mongodb+srv", "redis", "amqp", "https"):
        for _ in range(20):
            value = made("{A16}", rng)
            rows.append(("url", f"connect to {scheme}://app:{value}@db.example:5432/x now", value))
    for _ in range(40):
        lines = "\n".join(made("{B64}", rng) for _ in range(8))
        block = f"-----BEGIN PRIVATE {'KEY'}-----\n{lines}\n-----END PRIVATE KEY-----"
        rows.append(("block", f"here:\n{block}\nwhy?", block))
        escaped = block.replace("\n", "\\n")
        rows.append(("block", f'{{"private_key": "{escaped}"}}', escaped))
    return rows


def own_negatives(rng: random.Random) -> list[tuple[str, str]]:
    rows = [("placeholder", text) for text in PLACEHOLDERS]
    for _ in range(300):
        digest = rng.choice((32, 40, 64, 128))
        blob = base64.b64encode(rng.randbytes(rng.choice((20, 32, 48, 64)))).decode()
        number = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        hexed = made(f"{{H{digest}}}", rng)
        encoded = base64.b64encode(rng.randbytes(rng.choice((60, 300, 3000)))).decode()
        rows += [
            ("uuid", rng.choice(AROUND_UUIDS).format(number)),
            ("hash", rng.choice(AROUND_HASHES).format(hexed)),
            ("integrity", rng.choice(AROUND_DIGESTS).format(blob)),
            ("data-uri", f"![x](data:image/png;base64,{encoded})"),
            ("identifier", rng.choice(IDENTIFIERS).format(rng.randrange(99))),
            ("public-key", f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{made('{B43}', rng)} me@host"),
            ("number", rng.choice(("order 4111-{}", "phone +44 {}", "version 1.{}.0", "2024-05-0{} 10:00")).format(rng.randrange(1, 9))),
        ]
    return rows


def shared() -> pathlib.Path | None:
    root = pathlib.Path(os.environ.get("SAFEROUTE_SHARED", pathlib.Path(__file__).resolve().parents[2] / "shared"))
    return root / "guards" if (root / "guards" / "secrets_dev.jsonl.xz").exists() else None


def rows_of(path: pathlib.Path) -> list[dict]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def print_corpus(name: str, rows: list[dict]) -> None:
    counts: dict[str, list[int]] = {}
    for row in rows:
        group = ("+ " if row["label"] else "- ") + row["category"]
        seen = counts.setdefault(group, [0, 0])
        seen[0] += 1
        seen[1] += bool(find_secrets(row["text"]))
    hits = {sign: [sum(one[i] for group, one in counts.items() if group[0] == sign) for i in (0, 1)] for sign in "+-"}
    (all_pos, true), (all_neg, false) = hits["+"], hits["-"]
    print(f"\n{name}: P {true / (true + false):.3f}  R {true / all_pos:.3f}  FPR {false / all_neg:.4f}   (n = {all_pos} + {all_neg})")
    for group, (count, found) in sorted(counts.items()):
        print(f"  {group:22} n {count:4}  found {found:4}  {found / count:.3f}")


def print_own() -> None:
    rng = random.Random(20)
    positives, negatives = own_positives(rng), own_negatives(rng)
    missed: dict[str, int] = {}
    exact = found = 0
    for kind, text, value in positives:
        spans = [text[span.start : span.end] for span in find_secrets(text)]
        found += bool(spans)
        exact += value in spans
        if value not in spans:
            missed[kind] = missed.get(kind, 0) + 1
            if "-v" in sys.argv:
                print("  missed", kind, repr(text), spans)
    wrong: dict[str, list[int]] = {}
    for kind, text in negatives:
        seen = wrong.setdefault(kind, [0, 0])
        seen[0] += 1
        spans = [text[span.start : span.end] for span in find_secrets(text)]
        seen[1] += bool(spans)
        if spans and "-v" in sys.argv:
            print("  wrong", kind, repr(text[:200]), spans)
    print(f"\nmade here: R {found / len(positives):.3f}, exact value {exact / len(positives):.3f} (n = {len(positives)})")
    print("  not exact:", ", ".join(f"{kind} {count}" for kind, count in sorted(missed.items(), key=lambda one: -one[1])[:12]) or "none")
    print("  FPR:", ", ".join(f"{kind} {bad}/{count}" for kind, (count, bad) in wrong.items()))


def print_speed(name: str, text: str) -> None:
    pieces = [text[at : at + 1024] for at in range(0, len(text) - 1023, 1024)][:400]
    times = []
    for piece in pieces:
        best = 1.0
        for _ in range(5):
            begin = time.process_time()
            find_secrets(piece)
            best = min(best, time.process_time() - begin)
        times.append(best * 1e6)
    times.sort()
    begin = time.process_time()
    find_secrets(text)
    rate = len(text) / (time.process_time() - begin) / 1e6
    print(
        f"  {name:12} p50 {times[len(times) // 2]:6.1f} us/KB  p99 {times[int(len(times) * 0.99)]:6.1f} us/KB  whole text {rate:5.1f} MB/s"
    )


def print_holds(texts: list[str]) -> None:
    held = sorted(cut - open_candidate(text[:cut]) for text in texts for cut in range(1, len(text), 11))
    median, most = held[len(held) // 2], held[int(len(held) * 0.99)]
    print(f"  held back in a stream of benign text: median {median}, p99 {most} characters (n = {len(held)})")


def main() -> None:
    print_own()
    guards = shared()
    if guards is None:
        print("no shared corpus: set SAFEROUTE_SHARED")
        return
    rows = rows_of(guards / "secrets_dev.jsonl.xz")
    held = {row["id"] for row in rows if hashlib.sha256(row["id"].encode()).digest()[0] % 2}
    print_corpus("seen half", [row for row in rows if row["id"] not in held])
    print_corpus("held-out half", [row for row in rows if row["id"] in held])
    print_corpus("both halves", rows)
    benign = {name: [row["text"] for row in rows_of(guards / name)] for name in ("pi_controls_dev.jsonl.xz", "pii_dev.jsonl.xz")}
    print()
    for name, texts in benign.items():
        print(f"  {name}: {sum(bool(find_secrets(text)) for text in texts)} of {len(texts)} flagged")
    begin = time.process_time()
    for _ in range(100):
        sum(range(10_000))
    print(f"\nspeed, in processor time, where sum(range(10_000)) takes {(time.process_time() - begin) * 1e4:.0f} us")
    prose = " ".join(row["text"] for row in rows if row["category"] == "plain-prose")
    print_speed("prose", prose)
    print_speed("code", " ".join(row["text"] for row in rows if row["category"] == "real-code"))
    print_holds([row["text"][:2000] for row in rows if row["category"] == "plain-prose"])
    print()
    print("baselines: gitleaks' patterns in re P .84 R .92 FPR .08 1,270 us/KB; llm-guard P .72 R .65 FPR .12 27,000 us/KB;")
    print("           detect-secrets P .78 R .58")


if __name__ == "__main__":
    main()
