"""Studies: what is refused, what is kept and made again, and whether the interval covers as often as it says."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import stats

from core.launch import sweep
from core.refusal import Refusal
from tests.conftest import PROJECT
from tests.studies import __main__ as command
from tests.studies import answer, fabricated_study, kept, table
from tests.studies.evidence import Evidence
from tests.studies.fabricated_study import SMALL as STUDY
from tests.studies.kept import People, Result
from tests.studies.table import Arm, Claim, Side


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seeds": ()}, "study small: has no seeds"),
        ({"arms": (Arm("base"), Arm("base"))}, "two arms are named base"),
        ({"arms": (Arm("base"), Arm("x", {"lr": "1", "epochs": "2"}))}, "arm x: differs in epochs and lr; change one"),
        (
            {"arms": (Arm("base"), Arm("x", {"epochz": "2"}))},
            "arm x: there is no flag --epochz; did you mean --epochs?",
        ),
        ({"arms": (Arm("base"), Arm("x", {"lr": "-1"}))}, "arm x: --lr -1.0: must be above 0"),
        ({"arms": (Arm("base"), Arm("x", kernel="v9"))}, "arm x: there is no kernel v9"),
        ({"arms": (Arm("base"), Arm("x", of="y"))}, "arm x: of='y' is no arm before it"),
        ({"claims": (Claim("1", "better", Side(("base",)), Side(("worse",))),)}, "there is no arm worse"),
        ({"arms": (Arm("base", {"folds": "1"}),)}, "arm base: one fold holds out a part of the rows only"),
        (
            {"claims": (Claim("1", "x", Side(("base",), "adjusted"), Side(("base",))),)},
            'what is chosen out of fold is compared on="test"',
        ),
        ({"on": "test", "claims": (Claim("1", "x", Side(("base",)), Side(("higher",))),)}, "the study scores on test"),
    ],
)
def test_a_wrong_study_is_refused_before_anything_trains(changes, says):
    with pytest.raises(Refusal, match=says.replace("?", r"\?")):
        table.runs("small", dataclasses.replace(STUDY, **{"claims": (), **changes}))


def test_a_study_or_an_arm_that_there_is_none_of_is_refused(tmp_path):
    with pytest.raises(Refusal, match="there is no study 'reprot'; did you mean report"):
        table.load("reprot")
    with pytest.raises(Refusal, match="--only bass: is no arm of the study; there are base, higher"):
        command.conduct("small", STUDY, command.Options(only=("bass",)), tmp_path)


@pytest.mark.parametrize("name", ["report", "recipe", "rivals", "backbones"])
def test_the_studies_here_are_whole(name):
    study = table.load(name)
    assert len(table.runs(name, study)) == len(study.arms) * len(study.seeds)
    assert len(study.seeds) >= 3


@pytest.fixture
def small(data_dir, home, monkeypatch):
    """Conduct the small study with made-up runs; the page and its plot."""

    def conducted(docs, **options):
        monkeypatch.setattr(sweep, "train", fabricated_study.trainer(data_dir))
        command.conduct("small", STUDY, command.Options(data=str(data_dir), **options), docs)
        return (docs / "small.md").read_bytes(), (docs / "small.svg").read_bytes()

    return conducted


def kept_files(docs):
    return sorted(path.name for path in (docs / "small").glob("*.npz"))


def test_killed_twice_it_ends_with_the_same_page(small, data_dir, tmp_path, monkeypatch):
    alone = small(tmp_path / "alone")
    monkeypatch.setenv("RUNS", str(tmp_path / "killed_runs"))
    docs = tmp_path / "killed"
    words = [sys.executable, "-m", "tests.studies.fabricated_study", str(data_dir), str(docs), "1"]
    for more in (2, 4):  # people.npz and a result; two results more
        process = subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": "."})
        while len(kept_files(docs)) < more:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(kept_files(docs)) < 7
    assert small(docs) == alone
    assert len(kept_files(docs)) == 7


def test_the_page_is_made_again_from_what_is_kept(small, tmp_path, capsys):
    first = small(tmp_path)
    for name in ("small.md", "small.svg"):
        (tmp_path / name).unlink()
    command.conduct("small", STUDY, command.Options(), tmp_path)
    assert ((tmp_path / "small.md").read_bytes(), (tmp_path / "small.svg").read_bytes()) == first
    page = first[0].decode()
    assert "| 1 | a higher rate is better | +0." in page
    assert "**holds**" in page
    assert "6 runs trained on 1,200 images" in page


def test_a_damaged_result_is_named_and_trained_again(small, tmp_path, capsys):
    first = small(tmp_path)
    file = tmp_path / "small" / "higher-seed1.npz"
    file.write_bytes(file.read_bytes()[:500])
    command.conduct("small", STUDY, command.Options(), tmp_path)
    assert f"{file}: is damaged" in capsys.readouterr().err
    page = (tmp_path / "small.md").read_text()
    assert "- higher: seed 1" in page
    assert "nan" not in page  # of the one seed that is left
    assert small(tmp_path) == first


def test_results_of_another_recipe_or_other_data_are_listed_and_not_counted(small, tmp_path):
    small(tmp_path)
    other = dataclasses.replace(STUDY, base={**STUDY.base, "lr": "1e-4"})
    command.conduct("small", other, command.Options(), tmp_path)
    page = (tmp_path / "small.md").read_text()
    assert "- base-seed0: was trained with lr 3e-05 where the study has 0.0001" in page
    assert "- higher-seed0" not in page.split("## Stale")[1].split("##")[0]
    people = kept.read_people(tmp_path / "small" / "people.npz")
    kept.write_people(
        tmp_path / "small" / "people.npz", dataclasses.replace(people, digests={"rows": "", "labels": ""})
    )
    command.conduct("small", STUDY, command.Options(), tmp_path)
    assert "- higher-seed0: was trained on other data" in (tmp_path / "small.md").read_text()
    with pytest.raises(Refusal, match="is other data than"):
        small(tmp_path)


def test_only_trains_these_arms(small, tmp_path):
    small(tmp_path, only=("base", "higher"))
    assert kept_files(tmp_path) == [
        "base-seed0.npz",
        "base-seed1.npz",
        "higher-seed0.npz",
        "higher-seed1.npz",
        "people.npz",
    ]
    assert "- cosine: seed 0, 1" in (tmp_path / "small.md").read_text()


def simulated(rng, arms, seeds=3, people=200, draws=300):
    """Scores of arms without a difference: a mean over people, of what each person, seed and both together add."""
    weights = rng.multinomial(people, np.full(people, 1 / people), draws) / people
    person = rng.normal(0, 0.6, people)
    for _ in range(arms):
        own = person + rng.normal(0, 0.3, people)
        each = own + rng.normal(0, 0.015, (seeds, 1)) + rng.normal(0, 0.3, (seeds, people))
        yield answer.Scores(each.mean(1), each @ weights.T, people)


def test_the_interval_covers_and_no_difference_is_seldom_called_one():
    rng, covered, wrong, studies = np.random.default_rng(0), [], 0, 250
    for _ in range(studies):
        base, *others = simulated(rng, 9)
        seeds = answer.pooled([base, *others])
        answers = [answer.compare(each, base, seeds) for each in others]
        covered += [low <= 0 <= high for low, high in (each.interval() for each in answers)]
        wrong += "holds" in answer.corrected(answers)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert wrong / studies <= 0.05


def test_people_alone_would_cover_too_seldom():
    """The interval that knows people only, where seeds differ as well."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(150):
        base, other = simulated(rng, 2)
        found = answer.compare(other, base, answer.BySeed(0.0, 1))
        covered.append(found.interval()[0] <= 0 <= found.interval()[1])
    assert np.mean(covered) < 0.93


