"""Take a vote: what a file in ensembles/ says, or an expression.

    python -m ensembles.voting final                what ensembles/final.py says
    python -m ensembles.voting "soft('v5_multitask/effb0', 2*run('v4_separate/effb0'))" --name tonight

Every node's out-of-fold score is printed; submissions/NAME.csv and .json are written (without --name, an expression
is only scored). Needs runs, not the data.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from core import recipe
from ensembles.voting import ensembles, expression, submission
from ensembles.voting.api import hard, run, soft
from ensembles.voting.ensembles import ensemble


@dataclass(frozen=True, kw_only=True)
class Options:
    """What becomes of the vote."""

    name: str = ""  # of the submission; empty: the vote is scored and not written
    force: bool = False  # write a submission of this name again


def vote(text: str, options: Options) -> None:
    """Take the vote that `text` says."""
    node = expression.parse(text, {word.__name__: word for word in (run, soft, hard, ensemble)})
    if options.name:
        submission.write(options.name, node, options.force)
    else:
        submission.show(node)
        print("not written; give --name NAME to make it submissions/NAME.csv")


def main(argv: list[str]) -> None:
    needs = "a vote: EXPRESSION --name NAME, or the name of a file in ensembles/"
    (text,), options = recipe.parse_words(Options, [1], needs, argv)
    if re.fullmatch(r"[\w.-]+", text):
        sys.argv = [str(ensembles.find(text)), *argv[1:]]
        ensembles.read(ensembles.find(text), "__main__")
    else:
        vote(text, options)


if __name__ == "__main__":
    main(sys.argv[1:])
