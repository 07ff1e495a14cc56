"""Building, formatting, linting, testing and comparing tables, before one is signed. Nothing here needs a key."""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from saferoute.capabilities.authorise import Asked, authorise, counts_money, output_bound, tightest_output
from saferoute.cli.key_files import replace
from saferoute.cli.table_files import body_of, draft, read_source, text_of
from saferoute.cli.terminal import say, show
from saferoute.cli.toml_format import comments_of, format_toml
from saferoute.errors import ConfigurationError
from saferoute.routing.assertions import run_assertions
from saferoute.routing.authoring import assertions_of, build
from saferoute.routing.difference import compare
from saferoute.routing.lint import lint
from saferoute.routing.resolve import names
from saferoute.routing.table import show_time

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from saferoute.cli.table_files import Source
    from saferoute.routing.assertions import Decide, MadeUpCall, Result
    from saferoute.routing.difference import Difference
    from saferoute.routing.table import RoutingTable
    from saferoute.values.target import Target

__all__ = ["build_table", "diff_tables", "failures", "format_file", "lint_table", "run_tests", "test_table", "write_types"]

_MADE_BY: Final = "Written by saferoute table types"


def build_table(options: argparse.Namespace) -> int:
    """Check routes.toml and write the table that would be signed."""
    body = body_of(options.source)
    if options.output is None:
        sys.stdout.write(body.decode())
    else:
        replace(options.output, body)
    say(f"{options.source} makes a table of {len(body)} bytes; it is not signed (saferoute table sign)")
    return 0


def format_file(options: argparse.Namespace) -> int:
    """Write routes.toml the one way, after checking that it still says the same."""
    source: Path = options.source
    before = text_of(source)
    body = build(before)
    after = format_toml(before)
    _check_same(before, after, body)
    if after == before:
        say(f"{source} is formatted")
        return 0
    if options.check:
        say(f"{source} is not formatted: saferoute table fmt {source}")
        return 1
    replace(source, after.encode())
    say(f"{source}: formatted")
    return 0


def _check_same(before: str, after: str, body: bytes) -> None:
    """Compare values, comments and the table that is built: a formatter that changes one of them has an error, and must not write."""
    same = Counter(comments_of(before)) == Counter(comments_of(after))
    try:
        same = same and tomllib.loads(before) == tomllib.loads(after) and build(after) == body
    except (tomllib.TOMLDecodeError, ConfigurationError):
        same = False
    if not same:
        raise ConfigurationError("formatting this file would change what it says, which is an error of saferoute: nothing was written")


