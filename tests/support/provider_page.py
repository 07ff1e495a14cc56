"""Makes docs/reference/providers.md out of the catalogue, and out of what every dialect says to every feature.

python -m tests.support.provider_page    writes the page
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from saferoute.errors import InvalidMessages, UnsupportedParameter
from saferoute.providers.registry import codec_for
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.parameters import PARAMETERS
from saferoute.values.http import NetClass
from saferoute.values.target import Dialect, Target
from tests.support.features import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.routing.catalogue import Catalogue
    from saferoute.values.events import Notice
    from saferoute.values.request import ChatRequest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "providers.md"
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
# A model whose name tells a dialect nothing that narrows what it can do.
MODELS: dict[Dialect, str] = {"gemini_generate": "gemini-3.8-flash"}

HEAD = """\
# Providers

This page is made from the catalogue and the dialects (`python -m tests.support.provider_page`); a test compares it with both.

## Vendors

`[providers.NAME]` in `routes.toml` takes a row over; `Client.local()` offers those without parameters whose key is found. Every row takes
any model: `client.chat("NAME/MODEL", ...)`. The secret's name is the row's, unless the column says another.

- evidence: **S** read in the newest official SDK, **D** public documentation, **L** measured live by others, **I** inferred. Check a row of
  I against the provider's own pages before you sign it.
- parameters: what only you know. Write each into the row; it is checked when the table is written, and never read from an environment.
- environment: what `secrets="env"` reads. Rows with parameters are not among them, since only your table says where their keys may go:
  name the variable and the origin, as in `Secrets.from_env({"azure_openai": ("AZURE_OPENAI_API_KEY", "https://acme.openai.azure.com")})`.

```toml
[providers.azure_openai]
resource = "acme"

[providers.vertex_gemini]
project = "acme-prod"
location = "europe-west4"
```
"""
AFTER_VENDORS = """
- Vertex takes Google's short-lived tokens, and Bedrock under `bedrock` AWS keys; `bedrock_key` and `bedrock_mantle` take a Bedrock API key.
- IBM watsonx takes an IAM access token, which lives for an hour. An IBM API key is exchanged for one with a form that saferoute does not
  send: make the token with IBM's own tools, or go through another row.
- GitHub Models does not read `GITHUB_TOKEN`: on most machines that have it, it opens repositories, and was not put there for this.
- Perplexity: the Agent API. Its Sonar chat API ended on 2026-09-27.
- A provider that is not here is a row of your own, with the dialect that it speaks:

```toml
[routes.acme]
provider = "acme"
dialect = "openai_chat"
origin = "https://api.acme.example"
path = "/v1"
net = "public"
model = "*"
secret = "acme"
auth = "bearer"
```
"""
SERVERS = """
## Servers on this machine

`extends = "KIND"` in a row of `routes.toml` takes one over; `origin = "http://127.0.0.1:9000"` changes the port. A local client takes it over
with `saferoute.loopback("here", kind="KIND")`, and `saferoute init` with `--server here=KIND`. Who names a kind and another door's dialect gets
what is known of that door.

"""
LACKS = """
## What is refused because it would be ignored

A provider that ignores what it is told, or that answers it with an error that says less, has a row that says so. Then the call is refused
before it is sent, with `UnsupportedParameter`; `on_unsupported="drop"` leaves the wish out, and `on_unsupported="emulate"` does it in
another way where there is one, with a warning in `reply.warnings` either way. What a model's family can do is in
`saferoute/routing/catalogue_families.toml`; what no row says is left to the provider to answer.

"""
EMULATED = """
`on_unsupported="emulate"` knows another way for these:

| asked | instead |
|---|---|
| a JSON Schema | the schema in words in the system prompt, the server's JSON mode where it has one, and the answer checked by `output=` |
| a tool choice that forces a call | an instruction; one certain tool by offering no other |
| at most one call a turn | an instruction |
| a budget of thinking where the dial has words | the word that comes closest (under "drop" too for the adaptive form, which does not think unless told) |
| a word that the dial does not have | the nearest (under "drop" too) |
"""
MATRIX = """
## Features and dialects

