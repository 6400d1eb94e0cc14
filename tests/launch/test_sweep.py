"""A table of runs: what it asks for, what is wrong with it, and the runs that it leaves."""

import re

import numpy as np
import pytest

from core import places
from core.launch import sweep, sweep_table
from core.refusal import Refusal
from core.runs import reader
from tests.conftest import PROJECT, tiny


@pytest.fixture
def table(tmp_path):
    def written(*lines):
        file = tmp_path / "sweep.csv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
        return file

    return written


def test_a_row_stands_for_all_combinations_and_an_empty_cell_for_the_default(table, home):
    file = table(
        "kernel, backbone, seed, lr, age-drop",
        "v5_multitask, effb0|resnext50, 0|1, ,",
        "",
        'v1_single|v2_fusion, effb0, 0, 1e-3 | 1e-2, "57,59"',
    )
    asked = sweep_table.planned(file, ["--folds", "3"])
    assert [each.name for each in asked] == [
        "v5_multitask/effb0-folds3",
        "v5_multitask/effb0-folds3-seed1",
        "v5_multitask/resnext50-folds3",
        "v5_multitask/resnext50-folds3-seed1",
        "v1_single/effb0-folds3-lr0.001-age_drop57+59",
        "v1_single/effb0-folds3-lr0.01-age_drop57+59",
        "v2_fusion/effb0-folds3-lr0.001-age_drop57+59",
        "v2_fusion/effb0-folds3-lr0.01-age_drop57+59",
    ]
    assert [each.line for each in asked] == [2] * 4 + [4] * 4
    assert asked[4].recipe.age_drop == (57, 59)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("kernel,lr", "v5_multitask,1e-4", "v1_single,abc"), "line 3: --lr abc: must be a number"),
        (("kernel,epochz", "v5_multitask,3"), "line 2: there is no flag --epochz; did you mean --epochs?"),
        (
            ("kernel,seed", "v5_multitas,3"),
            "line 2: kernel 'v5_multitas' is none of v1_single.*did you mean v5_multitask",
        ),
        (("kernel,seed", "../core,3"), "line 2: kernel '../core' is none of"),
        (
            ("kernel,seed", "v5_multitask,0|1", "v5_multitask,1"),
            "line 3: asks for v5_multitask/effb0-folds3-seed1 again, after line 2",
        ),
        (("kernel,seed", "v5_multitask,0|0"), "line 2: asks for v5_multitask/effb0-folds3 again"),
        (("kernel,seed", "v5_multitask"), "line 2: has 1 cells for 2 columns"),
        (("kernel,crop", "v5_multitask,320,180"), "line 2: has 3 cells for 2 columns; quote a value with commas"),
        (("kernel,folds", "v5_multitask,3"), "line 2: --folds is given twice"),
        (("kernel,jobs", "v5_multitask,3"), "line 1: --jobs is given on the command line"),
        (("kernel,seed,seed", "v5_multitask,3,4"), "line 1: a column has no name, or another's"),
        (("kernel,force", "v5_multitask,false"), "line 2: --force false"),
        (("kernel,tasks", "v4_separate,age"), "line 2: --tasks and --reuse go together"),
        (("kernel", 'v5_multitask "'), "line 2: kernel"),
        (("kernel,seed",), "needs a row of names"),
        (("seed,lr", "1,2"), "needs a row of names, kernel among them"),
    ],
)
def test_whatever_is_wrong_is_one_line_that_names_line_and_flag(table, home, lines, says):
    file = table(*lines)
    with pytest.raises(Refusal, match=says) as refused:
        sweep.sweep(file, sweep.Options(), ["--folds", "3"])
    assert "\n" not in str(refused.value)
    assert str(file) in str(refused.value)
    assert not places.runs().exists()


def test_mistakes_of_the_command_line_are_refused(home, table, tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for words, says in (
        ((), "needs a table"),
        ((tmp_path / "none.csv",), "there is no such file"),
        ((tmp_path,), "cannot be read as a CSV"),
        ((tmp_path / "binary.csv",), "is not UTF-8 text"),
        ((table("kernel", "v5_multitask"), "--jobs", "0"), "--jobs 0: must be 1 or more"),
        ((table("kernel", "v5_multitask"), "--cluster", "here"), "--cluster here: must be tcp://HOST:PORT"),
    ):
        with pytest.raises(Refusal, match=re.escape(says)):
            sweep.main([*map(str, words)])
    assert not places.runs().exists()


def test_one_refused_run_does_not_stop_the_others_and_the_finished_stay(table, train, command, data_dir):
    direct = train(PROJECT / "kernels/v5_multitask/run.py", name="direct")
    file = table("kernel,name,lr,optimizer", "v5_multitask,broken,1e30,sgd", "v5_multitask,direct|swept,,")
    words = ["-m", "core.launch.sweep", file, *tiny(data_dir)]
    listed = command(*words, "--dry")
    assert [line.split("  ") for line in listed.stdout.splitlines()] == [
        ["v5_multitask/broken", "to be trained"],
        ["v5_multitask/direct", "finished"],
        ["v5_multitask/swept", "to be trained"],
    ]
    done = command(*words, "--jobs", "2")
    assert done.returncode == 2, done.stderr
    told = done.stderr.strip().splitlines()
    assert told[0] == "v5_multitask/broken: the training loss became nan in phase joint, in float32; try a lower --lr"
    assert told[1].endswith("1 of 2 runs were refused; the same command trains what is left")
    assert len(told) == 2
    lines = done.stdout.splitlines()
    assert any(line.startswith("run 2/2  v5_multitask/swept  fold 2/2  joint 1/1") for line in lines)
    assert {line.split()[0] for line in lines[-2:]} == {"v5_multitask/direct", "v5_multitask/swept"}
    swept = reader.load("v5_multitask/swept")
    np.testing.assert_array_equal(swept.oof, direct.oof)
    np.testing.assert_array_equal(swept.test, direct.test)
    assert swept.manifest["recipe"] == direct.manifest["recipe"]
    assert not list(places.runs().rglob(".*"))
    assert not (places.runs() / "v5_multitask/broken").exists()
