"""What a run's audit finds: every person's label is made wrong in turn, and seen to be doubted or not.

    python tests/benchmarks/audit.py KERNEL/NAME

For each person: the other gender; 25 years where they are 60 or older and 65 where they are younger than 30; the
images without a mask and with one worn wrong swapped. Counts the errors proposed to be set right, beside what
is proposed of the labels as they are. The run was trained without these errors, so few must be assumed.
"""

import sys

import numpy as np
import pandas as pd

from core import labels, recipe
from core.reports import label_errors
from core.runs import reader
from core.runs.manifest import age_boundaries

SURE = (0.5, 0.8, 0.9, 0.95, 0.99)


def relabelled(rows: pd.DataFrame, **changed: np.ndarray) -> pd.DataFrame:
    mask, gender, _ = labels.split(rows["label"].to_numpy())
    rows = rows.assign(age=changed.get("age", rows["age"].to_numpy()))
    label = labels.label(changed.get("mask", mask), changed.get("gender", gender), labels.age_group(rows["age"]))
    return rows.assign(label=np.asarray(label))


def harms(rows: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """For each column, the rows with every label of it wrong, and the people to whom that was done."""
    mask, gender, group = labels.split(rows["label"].to_numpy())
    everyone, ends = rows["person"].to_numpy(), group != 1
    age = np.where(ends, np.where(group == 2, 25, 65), rows["age"])
    return {
        "gender": (relabelled(rows, gender=1 - gender), np.unique(everyone)),
        "age": (relabelled(rows, age=age), np.unique(everyone[ends])),
        "mask": (relabelled(rows, mask=np.where(mask > 0, 3 - mask, mask)), np.unique(everyone)),
    }


def main(name: str) -> None:
    run = reader.load(name)
    covered = ~np.isnan(run.oof[:, 0])
    rows, probs = run.rows[covered].reset_index(drop=True), run.oof[covered].astype(np.float64)
    taught = age_boundaries(run.manifest["recipe"])
    print("| surer than | gender found | age found | mask found | proposed of the labels as they are |")
    print("|---|---|---|---|---|")
    for sure in SURE:
        cells = []
        for column, (harmed, people) in harms(rows).items():
            fixes = label_errors.propose(harmed, probs, sure, *taught)
            found = {fix.path for fix in fixes if fix.column == column} & set(people)
            cells.append(f"{len(found)} of {len(people)}")
        print(f"| {sure} | {' | '.join(cells)} | {len(label_errors.propose(rows, probs, sure, *taught))} |")


if __name__ == "__main__":
    (run,), _ = recipe.parse_words(recipe.NoFlags, [1], "a run: KERNEL/NAME", sys.argv[1:])
    main(run)
