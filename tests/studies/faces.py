"""A competition of photographed people, with a person for every answer, from shared/faces (not part of this project).

    python -m tests.studies.faces ../shared/faces OUT [--people 600] [--eval-people 200]

Unpacks chips.tar, lets make_faces.py draw the masks, and adds to answers.csv whose photograph each test image is: its
name is a digest of the seed, the person's file and the image's number.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core import disk, flags, recipe
from core.refusal import Refusal

SEED, IMAGES = 0, 7


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many people."""

    people: flags.Count = 600  # to train on
    eval_people: flags.Count = 200  # to test on


def make(faces: Path, out: Path, options: Options) -> None:
    """Write the competition to `out`. Refuses a folder without chips.tar and make_faces.py."""
    if missing := [name for name in ("chips.tar", "make_faces.py") if not (faces / name).is_file()]:
        raise Refusal(f"{faces}: holds no {missing[0]}; name the folder of the photographs")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(faces / "chips.tar") as tar:
            tar.extractall(folder, filter="data")
        chips = Path(folder) / "chips"
        sizes = ("--people", options.people, "--eval-people", options.eval_people, "--seed", SEED)
        words = [sys.executable, faces / "make_faces.py", chips, out, *sizes]
        subprocess.run(list(map(str, words)), check=True)
        people = {test_image(path.name, image): path.name for path in chips.iterdir() for image in range(IMAGES)}
    answers = disk.read_csv(out / "answers.csv", ("ImageID", "ans"))
    owners = [people[image] for image in answers["ImageID"]]
    disk.write_text(
        out / "answers.csv", answers.assign(person=owners)[["ImageID", "ans", "person"]].to_csv(index=False)
    )


def test_image(chip: str, number: int) -> str:
    """As make_faces.py names it."""
    return f"{hashlib.sha1(f'{SEED}{chip}{number}'.encode()).hexdigest()}.jpg"


if __name__ == "__main__":
    (faces, out), chosen = recipe.parse_words(Options, [2], "two folders: ../shared/faces OUT", sys.argv[1:])
    make(Path(faces), Path(out), chosen)
