"""Mutate valid call tokens by the million: none may be accepted, and none may raise anything but our own errors.

    python tests/fuzz/token_fuzz.py --cases 1000000 --processes 2 --seed 1

Mutations of text, of bytes under the base64, of payloads that are signed again by a holder (so that the signature is right), and
splices of several tokens. Prints how often each reason was given; ends with status 1 at the first finding, which it prints.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from saferoute.capabilities.chain import check_now, verify_chain
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call
from saferoute.errors import CapabilityError
from tests.support.token_cases import ASKED, HOLDERS, NOW, STRANGER, call, chain, issuers, packed, proof, proof_said, root, unpacked

__all__ = ["Finding", "run_tokens"]

_BATCH = 20_000
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ODD = ".~=+/ \n\x00éА\ufeff*%"
_PAYLOADS = (b"1.0", b"1e3", b"NaN", b"true", b"null", b"-1", b'"*"', b"[]", b"{}", b'"\\u0061"', b"9" * 400, b'"\xff"', b"[" * 40)


class Finding(AssertionError):
    """A mutated token was accepted, or something else than our own error was raised."""


def _valid() -> list[str]:
    budget = {"amount": 5_000_000_000, "currency": "USD", "per": "day"}
    full = root(budget=budget, calls=9, data="internal", tools=["a", "b"], regions=["eu"], guards=["pii"], max_out=100, purpose=["support"])
    chains = [
        chain(),
        chain(root(), {}),
        chain(full, {"max_out": 10, "exp": NOW + 60}),
        chain(full, {"tools": []}, {"models": ["model-1"]}),
    ]
    return [call(text) for text in chains] + [call(chains[0], nonce="cd" * 16)]


def _text_changed(random_: random.Random, text: str) -> str:
    where = random_.randrange(len(text))
    kind = random_.randrange(6)
    if kind == 0:
        return text[:where] + random_.choice(_LETTERS) + text[where + 1 :]
    if kind == 1:
        return text[:where] + random_.choice(_LETTERS + _ODD) + text[where:]
    if kind == 2:
        return text[:where] + text[where + random_.randrange(1, 40) :]
    if kind == 3:
        return text[:where] + random_.choice(_ODD) + text[where + 1 :]
    other = random_.randrange(len(text))
    low, high = sorted((where, other))
    return text[:low] + text[low:high] * 2 + text[high:] if kind == 4 else text[:low] + text[low:high][::-1] + text[high:]


def _bytes_changed(random_: random.Random, text: str) -> str:
    """Change the bytes of one block or of the proof; the base64 is right."""
    chain_text, _, proof_text = text.partition("~")
    parts = [*chain_text.split(".")[1:], proof_text]
    number = random_.randrange(len(parts))
    data = bytearray(unpacked(parts[number]))
    kind = random_.randrange(4)
    where = random_.randrange(len(data))
    if kind == 0:
        data[where] ^= 1 << random_.randrange(8)
    elif kind == 1:
        data[where:where] = random_.choice(_PAYLOADS)
    elif kind == 2:
        del data[where : where + random_.randrange(1, 100)]
    else:
        size = int.from_bytes(data[:4], "big") + random_.randrange(-3, 4)
        data[:4] = max(0, size).to_bytes(4, "big")
    parts[number] = packed(bytes(data))
    return f"srcap1.{'.'.join(parts[:-1])}~{parts[-1]}"


def _spliced(random_: random.Random, text: str, others: list[str]) -> str:
    """Blocks and proof of several tokens, in any order."""
    pool = [part for one in [text, *others] for part in one.partition("~")[0].split(".")[1:]]
    proofs = [one.partition("~")[2] for one in [text, *others]]
    blocks = random_.choices(pool, k=random_.randrange(1, 10))
    return f"srcap1.{'.'.join(blocks)}~{random_.choice(proofs)}"


def _signed_again(random_: random.Random) -> str:
    """A holder's own block or proof, of mutated bytes and rightly signed: what only the reader of payloads can refuse."""
    body = bytearray(random_.choice((b'{"max_out":10,"tools":["a"]}', b'{"exp":1800000060}', b'{"data":"public"}')))
    where = random_.randrange(len(body))
    if random_.random() < 0.5:
        # A name and a number stay what they are if a digit becomes a digit: cut into the structure instead.
        body[where:where] = random_.choice(_PAYLOADS)
    else:
        body[random_.choice([i for i, byte in enumerate(body) if byte in b'{}[]":,'])] = random_.randrange(256)
    if random_.random() < 0.5:
        text = chain(root(), bytes(body))
        return f"{text}~{proof(text, proof_said(), random_.choice((STRANGER, HOLDERS[0], HOLDERS[2])))}"
    text = chain()
    return f"{text}~{proof(text, bytes(body), HOLDERS[0])}"


def _outcome(text: str) -> str:
    try:
        token = read_call(text)
        verified = verify_chain(token.chain_text, issuers())
        check_now(verified, NOW)
        verify_proof(token, verified, audience="web", asked=ASKED, now=NOW)
    except CapabilityError as refusal:
        if not refusal.code or refusal.code == "denied":
            raise Finding(f"a refusal without a code: {refusal}") from None
        return refusal.code
    return "accepted"


def run_tokens(seed: int, cases: int) -> Counter[str]:
    """Run some cases.

    Raises:
        Finding: with the token, so that it can be seen again.
    """
    random_ = random.Random(seed)
    valid = _valid()
    if {_outcome(text) for text in valid} != {"accepted"}:
        raise Finding("a valid token is refused")
    counts: Counter[str] = Counter()
    for _ in range(cases):
        text = random_.choice(valid)
        kind = random_.randrange(10)
        if kind < 4:
            made = _text_changed(random_, text)
        elif kind < 8:
            made = _bytes_changed(random_, text)
        elif kind < 9:
            made = _spliced(random_, text, valid)
        else:
            made = _signed_again(random_)
        if made in valid:
            counts["the same text"] += 1
            continue
        try:
            outcome = _outcome(made)
        except Exception as broken:
            raise Finding(f"{broken!r} for {made!r}") from broken
        if outcome == "accepted":
            raise Finding(f"accepted: {made!r}")
        counts[outcome] += 1
    return counts


def _batch(task: tuple[int, int, int]) -> tuple[Counter[str], str]:
    seed, number, cases = task
    try:
        return run_tokens(seed * 1_000_003 + number, cases), ""
    except Finding as found:
        return Counter(), f"seed {seed}, batch {number}: {found}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tasks = [(given.seed, number, min(_BATCH, given.cases - start)) for number, start in enumerate(range(0, given.cases, _BATCH))]
    totals: Counter[str] = Counter()
    begun = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for counts, finding in pool.imap_unordered(_batch, tasks):
            totals += counts
            if finding:
                print(finding)
                return 1
    seconds = time.monotonic() - begun
    print(f"{totals.total():,} mutations of tokens, none accepted, seed {given.seed}, {seconds:,.0f} s")
    print(", ".join(f"{reason} {count:,}" for reason, count in totals.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