What each dialect makes of a request that asks for one thing, for a model of which nothing is known. **yes**: it goes out as asked.
**noted**: it does too, and `reply.warnings` says what to know of it. **changed**: it goes out in another form, and `reply.warnings` says
so. **no**: it is refused before anything is sent, and left out under `on_unsupported="drop"`. The numbers are the sentences below the table.

"""


def page(catalogue: Catalogue | None = None) -> str:
    """The page's text."""
    known = load_catalogue() if catalogue is None else catalogue
    return "".join([HEAD, "\n", _vendors(known), AFTER_VENDORS, SERVERS, _servers(known), LACKS, _lacks(known), EMULATED, MATRIX, matrix()])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def _code(words: Iterable[str], otherwise: str = "") -> str:
    return ", ".join(f"`{word}`" for word in words) or otherwise


def _vendors(catalogue: Catalogue) -> str:
    head = ("route", "provider", "provider name", "dialect", "origin and path", "key", "parameters", "environment", "evidence")
    rows = []
    for entry in catalogue.entries:
        row = entry.row
        key = row["auth"] if entry.secret == entry.name else f"{row['auth']}, secret `{entry.secret}`"
        place = f"`{entry.origin}{row['path']}`"
        given = ", ".join(f'`{name} = "{PARAMETERS[name].example}"`' for name in entry.parameters)
        rows.append(
            (
                f"`{entry.name}`",
                entry.label,
                f"`{row['provider']}`",
                f"`{row['dialect']}`",
                place,
                key,
                given,
                _code(entry.environment),
                entry.evidence,
            )
        )
    return _table(head, rows)


def _servers(catalogue: Catalogue) -> str:
    rows = [
        (f"`{name}`", f"`{kind.server.dialect}`", f"`{kind.server.origin}{kind.server.prefix}`", kind.evidence)
        for name, kind in catalogue.kinds.items()
    ]
    return _table(("kind", "dialect", "origin and path", "evidence"), rows)


def _lacks(catalogue: Catalogue) -> str:
    rows = []
    of_rows = [(entry.name, entry.row.get("profile", {})) for entry in catalogue.entries]
    of_rows += [(name, kind.profile) for name, kind in catalogue.kinds.items()]
    for name, profile in of_rows:
        lacking = [field for field, can in profile.items() if can is False]
        words = profile.get("efforts", ())
        if lacking or words:
            rows.append((f"`{name}`", _code(lacking), _code(words, "any")))
    return _table(("route or kind", "taken to lack", "words of the reasoning dial"), rows)


def matrix() -> str:
    """The table of features and dialects, and the sentences below it."""
    notes: dict[str, int] = {}
    rows = [(feature, *(_cell(request, dialect, notes) for dialect in DIALECTS)) for feature, request in FEATURES.items()]
    table = _table(("feature", *(f"`{dialect}`" for dialect in DIALECTS)), rows)
    return table + "\n" + "".join(f"{number}. {why}\n" for why, number in notes.items())


def outcome(request: ChatRequest, dialect: Dialect) -> tuple[str, list[str]]:
    """What a dialect makes of a request: "yes", "noted", "changed" or "no", and the sentences that say why."""
    target = plain_target(dialect)
    codec = codec_for(dialect)
    usual = set(codec.encode(FEATURES["text"], target).notices)
    try:
        notices = codec.encode(request, target).notices
    except (UnsupportedParameter, InvalidMessages) as error:
        return "no", [str(error).partition(". Leave it out, ")[0]]
    said = [notice for notice in notices if notice not in usual]
    word = "yes" if not said else "noted" if all(notice.kind == "noted" for notice in said) else "changed"
    return word, [_sentence(notice) for notice in said]


def plain_target(dialect: Dialect) -> Target:
    """A row that says nothing about its model."""
    model = MODELS.get(dialect, "some-model")
    return Target("row", "acme", dialect, "https://api.acme.example", "/v1", NetClass(), model, "acme", "bearer")


def _cell(request: ChatRequest, dialect: Dialect, notes: dict[str, int]) -> str:
    word, whys = outcome(request, dialect)
    numbers = [str(notes.setdefault(re.sub(r"\s+", " ", why), len(notes) + 1)) for why in whys]
    return f"{word} {', '.join(numbers)}" if numbers else word


def _sentence(notice: Notice) -> str:
    return f"{notice.parameter}: {notice.message}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
