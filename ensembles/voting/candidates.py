"""Finished runs that can be compared row by row: one data set, the same held-out rows. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core import places, score
from core.refusal import Refusal
from core.runs import reader
from core.runs.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Pool:
    """`names` (m) of the runs in order, `rows` (n): file, person, age, label, and what the runs said of them.

    `probs` (m, n, 18) float64, rows that sum to 1: out of fold, for the n rows that all m runs held out.
    `left_out` names each run that cannot be compared with these, with the reason.
    """

    names: list[str]
    rows: pd.DataFrame
    probs: np.ndarray
    left_out: list[str]


def gather(like: str = "", only: Sequence[str] = (), people: int = 1) -> Pool:
    """All finished runs of one data set, by name, without smoke runs, damaged ones and those that held out fewer rows.

    Args:
        like: a run of the data set that is meant; empty where there is only one.
        only: names of the runs to take; empty for all.
        people: refuse if fewer were held out.

    Raises:
        Refusal: an unknown or damaged run, runs of several data sets, no run that can be used, or
            held-out people who are fewer than `people`, or than 100 of more.
    """
    from tqdm import tqdm

    for name in (*only, *filter(None, [like])):
        reader.load(name)
    finished, damaged = reader.finished()
    found = {name: manifest for name, manifest in finished.items() if not only or name in only}
    left_out = [f"{name} (its run.json is damaged)" for name in damaged if not only]
    left_out += [f"{name} (a smoke run)" for name in sorted(found) if name.endswith("-smoke")]
    names = _of_one_data_set({name: found[name] for name in sorted(found) if not name.endswith("-smoke")}, like)
    if not names:
        besides = f" but {', '.join(left_out)}" if left_out else ""
        raise Refusal(
            f"no run is finished in {places.runs()}{besides}; make one with python kernels/v5_multitask/run.py"
        )
    loaded = [reader.load(name) for name in tqdm(names, "reading", unit="run", disable=None, leave=False)]
    covers = {run.name: ~np.isnan(run.oof[:, 0]) for run in loaded}
    most = max(covers.values(), key=np.sum)
    shared = {name: int((most & covered).sum()) for name, covered in covers.items()}
    kept = [run for run in loaded if shared[run.name] == most.sum()]
    left_out += [
        f"{name} (held out {number} of the {most.sum()} rows that others did)"
        for name, number in shared.items()
        if number < most.sum()
    ]
    rows = kept[0].rows[most].reset_index(drop=True)
    _check_people(rows, kept[0].rows, people)
    probs = np.stack([run.oof[most] for run in kept]).astype(np.float64)
    return Pool([run.name for run in kept], rows, probs / probs.sum(2, keepdims=True), left_out)


def _of_one_data_set(found: dict[str, Manifest], like: str) -> list[str]:
    """The runs of `like`'s data set, or of the only one there is."""
    sets: dict[tuple[str, str], list[str]] = {}
    for name, manifest in found.items():
        sets.setdefault((manifest["rows"], manifest["labels"]), []).append(name)
    if like:
        return next((names for names in sets.values() if like in names), [])
    if len(sets) > 1:
        each = ", ".join(f"{len(names)} like {names[0]}" for names in sets.values())
        raise Refusal(f"runs of {len(sets)} data sets are in {places.runs()}: {each}; give --like KERNEL/NAME")
    return next(iter(sets.values()), [])


def _check_people(rows: pd.DataFrame, whole: pd.DataFrame, people: int) -> None:
    there, all_there = rows["person"].nunique(), whole["person"].nunique()
    needed = max(people, min(score.ENOUGH_PEOPLE, all_there))
    if there < needed:
        raise Refusal(f"the runs in {places.runs()} held out {there} people; at least {needed} are needed")
