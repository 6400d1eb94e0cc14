"""Makes a competition folder: of drawn people, or of a folder of UTKFace photographs with drawn masks.

    python -m core.people --out data --people 600 --eval-people 200
    python -m core.people --out data --people 600 --eval-people 200 --photos DIR

Writes OUT/train and OUT/eval as the competition lays them out, and OUT/answers.csv (ImageID, ans,
person) with the hidden labels of the test images. Ages, genders, the seven files of a person and
their mixed extensions follow the published figures of the real data set. The same seed draws the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import labels, recipe
from core.refusal import Refusal

UTK = re.compile(r"^(\d+)_([01])_([0-4])_\d+\.(jpg|jpeg|png)(\.chip\.jpg)?$", re.IGNORECASE)
#: Shares of under 30, 30 to 59 and 60, and of women, among the real 2,700; 57, 58 and 59 are 28.5 % of the middle group.
GROUPS, WOMEN, EDGE, EDGE_SHARE = (0.474, 0.455, 0.071), 0.614, ((57, 58, 59), (106, 159, 85)), 0.285
#: Clear of every folder name in the list of known label errors.
FIRST_ID = 100_000


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to draw."""

    out: str  # the folder to make; it must not exist or be empty
    people: recipe.Count = 600  # how many to train on
    eval_people: recipe.Count = 200  # how many to test on
    elderly: recipe.Share = GROUPS[2]  # share of people aged 60
    photos: str = ""  # UTKFace photographs (age_gender_race_time.jpg) to put masks on; empty: draw faces
    seed: recipe.Whole = 0  # of everybody


class Someone(NamedTuple):
    """One person: the recorded age in years, the age to draw, and a photograph if there is one."""

    number: int
    female: bool
    age: int
    true_age: float
    photo: str


def main(options: Options) -> None:
    out = Path(options.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refusal(f"--out {out}: is there already; remove it or name another")
    people = _photographed(options) if options.photos else _imagined(options)
    beside = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    _write(beside, people[: options.people], people[options.people :], options.seed)
    if out.exists():
        out.rmdir()
    beside.rename(out)
    print(f"{options.people} people to train on, {options.eval_people} to test on -> {out}")


def _imagined(options: Options) -> list[Someone]:
    """Cells of gender x age group get their exact share; who lands in train or test is drawn."""
    rng = np.random.default_rng([options.seed, 0])
    total = options.people + options.eval_people
    rest = (1 - options.elderly) / (GROUPS[0] + GROUPS[1])
    cells = [((GROUPS[0] * rest, GROUPS[1] * rest, options.elderly)[group] * share, female, group) for female, share in ((False, 1 - WOMEN), (True, WOMEN)) for group in range(3)]
    counts = _shares([share for share, _, _ in cells], total)
    people = []
    for (_, female, group), count in zip(cells, counts, strict=True):
        for _ in range(count):
            true_age = _age(group, rng)
            people.append((female, int(true_age), true_age))
    order = rng.permutation(len(people))
    return [Someone(FIRST_ID + k, *people[at], "") for k, at in enumerate(order)]


def _shares(shares: list[float], total: int) -> list[int]:
    """Whole numbers nearest to `shares` of `total` that add up to it (largest remainders)."""
    exact = np.array(shares) / sum(shares) * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact)[: total - counts.sum()]] += 1
    return counts.tolist()


def _age(group: int, rng: np.random.Generator) -> float:
    if group == 0:
        return rng.uniform(18, 30)
    if group == 2:
        return 60.0
    if rng.random() < EDGE_SHARE:
        return rng.choice(EDGE[0], p=np.array(EDGE[1]) / sum(EDGE[1])) + rng.random()
    return rng.uniform(30, 57)


