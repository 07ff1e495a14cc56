"""AUC, recall, false positives and speed of the injection model, as packaged, on development rows and on rows that nothing was chosen on.

    PYTHONPATH=. python benchmarks/guard_injection_model.py

The threshold is the file's own. Texts are judged without their views, as in training; the last line says what the views add.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from math import inf

from injection_own_rows import is_own_development, own_rows
from injection_rows import Row, held_out, is_development, read_rows

from saferoute.guards.injection_model import InjectionModel, InjectionModelGuard, words_of
from saferoute.guards.views import views_of
from saferoute.values.guarding import Action, Context, Segment

MODEL = InjectionModel.packaged()
TRIGGERS = frozenset(
    b"ignore disregard forget override bypass reveal disclose jailbreak injection instructions prompt prompts restrictions pretend"
    b" roleplay".split()
)


def area(attacks: list[float], benign: list[float]) -> float:
    """The chance that an attack scores higher than a benign text."""
    ranked = sorted([(score, 1) for score in attacks] + [(score, 0) for score in benign])
    places: dict[float, list[int]] = defaultdict(list)
    for place, (score, _) in enumerate(ranked, 1):
        places[score].append(place)
    ranks = sum(sum(places[score]) / len(places[score]) for score in attacks)
    return (ranks - len(attacks) * (len(attacks) + 1) / 2) / (len(attacks) * len(benign))


def table(name: str, rows: list[Row]) -> None:
    scores = {row.id: MODEL.score(row.text) for row in rows}
    mixed = [row for row in rows if row.group not in {"ui", "encoded"}]
    attacks = [scores[row.id] for row in mixed if row.label]
    benign = sorted((scores[row.id] for row in mixed if not row.label), reverse=True)
    at = [sum(score > benign[int(len(benign) * rate)] for score in attacks) / len(attacks) for rate in (0.01, 0.015)]
    recall = sum(score >= MODEL.threshold for score in attacks) / len(attacks)
    wrong = sum(score >= MODEL.threshold for score in benign)
    print(f"\n{name}: AUC {area(attacks, benign):.4f}")
    print(f"  at its threshold recall {recall:.3f}, FPR {wrong / len(benign):.4f} ({wrong}/{len(benign)})")
    print(f"  recall at 1 % FPR {at[0]:.3f}, at 1.5 % {at[1]:.3f}")
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        group = row.family if row.group in {"ui", "encoded"} else row.group
        groups = [f"{group} {'attack' if row.label else 'benign'}"]
        if not row.label and not TRIGGERS.isdisjoint(words_of(row.text)) and row.group not in {"ui", "encoded"}:
            groups.append("hard benign: words of attacks")
        for name_of_group in groups:
            found[name_of_group][0] += 1
            found[name_of_group][1] += scores[row.id] >= MODEL.threshold
    for group, (total, hit) in sorted(found.items()):
        print(f"    {group:32} {hit:5}/{total:5} {hit / total:.3f}")


def own_table(name: str, rows: list[Row]) -> None:
    scores = {row.id: MODEL.score(row.text) for row in rows}
    attacks = [scores[row.id] for row in rows if row.label]
    hard = [scores[row.id] for row in rows if row.family == "own-hard"]
    print(f"\n{name}: AUC of attacks against hard honest rows {area(attacks, hard):.4f}")
    for family in sorted({row.family for row in rows}):
        some = [scores[row.id] >= MODEL.threshold for row in rows if row.family == family]
        print(f"    {family:32} {sum(some):5}/{len(some):5} {sum(some) / len(some):.3f}")
    print(f"    {'interface strings flagged':32} {dict(Counter(row.lang for row in flagged_of(rows, scores)))}")


def flagged_of(rows: list[Row], scores: dict[str, float]) -> list[Row]:
    return [row for row in rows if row.family == "own-interface" and scores[row.id] >= MODEL.threshold]


def loop() -> float:
    """Seconds of processor time for a fixed piece of Python: what speed is compared with, on a machine that others use too."""
    began = time.process_time()
    total = 0
    for number in range(100_000):
        total += number & 7
    return time.process_time() - began


def speed(rows: list[Row], rounds: int = 7) -> None:
    """The quickest of some rounds for each text, and for the loop, in turns."""
    texts = [row.text for row in rows if len(row.text) > 500]
    quickest = [inf] * len(texts)
    unit = inf
    for _ in range(rounds):
        unit = min(unit, loop(), loop(), loop())
        for place, text in enumerate(texts):
            began = time.process_time()
            MODEL.score(text)
            quickest[place] = min(quickest[place], time.process_time() - began)
    per_kb = sorted(took * 1e6 / (len(text.encode()) / 1024) for took, text in zip(quickest, texts, strict=True))
    middle, slow = per_kb[len(per_kb) // 2], per_kb[len(per_kb) * 99 // 100]
    print(f"\nspeed: p50 {middle:.0f} us/KB, p99 {slow:.0f} us/KB; the loop {unit * 1e6:.0f} us: {middle / unit / 1e6:.4f} of it for 1 KB")


def with_views(rows: list[Row]) -> None:
    guard = InjectionModelGuard(MODEL)
    hits: dict[int, list[int]] = {0: [0, 0], 1: [0, 0]}
    for row in rows:
        hits[row.label][0] += 1
        hits[row.label][1] += guard.check(Segment(row.text), Context("input", views=views_of(row.text))).action is Action.FLAG
    print(f"held out, with views and controls: recall {hits[1][1] / hits[1][0]:.3f}, FPR {hits[0][1] / hits[0][0]:.4f}")


def main() -> None:
    rows = read_rows("pi_dev", "pi_controls_dev")
    last = [row for row in rows if held_out(row.id)]
    table("development", [row for row in rows if not held_out(row.id) and is_development(row.id)])
    table("held out", last)
    with_views(last)
    own = own_rows()
    own_table("own, development", [row for row in own if is_own_development(row.id)])
    own_table("own, not looked at", [row for row in own if not is_own_development(row.id)])
    speed(last)


if __name__ == "__main__":
    main()
