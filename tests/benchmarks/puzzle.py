"""The report's puzzle on runs of one data set: hard beats soft for separate models, soft beats hard for multitask?

    python tests/benchmarks/puzzle.py DATA NAME

Needs finished runs of all five versions under NAME (tests/benchmarks/five.py makes them), and of v4_separate and
v5_multitask under NAME-seed1 and NAME-seed2 (the same flags with --seed). DATA must hold answers.csv. Prints every
ensemble beside its members, out of fold and on the hidden test, then hard against soft, paired by person.
"""

import sys
from pathlib import Path

import pandas as pd
from five import against, said, shown

from core import score
from ensembles.voting import hard, run, soft
from ensembles.voting.nodes import Node

Votes = dict[str, Node]


def seeds(kernel: str, name: str) -> list[Node]:
    return [run(f"{kernel}/{name}{end}") for end in ("", "-seed1", "-seed2")]


def votes(name: str) -> Votes:
    """Every row of the table by what it is called."""
    separate, multitask = seeds("v4_separate", name), seeds("v5_multitask", name)
    singles = [run(f"{kernel}/{name}") for kernel in ("v1_single", "v2_fusion", "v3_sequential")]
    every = [*singles, separate[0], multitask[0]]
    return {
        **{f"`{member.label}`": member for member in [*singles, *separate, *multitask]},
        "v4, three seeds, soft": soft(*separate),
        "v4, three seeds, soft per attribute": soft(*separate, per="attribute"),
        "v4, three seeds, hard": hard(*separate),
        "v5, three seeds, soft": soft(*multitask),
        "v5, three seeds, soft per attribute": soft(*multitask, per="attribute"),
        "v5, three seeds, hard": hard(*multitask),
        "all five, soft": soft(*every),
        "all five, hard": hard(*every),
        "nested: hard(2 * soft v5, hard v4, v1)": hard(2 * soft(*multitask), hard(*separate), singles[0]),
        "v5, its best fold alone": run(multitask[0].loaded.name, fold="best"),
    }


def row(title: str, vote: Node, truth: pd.DataFrame) -> str:
    """Markdown: macro F1 out of fold and on test with intervals, and test accuracy."""
    rows = next(vote.leaves()).loaded.rows
    seen = score.out_of_fold_summary(rows, vote.probs("oof"))
    test = score.summary(truth["ans"].to_numpy(), said(vote, "test"), truth["person"].to_numpy())
    part = f", {seen['people']} people" if seen and seen["people"] < rows["person"].nunique() else ""
    return f"| {title} | {shown(seen['macro_f1']) + part if seen else ''} | {shown(test['macro_f1'])} | {test['accuracy'][0]:.3f} |"


def main(data: str, name: str) -> None:
    asked = votes(name)
    ids = next(iter(asked.values())).loaded.test_ids
    answers = pd.read_csv(Path(data) / "answers.csv", dtype={"person": str})
    truth = answers.set_index("ImageID").loc[ids]
    print("| vote | out-of-fold macro F1 | test macro F1 | test accuracy |\n|---|---|---|---|")
    for title, vote in asked.items():
        print(row(title, vote, truth))
    print("\n| paired difference in macro F1 | out of fold | test |\n|---|---|---|")
    for group in ("v4, three seeds", "v5, three seeds", "all five"):
        print(against(f"{group}: hard - soft", asked[f"{group}, hard"], asked[f"{group}, soft"], truth))
    for group in ("v4", "v5"):
        one = asked[f"{group}, three seeds, soft"]
        first = next(one.leaves())
        print(against(f"{group}: three seeds, soft - the first seed", one, first, truth))
    print(against("v5: all folds - its best fold", first, asked["v5, its best fold alone"], truth))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