def _photographed(options: Options) -> list[Someone]:
    folder = Path(options.photos)
    if not folder.is_dir():
        raise Refusal(f"--photos {folder}: is not a folder")
    rng = np.random.default_rng([options.seed, 0])
    named = [(name, UTK.match(name)) for name in sorted(path.name for path in folder.iterdir())]
    pool = [(name, int(found[1]), found[2] == "1") for name, found in named if found and int(found[1]) >= 18]
    total = options.people + options.eval_people
    groups = [[photo for photo in pool if labels.age_group(photo[1]) == group and photo[2] is female] for female in (False, True) for group in range(3)]
    shares = [share * women for women in (1 - WOMEN, WOMEN) for share in (GROUPS[0], GROUPS[1], options.elderly)]
    chosen = []
    for photos, count in zip(groups, _shares(shares, total), strict=True):
        if len(photos) < count:
            raise Refusal(f"--photos {folder}: {count} photographs of one gender and age group are needed and {len(photos)} are there; ask for fewer people")
        chosen += [photos[at] for at in rng.permutation(len(photos))[:count]]
    return [Someone(FIRST_ID + k, chosen[at][2], chosen[at][1], chosen[at][1], str(folder / chosen[at][0])) for k, at in enumerate(rng.permutation(total))]


def _write(root: Path, train: list[Someone], test: list[Someone], seed: int) -> None:
    from joblib import Parallel, delayed
    from tqdm import tqdm

    (root / "train" / "images").mkdir(parents=True)
    (root / "eval" / "images").mkdir(parents=True)
    jobs = [delayed(_train_person)(root, who, seed) for who in train] + [delayed(_test_person)(root, who, seed) for who in test]
    results = Parallel(n_jobs=-1, return_as="generator")(jobs)
    done = list(tqdm(results, "drawing", len(jobs), unit="person", disable=None))
    _csv(root / "train" / "train.csv", ("id", "gender", "race", "age", "path"), done[: len(train)])
    answers = [row for rows in done[len(train) :] for row in rows]
    order = np.random.default_rng([seed, 2]).permutation(len(answers))
    _csv(root / "eval" / "info.csv", ("ImageID", "ans"), [(answers[at][0], 0) for at in order])
    _csv(root / "answers.csv", ("ImageID", "ans", "person"), [answers[at] for at in order])


def _train_person(root: Path, who: Someone, seed: int) -> tuple:
    gender = labels.GENDER[who.female]
    path = f"{who.number:06d}_{gender}_Asian_{who.age}"
    folder = root / "train" / "images" / path
    folder.mkdir()
    rng = np.random.default_rng([seed, 1, who.number, 1])
    endings = rng.choice(("jpg", "png", "jpeg"), size=1, p=(0.954, 0.027, 0.019)).repeat(7)
    if who.number % 97 == 0:
        endings = rng.permutation(["jpg", "jpg", "jpg", "png", "png", "jpeg", "JPG"])
    if who.number % 53 == 0:
        (folder / "._mask1.jpg").write_bytes(b"\0\5\26\7")
    for (stem, state), ending, image in zip(labels.STEMS.items(), endings, _portraits(who, seed), strict=True):
        _save(folder / f"{stem}.{ending}", image, rng)
    return f"{who.number:06d}", gender, "Asian", who.age, path


def _test_person(root: Path, who: Someone, seed: int) -> list[tuple]:
    rng = np.random.default_rng([seed, 1, who.number, 1])
    rows = []
    for (stem, state), image in zip(labels.STEMS.items(), _portraits(who, seed), strict=True):
        name = hashlib.sha1(f"{seed} {who.number} {stem}".encode()).hexdigest() + ".jpg"
        _save(root / "eval" / "images" / name, image, rng)
        rows.append((name, labels.label(state, int(who.female), labels.age_group(who.age)), f"{who.number:06d}"))
    return rows


def _portraits(who: Someone, seed: int):
    """The seven images of one person, in the order of `labels.STEMS`."""
    from core import photos, portrait

    rng = np.random.default_rng([seed, 1, who.number, 0])
    drawn = photos.read(who.photo) if who.photo else portrait.born(who.true_age, who.female, rng)
    draw = photos.draw if who.photo else portrait.draw
    for state in labels.STEMS.values():
        yield draw(drawn, state, rng)


def _save(path: Path, image: np.ndarray, rng: np.random.Generator) -> None:
    import cv2

    ending = path.suffix.lower()
    how = [cv2.IMWRITE_PNG_COMPRESSION, 3] if ending == ".png" else [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
    path.write_bytes(cv2.imencode(ending, image, how)[1].tobytes())


def _csv(path: Path, header: tuple, rows: list) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    main(recipe.parse(Options))
