"""One run left alone and one killed with SIGKILL at five moments: do they end with the same bytes?

    python tests/benchmarks/kill_nine.py [PEOPLE]

Draws a competition, trains v5 on it twice on this machine's CPU, and compares the digests of oof.npy and test.npy.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from core import disk, recipe

PROJECT = Path(__file__).resolve().parents[2]
FLAGS = "--backbone lite0 --scale 0.25 --folds 3 --epochs 2 --lr 1e-3 --device cpu".split()
#: What is awaited below the run's or the cache's folder, and how many seconds later the kill comes.
MOMENTS = {
    "while the store is built": ("*.building", 0.3),
    "within the first epoch": ("folds/0/log.jsonl", 4.0),
    "while a file is written": ("folds/0/.*.tmp", 0.0),
    "between two folds": ("folds/0/test.npy", 0.0),
    "within a later fold": ("folds/1/checkpoint.pt", 3.0),
}


def start(data: Path, place: Path) -> subprocess.Popen:
    environment = {**os.environ, "RUNS": str(place / "runs"), "CACHE": str(place / "cache")}
    words = [sys.executable, "kernels/v5_multitask/run.py", "--data", str(data), "--name", "it", *FLAGS]
    return subprocess.Popen(words, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(data: Path, place: Path, moment: str, pattern: str, later: float) -> None:
    process = start(data, place)
    while process.poll() is None and not any(place.rglob(pattern)):
        time.sleep(0.001)
    time.sleep(later * random.Random(moment).random())
    process.kill()
    print(f"{moment:<26} ended with {process.wait()}", flush=True)


def digests(place: Path) -> list[str]:
    return [disk.digest(place / "runs/v5_multitask/it" / name) for name in ("oof.npy", "test.npy")]


def main(people: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, alone, broken = (Path(folder) / name for name in ("data", "alone", "broken"))
        drawing = ["-m", "core.people", "--out", str(data), "--people", str(people), "--eval-people", str(people // 3)]
        subprocess.run([sys.executable, *drawing], cwd=PROJECT, check=True)
        start(data, alone).wait()
        for moment, (pattern, later) in MOMENTS.items():
            killed(data, broken, moment, pattern, later)
        start(data, broken).wait()
        same = digests(alone) == digests(broken)
        print("the same bytes" if same else "OTHER BYTES", *(digest[:16] for digest in digests(broken)))
        sys.exit(not same)


if __name__ == "__main__":
    words, _ = recipe.parse_words(recipe.NoFlags, range(2), "at most one number: PEOPLE", sys.argv[1:])
    main(*map(int, words or [120]))
