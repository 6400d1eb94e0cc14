"""Finished runs that can be compared row by row: one data set, the same held-out rows. Free of torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from core import places, score
from core.refusal import Refusal
from core.runs import reader
from core.runs.manifest import Manifest


@dataclass(frozen=True)
class Candidates:
    """`names` (m) of the runs in order, `rows` (n): file, person, age, label, and the runs' probabilities of them.
    `probs` (m, n, 18) float64, rows that sum to 1: out of fold, for the n rows that all m runs held out.
    `left_out` names each run that cannot be compared with these, with the reason."""

    names: list[str]
    rows: pd.DataFrame
    probs: np.ndarray
    left_out: list[str]


def load(like: str = "", only: Sequence[str] = (), min_people: int = 1) -> Candidates:
    """All finished runs of one data set, by name, without smoke runs, damaged runs and runs that held out fewer rows.
    `like`: a run of the data set to use; empty if there is only one. `only`: the runs to use; empty for all.
    Refuses: an unknown or damaged run, runs of several data sets, no run that can be used, or fewer held-out
    people than `min_people`, or than 100 if the data set has as many."""
    names, left_out = _usable(like, only)
    if not names:
        except_these = f" except {', '.join(left_out)}" if left_out else ""
        hint = "make one with python kernels/v5_multitask/run.py"
        raise Refusal(f"no run is finished in {places.runs()}{except_these}; {hint}")
    runs = [reader.load(name) for name in tqdm(names, "reading", unit="run", disable=None, leave=False)]
    held_out = {run.name: ~np.isnan(run.oof[:, 0]) for run in runs}
    most = max(held_out.values(), key=np.sum)
    shared = {name: int((most & rows).sum()) for name, rows in held_out.items()}
    complete = [run for run in runs if shared[run.name] == most.sum()]
    fewer = {name: number for name, number in shared.items() if number < most.sum()}
    left_out += [f"{name} (held out {own} of the {most.sum()} rows that others did)" for name, own in fewer.items()]
    rows = complete[0].rows[most].reset_index(drop=True)
    people, all_people = (frame["person"].nunique() for frame in (rows, complete[0].rows))
    if people < (needed := max(min_people, min(score.ENOUGH_PEOPLE, all_people))):
        raise Refusal(f"the runs in {places.runs()} held out {people} people; at least {needed} are needed")
    probs = np.stack([run.oof[most] for run in complete]).astype(np.float64)
    return Candidates([run.name for run in complete], rows, probs / probs.sum(2, keepdims=True), left_out)


def _usable(like: str, only: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the finished runs of one data set, sorted, and the runs left out, with the reason."""
    for name in (*only, *filter(None, [like])):
        reader.load(name)
    finished, damaged = reader.finished()
    requested = {name: manifest for name, manifest in sorted(finished.items()) if not only or name in only}
    left_out = [f"{name} (its run.json is damaged)" for name in damaged if not only]
    left_out += [f"{name} (a smoke run)" for name in requested if name.endswith("-smoke")]
    full = {name: manifest for name, manifest in requested.items() if not name.endswith("-smoke")}
    return _of_one_data_set(full, like), left_out


def _of_one_data_set(manifests: dict[str, Manifest], like: str) -> list[str]:
    """The runs of `like`'s data set, or of the only data set."""
    sets: dict[tuple[str, str], list[str]] = {}
    for name, manifest in manifests.items():
        sets.setdefault((manifest["rows"], manifest["labels"]), []).append(name)
    if like:
        return next((names for names in sets.values() if like in names), [])
    if len(sets) > 1:
        each = ", ".join(f"{len(names)} like {names[0]}" for names in sets.values())
        raise Refusal(f"runs of {len(sets)} data sets are in {places.runs()}: {each}; give --like KERNEL/NAME")
    return next(iter(sets.values()), [])
