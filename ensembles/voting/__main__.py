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
from core.refusal import Refusal
from ensembles.voting import ensembles, expression, submission
from ensembles.voting.api import hard, run, soft
from ensembles.voting.ensembles import ensemble


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
        raise Refusal(
            "needs a vote: python -m ensembles.voting EXPRESSION --name NAME, or the name of a file in ensembles/"
        )
    if re.fullmatch(r"[\w.-]+", asked):
        sys.argv = [str(ensembles.find(asked)), *flags]
        ensembles.read(ensembles.find(asked), "__main__")
    else:
        main(asked, recipe.parse(Options, flags))
