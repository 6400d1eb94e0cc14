"""The numbers of a comparison, in closed form."""

import shutil

import numpy as np

from core import disk, places, score
from core.data import competition
from core.reports import listing
from ensembles.voting import run, submission
from submissions.compare import disagreements
from submissions.compare.comparison import load_comparisons
from tests.compare.fabricated import ROWS, fabricate, predictions, true_classes


def compare(home, *names):
    (comparison,) = load_comparisons(list(names), home / "nowhere")
    return comparison


def test_agreement_is_the_share_of_equal_predictions(home):
    test = true_classes()
    submission.write("a", fabricate("k/a", true_classes(), test))
    submission.write("b", fabricate("k/b", true_classes(), np.where(np.arange(ROWS) < 35, (test + 1) % 18, test)))
    comparison = compare(home)
    np.testing.assert_allclose(comparison.agreement, [[1, 1 - 35 / ROWS], [1 - 35 / ROWS, 1]])
    assert comparison.class_counts.sum(1).tolist() == [ROWS, ROWS]


def test_expected_counts_are_the_training_counts_scaled_to_test(home):
    submission.write("a", fabricate("k/a", true_classes(), true_classes(70)))
    expected = compare(home).expected_counts
    np.testing.assert_allclose(expected, np.bincount(true_classes(), minlength=18) / 2)


def test_identical_submissions_do_not_differ_and_a_clearly_better_one_wins(three):
    submission.write("twin", run("k/good"))
    comparison = compare(three, "good", "twin", "fair")
    assert comparison.names[2] == "fair"
    same = comparison.differences[0, 1]
    assert (same["difference"], same["low"], same["high"], same["better"]) == (0, 0, 0, 0.5)
    assert comparison.difference_text((0, 1))[2].startswith("can't tell")
    better = comparison.differences[0, 2]
    good, fair = (score.macro_f1(true_classes(), predictions(*drawn)) for drawn in ((0.9, 1), (0.5, 2)))
    assert better["low"] > 0
    assert better["difference"] == good - fair
    assert comparison.difference_text((0, 2))[2].startswith("better with over 99 %")


def test_differences_are_those_of_the_paired_score(three):
    comparison = compare(three)
    true, people = comparison.rows["label"].to_numpy(), comparison.rows["person"].to_numpy().astype(str)
    for (i, j), difference in comparison.differences.items():
        one, other = comparison.submissions[i].oof, comparison.submissions[j].oof
        assert difference == score.paired(true, one, other, people)


def test_paired_differences():
    rng = np.random.default_rng(3)
    true = rng.integers(0, 18, 700)
    people = np.repeat(np.arange(100), 7).astype(str)
    noisy = np.where(rng.random(700) < 0.3, rng.integers(0, 18, 700), true)
    same = score.paired(true, noisy, noisy, people)
    assert (same["difference"], same["low"], same["high"], same["better"]) == (0, 0, 0, 0.5)
    assert listing.verdict(same["better"]) == "can't tell"
    better = score.paired(true, true, noisy, people)
    worse = score.paired(true, noisy, true, people)
    assert better["difference"] == -worse["difference"] == 1 - score.macro_f1(true, noisy)
    assert (better["better"], worse["better"]) == (1, 0)
    assert listing.verdict(better["better"]).startswith("better with")
    assert listing.verdict(worse["better"]).startswith("worse with")
    some = np.where(np.arange(700) < 350, -1, noisy)
    assert score.paired(true, true, some, people)["people"] == 50


def test_the_best_comes_first_and_many_are_compared_with_it(three):
    for seed in range(3):
        worse = fabricate(f"k/worse{seed}", predictions(0.2, 10 + seed), predictions(0.2, seed))
        submission.write(f"worse{seed}", worse)
    comparison = compare(three)
    scores = [comparison.scores(index)["macro_f1"][0] for index in range(6)]
    assert scores == sorted(scores, reverse=True)
    assert comparison.shown_pairs() == [(0, other) for other in range(1, 6)]


def test_submissions_are_compared_once_each(three):
    assert compare(three, "fair", "good", "fair").names == ["good", "fair"]


def test_the_data_folder_replaces_runs_that_do_not_exist(data_dir, home):
    table = competition.load(data_dir)
    node = fabricate("k/made", table.train.column("label"), true_classes(len(table.test)))
    folder = places.runs() / "k/made"
    disk.write_json(folder / "run.json", {**disk.read_json(folder / "run.json"), **table.digests()})
    submission.write("made", node)
    shutil.rmtree(places.runs())
    (comparison,) = load_comparisons([], data_dir)
    assert comparison.rows["file"].tolist() == table.train.column("file").tolist()
    assert load_comparisons([], data_dir / "train")[0].rows is None


def test_a_damaged_run_is_skipped(three):
    (places.runs() / "k/fair/run.json").write_text("{")
    assert compare(three).rows is not None


def test_every_pair_gets_images_of_its_disagreements(home):
    """Two submissions that disagree on three images get all three, although a third disagrees with both on all."""
    near = true_classes()
    near[[3, 50, 77]] = (near[[3, 50, 77]] + 1) % 18
    submission.write("a", fabricate("k/a", true_classes(), true_classes()))
    submission.write("b", fabricate("k/b", near, true_classes()))
    submission.write("c", fabricate("k/c", (true_classes() + 2) % 18, (true_classes() + 2) % 18))
    images = disagreements.choose(compare(home), 40)
    assert len(images) == 40
    assert {image.row for image in images if image.part == "train"} >= {3, 50, 77}
    people = [image.row // 7 for image in images if image.part == "train"]
    assert len(set(people[:12])) >= 10  # a second image of a person comes after all others' first
