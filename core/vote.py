"""The vote is an expression: every node gives (n, 18) class probabilities, so any node can be a member of any other.

    multitask = soft(run("v5_multitask/effb0"), run("v5_multitask/resnext50"))
    final = hard(2 * multitask, run("v4_separate/effb0"), run("v1_single/effb0"))
    if __name__ == "__main__":
        submit(__file__, final)

ensembles/NAME.py gives its vote the name NAME, so that `ensemble("NAME")` is a member elsewhere. From the shell:

    python -m core.vote final                       what ensembles/final.py says
    python -m core.vote "soft('v5_multitask/effb0', 2*run('v4_separate/effb0'))" --name tonight

Every node's out-of-fold score is printed; submissions/NAME.csv and .json are written (without --name, an expression
is only scored). Needs runs, not the data; free of torch.
"""

from __future__ import annotations

import re
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import expression, places, recipe, submission
from core.ballot import Hard, Per, Soft
from core.nodes import Fold, Node, RunNode
from core.refusal import Refusal, did_you_mean

__all__ = ["ensemble", "hard", "run", "soft", "submit"]


def run(name: str, fold: Fold = None) -> Node:
    """The finished run KERNEL/NAME: the mean of its folds, one fold, or the fold that scored best on the rows it held.

    Whether it is there is asked when the vote is taken.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[^./][^/]*/[^./][^/]*", name):
        raise Refusal(f"run({name!r}): names a run as KERNEL/NAME, as in v5_multitask/effb0")
    if fold is not None and fold != "best" and (not isinstance(fold, int) or isinstance(fold, bool) or fold < 0):
        raise Refusal(f'run("{name}", fold={fold!r}): a fold is its number or "best"')
    return RunNode(name=name, fold=fold)


def soft(*members: Node, per: Per = "class") -> Node:
    """Soft vote: the mean of the members' probabilities, weighted as in ``soft(2 * a, b)``.

    per="attribute" votes mask, gender and age apart and joins them.
    """
    return Soft(voters=_voters("soft", members, per), per=per)


def hard(*members: Node, per: Per = "class") -> Node:
    """Hard vote: each member names one class, with its weight; a tie goes to the higher mean probability.

    per="attribute" votes mask, gender and age apart and joins them.
    """
    return Hard(voters=_voters("hard", members, per), per=per)


def _voters(word: str, members: tuple[Node, ...], per: str) -> tuple[Node, ...]:
    wrong = [member for member in members if not isinstance(member, Node)]
    if wrong:
        raise Refusal(f"{word}(...) votes over run(...) and other votes, not over {wrong[0]!r}")
    if not members:
        raise Refusal(f"{word}() has no members")
    if per not in ("class", "attribute"):
        raise Refusal(f'{word}(..., per={per!r}): must be "class" or "attribute"')
    return members


#: The ensemble files that are being read, the outermost first.
_reading: list[str] = []


def ensemble(name: str) -> Node:
    """The vote that ensembles/NAME.py gives the name NAME.

    Raises:
        Refusal: no such file, a file that cannot be read as a vote, or one that contains itself.
    """
    path = _file(name)
    found = _run(path, "ensemble").get(name)
    if not isinstance(found, Node):
        raise Refusal(f"{path}: must give its vote the name {name}, as in {name} = soft(...)")
    return found


def _file(name: str) -> Path:
    folder = places.HOME / "ensembles"
    path = folder / f"{name}.py"
    if not re.fullmatch(r"\w+", str(name)) or not path.is_file():
        known = sorted(path.stem for path in folder.glob("*.py"))
        hint = did_you_mean(str(name), known, f"there are {', '.join(known)}", cutoff=0.6)
        raise Refusal(f"there is no ensembles/{name}.py; {hint}")
    return path


def _run(path: Path, run_name: str) -> dict[str, Any]:
    """What the file defines. What is wrong with it is its author's to know in one line, not our traceback."""
    try:
        with _once(path.stem):
            return runpy.run_path(str(path), run_name=run_name)
    except SyntaxError as error:
        raise Refusal(f"{path} line {error.lineno}: {error.msg}") from None
    except (NameError, TypeError, AttributeError, ImportError) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        raise Refusal(f"{path} line {lines[-1]}: {error}") from None


@contextmanager
def _once(name: str) -> Iterator[None]:
    """Refuses a vote that is being read already: it contains itself."""
    if name in _reading:
        raise Refusal(f"the vote {name} contains itself: {' -> '.join([*_reading[_reading.index(name) :], name])}")
    _reading.append(name)
    try:
        yield
    finally:
        _reading.pop()


def submit(file: str, vote: Node) -> None:
    """Write submissions/NAME.csv and NAME.json for the ensemble file NAME.py, after printing every node's score.

    `file` is the ensemble's __file__, or another NAME for a second submission of the same file.

    Raises:
        Refusal: a member that is no finished run or belongs to another data set, an unknown flag, or
            a submission of this name that is there already (unless --force).
    """
    unknown = [word for word in sys.argv[1:] if word != "--force"]
    if unknown:
        raise Refusal(f"there is no flag {unknown[0]}; an ensemble takes --force alone")
    submission.write(Path(file).stem, vote, force="--force" in sys.argv)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What becomes of the vote."""

    name: str = ""  # of the submission; empty: the vote is scored and not written
    force: bool = False  # write a submission of this name again


def main(text: str, options: Options) -> None:
    """Take the vote that `text` says."""
    vote = expression.parse(text, {word.__name__: word for word in (run, soft, hard, ensemble)})
    if options.name:
        submission.write(options.name, vote, options.force)
    else:
        submission.show(vote)
        print("not written; give --name NAME to make it submissions/NAME.csv")


if __name__ == "__main__":
    asked, flags = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if asked in ("-h", "--help"):
        recipe.parse(Options, ["--help"])
    if not asked or asked.startswith("-"):
        raise Refusal("needs a vote: python -m core.vote EXPRESSION --name NAME, or the name of a file in ensembles/")
    if re.fullmatch(r"[\w.-]+", asked):
        sys.argv = [str(_file(asked)), *flags]
        _run(_file(asked), "__main__")
    else:
        main(asked, recipe.parse(Options, flags))
