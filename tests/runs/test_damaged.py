"""Every file of a run that is read back, damaged in six ways: one line that names it, never a traceback or a score."""

import errno
import os
import shutil

import numpy as np
import pytest

from core import disk, places
from core.images import store
from core.launch import crossval, predict
from core.refusal import Refusal
from core.runs import foldrun, reader
from core.training import checkpoint
from core.training.kernel import load
from tests.conftest import PROJECT, tiny

V5 = PROJECT / "kernels/v5_multitask/run.py"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_bytes(path):
    path.write_bytes(bytes(k % 251 for k in range(path.stat().st_size)))


def other_type(path):
    if path.suffix == ".npy":
        np.save(path, np.load(path).astype("U9"))
    else:
        path.write_text("[7]\n")


def other_shape(path):
    if path.suffix == ".npy":
        np.save(path, np.load(path)[:-1])
    else:
        path.write_text("{}\n")


def one_bit(path):
    """Changed, and still readable where no digest is looked at: the lowest bit of a byte near the end."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


WAYS = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "other bytes": other_bytes,
    "other type": other_type,
    "other shape": other_shape,
    "one bit": one_bit,
}


def killed_after_an_epoch(data_dir, monkeypatch):
    """Leave the run `killed` unfinished, with a checkpoint; returns the command that goes on with it."""
    save = checkpoint.save

    def save_and_stop(*words):
        save(*words)
        raise KeyboardInterrupt

    def command():
        crossval.train(str(V5), load(V5).Recipe(**fields))

    from core import recipe

    parsed = recipe.parse(load(V5).Recipe, tiny(data_dir, "--epochs", "2", "--name", "killed"))
    fields = {name: getattr(parsed, name) for name in parsed.__dataclass_fields__}
    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        command()
    monkeypatch.setattr(checkpoint, "save", save)
    return command


def test_an_unfinished_run_that_is_damaged_is_refused_by_name(data_dir, home, monkeypatch, tmp_path):
    command = killed_after_an_epoch(data_dir, monkeypatch)
    folder = places.runs() / "v5_multitask/killed"
    whole = shutil.copytree(folder, tmp_path / "whole")
    for file in ("start.json", "folds/0/checkpoint.pt", "folds/0/log.jsonl"):
        for name, damage in WAYS.items():
            if file == "folds/0/log.jsonl" and name in ("empty", "cut", "other shape", "one bit"):
                continue  # read as an older log: what is lost are points of the curves
            damage(folder / file)
            with pytest.raises(
                Refusal, match=r"start\.json|checkpoint\.pt: is damaged|log\.jsonl line 1: is damaged"
            ) as told:
                command()
            assert "--force" in str(told.value) or "remove the" in str(told.value), (file, name)
            assert "\n" not in str(told.value)
            shutil.rmtree(folder)
            shutil.copytree(whole, folder)
    command()
    assert reader.load("v5_multitask/killed").oof.shape == (168, 18)


def test_a_finished_run_that_is_damaged_is_refused_by_name(train, data_dir, tmp_path):
    run = train()
    whole = shutil.copytree(run.folder, tmp_path / "whole")
    readers = {
        "run.json": lambda: reader.load(run.name),
        "rows.csv": lambda: reader.load(run.name),
        "test.csv": lambda: reader.load(run.name),
        "oof.npy": lambda: reader.load(run.name),
        "test.npy": lambda: reader.load(run.name),
        "folds/0/test.npy": lambda: reader.fold_test(run, 0),
        "folds/0/model.safetensors": lambda: predict.networks(run),
    }
    for file, read in readers.items():
        for name, damage in WAYS.items():
            damage(run.folder / file)
            with pytest.raises(Refusal) as told:
                read()
            assert file.rpartition("/")[2] in str(told.value), (file, name)
            assert "\n" not in str(told.value)
            shutil.copy(whole / file, run.folder / file)
    assert len(predict.networks(run)) == 2


def test_a_finished_folds_files_are_looked_at_before_they_are_joined(tmp_path):
    folder = tmp_path / "folds/0"
    folder.mkdir(parents=True)
    good = np.full((6, 18), 1 / 18, np.float32)
    run = foldrun.FoldRun(folder, tmp_path, 0, 1, 0, 0, "cpu")
    for file in ("oof.npy", "test.npy", "sha256.json"):
        for name, damage in WAYS.items():
            run.finish(good, good)
            damage(folder / file)
            with pytest.raises(Refusal, match=r"is (damaged|not as the fold left it).*; remove the folder") as told:
                foldrun.predictions(folder, 6, 6)
            assert file in str(told.value) or file == "sha256.json", (file, name)
    run.finish(good, good)
    (folder / "sha256.json").unlink()  # a fold of a version from before there were digests
    assert len(foldrun.predictions(folder, 6, 6)) == 2


def test_a_store_that_was_cut_is_refused_by_name(data_dir, home, monkeypatch, tmp_path):
    from core.data import competition
    from core.images.decode import Framing

    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    table = competition.load(data_dir)
    store.open_store(table, Framing((360, 200), 0.15))
    (path,) = (tmp_path / "cache").rglob("pixels-*.npy")
    for damage in (cut, WAYS["empty"], other_bytes):
        whole = path.read_bytes()
        damage(path)
        with pytest.raises(Refusal, match=r"\.npy: is damaged; remove it, and it is made again"):
            store.open_store(table, Framing((360, 200), 0.15))
        path.write_bytes(whole)


def test_a_full_disk_is_named_with_the_variable_that_moves_it(home, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")  # as the system says it: no name

    monkeypatch.setattr(os, "fsync", full)
    for folder, variable in ((places.runs(), "RUNS"), (places.submissions(), "SUBMISSIONS")):
        says = (
            rf"k/a\.txt: cannot be written \(No space left on device\); .* by {variable}; then the same command goes on"
        )
        with pytest.raises(Refusal, match=says):
            disk.write_text(folder / "k/a.txt", "words")
        assert not list(folder.rglob("*.t*"))
