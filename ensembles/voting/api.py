"""The functions that make a vote: each returns a node, and any node can be a member of any other.

    multitask = soft(run("v5_multitask/effb0"), run("v5_multitask/resnext50"))
    final = hard(2 * multitask, run("v4_separate/effb0"), run("v1_single/effb0"))
    if __name__ == "__main__":
        submit(__file__, final)

ensembles/NAME.py gives its vote the name NAME; then `ensemble("NAME")` can be a member of other votes.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from core import labels, recipe
from core.refusal import Refusal
from ensembles.voting import submission
from ensembles.voting.adjust import UNCHANGED, Adjusted, Factors
from ensembles.voting.nodes import Fold, Node, RunNode, is_weight
from ensembles.voting.votes import Hard, Per, Soft


@dataclass(frozen=True)
class Options(recipe.NoFlags):
    """Flags of every file in ensembles/."""

    force: bool = False  # replace an existing submission of this name


def run(name: str, fold: Fold = None) -> Node:
    """The finished run KERNEL/NAME: the mean of its folds, one fold by number, or the "best" fold: that of the
    highest macro F1 on the rows it held out. The run is read when its probabilities are needed."""
    if not isinstance(name, str) or not re.fullmatch(r"[^./][^/]*/[^./][^/]*", name):
        raise Refusal(f"run({name!r}): must name a run as KERNEL/NAME, as in v5_multitask/effb0")
    if fold is not None and fold != "best" and (not isinstance(fold, int) or isinstance(fold, bool) or fold < 0):
        raise Refusal(f'run("{name}", fold={fold!r}): a fold is its number or "best"')
    return RunNode(name=name, fold=fold)


def soft(*members: Node, per: Per = "class") -> Node:
    """Soft vote: the mean of the members' probabilities, weighted as in ``soft(2 * a, b)``.
    per="attribute" votes on mask, gender and age separately and joins the results."""
    return Soft(members=_check_members("soft", members, per), per=per)


def hard(*members: Node, per: Per = "class") -> Node:
    """Hard vote: each member votes for one class, with its weight; a tie goes to the higher mean probability.
    per="attribute" votes on mask, gender and age separately and joins the results."""
    return Hard(members=_check_members("hard", members, per), per=per)


def adjust(vote: Node, mask: Factors = UNCHANGED, gender: Factors = (1.0, 1.0), age: Factors = UNCHANGED) -> Node:
    """The vote with the probabilities of each mask state, gender and age group times these factors, renormalised:
    ``adjust(vote, age=(1.2, 1, 1.6))``. Only their ratios count. `make select` proposes them."""
    _check_members("adjust", (vote,), "class")
    for task, factors in {"mask": mask, "gender": gender, "age": age}.items():
        number = len(labels.TASKS[task])
        if not isinstance(factors, tuple | list) or len(factors) != number or not all(map(is_weight, factors)):
            raise Refusal(f"adjust(..., {task}={factors!r}): must be {number} positive numbers")
    return Adjusted(members=(vote,), mask=tuple(mask), gender=tuple(gender), age=tuple(age))


def _check_members(function: str, members: tuple[Node, ...], per: str) -> tuple[Node, ...]:
    wrong = [member for member in members if not isinstance(member, Node)]
    if wrong:
        raise Refusal(f"{function}(...) votes over run(...) and other votes, not over {wrong[0]!r}")
    if not members:
        raise Refusal(f"{function}() has no members")
    if per not in ("class", "attribute"):
        raise Refusal(f'{function}(..., per={per!r}): must be "class" or "attribute"')
    return members


def submit(file: str, vote: Node) -> None:
    """Print every node's score, then write submissions/NAME.csv and NAME.json for the ensemble file NAME.py.
    `file` is the ensemble's __file__, or another NAME for a second submission of the same file.
    Refuses: a member that is no finished run or belongs to another data set, an unknown flag, or an existing
    submission of this name (unless --force is given)."""
    submission.write(Path(file).stem, vote, recipe.parse(Options).force)
