"""Where does a secret show: in plain, base64 (wherever it begins), hexadecimal, URL-encoded or reversed."""

from __future__ import annotations

import base64
import dataclasses
import functools
import gc
import os
import pathlib
import pickle
import traceback
import urllib.parse
from collections.abc import Iterator

__all__ = ["forms_of", "our_frames", "reachable", "shown_by_error", "where"]

_PACKAGE = str(pathlib.Path(__file__).resolve().parent.parent.parent / "saferoute") + os.sep
# The embedded provider stands for the outside, which of course sees the keys.
_OUTSIDE = _PACKAGE + "testing" + os.sep
_MOST_OBJECTS = 20_000
_MOST_SHOWN = 100_000


@functools.lru_cache(2_000)
def forms_of(secret: str) -> tuple[str, ...]:
    """All spellings that are searched for."""
    raw = secret.encode()
    found = [secret, urllib.parse.quote(secret, safe=""), raw.hex(), raw.hex().upper(), raw.hex(":"), secret[::-1]]
    for before in range(3):  # the three places where a group of four characters may begin
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + raw).decode()
            end = len(text) - len(text.rstrip("=")) and len(text) - 4  # the last group depends on what follows
            found.append(text[4 if before else 0 : end or None])
    return tuple(dict.fromkeys(form for form in found if len(form) >= 8))


def where(text: str, secrets: Iterator[str] | tuple[str, ...]) -> str | None:
    """The place of the first secret that shows, without the secret; None if none does."""
    for secret in secrets:
        for form in forms_of(secret):
            at = text.find(form)
            if at >= 0:
                return f"...{text[max(0, at - 80) : at]}<<a secret of {len(secret)} characters>>{text[at + len(form) : at + len(form) + 40]}..."
    return None


def _got_out(error: BaseException) -> bool:
    """Whether an error was seen outside the package: the outermost frame of what was caught inside is the package's own."""
    outermost = error.__traceback__
    return outermost is not None and not outermost.tb_frame.f_code.co_filename.startswith(_PACKAGE)


def our_frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """Name and locals, as a traceback shows them, of each frame of the package that an error leads to, if it got out of the package."""
    if not _got_out(error):
        return
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        todo += [one.__cause__, one.__context__]
        for frame, line in traceback.walk_tb(one.__traceback__):
            name = frame.f_code.co_filename
            if name.startswith(_PACKAGE) and not name.startswith(_OUTSIDE):
                shown = "\n".join(f"{local} = {_shown(value)}" for local, value in frame.f_locals.items())
                yield f"{name.removeprefix(_PACKAGE)}:{line} {frame.f_code.co_name}", shown


def _is_small(value: object) -> bool:
    """Whether a repr ends: some tests hold values that are a billion ones, each a few times inside the next."""
    todo, count = [value], 0
    while todo:
        one = todo.pop()
        count += 1
        if count > _MOST_SHOWN:
            return False
        if isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo += one
        elif dataclasses.is_dataclass(one) and not isinstance(one, type):
            todo += [getattr(one, field.name, None) for field in dataclasses.fields(one)]
    return True


def _shown(value: object) -> str:
    if not _is_small(value):
        return "(too large)"
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001  half made, a thousand deep, thousands of digits
        return f"(no repr: {type(error).__name__})"


def shown_by_error(error: BaseException) -> Iterator[tuple[str, str]]:
    """Everything of an error that a person, a log or another process may get to see: what it is, and its text."""
    linked: BaseException | None = error
    for _ in range(10):
        if linked is None:
            break
        kind = type(linked).__name__
        yield f"str of {kind}", str(linked)
        yield f"repr of {kind}", repr(linked)
        yield f"args of {kind}", repr(linked.args)
        yield f"vars of {kind}", repr(vars(linked))
        if hasattr(linked, "diagnostics"):
            yield f"diagnostics of {kind}", linked.diagnostics()
        try:
            yield f"pickle of {kind}", pickle.dumps(linked).decode("latin-1")
        except (TypeError, AttributeError, pickle.PicklingError) as refused:
            yield f"refusal to pickle {kind}", str(refused)
        linked = linked.__cause__ or linked.__context__
    yield from our_frames(error)


def reachable(*roots: object) -> Iterator[object]:
    """Every object of the package's own types that can be reached, and the plain values that they hold."""
    seen: set[int] = set()
    todo = list(roots)
    while todo and len(seen) < _MOST_OBJECTS:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        ours = type(one).__module__.startswith("saferoute")
        if ours or dataclasses.is_dataclass(one):
            yield one
        if ours or isinstance(one, (dict, list, tuple, set, frozenset)):
            todo += gc.get_referents(one)
