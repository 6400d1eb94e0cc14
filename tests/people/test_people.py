"""A drawn competition: the same bytes by seed, the mix of the real data set, and refusals."""

import cv2
import numpy as np
import pandas as pd
import pytest

from core import labels
from core.data import competition, fixes
from core.people import make, population
from core.refusal import Refusal


def draw(out, **options):
    make.draw_competition(make.Options(out=str(out), **{"people": 6, "eval_people": 2, **options}))
    return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_the_same_seed_draws_the_same_bytes_and_another_does_not(tmp_path):
    first = draw(tmp_path / "a")
    assert first == draw(tmp_path / "b")
    assert first != draw(tmp_path / "c", seed=1)


def test_the_true_classes_are_in_answers_csv_alone(data_dir):
    answers = pd.read_csv(data_dir / "answers.csv", dtype={"person": str})
    info = pd.read_csv(data_dir / "eval/info.csv")
    assert info["ImageID"].tolist() == answers["ImageID"].tolist()
    assert set(info["ans"]) == {0}
    for _, images in answers.groupby("person"):
        mask, gender, age = labels.split(images["ans"].to_numpy())
        assert sorted(mask) == [0] * 5 + [1, 2]
        assert len(set(gender)) == len(set(age)) == 1
    assert not any("answers" in path.name for part in ("train", "eval") for path in (data_dir / part).rglob("*"))


def test_the_mix_is_that_of_the_real_data_set():
    people = population.drawn(2700, population.ELDERLY, np.random.default_rng(0))
    ages = np.array([person.age for person in people])
    assert abs(sum(person.female for person in people) - 1658) <= 2
    for group, count in enumerate((1281, 1227, 192)):
        assert abs((labels.age_group(ages) == group).sum() - count) <= 3
    assert set(ages[ages >= 60]) == {60}
    assert ages.min() == 18
    for age, count in {57: 106, 58: 159, 59: 85}.items():
        assert abs((ages == age).sum() - count) < 45


def test_no_drawn_person_is_in_the_list_of_known_label_errors():
    assert all(int(person[:6]) < population.FIRST_NUMBER for person, _, _ in fixes.KNOWN)


def test_endings_are_mixed(tmp_path):
    rng = np.random.default_rng(0)
    endings = [make.endings(number, rng) for number in range(100_000, 102_000)]
    share = np.mean([ending[0] == "jpg" for ending in endings])
    assert 0.93 < share < 0.98
    assert any(len(set(ending)) > 1 for ending in endings)
    assert {ending for each in endings for ending in each} >= {"jpg", "jpeg", "png"}


def test_photographs_become_a_competition(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for age in (20, 25, 40, 50, 60, 66):
        for gender in (0, 1):
            face = np.random.default_rng(age).integers(0, 255, (200, 200, 3), np.uint8)
            cv2.imwrite(str(photos / f"{age}_{gender}_2_2017010{gender}.jpg.chip.jpg"), face)
    (photos / "readme.txt").write_text("not a photograph")
    cv2.imwrite(str(photos / "9_0_0_1.jpg"), face)
    draw(tmp_path / "drawn", people=4, eval_people=2, elderly=0.2, photos=str(photos))
    table = competition.load(tmp_path / "drawn")
    assert len(table.train) == 28
    assert len(table.test) == 14
    assert table.train.column("age").min() >= 18
    with pytest.raises(Refusal, match="ask for fewer people"):
        draw(tmp_path / "more", people=40, photos=str(photos))
    with pytest.raises(Refusal, match="is not a folder"):
        draw(tmp_path / "none", photos=str(tmp_path / "nowhere"))


def test_a_folder_with_files_is_not_overwritten(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(Refusal, match="is not an empty folder"):
        draw(tmp_path)
    assert (tmp_path / "file").read_text() == "kept"
