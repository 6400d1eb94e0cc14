"""start.json, written first, and run.json, written last: what a run was started with, and what came of it."""

from __future__ import annotations

from typing import TypedDict

from core.recipe import Values
from core.score import Summary


class Start(TypedDict):
    """What a killed run must still agree with to be resumed."""

    kernel: str
    #: The fields that decide a result.
    recipe: Values
    #: sha256 of the kernel and of each deciding module of core, by its path.
    source: dict[str, str]
    #: sha256 of each file that a flag names, by the flag's field.
    files: dict[str, str]
    #: The sha256 of each run that a flag names, by the flag's field.
    reused: dict[str, dict[str, str]]
    #: sha256 of the images' names in order, of the true labels, and of the people with their ages.
    rows: str
    labels: str
    ages: str


class Machine(TypedDict):
    """What a run was trained on."""

    device: str
    threads: int
    jobs: int
    ranks: int


class FoldScores(TypedDict):
    """One fold on the rows that it held out; `sha256` is of its test.npy."""

    sha256: str
    people: int
    macro_f1: float
    accuracy: float
    training_seconds: float


class Manifest(Start):
    """run.json: a folder without it is no run. `scores` is None where too few people were held out."""

    scores: Summary | None
    folds: list[FoldScores]
    sha256: dict[str, str]
    classes: list[str]
    notes: list[str]
    commit: str | None
    versions: dict[str, str | None]
    machine: Machine
    finished: str
    training_seconds: float
