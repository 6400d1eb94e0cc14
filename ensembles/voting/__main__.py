"""Score a vote: a file in ensembles/, or an expression.

    python -m ensembles.voting final                ensembles/final.py
    python -m ensembles.voting "soft('v5_multitask/effb0', 2*run('v4_separate/effb0'))" --name tonight
    python -m ensembles.voting final --images DIR --out probs.csv

Prints the out-of-fold score of every node and writes submissions/NAME.csv and .json; an expression without --name
is only scored. Needs runs, not the data.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import flags, recipe
from core.refusal import Refusal
from ensembles.voting import api, ensembles, expression, submission
from ensembles.voting.ensembles import ensemble
from ensembles.voting.nodes import Node, check_same_data, print_scores

NEEDS = "a vote: EXPRESSION --name NAME, or the name of a file in ensembles/"


@dataclass(frozen=True, kw_only=True)
class Options(api.Options):
    """What to do with the vote."""

    name: str = ""  # of the submission; empty: the vote is scored and not written
    images: str = ""  # a folder of photographs to look at instead
    out: str = ""  # the CSV of their probabilities
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    boxes: flags.Boxes = ""  # of these photographs, where a run was trained with some


def score_expression(text: str, options: Options) -> None:
    """Print the scores of the vote that `text` describes, and write the submission if it has a name."""
    functions = (api.run, api.soft, api.hard, api.adjust, ensemble)
    vote = expression.parse(text, {function.__name__: function for function in functions})
    if options.images or options.out:
        look_at(vote, options)
    elif options.name:
        submission.write(options.name, vote, options.force)
    else:
        print_scores(vote)
        print("not written; give --name NAME to write submissions/NAME.csv")


def look_at(vote: Node, options: Options) -> None:
    """Write the vote's probabilities of every photograph in a folder.
    Refuses: a member that cannot look at them, as `core.launch.predict` does."""
    from core.launch import predict

    if not (options.images and options.out) or options.name:
        raise Refusal("--images and --out go together, without --name: the folder to look at, and the CSV to write")
    files = predict.photographs(Path(options.images))
    how = predict.Options(images=options.images, out=options.out, device=options.device, boxes=options.boxes)
    check_same_data(vote)
    runs = {leaf.name: leaf.loaded for leaf in vote.leaves()}

    def made() -> np.ndarray:
        return vote.over({name: predict.probabilities(run, files, how) for name, run in runs.items()})

    vote.over(dict.fromkeys(runs, np.full((1, 18), 1 / 18)))  # a single fold is refused before
    for run in runs.values():
        predict.networks(run)
    predict.write(Path(options.out), files, made)


def main(argv: list[str]) -> None:
    (text,), options = recipe.parse_words(Options, [1], NEEDS, argv)
    if not text.strip():
        raise Refusal(f"needs {NEEDS}")
    if re.fullmatch(r"[\w.-]+", text) and (options.images or options.out):
        look_at(ensemble(text), options)
    elif re.fullmatch(r"[\w.-]+", text):
        path = ensembles.find(text)
        sys.argv = [str(path), *argv[1:]]
        ensembles.read(path, "__main__")
    else:
        score_expression(text, options)


if __name__ == "__main__":
    main(sys.argv[1:])
