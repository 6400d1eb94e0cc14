"""Makes a competition folder: of drawn people, or of UTKFace photographs with drawn masks.

    python -m core.people --out data --people 600 --eval-people 200
    python -m core.people --out data --people 600 --eval-people 200 --photos DIR

Writes OUT/train and OUT/eval in the layout of the competition, OUT/answers.csv (ImageID, ans, person) with the true
classes of the test images, and OUT/boxes.csv, which says where each face is. Ages, genders, the seven files of each
person and their mixed endings follow the published figures of the real data set. The same seed draws the same bytes.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from core import disk, flags, labels
from core.people import person, photos, population, portrait
from core.people.population import Subject
from core.people.portrait import Drawn
from core.refusal import Refusal

#: Every so many people a hidden file that is no image, and mixed endings: both occur in the real data set.
HIDDEN_FILE_EVERY, MIXED_ENDINGS_EVERY = 53, 97
#: The columns of boxes.csv, and a row of it.
BOXES = ("file", "left", "top", "width", "height")
Face = tuple[str, int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to draw."""

    out: str  # the folder to make; it must be empty or not exist
    people: flags.Count = 600  # number of people in the training set
    eval_people: flags.Count = 200  # number of people in the test set
    elderly: flags.Share = population.ELDERLY  # share of people aged 60
    photos: str = ""  # a folder of UTKFace photographs (age_gender_race_time.jpg) to draw masks on; empty: draw faces
    seed: flags.NonNegative = 0  # of everything random


def draw_competition(options: Options) -> None:
    """Draw all people and write the folder `options.out` whole or not at all; print how many there are.
    Refuses: `options.out` exists and is not an empty folder, or is being made by another process, or `options.photos`
    is no folder, lacks photographs, or holds one that cannot be decoded."""
    out = Path(options.out).resolve()
    with disk.lock(out.with_name(f".{out.name}.lock"), f"--out {out}"):
        _draw(options, out)
    print(f"{options.people} people to train on, {options.eval_people} to test on -> {out}")


def _draw(options: Options, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refusal(f"--out {out}: exists and is not an empty folder; remove it or name another")
    total, rng = options.people + options.eval_people, np.random.default_rng([options.seed, 0])
    if options.photos:
        people = population.photographed(Path(options.photos), total, options.elderly, rng)
    else:
        people = population.drawn(total, options.elderly, rng)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with disk.named(out):
            _write(temporary, people[: options.people], people[options.people :], options.seed)
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(root: Path, train: list[Subject], test: list[Subject], seed: int) -> None:
    for part in ("train", "eval"):
        (root / part / "images").mkdir(parents=True)
    jobs = [delayed(_train_person)(root, subject, seed) for subject in train]
    jobs += [delayed(_test_person)(root, subject, seed) for subject in test]
    results = Parallel(n_jobs=-1, return_as="generator")(jobs)
    rows, faces = zip(*tqdm(results, "drawing", len(jobs), unit="person", disable=None), strict=True)
    disk.write_csv(root / "train" / "train.csv", [("id", "gender", "race", "age", "path"), *rows[: len(train)]])
    answers = np.random.default_rng([seed, 2]).permutation(np.concatenate(rows[len(train) :]))
    disk.write_csv(root / "eval" / "info.csv", [("ImageID", "ans"), *((name, 0) for name, _, _ in answers)])
    disk.write_csv(root / "answers.csv", [("ImageID", "ans", "person"), *answers])
    disk.write_csv(root / "boxes.csv", [BOXES, *(face for own in faces for face in own)])


def _train_person(root: Path, subject: Subject, seed: int) -> tuple[tuple[str, str, str, int, str], list[Face]]:
    """Write the person's images; returns the row of train.csv, and the faces."""
    number, gender = f"{subject.number:06d}", labels.GENDER[subject.female]
    path = f"{number}_{gender}_Asian_{subject.age}"
    folder = root / "train" / "images" / path
    folder.mkdir()
    rng = np.random.default_rng([seed, 1, subject.number, 1])
    if subject.number % HIDDEN_FILE_EVERY == 0:
        (folder / "._mask1.jpg").write_bytes(b"\0\5\26\7")
    files = zip(labels.STEMS, endings(subject.number, rng), _portraits(subject, seed), strict=True)
    faces: list[Face] = []
    for stem, ending, (image, box) in files:
        _save(folder / f"{stem}.{ending}", image, rng)
        faces.append((f"train/images/{path}/{stem}.{ending}", *box))
    return (number, gender, "Asian", subject.age, path), faces


def endings(number: int, rng: np.random.Generator) -> list[str]:
    """The endings of the seven files of person `number`, without the dot: one for all, but mixed for some people."""
    if number % MIXED_ENDINGS_EVERY == 0:
        return rng.permutation(["jpg", "jpg", "jpg", "png", "png", "jpeg", "JPG"]).tolist()
    return [str(rng.choice(("jpg", "png", "jpeg"), p=(0.954, 0.027, 0.019)))] * 7


def _test_person(root: Path, subject: Subject, seed: int) -> tuple[list[tuple[str, int, str]], list[Face]]:
    """Write the person's images, whose names tell nothing; returns their rows of answers.csv, and the faces."""
    rng = np.random.default_rng([seed, 1, subject.number, 1])
    rows, faces = [], []
    for (stem, state), (image, box) in zip(labels.STEMS.items(), _portraits(subject, seed), strict=True):
        name = hashlib.sha1(f"{seed} {subject.number} {stem}".encode()).hexdigest() + ".jpg"
        _save(root / "eval" / "images" / name, image, rng)
        answer = labels.label(state, int(subject.female), labels.age_group(subject.age))
        rows.append((name, answer, f"{subject.number:06d}"))
        faces.append((name, *box))
    return rows, faces


def _portraits(subject: Subject, seed: int) -> Iterator[Drawn]:
    """The seven images of one person, (512, 384, 3) uint8 BGR, in the order of `labels.STEMS`, each with its box."""
    rng = np.random.default_rng([seed, 1, subject.number, 0])
    if subject.photo:
        face = photos.read(subject.photo)
        yield from (photos.draw(face, state, rng) for state in labels.STEMS.values())
    else:
        drawn = person.random_person(subject.true_age, subject.female, rng)
        yield from (portrait.draw(drawn, state, rng) for state in labels.STEMS.values())


def _save(path: Path, image: np.ndarray, rng: np.random.Generator) -> None:
    ending, how = path.suffix.lower(), [cv2.IMWRITE_PNG_COMPRESSION, 3]
    if ending != ".png":
        how = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
    path.write_bytes(cv2.imencode(ending, image, how)[1].tobytes())
