"""A night of bad luck: kills, bad inputs, damaged files, full disks, commands typed twice. What was lost, what lied?

    python tests/benchmarks/campaign.py [--only kills,writers,…] [--seed 0]

Every try is one of these: right; lost (work that was finished is not there, or has other bytes); half (a file is
neither the old one nor the new one); traceback; silent (what was bad is used without a word). Prints a table, a line
for each try that was not right, and ends with 1 if there is one. A quarter of an hour on two idle cores.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core import disk, recipe

PROJECT = Path(__file__).resolve().parents[2]
KERNELS = [path.parent.name for path in sorted(PROJECT.glob("kernels/*/run.py"))]
TINY = (
    "--device cpu --backbone test_efficientnet --weights none --scale 0.15 --folds 2 --epochs 2 --batch 8 --workers 0"
)
WRONG = ("lost", "half", "traceback", "silent")
#: (what was tried, "right" or one of WRONG)
Tried = Iterator[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which parts, and the seed of the moments of the kills."""

    only: tuple[str, ...] = ()  # parts to run; empty: all
    seed: int = 0  # of the moments at which processes are killed


@dataclass(frozen=True)
class Place:
    """Folders of their own for runs, submissions and stores, and a drawn competition."""

    folder: Path
    data: Path
    random: random.Random

    def environment(self, **moved: Path) -> dict[str, str]:
        own = {name: str(self.folder / name.lower()) for name in ("RUNS", "SUBMISSIONS", "CACHE")}
        threads = {"OMP_NUM_THREADS": "1"}
        return {**os.environ, **own, **threads, **{name: str(path) for name, path in moved.items()}}

    def start(self, *words: object, **moved: Path) -> subprocess.Popen:
        """`python WORDS` in the project, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=PROJECT,
            env=self.environment(**moved),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: object, **moved: Path) -> tuple[int, str, str]:
        """Its exit code, stdout and stderr."""
        process = self.start(*words, **moved)
        out, err = process.communicate()
        return process.returncode, out, err

    def kernel(self, kernel: str, *flags: object, data: Path | None = None) -> list[object]:
        return [f"kernels/{kernel}/run.py", "--data", data or self.data, *TINY.split(), *flags]

    def vote(self, name: str, expression: str = "run('v5_multitask/one')") -> list[object]:
        return ["-m", "ensembles.voting", expression, "--name", name, "--force"]


def refused(done: tuple[int, str, str], says: str = "") -> str:
    """How a command ended that had to be refused in one line."""
    code, out, err = done
    if "Traceback" in err or code not in (0, 2):
        return "traceback"
    lines = err.splitlines()
    if code == 0:  # what was left out is told
        lines = [line for line in (out + err).splitlines() if re.search("damaged|not used|left out|not exactly", line)]
    return "right" if any(says in line for line in lines) else "silent"


def killed(process: subprocess.Popen, after: float) -> bool:
    """Kill it so many seconds from its start, unless it has ended; whether it was killed."""
    end = time.monotonic() + after
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


def kills(place: Place) -> Tried:
    """Fifty kills of trainings, at random moments: the same bytes as a run left alone."""
    for kernel in KERNELS:
        began = time.monotonic()
        place.run(*place.kernel(kernel, "--name", "alone"))
        seconds = time.monotonic() - began
        for jobs in (1, 2):
            words = place.kernel(kernel, "--name", f"killed{jobs}", "--jobs", jobs)
            moments = [killed(place.start(*words), place.random.uniform(0.3, 1) * seconds) for _ in range(5)]
            code, _, err = place.run(*words)
            ended = code == 0 or "is finished" in err
            same = ended and all(
                disk.digest(place.folder / f"runs/{kernel}/{name}/{file}")
                == disk.digest(place.folder / f"runs/{kernel}/alone/{file}")
                for file in ("oof.npy", "test.npy")
                for name in (f"killed{jobs}",)
            )
            how = "right" if same else "traceback" if "Traceback" in err else "lost"
            for at, alive in enumerate(moments):
                yield f"{kernel} --jobs {jobs}, kill {at} ({'in time' if alive else 'had ended'})", how


def writers(place: Place) -> Tried:
    """Twenty kills of what writes beside runs: the old file or the new one."""
    commands = {
        "vote": (place.vote("killed"), "submissions/killed.csv submissions/killed.json"),
        "compare": (["-m", "submissions.compare", "one", "two"], "submissions/index.html"),
        "select": (["-m", "ensembles.voting.selection"], ""),
        "leaderboard": (["-m", "submissions.compare.leaderboard", "one", "--public-f1", "0.5"], "submissions/leaderboard.csv"),
    }  # fmt: skip
    for name, (words, files) in commands.items():
        began = time.monotonic()
        place.run(*words)
        seconds = time.monotonic() - began
        for at in range(5):
            before = {file: (place.folder / file).read_bytes() for file in files.split()}
            killed(place.start(*words), place.random.uniform(0.5, 1.05) * seconds)
            whole = all(_whole(place.folder / file, old) for file, old in before.items())
            code, *_ = place.run(*words)
            ok = code == 0 or (name == "select" and code == 2)
            yield f"{name}, kill {at}", "half" if not whole else "right" if ok else "traceback"


def _whole(path: Path, old: bytes) -> bool:
    """Whether the file is as it was, or ends as a new one does."""
    new = path.read_bytes()
    ends = {".html": b"</html>", ".json": b"}", ".csv": b"\n"}[path.suffix]
    return new == old or (
        len(new) >= len(old) * 0.9 and new.rstrip(b" \n" if path.suffix != ".csv" else b"").endswith(ends)
    )


def main(options: Options) -> None:
    from tests.benchmarks import campaign_inputs as inputs

    parts: dict[str, Callable[[Place], Tried]] = {"kills": kills, "writers": writers, **inputs.PARTS}
    wrong: list[str] = []
    print(
        "| part | tries | right | lost | half-written | tracebacks | silent | minutes |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), Path(folder) / "data", random.Random(options.seed))
        place.run("-m", "core.people", "--out", place.data, "--people", "24", "--eval-people", "6", "--elderly", "0.3")
        for name in ("one", "two"):
            place.run(*place.kernel("v5_multitask", "--name", name, "--seed", 1 + (name == "two")))
            place.run(*place.vote(name, f"run('v5_multitask/{name}')"))
        for name, part in parts.items():
            if options.only and name not in options.only:
                continue
            began = time.monotonic()
            tried = list(part(place))
            counts = Counter(how for _, how in tried)
            wrong += [f"{name}: {what}: {how}" for what, how in tried if how in WRONG]
            minutes = (time.monotonic() - began) / 60
            cells = [len(tried), counts["right"], *(counts[how] for how in WRONG)]
            print(f"| {name} | {' | '.join(map(str, cells))} | {minutes:.1f} |", flush=True)
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(recipe.parse(Options))
