"""Makes saferoute/guards/injection_model.bin anew, and says what the model can do.

    python benchmarks/train_injection_model.py                    trains, fixes the threshold, writes nothing
    python benchmarks/train_injection_model.py --write            writes the file, its digest into the module, and the manifest
    python benchmarks/train_injection_model.py --generalisation   trains once for each maker of rows, without it, and judges it

Needs numpy, scipy and scikit-learn in an environment of its own, besides what saferoute itself needs; PYTHONPATH names the checkout.
A fifth of the rows is held out and is not read here at all, except for the last table of guard_injection_model.py. Of the others a fifth is
"development": the threshold is fixed on it. Nothing is random: which row is of which part follows from the hash of its id.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from injection_rows import Row, held_out, is_development, read_rows
from injection_sentences import attacks, honest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from saferoute.guards import injection_model as made
from saferoute.guards.injection_words import SPACED

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "saferoute" / "guards" / "injection_model.py"
MANIFEST = ROOT / "benchmarks" / "injection_model_manifest.json"

BUCKETS = 99_881  # a prime; the file stays below 100,000 bytes
STRENGTH = 30.0  # of the fit against the penalty on weights
BALANCE = 0.25  # a maker of n rows counts as n ** (1 - BALANCE)
ROUNDS = 3  # after the first, an attack's windows but the most suspicious one are left out
PRICE = 0.7  # what each factor of e in the number of windows takes off
FALSE_POSITIVES = 0.015
MADE_UP = 3_000
ALLOWED_LICENSES = re.compile(
    r"(?:MIT|Apache-2\.0|PSF-2\.0|CC0-1\.0)(?: \((?:pkg|repo|garak)\))?(?:; upstream (?:MIT|Apache-2\.0|WildGuardMix ODC-BY))?"
)

ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz", "абвгдежзиклмнопрстуфхцчшщы", "αβγδεζηθικλμνξοπρστυφχψωάέ", "אבגדהוזחטיכלמנסעפצקרשתםןףך",
    "กขคงจฉชซญฎฐณดตถทธนบปผฝพฟภม", "अआइईउऊएऐओऔकखगघचछजझटठडढणतथद", "åäöæøčšžřěýůőűłńśćźżğışçñõ",
)  # fmt: skip


def in_made_up_language(text: str, number: int) -> str:
    """The text with each letter exchanged for another one: words of a language that nobody speaks, and so no attack."""
    alphabet = ALPHABETS[number % len(ALPHABETS)]
    order = sorted(range(26), key=lambda place: hashlib.sha256(f"{number}/{place}".encode()).digest())
    return text.lower().translate(str.maketrans(dict(zip("abcdefghijklmnopqrstuvwxyz", (alphabet[place] for place in order), strict=True))))


@dataclass
class Corpus:
    rows: list[Row]
    matrix: sparse.csr_matrix
    owner: np.ndarray  # row of each window
    label: np.ndarray
    group: np.ndarray
    windows: np.ndarray  # number of each row's windows

    def best(self, scores: np.ndarray) -> np.ndarray:
        found = np.full(len(self.rows), -np.inf)
        np.maximum.at(found, self.owner, scores)
        return found - PRICE * np.log(self.windows)


def corpus_of(rows: list[Row]) -> Corpus:
    starts, columns, values, owner = [0], [], [], []
    for number, row in enumerate(rows):
        features = list(made.features_of(made.words_of(row.text), BUCKETS))
        for start in made.windows_of(len(features)):
            window = [bucket for some in features[start : start + made.WINDOW] for bucket in some]
            columns += window
            values += [max(len(window), made.LEAST) ** -0.5] * len(window)
            starts.append(len(columns))
            owner.append(number)
    matrix = sparse.csr_matrix((values, columns, starts), shape=(len(owner), BUCKETS))
    matrix.sum_duplicates()
    counts = np.bincount(owner, minlength=len(rows))
    return Corpus(rows, matrix, np.array(owner), np.array([row.label for row in rows]), np.array([row.group for row in rows]), counts)


def fit(corpus: Corpus, used: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of a logistic regression over windows."""
    mine = used[corpus.owner]
    matrix, owner = corpus.matrix[mine], corpus.owner[mine]
    label = corpus.label[owner]
    sizes = Counter(zip(corpus.group[used], corpus.label[used], strict=True))
    size = np.array([sizes.get(key, 1) for key in zip(corpus.group, corpus.label, strict=True)], dtype=float)
    weight = size[owner] ** -BALANCE * np.where(label == 0, corpus.windows[owner] ** -0.5, 1.0)
    kept = np.ones(len(owner), dtype=bool)
    for _ in range(ROUNDS):
        share = weight.copy()
        for value in (0, 1):
            share[kept & (label == value)] /= share[kept & (label == value)].sum()
        share *= kept.sum() / 2
        model = LogisticRegression(C=STRENGTH, solver="liblinear", tol=1e-3, max_iter=300, random_state=0)
        model.fit(matrix[kept], label[kept], sample_weight=share[kept])
        scores = matrix @ model.coef_[0] + model.intercept_[0]
        best = np.full(len(corpus.rows), -np.inf)
        np.maximum.at(best, owner, scores)
        kept = (label == 0) | (scores >= best[owner] - 1e-9)
    return model.coef_[0], float(model.intercept_[0])


