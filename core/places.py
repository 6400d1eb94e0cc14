"""Where the data, the runs, the submissions and the decoded stores are, and the variables that move them."""

import os
from pathlib import Path

#: The project's own folder.
HOME = Path(__file__).resolve().parents[1]


def data(flag: str = "") -> Path:
    """--data, else $MASK18_DATA, else data/ in the project."""
    return Path(flag or os.environ.get("MASK18_DATA") or HOME / "data")


def runs() -> Path:
    """$RUNS, else runs/ in the project."""
    return Path(os.environ.get("RUNS") or HOME / "runs")


def submissions() -> Path:
    """$SUBMISSIONS, else submissions/ in the project."""
    return Path(os.environ.get("SUBMISSIONS") or HOME / "submissions")


def caches() -> Path:
    """$CACHE, else .cache in the project."""
    return Path(os.environ.get("CACHE") or HOME / ".cache")


def movable() -> dict[str, Path]:
    """The folders that this project writes to, by the variable that moves each."""
    return {"RUNS": runs(), "SUBMISSIONS": submissions(), "CACHE": caches()}
