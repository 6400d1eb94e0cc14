"""The files in ensembles/, each of which defines a vote of its own name."""

import re
import runpy
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import places
from core.refusal import Refusal, did_you_mean
from ensembles.voting.nodes import Node

#: Names of the ensemble files that are being read, the outermost first.
_reading: list[str] = []


def ensemble(name: str) -> Node:
    """The vote that ensembles/NAME.py gives the name NAME.
    Refuses: no such file, a file that cannot be read as a vote, or a vote that contains itself."""
    path = find(name)
    vote = read(path, "ensemble").get(name)
    if not isinstance(vote, Node):
        raise Refusal(f"{path}: must give its vote the name {name}, as in {name} = soft(...)")
    return vote


def find(name: str) -> Path:
    """The path of ensembles/NAME.py. Refuses a name without a file."""
    folder = places.HOME / "ensembles"
    path = folder / f"{name}.py"
    if not re.fullmatch(r"\w+", str(name)) or not path.is_file():
        known = sorted(path.stem for path in folder.glob("[!_]*.py"))
        hint = did_you_mean(str(name), known, f"there are {', '.join(known)}", cutoff=0.6)
        raise Refusal(f"there is no ensembles/{name}.py; {hint}")
    return path


def read(path: Path, run_name: str) -> dict[str, object]:
    """The names that the file defines; a mistake in the file is refused in one line, without a traceback."""
    try:
        with _no_circle(path.stem):
            return runpy.run_path(str(path), run_name=run_name)
    except SyntaxError as error:
        raise Refusal(f"{path} line {error.lineno}: {error.msg}") from None
    except (NameError, TypeError, AttributeError, ImportError) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        raise Refusal(f"{path} line {lines[-1]}: {error}") from None


@contextmanager
def _no_circle(name: str) -> Iterator[None]:
    """Refuses a vote whose file is already being read: it contains itself."""
    if name in _reading:
        raise Refusal(f"the vote {name} contains itself: {' -> '.join([*_reading[_reading.index(name) :], name])}")
    _reading.append(name)
    try:
        yield
    finally:
        _reading.pop()