def test_holm_and_verdicts_in_closed_form():
    np.testing.assert_allclose(answer.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(answer.holm([0.5, 0.6]), [1, 1])
    made = [answer.Answer(difference, 1e-4, 0.0, 1e6, 400) for difference in (0.03, -0.02, 0.015)]
    assert [each.verdict for each in made] == ["holds", "does not hold", "can't tell"]
    reach = stats.norm.ppf(0.975) * 0.01
    np.testing.assert_allclose(made[0].interval(), (0.03 - reach, 0.03 + reach), rtol=1e-4)
    assert made[2].people_needed == np.ceil(400 * (reach / 0.015) ** 2)
    assert answer.Answer(0.01, 1e-4, 1e-3, 1e6, 400).people_needed is None


def test_a_study_on_test_people_has_runs_of_one_fold_and_seeds_of_their_own():
    arms = (Arm("base"), Arm("whole", {"folds": "1"}), Arm("other", {"seed": "{seed}1"}))
    claim = Claim("1", "x", Side(("whole",)), Side(("base",)), on="test")
    runs = table.runs("small", dataclasses.replace(STUDY, on="test", arms=arms, claims=(claim,)))
    assert [run.planned.recipe.seed for run in runs] == [0, 1, 0, 1, 1, 11]
    assert [run.seed for run in runs] == [0, 1] * 3


def test_age_factors_are_chosen_out_of_fold_and_used_on_test_people():
    true = np.array([0, 1, 2] * 6)
    elderly_missed = np.eye(18)[np.array([0, 1, 1] * 6)] * 0.6 + np.eye(18)[np.array([0, 1, 2] * 6)] * 0.4
    people = People({}, true, true, true, true, true)
    result = Result({}, true, true, elderly_missed, elderly_missed, true[None])
    side = Side(("base",), "adjusted")
    assert np.array_equal(Evidence({("base", 0): result}, people).predicted(side, 0, "test"), true)
    sure = Result({}, true, true, np.eye(18)[true], elderly_missed, true[None])  # needs no factors out of fold
    assert 2 not in Evidence({("base", 0): sure}, people).predicted(side, 0, "test")


def test_rows_that_no_fold_held_out_are_kept_as_unknown(small, tmp_path, monkeypatch):
    def half(name, load=kept.reader.load):
        run = load(name)
        run.oof[::2] = np.nan
        return run

    monkeypatch.setattr(kept.reader, "load", half)
    small(tmp_path, only=("base",))
    held_out = kept.read(tmp_path / "small/base-seed0.npz").oof_probs.sum(1)
    np.testing.assert_allclose(held_out, np.arange(len(held_out)) % 2)
