"""People for training only: fit rows in every fold, held out in none, and part of what a run is made of."""

import shutil

import cv2
import numpy as np
import pytest

from core import recipe
from core.data import folds
from core.people import make
from core.refusal import Refusal
from core.runs import reader
from core.training import fold
from core.training.kernel import load
from ensembles.voting import run, soft
from ensembles.voting.nodes import check_same_data
from tests.conftest import PROJECT, tiny

V5 = PROJECT / "kernels/v5_multitask/run.py"


@pytest.fixture
def extra(tmp_path):
    """Six other drawn people."""
    root = tmp_path / "extra"
    make.draw_competition(make.Options(out=str(root), people=6, eval_people=2, elderly=0.3, seed=7))
    shutil.rmtree(root / "eval")
    return root


def table_of(data_dir, *words):
    fold.prepared.cache_clear()
    return fold.prepared(recipe.parse(load(V5).Recipe, tiny(data_dir, *words)))


def test_they_are_fit_rows_of_every_fold_and_held_out_in_none(data_dir, extra):
    plain, more = table_of(data_dir), table_of(data_dir, "--extra", str(extra))
    own = set(more.extra.column("person"))
    assert len(more.extra) == 6 * 7
    for one, other in zip(folds.split(plain), folds.split(more), strict=True):
        assert other.fit.column("file").tolist()[: len(one.fit)] == one.fit.column("file").tolist()
        assert set(other.fit.column("person")) - set(one.fit.column("person")) == own
        assert other.held_out.column("file").tolist() == one.held_out.column("file").tolist()
    digests, with_extra = plain.digests(), more.digests()
    assert {name: with_extra[name] for name in digests} == digests
    assert set(with_extra) - set(digests) == {"extra"}
    first = more.extra.column("file")[0]
    seen = more.extra.opened_store.array[more.extra.column("image_index")[0]]
    image = cv2.cvtColor(cv2.imread(first), cv2.COLOR_BGR2RGB)[76:436, 92:292]
    expected = cv2.resize(image, seen.shape[1::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(seen, expected)


def test_a_run_with_them_votes_with_one_without(train, data_dir, extra):
    plain = train(name="plain")
    more = train(V5, "--extra", str(extra), name="more")
    assert more.rows.equals(plain.rows)
    assert not np.array_equal(more.oof, plain.oof)
    assert any("42 images of" in note for note in more.manifest["notes"])
    check_same_data(soft(run(plain.name), run(more.name)))
    (more.folder / "run.json").unlink()
    victim = next((extra / "train/images").glob("*/normal.*"))
    image = cv2.imread(str(victim))
    cv2.imwrite(str(victim), 255 - image)
    fold.prepared.cache_clear()
    with pytest.raises(Refusal, match="other extra than --data has now"):
        train(V5, "--extra", str(extra), name="more")
    assert reader.load(plain.name)


def test_people_or_photographs_of_the_data_are_refused(train, data_dir, extra, tmp_path):
    """They would be trained on where a fold holds them out."""
    with pytest.raises(Refusal, match="has people of --data too, whom a fold holds out: 24"):
        train(V5, "--extra", str(data_dir), name="none")
    other = next((extra / "train/images").glob("*/normal.*"))
    taken = next((data_dir / "eval/images").iterdir())
    other.unlink()
    shutil.copy(taken, other.with_suffix(taken.suffix))
    with pytest.raises(Refusal, match=r"is also a photograph of .*, byte for byte"):
        train(V5, "--extra", str(extra), name="none")


def test_another_age_of_an_extra_person_is_another_digest(data_dir, extra):
    before = table_of(data_dir, "--extra", str(extra)).digests()["extra"]
    table = extra / "train/train.csv"
    head, first, *rest = table.read_text().splitlines()
    cells = first.split(",")
    cells[head.split(",").index("age")] = str(int(cells[head.split(",").index("age")]) + 1)
    table.write_text("\n".join([head, ",".join(cells), *rest]) + "\n")
    assert table_of(data_dir, "--extra", str(extra)).digests()["extra"] != before


def test_a_folder_of_another_form_is_refused(train, tmp_path):
    with pytest.raises(Refusal, match="holds no train"):
        train(V5, "--extra", str(tmp_path), name="none")