def lint_table(options: argparse.Namespace) -> int:
    """Say what is allowed and is probably a mistake."""
    findings = lint(read_source(options.source).body)
    if options.json:
        show(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            show(f"{finding.severity}: {finding.place}: {finding.text} [{finding.rule}]")
    counted = Counter(finding.severity for finding in findings)
    numbers = ((kind, counted[kind]) for kind in ("error", "warning", "note"))
    say(f"{options.source}: {', '.join(f'{number} {kind}' if number == 1 else f'{number} {kind}s' for kind, number in numbers)}")
    return 1 if counted["error"] or (options.strict and counted["warning"]) else 0


def test_table(options: argparse.Namespace) -> int:
    """Run the assertions of routes.toml."""
    results = run_tests(text_of(options.source))
    failed = failures(results)
    if options.json:
        show(json.dumps([_result(one) for one in results], indent=2))
    else:
        for line in failed:
            show(line)
    say(f"{options.source}: {len(results) - len(failed)} of {len(results)} assertions hold")
    return 1 if failed else 0


def _result(one: Result) -> dict[str, object]:
    made = one.assertion
    return {"place": made.place, "why": made.why, "route": made.call.route, "holds": not one.failure, "failure": one.failure}


def failures(results: Sequence[Result]) -> list[str]:
    """A line for each assertion that does not hold."""
    return [_failed(one) for one in results if one.failure]


def _failed(one: Result) -> str:
    why = f" ({one.assertion.why})" if one.assertion.why else ""
    return f"FAILED {one.assertion.place}{why}: route {one.assertion.call.route!r}: {one.failure}"


def run_tests(toml_text: str) -> tuple[Result, ...]:
    """Run the assertions of a routes.toml against the table that it makes, as production decides."""
    table = draft(build(toml_text))
    return run_assertions(table, assertions_of(toml_text), decide_as_production(table))


def decide_as_production(table: RoutingTable) -> Decide:
    """What decides a call of a production client that has the table's grant and no capability."""
    permissions = () if table.grant is None else (table.grant,)

    def decide(call: MadeUpCall, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        bound, most = call.max_output, tightest_output(permissions)
        if bound is None and (most is not None or counts_money(permissions)):  # a client fills in the tightest bound that there is
            bounds = [one for target in targets if (one := output_bound(most, target, None)) is not None]
            bound = max(1, min(bounds) // call.answers) if bounds else None
        asked = Asked(
            call.route,
            call.operation,
            call.tools,
            call.data,
            bound,
            call.input_bytes,
            answers=call.answers,
            stream=call.stream,
            purpose=call.purpose,
            audience=call.audience,
            guards=call.guards,
            table_version=table.version,
        )
        return authorise(permissions, asked, targets, trust="production").targets

    return decide


def diff_tables(options: argparse.Namespace) -> int:
    """Say in words what a new table changes."""
    old, new = read_source(options.old), read_source(options.new)
    found = compare(old.body, new.body)
    if options.json:
        show(json.dumps(_difference_json(old, new, found), indent=2))
    else:
        for line in _difference(old, new, found):
            show(line)
    if old.release is not None or new.release is not None:
        say("no signature was looked at (saferoute table verify)")
    return 1 if options.exit_code and found.changes else 0


def _difference(old: Source, new: Source, found: Difference) -> list[str]:
    lines = [f"from  {_named(old)}", f"to    {_named(new)}"]
    if not found.changes:
        return [*lines, "", "Nothing changes in what calls may do."]
    if found.dangerous:
        number = f"{len(found.dangerous)} of {len(found.changes)}"
        lines += ["", f"LOOK AT THESE: {number} changes let a key, data or money go further, or have less judged"]
        lines += [f"  ! {_placed(change.place)}{change.text}" for change in found.dangerous]
    rest = [change for change in found.changes if not change.dangerous]
    if rest:
        lines += ["", "Other changes"]
        lines += [f"    {_placed(change.place)}{change.text}" for change in rest]
    lines += ["", "Who gets which key", *_before_and_after(*({name: ", ".join(to) for name, to in side.items()} for side in found.keys))]
    return [
        *lines,
        "",
        "What can be read by whom: the highest label of data",
        *_before_and_after(*({name: str(label) for name, label in side.items()} for side in found.readers)),
    ]


def _placed(place: str) -> str:
    return "" if place == "readers" else f"{place}: "


def _before_and_after(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return [
        f"    {name}: {old[name]}" if old.get(name) == new.get(name) else f"  * {name}: {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in sorted({*old, *new})
    ] or ["    none"]


def _named(source: Source) -> str:
    if source.release is None:
        return f"{source.path} (a draft)"
    release, until = source.release, show_time(source.release.not_after)
    return f"{source.path} ({release.name} version {release.version}, root version {release.root_version}, until {until})"


def _difference_json(old: Source, new: Source, found: Difference) -> dict[str, object]:
    sides = [None if one.release is None else {"name": one.release.name, "version": one.release.version} for one in (old, new)]
    return {
        "from": sides[0],
        "to": sides[1],
        "dangerous": len(found.dangerous),
        "changes": [asdict(change) for change in found.changes],
        "keys": {"from": dict(found.keys[0]), "to": dict(found.keys[1])},
        "readers": {"from": dict(found.readers[0]), "to": dict(found.readers[1])},
    }


def write_types(options: argparse.Namespace) -> int:
    """Write the names of the routes as a type, for editors and type checkers."""
    text = _types(draft(read_source(options.source).body))
    output: Path | None = options.output
    if output is None:
        sys.stdout.write(text)
        return 0
    there = text_of(output) if output.exists() else None
    if there == text:
        say(f"{output} is up to date")
        return 0
    if options.check:
        say(f"{output} is not what {options.source} says: saferoute table types {options.source} -o {output}")
        return 1
    if there is not None and _MADE_BY not in there:
        raise ConfigurationError(f"{output} is there and was not written by this command: name another file, or move it away")
    replace(output, text.encode())
    say(f"{output}: written")
    return 0


def _types(table: RoutingTable) -> str:
    exact = [f"{target.provider_name}/{target.model}" for target in table.routes.values() if target.model != "*"]
    known = {name for name in (*names(table), *(one for one in exact if one in table.index.found)) if not name.endswith("/*")}
    listed = "".join(f'    "{name}",\n' for name in sorted(known))
    routes = f"Routes: TypeAlias = Literal[\n{listed}]" if known else "Routes: TypeAlias = str"
    need = "Literal, TypeAlias" if known or table.templates else "TypeAlias"
    wild = sorted(name for name in names(table) if name.endswith("/*"))
    note = f" Any model can be named after {', '.join(wild)}, which no type can say." if wild else ""
    return (
        f'"""The names of the routes. {_MADE_BY}; write it again when routes.toml changes."""\n\n'
        f"from typing import {need}\n\n"
        f"{routes}\n"
        f'"""What `client.chat(route, ...)` takes.{note}"""\n'
        f"{_template_types(table)}"
    )


def _template_types(table: RoutingTable) -> str:
    if not table.templates:
        return ""
    listed = "".join(f'    "{name}",\n' for name in sorted(table.templates))
    return f'\nTemplates: TypeAlias = Literal[\n{listed}]\n"""What `Template(name, ...)` takes."""\n'