def squeezed(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights as signed bytes. The largest thousandth is cut off, so that the others have finer steps."""
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.999)) / 127
    return np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale


def training_rows() -> list[Row]:
    rows = [row for row in read_rows("pi_dev", "pi_controls_dev") if not held_out(row.id) and ALLOWED_LICENSES.fullmatch(row.license)]
    for label, sentences in ((0, honest()), (1, attacks())):
        for sentence in sentences:
            name = f"written-{label}-{hashlib.sha256(sentence.encode()).hexdigest()[:16]}"
            rows.append(Row(name, sentence, label, "written", "", "benchmarks/injection_sentences.py", "CC0-1.0"))
    spoken = [row for row in rows if row.label == 0 and row.group in {"s-labs", "neuralchemy", "wildguard-benign", "writingbench"}]
    spoken = sorted(
        (row for row in spoken if not is_development(row.id)), key=lambda row: hashlib.sha256(b"made-up" + row.id.encode()).digest()
    )
    for number, row in enumerate(spoken[:MADE_UP]):
        text = in_made_up_language(row.text[:600], number % 35)
        rows.append(Row(f"made-up-{row.id}", text, 0, f"made_up {row.group}", "", row.source, row.license))
    return rows


def parts(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are trained on, and which are development. Sentences written for training are none of the latter."""
    ours = np.array([row.family == "written" or row.family.startswith("made_up") for row in corpus.rows])
    development = np.array([is_development(row.id) for row in corpus.rows]) & ~ours
    return ~development, development


def generalisation(corpus: Corpus) -> None:
    """Train without a maker's rows, benign ones included, and judge its attacks against the development rows of the others."""
    train, development = parts(corpus)
    left_out = (
        ("s-labs",), ("neuralchemy",), ("yanismiraoui",), ("yanismiraoui", "ui"), ("jailbreaks",),
        ("jailbreaks", "wildguard-benign", "writingbench"), ("bastion",), ("spikee",), ("pystdlib",),
    )  # fmt: skip
    print("| left out | AUC | recall | FPR of its own benign rows |\n|---|---|---|---|")
    for names in left_out:
        out = np.isin(corpus.group, [*names, *(f"made_up {name}" for name in names)])
        weights, bias = fit(corpus, train & ~out)
        scores = corpus.best(corpus.matrix @ weights + bias)
        benign = scores[development & ~out & (corpus.label == 0)]
        threshold = np.quantile(benign, 1 - FALSE_POSITIVES)
        theirs = np.isin(corpus.group, names)
        hits, wrong = scores[theirs & (corpus.label == 1)], scores[theirs & (corpus.label == 0)]
        auc = roc_auc_score(np.r_[np.ones(len(hits)), np.zeros(len(benign))], np.r_[hits, benign]) if len(hits) else float("nan")
        recall = (hits >= threshold).mean() if len(hits) else float("nan")
        own = f"{(wrong >= threshold).mean():.3f} of {len(wrong)}" if len(wrong) else "-"
        print(f"| {', '.join(names)} | {auc:.3f} | {recall:.3f} | {own} |", flush=True)


def vocabulary() -> str:
    """Digest of the words whose letters are features: another list needs another model."""
    return hashlib.sha256("\n".join(f"{word} {letter}" for word, letter in sorted(SPACED.items())).encode()).hexdigest()


def manifest(corpus: Corpus, digest: str, threshold: float) -> dict[str, object]:
    train, development = parts(corpus)
    sources: dict[str, dict[str, object]] = {}
    for part, mask in (("trained", train), ("development", development)):
        for row in (row for row, used in zip(corpus.rows, mask, strict=True) if used):
            source = "CPython 3.11 standard library" if row.source.startswith("CPython") else row.source
            source = re.sub(r"(pyrit [\d.]+).*|(garak [\d.]+) data/dan.*", lambda found: found[1] or found[2], source)
            source = f"{source}, letters exchanged" if row.family.startswith("made_up") else source
            entry = sources.setdefault(source, {"license": row.license, "trained": [], "development": []})
            entry[part].append(row.id)  # type: ignore[attr-defined]
    listed = {}
    for source, entry in sorted(sources.items()):
        listed[source] = {"license": entry["license"]}
        for part in ("trained", "development"):
            ids: list[str] = sorted(entry[part])  # type: ignore[call-overload]
            listed[source][part] = {"rows": len(ids), "sha256_of_ids": hashlib.sha256("\n".join(ids).encode()).hexdigest()}
    return {
        "file": made.FILE,
        "sha256": digest,
        "split": "first byte of SHA-256 divisible by 5: of the id: held out; else of 'dev' + id: development; else trained",
        "sha256_of_words": vocabulary(),
        "seed": 0,
        "buckets": BUCKETS,
        "strength": STRENGTH,
        "balance": BALANCE,
        "rounds": ROUNDS,
        "price": PRICE,
        "threshold": {
            "value": round(threshold, 6),
            "chosen": f"so that {FALSE_POSITIVES:.1%} of the benign development rows of pi_dev reach it",
        },
        "sources": listed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--generalisation", action="store_true")
    options = parser.parse_args()
    corpus = corpus_of(training_rows())
    if options.generalisation:
        generalisation(corpus)
        return
    train, development = parts(corpus)
    weights, bias = fit(corpus, train)
    small, scale = squeezed(weights)
    scores = corpus.best(corpus.matrix @ (small.astype(float) * scale) + bias)
    controls = np.isin(corpus.group, ["ui", "encoded"])
    benign = scores[development & (corpus.label == 0) & ~controls]
    threshold = float(np.quantile(benign, 1 - FALSE_POSITIVES))
    hits = scores[development & (corpus.label == 1)]
    print(f"development: AUC {roc_auc_score(corpus.label[development], scores[development]):.4f}, recall {(hits >= threshold).mean():.3f}")
    print(f"threshold {threshold:.4f}, bias {bias:.4f}, controls flagged {(scores[development & controls] >= threshold).mean():.4f}")
    if options.write:
        content = made.HEAD.pack(made.MARK, BUCKETS, scale, bias, threshold, PRICE) + small.tobytes()
        digest = hashlib.sha256(content).hexdigest()
        MODULE.with_name(made.FILE).write_bytes(content)
        MODULE.write_text(
            re.sub(r'DIGEST: Final = "[0-9a-f]{64}"', f'DIGEST: Final = "{digest}"', MODULE.read_text(encoding="utf-8")), encoding="utf-8"
        )
        MANIFEST.write_text(json.dumps(manifest(corpus, digest, threshold), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{len(content)} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
