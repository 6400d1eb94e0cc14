"""Score a vote: a file in ensembles/, or an expression.

    python -m ensembles.voting final                ensembles/final.py
    python -m ensembles.voting "soft('v5_multitask/effb0', 2*run('v4_separate/effb0'))" --name tonight

Prints the out-of-fold score of every node and writes submissions/NAME.csv and .json; an expression without --name
is only scored. Needs runs, not the data.
"""

import re
import sys
from dataclasses import dataclass

from core import recipe
from core.refusal import Refusal
from ensembles.voting import api, ensembles, expression, submission
from ensembles.voting.ensembles import ensemble
from ensembles.voting.nodes import print_scores

NEEDS = "a vote: EXPRESSION --name NAME, or the name of a file in ensembles/"


@dataclass(frozen=True, kw_only=True)
class Options(api.Options):
    """What to do with the vote."""

    name: str = ""  # of the submission; empty: the vote is scored and not written


def score_expression(text: str, options: Options) -> None:
    """Print the scores of the vote that `text` describes, and write the submission if it has a name."""
    functions = (api.run, api.soft, api.hard, api.adjust, ensemble)
    vote = expression.parse(text, {function.__name__: function for function in functions})
    if options.name:
        submission.write(options.name, vote, options.force)
    else:
        print_scores(vote)
        print("not written; give --name NAME to write submissions/NAME.csv")


def main(argv: list[str]) -> None:
    (text,), options = recipe.parse_words(Options, [1], NEEDS, argv)
    if not text.strip():
        raise Refusal(f"needs {NEEDS}")
    if re.fullmatch(r"[\w.-]+", text):
        path = ensembles.find(text)
        sys.argv = [str(path), *argv[1:]]
        ensembles.read(path, "__main__")
    else:
        score_expression(text, options)


if __name__ == "__main__":
    main(sys.argv[1:])
