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
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from injection_hard_attacks import hard_attacks
from injection_hard_sentences import hard_honest
from injection_own_rows import is_own_development, own_rows
from injection_rows import Row, held_out, is_development, read_rows
from injection_sentences import attacks, honest, some
from scipy import sparse
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from saferoute.guards import injection_model as made
from saferoute.guards.injection_words import SPACED

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "saferoute" / "guards" / "injection_model.py"
MANIFEST = ROOT / "benchmarks" / "injection_model_manifest.json"

FEATURES = 19_990  # those with the largest weights; the file stays below 100,000 bytes
FEWEST = 3  # a feature that fewer rows have is none: what no text of training has weighs nothing
STRENGTH = 60.0  # of the fit against the penalty on weights
BALANCE = 0.25  # a maker of n rows counts as n ** (1 - BALANCE)
HARD = {"written": 3.0, "": 2.0}  # what honest rows with the words of attacks count: our own, and those of other makers
ROUNDS = 3  # after the first, an attack's windows but the most suspicious one are left out
PRICE = 0.7  # what each factor of e in the number of windows takes off
FALSE_POSITIVES = 0.015
FALSE_POSITIVES_HARD = 0.02
STEP_OF_THRESHOLD = 0.001  # more than the file's numbers of 32 bits round
MADE_UP = 3_000
ATTACKS = 1_340
TRIGGERS = frozenset(
    b"ignore disregard forget override bypass reveal disclose jailbreak injection instructions prompt prompts restrictions pretend"
    b" roleplay".split()
)
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
    features: np.ndarray  # of each column
    owner: np.ndarray  # row of each window
    label: np.ndarray
    group: np.ndarray
    hard: np.ndarray  # which rows are honest and have words of attacks
    windows: np.ndarray  # number of each row's windows

    def best(self, scores: np.ndarray) -> np.ndarray:
        found = np.full(len(self.rows), -np.inf)
        np.maximum.at(found, self.owner, scores)
        return found - PRICE * np.log(self.windows)

    def of_features(self, kept: np.ndarray) -> Corpus:
        return replace(self, matrix=self.matrix[:, kept].tocsr(), features=self.features[kept])

    def that_occur(self, train: np.ndarray) -> Corpus:
        """With the features that some rows of training have."""
        mine = self.matrix[train[self.owner]].tocoo()
        owner = self.owner[train[self.owner]]
        pairs = np.unique(mine.col.astype(np.int64) * len(self.rows) + owner[mine.row])
        return self.of_features(np.bincount(pairs // len(self.rows), minlength=len(self.features)) >= FEWEST)


def corpus_of(rows: list[Row]) -> Corpus:
    columns, sizes, values, owner, hard = [], [], [], [], []
    for number, row in enumerate(rows):
        words = made.words_of(row.text)
        features = made.features_of(words)
        hard.append(not row.label and row.group not in {"ui", "encoded"} and not TRIGGERS.isdisjoint(words))
        for start in made.windows_of(len(features)):
            window = [feature for some_of in features[start : start + made.WINDOW] for feature in some_of]
            columns.append(np.array(window, np.uint32))
            sizes.append(len(window))
            values.append(max(len(window), made.LEAST) ** -0.5)
            owner.append(number)
    names, places = np.unique(np.concatenate(columns), return_inverse=True)
    data = np.repeat(np.array(values, np.float32), sizes)
    matrix = sparse.csr_matrix((data, places, np.r_[0, np.cumsum(sizes)]), shape=(len(owner), len(names)))
    matrix.sum_duplicates()
    counts = np.bincount(owner, minlength=len(rows))
    label, group = np.array([row.label for row in rows]), np.array([row.group for row in rows])
    return Corpus(rows, matrix, names, np.array(owner), label, group, np.array(hard), counts)


def logistic(matrix: sparse.csr_matrix, label: np.ndarray, share: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Weights, and a bias behind them, of a logistic regression whose rows count as `share` says."""
    turned = matrix.T.tocsr()
    sign = np.where(label == 1, 1.0, -1.0)

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        weights = point[:-1]
        margin = sign * (matrix @ weights.astype(np.float32) + point[-1])
        slope = -sign / (1 + np.exp(margin)) * share
        steep = np.r_[STRENGTH * (turned @ slope.astype(np.float32)) + weights, STRENGTH * slope.sum()]
        return STRENGTH * float(share @ np.logaddexp(0, -margin)) + 0.5 * float(weights @ weights), steep

    return minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 150, "maxcor": 8, "ftol": 1e-7}).x


def fit(corpus: Corpus, used: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of a logistic regression over windows."""
    mine = used[corpus.owner]
    matrix, owner = corpus.matrix[mine], corpus.owner[mine]
    label = corpus.label[owner]
    sizes = Counter(zip(corpus.group[used], corpus.label[used], strict=True))
    size = np.array([sizes.get(key, 1) for key in zip(corpus.group, corpus.label, strict=True)], dtype=float)
    times = np.where(corpus.hard, HARD[""], 1.0)
    times[(corpus.group == "written") & (corpus.label == 0)] = HARD["written"]
    weight = (size**-BALANCE * times)[owner] * np.where(label == 0, corpus.windows[owner] ** -0.5, 1.0)
    kept = np.ones(len(owner), dtype=bool)
    point = np.zeros(matrix.shape[1] + 1)
    for _ in range(ROUNDS):
        share = weight.copy()
        for value in (0, 1):
            share[kept & (label == value)] /= share[kept & (label == value)].sum()
        share *= kept.sum() / 2
        point = logistic(matrix[kept], label[kept], share[kept], point)
        scores = matrix @ point[:-1].astype(np.float32) + point[-1]
        best = np.full(len(corpus.rows), -np.inf)
        np.maximum.at(best, owner, scores)
        kept = (label == 0) | (scores >= best[owner] - 1e-9)
    return point[:-1], float(point[-1])


def pruned(corpus: Corpus, train: np.ndarray) -> tuple[Corpus, np.ndarray, float]:
    """The corpus with the features that count most, and weights and bias that were fitted to these alone."""
    corpus = corpus.that_occur(train)
    weights, _ = fit(corpus, train)
    corpus = corpus.of_features(np.sort(np.argsort(-np.abs(weights), kind="stable")[:FEATURES]))
    return corpus, *fit(corpus, train)


def squeezed(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights as signed bytes. The largest thousandth is cut off, so that the others have finer steps."""
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.999)) / 127
    return np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale


def training_rows() -> list[Row]:
    rows = [row for row in read_rows("pi_dev", "pi_controls_dev") if not held_out(row.id) and ALLOWED_LICENSES.fullmatch(row.license)]
    own = own_rows()
    apart = {row.text.lower().strip(".?! ") for row in own}
    for label, sentences in ((0, honest() + hard_honest()), (1, attacks() + some(hard_attacks(), ATTACKS))):
        for sentence in sentences:
            if sentence.lower().strip(".?! ") in apart:
                continue
            name = f"written-{label}-{hashlib.sha256(sentence.encode()).hexdigest()[:16]}"
            rows.append(Row(name, sentence, label, "written", "", "benchmarks/injection_*sentences.py and _attacks.py", "CC0-1.0"))
    rows += [row for row in own if is_own_development(row.id)]
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
    own = np.char.startswith(corpus.group.astype(str), "own-")
    return ~development & ~own, development & ~own


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
        part, weights, bias = pruned(corpus, train & ~out)
        scores = part.best(part.matrix @ weights + bias)
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
        "features": FEATURES,
        "rows_that_have_a_feature": FEWEST,
        "strength": STRENGTH,
        "weight_of_hard_honest_rows": HARD,
        "balance": BALANCE,
        "rounds": ROUNDS,
        "price": PRICE,
        "threshold": {
            "value": round(threshold, 6),
            "chosen": f"so that at most {FALSE_POSITIVES:.1%} of the benign development rows of pi_dev reach it, and at most "
            f"{FALSE_POSITIVES_HARD:.1%} of the hard honest development rows of injection_own_rows.py",
        },
        "sources": listed,
    }


def threshold_of(corpus: Corpus, development: np.ndarray, scores: np.ndarray) -> float:
    """The lowest score that keeps both rates of false positives, on development rows; prints what it costs."""
    controls = np.isin(corpus.group, ["ui", "encoded"])
    benign = np.sort(scores[development & (corpus.label == 0) & ~controls])
    hard = np.sort(scores[corpus.group == "own-hard"])
    hits, own = scores[development & (corpus.label == 1)], scores[corpus.group == "own-attack"]
    mixed = development & ~controls
    print(f"development: AUC {roc_auc_score(corpus.label[mixed], scores[mixed]):.4f}; own: ", end="")
    print(f"{roc_auc_score(np.r_[np.zeros(len(hard)), np.ones(len(own))], np.r_[hard, own]):.4f}")
    print("| own hard rows flagged, at most | threshold | own hard | hard | benign | recall | recall, own |\n|---|---|---|---|---|---|---|")
    lowest = float(np.quantile(benign, 1 - FALSE_POSITIVES))
    for rate in (1.0, 0.10, 0.05, 0.03, FALSE_POSITIVES_HARD, 0.01):
        at = max(lowest, float(hard[len(hard) - 1 - int(len(hard) * rate)]) + STEP_OF_THRESHOLD if rate < 1 else lowest)
        rates = [(some_of >= at).mean() for some_of in (hard, scores[development & corpus.hard], benign, hits, own)]
        print(f"| {rate:.2f} | {at:.3f} | " + " | ".join(f"{value:.4f}" for value in rates) + " |")
        if rate == FALSE_POSITIVES_HARD:
            chosen = at
    print(f"threshold {chosen:.4f}; controls flagged {(scores[development & controls] >= chosen).mean():.4f}")
    print(f"own interface strings flagged {(scores[corpus.group == 'own-interface'] >= chosen).mean():.4f}")
    return chosen


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
    corpus, weights, bias = pruned(corpus, train)
    small, scale = squeezed(weights)
    scores = corpus.best(corpus.matrix @ (small.astype(float) * scale) + bias)
    threshold = threshold_of(corpus, development, scores)
    if options.write:
        head = made.HEAD.pack(made.MARK, FEATURES, scale, bias, threshold, PRICE)
        content = head + corpus.features.astype("<u4").tobytes() + small.tobytes()
        digest = hashlib.sha256(content).hexdigest()
        MODULE.with_name(made.FILE).write_bytes(content)
        MODULE.write_text(
            re.sub(r'DIGEST: Final = "[0-9a-f]{64}"', f'DIGEST: Final = "{digest}"', MODULE.read_text(encoding="utf-8")), encoding="utf-8"
        )
        MANIFEST.write_text(json.dumps(manifest(corpus, digest, threshold), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{len(content)} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
