"""What a study is: arms, seeds and claims, and the runs that these ask for. Checked whole before anything trains."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path

from core import places, recipe
from core.flags import flag_name
from core.launch.sweep_table import Planned
from core.recipe import Values
from core.refusal import Refusal, did_you_mean
from core.runs import names
from core.training import kernel

HERE = Path(__file__).parent
#: Chosen for each run on the rows that it held out: the fold that scores best, the age factors that suit it best. So a
#: claim about them is one about test people.
CHOSEN = {"best_fold", "adjusted"}


@dataclass(frozen=True)
class Arm:
    """One way to train: what `of` (another arm, or the study's base) is, with other `flags` or another `kernel`.

    together: why more than one thing differs, without which that is refused. In a flag `{seed}` is the study's seed,
    which the run has too if its arm names no other, and `{data}` the folder that it is trained on.
    """

    name: str
    flags: dict[str, str] = field(default_factory=dict)
    of: str = ""
    kernel: str = ""
    together: str = ""


@dataclass(frozen=True)
class Side:
    """One side of a claim: an arm's runs; or with several `arms`, for each seed the vote over theirs."""

    arms: tuple[str, ...]
    how: str = "runs"  # or soft, hard; or one of CHOSEN

    def __str__(self) -> str:
        words = {"runs": "{}", "best_fold": "best fold of {}", "adjusted": "{} with age factors"}
        return words.get(self.how, f"{self.how} vote of {{}}").format(", ".join(self.arms))


@dataclass(frozen=True)
class Claim:
    """`better` scores above `than` in macro F1, out of fold or on test people; `group` is the claim of the report that
    it belongs to."""

    group: str
    text: str
    better: Side
    than: Side
    on: str = "oof"


@dataclass(frozen=True)
class Study:
    """A question, the data in words, and the table. The first arm is the base itself."""

    question: str
    data: str
    make_data: str
    kernel: str
    base: dict[str, str]
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    on: str = "oof"  # what arms are scored on: oof, or test where a run holds out a part of the rows only
    about: str = ""  # what a reader must know
    needs: str = ""  # what it needs that not every machine has


@dataclass(frozen=True)
class Run:
    """One arm with one seed; `planned` is the run that a sweep trains."""

    arm: str
    seed: int
    planned: Planned

    @property
    def key(self) -> str:
        return f"{self.arm}-seed{self.seed}"

    @property
    def results(self) -> Values:
        """The fields that decide what it finds, as run.json holds them; a file by its name."""
        return self.files_by_name(names.results(self.planned.recipe))

    def files_by_name(self, values: Values) -> Values:
        """A recipe's values, with the name of a file for its place on one machine."""
        files = recipe.files(self.planned.recipe)
        return {field: Path(str(value)).name if field in files else value for field, value in values.items()}


def load(name: str) -> Study:
    """The study in tests/studies/NAME.py. Refuses a name that none has."""
    known = sorted(path.stem for path in HERE.glob("*.py") if "\nSTUDY = Study(" in path.read_text(encoding="utf-8"))
    if name not in known:
        raise Refusal(f"there is no study {name!r}; {did_you_mean(name, known, 'there are ' + ', '.join(known))}")
    return importlib.import_module(f"tests.studies.{name}").STUDY


def runs(name: str, study: Study, data: str = "") -> list[Run]:
    """Every run that the study asks for, arm by arm.
    Refuses: no seeds, an arm named twice or after itself, a claim over no arm, a flag that its kernel lacks, and two
    differing fields where nothing says why."""
    if not study.seeds:
        raise Refusal(f"study {name}: has no seeds; give seeds=(0, 1, 2)")
    found: dict[str, list[Run]] = {}
    for arm in study.arms:
        if arm.name in found:
            raise Refusal(f"study {name}: two arms are named {arm.name}; rename one")
        if arm.of and arm.of not in found:
            raise Refusal(f"study {name}, arm {arm.name}: of={arm.of!r} is no arm before it")
        try:
            found[arm.name] = [_run(name, study, arm, seed, data) for seed in study.seeds]
            if study.on == "oof" and found[arm.name][0].planned.recipe.folds == 1:
                raise Refusal('one fold holds out a part of the rows only; give folds, or the study on="test"')
        except Refusal as refusal:
            raise Refusal(f"study {name}, arm {arm.name}: {refusal}") from None
    for claim in study.claims:
        if claim.on == "oof" and CHOSEN & {claim.better.how, claim.than.how}:
            raise Refusal(f'study {name}, claim {claim.text!r}: what is chosen out of fold is compared on="test"')
        if claim.on == "oof" and study.on == "test":
            raise Refusal(f'study {name}, claim {claim.text!r}: the study scores on test; give the claim on="test"')
        for unknown in {*claim.better.arms, *claim.than.arms} - set(found):
            raise Refusal(f"study {name}, claim {claim.text!r}: there is no arm {unknown}")
    return [run for arm in found.values() for run in arm]


def differences(arm: Arm) -> dict[str, str]:
    """What the arm changes of the one that it is compared with."""
    return {**({"kernel": arm.kernel} if arm.kernel else {}), **arm.flags}


def flags_of(study: Study, arm: Arm) -> tuple[str, dict[str, str]]:
    """The arm's kernel and all its flags."""
    above = next((each for each in study.arms if each.name == arm.of), None)
    file, flags = flags_of(study, above) if above else (study.kernel, study.base)
    return arm.kernel or file, {**flags, **arm.flags}


def _run(name: str, study: Study, arm: Arm, seed: int, data: str) -> Run:
    changed = differences(arm)
    if len(changed) > 1 and not arm.together:
        raise Refusal(f"differs in {' and '.join(sorted(changed))}; change one, or say why with together=")
    kernel_name, flags = flags_of(study, arm)
    file = places.HOME / "kernels" / kernel_name / "run.py"
    if not file.is_file():
        raise Refusal(f"there is no kernel {kernel_name}")
    flags = {"seed": str(seed), **flags, "name": f"{name}-{arm.name}-seed{seed}"}
    words = [f"--{flag_name(flag)}={value.format(seed=seed, data=data or 'DATA')}" for flag, value in flags.items()]
    where = [f"--data={data}"] if data else []
    return Run(arm.name, seed, Planned(0, file, recipe.parse(kernel.load(file).Recipe, [*words, *where])))
