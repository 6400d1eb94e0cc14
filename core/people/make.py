"""Makes a competition folder: of drawn people, or of a folder of UTKFace photographs with drawn masks.

    python -m core.people --out data --people 600 --eval-people 200
    python -m core.people --out data --people 600 --eval-people 200 --photos DIR

Writes OUT/train and OUT/eval as the competition lays them out, and OUT/answers.csv (ImageID, ans,
person) with the hidden labels of the test images. Ages, genders, the seven files of a person and
their mixed extensions follow the published figures of the real data set. The same seed draws the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import disk, flags, labels, recipe
from core.people import population
from core.people.population import Subject
from core.refusal import Refusal


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to draw."""

    out: str  # the folder to make; it must not exist or be empty
    people: flags.Count = 600  # how many to train on
    eval_people: flags.Count = 200  # how many to test on
    elderly: flags.Share = population.ELDERLY  # share of people aged 60
    photos: str = ""  # UTKFace photographs (age_gender_race_time.jpg) to put masks on; empty: draw faces
    seed: flags.NonNegative = 0  # of everybody


def make(options: Options) -> None:
    out = Path(options.out).resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refusal(f"--out {out}: is there already; remove it or name another")
    people = _people(options)
    beside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        _write(beside, people[: options.people], people[options.people :], options.seed)
        if out.exists():
            out.rmdir()
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    print(f"{options.people} people to train on, {options.eval_people} to test on -> {out}")


def _people(options: Options) -> list[Subject]:
    rng = np.random.default_rng([options.seed, 0])
    total = options.people + options.eval_people
    if options.photos:
        return population.photographed(Path(options.photos), total, options.elderly, rng)
    return population.drawn(total, options.elderly, rng)


def _write(root: Path, train: list[Subject], test: list[Subject], seed: int) -> None:
    from joblib import Parallel, delayed
    from tqdm import tqdm

    (root / "train" / "images").mkdir(parents=True)
    (root / "eval" / "images").mkdir(parents=True)
    jobs = [delayed(_train_person)(root, who, seed) for who in train] + [
        delayed(_test_person)(root, who, seed) for who in test
    ]
    results = Parallel(n_jobs=-1, return_as="generator")(jobs)
    done = list(tqdm(results, "drawing", len(jobs), unit="person", disable=None))
    disk.write_csv(root / "train" / "train.csv", [("id", "gender", "race", "age", "path"), *done[: len(train)]])
    answers = [row for rows in done[len(train) :] for row in rows]
    order = np.random.default_rng([seed, 2]).permutation(len(answers))
    disk.write_csv(root / "eval" / "info.csv", [("ImageID", "ans"), *((answers[at][0], 0) for at in order)])
    disk.write_csv(root / "answers.csv", [("ImageID", "ans", "person"), *(answers[at] for at in order)])


def _train_person(root: Path, who: Subject, seed: int) -> tuple:
    gender = labels.GENDER[who.female]
    path = f"{who.number:06d}_{gender}_Asian_{who.age}"
    folder = root / "train" / "images" / path
    folder.mkdir()
    rng = np.random.default_rng([seed, 1, who.number, 1])
    if who.number % 53 == 0:
        (folder / "._mask1.jpg").write_bytes(b"\0\5\26\7")
    for stem, ending, image in zip(labels.STEMS, endings(who.number, rng), _portraits(who, seed), strict=True):
        _save(folder / f"{stem}.{ending}", image, rng)
    return f"{who.number:06d}", gender, "Asian", who.age, path


def endings(number: int, rng: np.random.Generator) -> list[str]:
    """The seven files' endings: one kind per person, in the real shares, and now and then a mix."""
    if number % 97 == 0:
        return rng.permutation(["jpg", "jpg", "jpg", "png", "png", "jpeg", "JPG"]).tolist()
    return [str(rng.choice(("jpg", "png", "jpeg"), p=(0.954, 0.027, 0.019)))] * 7


def _test_person(root: Path, who: Subject, seed: int) -> list[tuple]:
    rng = np.random.default_rng([seed, 1, who.number, 1])
    rows = []
    for (stem, state), image in zip(labels.STEMS.items(), _portraits(who, seed), strict=True):
        name = hashlib.sha1(f"{seed} {who.number} {stem}".encode()).hexdigest() + ".jpg"
        _save(root / "eval" / "images" / name, image, rng)
        rows.append((name, labels.label(state, int(who.female), labels.age_group(who.age)), f"{who.number:06d}"))
    return rows


def _portraits(who: Subject, seed: int) -> Iterator[np.ndarray]:
    """The seven images of one person, in the order of `labels.STEMS`."""
    from core.people import person, photos, portrait

    rng = np.random.default_rng([seed, 1, who.number, 0])
    if who.photo:
        face = photos.read(who.photo)
        yield from (photos.draw(face, state, rng) for state in labels.STEMS.values())
    else:
        drawn = person.random_person(who.true_age, who.female, rng)
        yield from (portrait.draw(drawn, state, rng) for state in labels.STEMS.values())


def _save(path: Path, image: np.ndarray, rng: np.random.Generator) -> None:
    import cv2

    ending = path.suffix.lower()
    how = (
        [cv2.IMWRITE_PNG_COMPRESSION, 3] if ending == ".png" else [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
    )
    path.write_bytes(cv2.imencode(ending, image, how)[1].tobytes())


def main(argv: list[str]) -> None:
    make(recipe.parse(Options, argv))
