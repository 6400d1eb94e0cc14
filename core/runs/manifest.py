"""start.json, written first, and run.json, written last: what a run was started with, and what came of it."""

from typing import NotRequired, TypedDict

from core.recipe import Values
from core.score import Summary


class Start(TypedDict):
    """What a killed run must still agree with to be resumed.

    source, files: sha256 of the kernel and of each deciding module of core, by path, and of each file that a flag
    names, by the flag's field. reused: `sha256` of each run that a flag names. The others: as `Table.digests`.
    """

    kernel: str
    recipe: Values
    source: dict[str, str]
    files: dict[str, str]
    reused: dict[str, dict[str, str]]
    rows: str
    labels: str
    ages: str
    images: NotRequired[str]
    extra: NotRequired[str]


class Machine(TypedDict):
    """What a run was trained on."""

    device: str
    precision: str
    threads: int
    jobs: int
    ranks: int


class FoldScores(TypedDict):
    """One fold on the rows that it held out; `sha256` is of its test.npy, `weights` of its model.safetensors."""

    sha256: str
    weights: NotRequired[str]
    people: int
    macro_f1: float
    accuracy: float
    training_seconds: float


class Manifest(Start):
    """run.json. `scores` is None where too few people were held out; `sha256` is of the files of `reader.FILES`, `seal`
    of all the rest of run.json."""

    seal: NotRequired[str]

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


def age_boundaries(recipe: Values) -> tuple[int, int]:
    """The two ages in years that a run's training rows were called by; those of its age model if models differ."""
    young, old = (recipe.get(name, true) for name, true in (("age_young", 30), ("age_old", 60)))
    return tuple(each["age"] if isinstance(each, dict) else each for each in (young, old))  # type: ignore[return-value]
