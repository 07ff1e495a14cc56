"""Feed random mutations of signed roots, releases, tables and statuses to their readers.

    python tests/fuzz/table_fuzz.py --cases 100000 --seed 1

None may be accepted with a changed meaning, and none may raise anything but `SaferouteError` or the package's own refusal. A mutation that
changes no byte of a file is not one. Prints the first finding with what reproduces it, and fails.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import sys
import time
import traceback
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from saferoute.errors import SaferouteError  # noqa: E402
from saferoute.signing.refusal import Refused  # noqa: E402
from tests.support.trust_cases import Files, files  # noqa: E402

Mutation = Callable[[random.Random, bytes], bytes]
TOKENS = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"1",
    b"-",
    b"0",
    b"\\u0041",
    b"\xef\xbb\xbf",
    b"\xff",
    b" ",
    b"=",
    b"A",
    b"a",
    b"NaN",
    b"1.0",
    b"1e9",
)


def flip(chance: random.Random, data: bytes) -> bytes:
    """Change one bit."""
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def cut(chance: random.Random, data: bytes) -> bytes:
    """Take a piece out."""
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.randrange(1, 40) :]


def repeat(chance: random.Random, data: bytes) -> bytes:
    """Say a piece twice."""
    start = chance.randrange(len(data))
    end = start + chance.randrange(1, 60)
    return data[:end] + data[start:end] + data[end:]


def insert(chance: random.Random, data: bytes) -> bytes:
    """Put a word of JSON somewhere."""
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice(TOKENS) + data[place:]


def swap(chance: random.Random, data: bytes) -> bytes:
    """Exchange two pieces."""
    first, second = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    size = chance.randrange(1, 20)
    return data[:first] + data[second : second + size] + data[first + size : second] + data[first : first + size] + data[second + size :]


def number(chance: random.Random, data: bytes) -> bytes:
    """Change a digit."""
    places = [place for place, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    place = chance.choice(places)
    return data[:place] + str(chance.randrange(10)).encode() + data[place + 1 :]


MUTATIONS: tuple[Mutation, ...] = (flip, cut, repeat, insert, swap, number)


def case(chance: random.Random, good: Files) -> str | None:
    """One mutation of one file; what is wrong, or None."""
    which = chance.choice(("root", "bundle"))
    data = getattr(good, which)
    for _ in range(chance.randrange(1, 4)):
        data = chance.choice(MUTATIONS)(chance, data) or b"{}"
    if data == getattr(good, which):
        return None
    spoilt = Files(data, good.bundle) if which == "root" else Files(good.root, data)
    try:
        spoilt.open()
    except (SaferouteError, Refused):
        return None
    except Exception:  # noqa: BLE001  that is what is looked for
        return f"{which}: {traceback.format_exc()}\n{data!r}"
    return f"{which} was accepted: {data!r}"


def main() -> int:
    """Run the cases; 1 if one of them is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    good = files()
    good.open()
    since = time.monotonic()
    for done in range(given.cases):
        if wrong := case(chance, good):
            print(f"case {done} of seed {given.seed}: {wrong}")
            return 1
    print(f"{given.cases} mutations refused in {time.monotonic() - since:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
