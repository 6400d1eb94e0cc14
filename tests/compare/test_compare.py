"""Submissions compared: the numbers in closed form, the real command line, and the page as a file."""

import html
import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from core import disk, labels, places, score
from core.data import competition
from ensembles.voting import hard, run, soft, submission
from submissions.compare import comparison
from tests.conftest import PROJECT
from tests.voting.test_vote import about

COMPARE = ("-m", "submissions.compare")
PEOPLE = 20
ROWS = PEOPLE * 7


def said(right: float, seed: int, rows: int = ROWS) -> np.ndarray:
    """(rows,) classes of which this share is true; what is true does not depend on the seed."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < right, truth(rows), rng.integers(0, 18, rows))


def truth(rows: int = ROWS) -> np.ndarray:
    return np.arange(rows) % 18


def fabricate(name: str, oof: np.ndarray, test: np.ndarray, of: str = "0"):
    """A finished run that says these classes (-1: NaN) and is sure of them."""
    folder = places.runs() / name
    sure = np.eye(18, dtype=np.float32) * 0.82 + np.float32(0.01)
    disk.write_array(folder / "oof.npy", np.where(oof[:, None] < 0, np.float32(np.nan), sure[oof]))
    disk.write_array(folder / "test.npy", sure[test])
    rows = range(len(oof))
    frame = pd.DataFrame(
        {
            "file": [f"train/images/p{k // 7}/{k % 7}.jpg" for k in rows],
            "person": [f"p{k // 7}" for k in rows],
            "age": 20,
            "label": truth(len(oof)),
            "fold": 0,
        }
    )
    frame.to_csv(folder / "rows.csv", index=False)
    pd.DataFrame({"ImageID": [f"t{k}.jpg" for k in range(len(test))]}).to_csv(folder / "test.csv", index=False)
    disk.write_json(folder / "run.json", about(folder, rows=f"rows{of}", labels=f"labels{of}"))
    return run(name)


@pytest.fixture
def three(home):
    """Submissions of one data set: the best, a middling one and their nested vote."""
    good = fabricate("k/good", said(0.9, 1), said(0.9, 4))
    fair = fabricate("k/fair", said(0.5, 2), said(0.5, 5))
    submission.write("good", good)
    submission.write("fair", fair)
    submission.write("nested", soft(2 * hard(good, fair), fair))
    return home


@pytest.fixture
def photographs(tmp_path):
    return photographed(tmp_path / "photographs")


def photographed(root):
    """A data folder whose images are noise, which JPEG packs worst."""
    noise = np.random.default_rng(0).integers(0, 256, (512, 384, 3), np.uint8)
    bytes_ = cv2.imencode(".jpg", noise)[1].tobytes()
    names = [f"train/images/p{k // 7}/{k % 7}.jpg" for k in range(ROWS)]
    for name in [*names, *(f"eval/images/t{k}.jpg" for k in range(ROWS))]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes_)
    return root


def compared(home, *names):
    (found,) = comparison.compare(list(names), home / "nowhere")
    return found


def told(page: str) -> dict:
    """What the page hands its script."""
    return json.loads(re.search(r'class="data">(.*?)</script>', page, re.S)[1])


def test_agreement_is_the_share_of_equal_answers(home):
    test = truth()
    submission.write("a", fabricate("k/a", truth(), test))
    submission.write("b", fabricate("k/b", truth(), np.where(np.arange(ROWS) < 35, (test + 1) % 18, test)))
    found = compared(home)
    np.testing.assert_allclose(found.agreement, [[1, 1 - 35 / ROWS], [1 - 35 / ROWS, 1]])
    assert found.class_counts.sum(1).tolist() == [ROWS, ROWS]


def test_the_training_mix_is_scaled_to_the_test_images(home):
    submission.write("a", fabricate("k/a", truth(), truth(70)))
    mix = compared(home).training_mix
    np.testing.assert_allclose(mix, np.bincount(truth(), minlength=18) / 2)


def test_identical_submissions_differ_by_nothing_and_a_clearly_better_one_wins(three):
    submission.write("twin", run("k/good"))
    found = compared(three, "good", "twin", "fair")
    names = [one.name for one in found.submissions]
    assert names[2] == "fair"
    same = found.differences[0, 1]
    assert (same["difference"], same["low"], same["high"], same["better"]) == (0, 0, 0, 0.5)
    assert found.in_words((0, 1))[2].startswith("can't tell")
    ahead = found.differences[0, 2]
    assert ahead["low"] > 0
    assert ahead["difference"] == score.macro_f1(truth(), said(0.9, 1)) - score.macro_f1(truth(), said(0.5, 2))
    assert found.in_words((0, 2))[2].startswith("better with over 99 %")


def test_differences_are_those_of_the_paired_score(three):
    found = compared(three)
    rows = found.rows
    for (i, j), mine in found.differences.items():
        one, other = found.submissions[i].oof, found.submissions[j].oof
        assert mine == score.paired(rows["label"].to_numpy(), one, other, rows["person"].to_numpy().astype(str))


def test_the_best_stands_first_and_many_are_set_against_it(three):
    for seed in range(3):
        submission.write(f"worse{seed}", fabricate(f"k/worse{seed}", said(0.2, 10 + seed), said(0.2, seed)))
    found = compared(three)
    scores = [found.scores(which)["macro_f1"][0] for which in range(6)]
    assert scores == sorted(scores, reverse=True)
    assert found.shown_pairs() == [(0, other) for other in range(1, 6)]


def test_a_score_over_fewer_rows_says_so(home, command):
    """150 of 160 people, then two folds without a row in common."""
    rows = 160 * 7
    most = np.where(np.arange(rows) < 150 * 7, said(0.7, 1, rows), -1)
    rest = np.where(np.arange(rows) < 150 * 7, -1, said(0.8, 1, rows))
    for name, oof in (("whole", said(0.8, 1, rows)), ("most", most), ("rest", rest)):
        submission.write(name, fabricate(f"k/{name}", oof, truth(70)))
    found = compared(home)
    assert [found.coverage(which) for which in range(3)] == ["1120", "1050 of 1120", "70 of 1120"]
    assert found.differences[0, 1]["people"] == 150
    assert found.differences[0, 2] is None
    shown = command(*COMPARE).stdout
    assert "1050 of 1120" in shown
    assert "no score: too few people held out" in shown
    assert "can't be said: both answer too few people" in shown


def test_two_data_sets_are_not_mixed(three, command):
    submission.write("elsewhere", fabricate("k/elsewhere", said(0.7, 8, 70), truth(35), of="1"))
    groups = comparison.compare([], three)
    assert sorted(len(group.submissions) for group in groups) == [1, 3]
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert "submissions of 2 data sets: each is compared with those of its own data set only" in done.stdout
    assert not re.search(r"against +elsewhere|elsewhere +against", done.stdout)
    page = (three / "submissions/index.html").read_text()
    assert page.count('<article class="dataset"') == 2
    assert "submissions of 2 data sets" in page


def test_scores_outlive_the_runs(three, command):
    shutil.rmtree(places.runs())
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert re.search(r"1 +good +0\.\d{4} \[", done.stdout)
    assert "the training mix is not known" in done.stdout
    assert "can't be said: the true labels are not here" in done.stdout
    assert (three / "submissions/index.html").is_file()


def test_the_data_folder_stands_in_for_runs_that_are_gone(data_dir, home):
    table = competition.load(data_dir)
    made = fabricate("k/made", table.train.column("label"), truth(len(table.test)))
    folder = places.runs() / "k/made"
    disk.write_json(folder / "run.json", {**disk.read_json(folder / "run.json"), **table.digests()})
    submission.write("made", made)
    shutil.rmtree(places.runs())
    (found,) = comparison.compare([], data_dir)
    assert found.rows["file"].tolist() == table.train.column("file").tolist()
    assert comparison.compare([], data_dir / "train")[0].rows is None


def test_a_damaged_run_is_passed_over(three):
    (places.runs() / "k/fair/run.json").write_text("{")
    assert compared(three).rows is not None


def test_the_command_says_it_all(three, command):
    command("-m", "submissions.compare.leaderboard", "good", "--public-f1", "0.7861")
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    head = next(line for line in done.stdout.splitlines() if "submission" in line)
    for column in ("macro F1 [95 %]", "accuracy [95 %]", *labels.TASKS, "public F1"):
        assert column in head
    assert "private" not in head
    assert re.search(r"1 +good .* 0\.7861$", done.stdout, re.M)
    for name in labels.CLASSES:
        assert re.search(rf"^{re.escape(name)}( +\d+){{4}}$", done.stdout, re.M)
    assert re.search(r"^good +against +fair +\+0\.\d{4} .*better with over 99 %  \(20 people\)$", done.stdout, re.M)
    assert "no data folder: give --data DIR" in done.stdout or "has not the images" in done.stdout


def test_some_can_be_chosen(three, command):
    done = command(*COMPARE, "fair", "good", "fair")
    assert "nested" not in done.stdout
    assert [one.name for one in compared(three, "fair", "good", "fair").submissions] == ["good", "fair"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["goood"], "goood: is no submission"),
        (["../good"], "../good: is no submission"),
        (["good", "--data", "/nowhere"], "--data /nowhere: there is no such folder"),
        (["good", "--dat", "x"], "did you mean --data?"),
        (["--data"], "--data"),
    ],
)
def test_what_cannot_be_compared_ends_in_one_line(three, command, words, says):
    done = command(*COMPARE, *words)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert says in done.stderr
    assert not (three / "submissions/index.html").exists()


def test_without_submissions_it_says_how_to_make_one(home, command):
    done = command(*COMPARE)
    assert (done.returncode, done.stdout.count("make ensemble")) == (0, 1)
    assert not (home / "submissions").exists()


def test_one_submission_has_nothing_to_differ_from(three, command):
    done = command(*COMPARE, "good")
    assert done.returncode == 0, done.stderr
    assert "against" not in done.stdout
    assert told((three / "submissions/index.html").read_text())["images"] == []


def test_thumbnails_are_at_most_200_spread_evenly_and_below_20_mb(three, photographs, command):
    for seed in range(6):
        submission.write(f"more{seed}", fabricate(f"k/more{seed}", said(0.3, 20 + seed), said(0.3, 30 + seed)))
    done = command(*COMPARE, "--data", photographs)
    assert done.returncode == 0, done.stderr
    assert "200 thumbnails" in done.stdout
    path = three / "submissions/index.html"
    assert path.stat().st_size < 20e6
    page = path.read_text()
    assert page.count("data:image/jpeg;base64,") == 200
    images = told(page)["images"]
    assert len({(image["part"], image["name"]) for image in images}) == 200
    assert sum(image["part"] == "test" for image in images) == pytest.approx(100, abs=20)
    for image in images:
        assert len(set(image["said"])) > 1
        assert (image["truth"] is None) == (image["part"] == "test")


def test_turns_go_round_the_pairs(home):
    """Two submissions that differ on almost nothing are not crowded out by a third that differs on all."""
    near = truth()
    near[[3, 50, 77]] = (near[[3, 50, 77]] + 1) % 18
    submission.write("a", fabricate("k/a", truth(), truth()))
    submission.write("b", fabricate("k/b", near, truth()))
    submission.write("c", fabricate("k/c", (truth() + 2) % 18, (truth() + 2) % 18))
    found = compared(home)
    chosen = comparison.contested(found, 40)
    assert len(chosen) == 40
    assert {image.row for image in chosen if image.part == "train"} >= {3, 50, 77}
    people = [image.row // 7 for image in chosen if image.part == "train"]
    assert len(set(people[:12])) >= 10  # a person comes again only when all have come


def test_without_photographs_the_page_says_so(three, command, tmp_path):
    done = command(*COMPARE, MASK18_DATA=str(tmp_path / "none"))
    assert "0 thumbnails; no data folder" in done.stdout
    page = (three / "submissions/index.html").read_text()
    assert "Without thumbnails: no data folder" in page
    assert told(page)["images"]
    command(*COMPARE, "--data", tmp_path)
    assert "has not the images of these submissions" in (three / "submissions/index.html").read_text()


def test_what_a_user_wrote_is_text_and_nothing_else(three, command):
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    command("-m", "submissions.compare.leaderboard", "good", "--public-f1", "0.5", "--note", hostile)
    for ending in ("csv", "json"):
        name = f"<img src=x onerror=alert(3)>.{ending}"
        shutil.copy(three / f"submissions/fair.{ending}", three / "submissions" / name)
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    page = (three / "submissions/index.html").read_text()
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert html.escape("<script>alert(1)") in page
    assert "<img src=x onerror=alert(3)>" in told(page)["names"]


def test_nothing_in_the_page_asks_a_network(three, command):
    command(*COMPARE)
    page = (three / "submissions/index.html").read_text()
    ours = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert "http:" not in ours.replace("http-equiv", "")
    assert "https:" not in ours
    assert not re.search(r"<link|@import|url\(|<script[^>]+src", ours)
    assert "default-src 'none'" in page


def test_the_table_is_printed_before_anything_draws(three):
    """And nothing of torch is ever loaded."""
    watch = (
        "import builtins, runpy, sys\n"
        "shown = builtins.print\n"
        "def told(*words, **more):\n"
        "    shown(*words, **more)\n"
        "    if 'macro F1 [95 %]' in str(words):\n"
        "        shown('LOADED', sorted({'plotly', 'jinja2', 'torch', 'matplotlib'} & set(sys.modules)))\n"
        "builtins.print = told\n"
        "sys.argv = ['compare']\n"
        "runpy.run_module('submissions.compare', run_name='__main__')\n"
        "shown('AFTER', 'torch' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    seen = subprocess.run([sys.executable, "-c", watch], cwd=PROJECT, capture_output=True, text=True, env=environment)
    assert "LOADED []" in seen.stdout, seen.stderr
    assert "AFTER False" in seen.stdout
