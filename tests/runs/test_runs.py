"""A run survives: killed and resumed, forced, locked, refused; and its arrays are what they should be."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch

from core import disk, places, recipe
from core.launch import crossval, predict
from core.refusal import Interrupted, Refusal
from core.reports import listing
from core.runs import foldrun, provenance, reader, writer
from core.training import device, loop
from core.training.fold import SMOKE_PEOPLE, prepared
from core.training.kernel import load
from tests.conftest import PROJECT, tiny

V5 = PROJECT / "kernels/v5_multitask/run.py"


def test_a_run_holds_what_it_promises(train, data_dir):
    run = train()
    assert run.oof.shape == (168, 18)
    assert run.test.shape == (42, 18)
    assert run.oof.dtype == run.test.dtype == np.float32
    folds = [np.load(run.folder / f"folds/{fold}/test.npy") for fold in (0, 1)]
    np.testing.assert_allclose(run.test, np.mean(folds, 0), atol=1e-7)
    for fold in (0, 1):
        held = np.load(run.folder / f"folds/{fold}/oof.npy")
        np.testing.assert_array_equal(run.oof[run.rows["fold"] == fold], held)
        assert (run.folder / f"folds/{fold}/model.safetensors").is_file()
        assert not (run.folder / f"folds/{fold}/checkpoint.pt").exists()
        (row,) = foldrun.read_log(run.folder / f"folds/{fold}")
        assert set(row) == {
            "fold",
            "phase",
            "epoch",
            "lr",
            "loss",
            "macro_f1",
            "accuracy",
            "mask",
            "gender",
            "age",
            "held_out_loss",
            "seconds",
            "images_per_second",
            "skipped",
        }
    assert run.manifest["scores"]["people"] == 24
    assert run.manifest["classes"][8] == "wrong male 60+"
    assert (run.folder / "run.py").read_text() == V5.read_text()
    assert {path.name for path in (run.folder / "report").iterdir()} == {
        f"{name}.png"
        for name in (*("curves", "confusion_18", "confusion_parts", "classes", "accuracy_by_age", "worst_mistakes"),)
    }
    assert list((run.folder / "tensorboard").rglob("events*"))
    assert not list(run.folder.rglob("*.tmp")) + list(run.folder.rglob("*lock*"))


def test_saved_weights_predict_what_the_run_says(train, data_dir):
    from safetensors.torch import load_file

    run = train()
    kernel = load(V5)
    asked = recipe.parse(kernel.Recipe, tiny(data_dir))
    table = prepared(asked)
    net = kernel.Net(asked)
    net.load_state_dict(load_file(run.folder / "folds/0/model.safetensors"))
    net.to(memory_format=torch.channels_last)
    held = table.train.take(np.flatnonzero(table.fold_of_row == 0))
    np.testing.assert_allclose(loop.predict(net, kernel.probs, held), run.oof[table.fold_of_row == 0], atol=1e-5)


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_does_not(train):
    first = train(V5, "--epochs", "2", name="first")
    again = train(V5, "--epochs", "2", "--workers", "2", name="again")
    other = train(V5, "--seed", "1", name="other")
    np.testing.assert_array_equal(first.oof, again.oof)
    np.testing.assert_array_equal(first.test, again.test)
    assert (first.oof != other.oof).any()
    np.testing.assert_array_equal(first.rows["fold"], other.rows["fold"])


def test_a_single_hold_out_leaves_the_other_rows_nan(train):
    run = train(V5, "--folds", "1", "--val-ratio", "0.002")
    assert (~np.isnan(run.oof[:, 0])).sum() == 7
    assert run.manifest["scores"] is None
    assert not np.isnan(run.test).any()


def test_a_finished_run_is_kept_unless_forced(train):
    first = train()
    with pytest.raises(Refusal, match="is finished; give --force"):
        train()
    again = train(V5, "--force", "--lr", "1e-2")
    assert (first.oof != again.oof).any()
    assert [path.name for path in places.runs().joinpath("v5_multitask").iterdir()] == ["tiny"]


def test_an_unfinished_run_started_otherwise_is_refused_with_the_field(train, home, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer.RunWriter, "end", stop)
        with pytest.raises(KeyboardInterrupt):
            train()
    with pytest.raises(Refusal, match="is not finished"):
        reader.load("v5_multitask/tiny")
    with pytest.raises(Refusal, match=r"lr 3e-05 where this one has 0\.1"):
        train(V5, "--lr", "0.1")
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "sources", lambda file: {"core/training/loop.py": "changed"})
        with pytest.raises(Refusal, match=r"another core/\w+\.py than the present one"):
            train()
    assert train().manifest["recipe"]["lr"] == 3e-5


def test_a_run_stopped_between_the_two_moves_of_a_swap_is_put_back(train):
    first = train()
    first.folder.rename(first.folder.with_name(".tiny.old"))
    with pytest.raises(Refusal, match="is finished"):
        train()
    np.testing.assert_array_equal(reader.load("v5_multitask/tiny").oof, first.oof)


def test_a_second_process_is_told_who_holds_the_run(home, tmp_path):
    hold = f"from core import disk\nfrom pathlib import Path\nimport time\nwith disk.lock(Path({str(tmp_path / 'x.lock')!r}), 'x'):\n    print('held', flush=True)\n    time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, cwd=PROJECT)
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(Refusal, match=f"in use by process {other.pid}"), disk.lock(tmp_path / "x.lock", "the run"):
        pass
    other.kill()
    other.wait()
    with disk.lock(tmp_path / "x.lock", "the run"):
        pass
    assert not (tmp_path / "x.lock").exists()


def appears(folder, pattern, process, seconds=120):
    """Wait until a file of this pattern is there, or the process has ended."""
    end = time.time() + seconds
    while time.time() < end and process.poll() is None:
        if any(folder.rglob(pattern)):
            return
        time.sleep(0.002)


def test_killed_runs_end_with_the_bytes_of_one_that_never_was(train, data_dir, home, tmp_path):
    """kill -9 within an epoch, while a file is written, and between folds; the same command goes on."""
    straight = train(V5, "--epochs", "2", name="straight")
    words = [sys.executable, V5, *tiny(data_dir, "--epochs", "2", "--name", "killed")]
    folder = places.runs() / "v5_multitask" / "killed"
    kills = 0
    for pattern in ("folds/0/log.jsonl", "folds/0/.*.tmp", "folds/0/test.npy", "folds/1/checkpoint.pt"):
        process = subprocess.Popen(
            list(map(str, words)), cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        appears(folder, pattern, process)
        kills += process.poll() is None
        os.kill(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
    assert kills >= 3
    resumed = train(V5, "--epochs", "2", name="killed")
    np.testing.assert_array_equal(resumed.oof, straight.oof)
    np.testing.assert_array_equal(resumed.test, straight.test)
    epochs = [(row["fold"], row["epoch"]) for fold in (0, 1) for row in foldrun.read_log(folder / f"folds/{fold}")]
    assert epochs == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_run_stops_at_its_last_epoch_that_fits_into_its_hours(train, monkeypatch):
    straight = train(V5, "--epochs", "2", name="straight")
    with monkeypatch.context() as patch:
        patch.setattr(foldrun, "WHOLE_EPOCH", 1e9)  # so that no second epoch fits
        with pytest.raises(Interrupted, match="--hours are over; the same command resumes"):
            train(V5, "--epochs", "2", "--hours", "1", name="short")
    with pytest.raises(Refusal, match=r"--hours 1e-06: no epoch fits into them; give more"):
        train(V5, "--epochs", "2", "--hours", "1e-6", "--jobs", "2", name="short")
    logs = map(foldrun.read_log, (places.runs() / "v5_multitask/short/folds").iterdir())
    assert [(row["fold"], row["epoch"]) for log in logs for row in log] == [(0, 0)]
    resumed = train(V5, "--epochs", "2", "--hours", "1", name="short")
    np.testing.assert_array_equal(resumed.oof, straight.oof)


def test_too_little_disk_is_said_before_training(train, monkeypatch):
    monkeypatch.setattr(
        disk.shutil, "disk_usage", lambda _: os.terminal_size((0, 0)) and type("Usage", (), {"free": 10})()
    )
    with pytest.raises(Refusal, match="are free; make room"):
        train()
    assert not places.runs().exists()


def test_out_of_memory_says_which_batch_to_try():
    with pytest.raises(Refusal, match="out of memory at --batch 64"), device.memory("at --batch 64"):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="something else"), device.memory("at"):
        raise RuntimeError("something else")


def test_a_loss_that_is_no_number_ends_the_run(train):
    with pytest.raises(Refusal, match="try a lower --lr"):
        train(V5, "--lr", "1e30", "--epochs", "3", "--optimizer", "sgd")


def test_smoke_runs_are_tiny_and_replaced(train, home, data_dir):
    kind = load(V5).Recipe
    asked = recipe.parse(
        kind, ["--data", str(data_dir), "--smoke", "--weights", "none", "--backbone", "test_efficientnet"]
    )
    for _ in range(2):
        crossval.train(str(V5), asked)
    run = reader.load("v5_multitask/test_efficientnet-weightsnone-smoke")
    assert run.manifest["scores"]["people"] <= SMOKE_PEOPLE


@pytest.mark.parametrize(
    ("asked", "says"), [("gpu", "must be auto"), ("cuda:99", "GPUs; give --device cpu"), ("cuda:x", "must be auto")]
)
def test_a_device_that_is_not_there_is_refused(asked, says):
    with pytest.raises(Refusal, match=says):
        device.find(asked)


def test_the_table_and_the_difference_of_runs(train, command, capsys):
    train(name="a")
    train(V5, "--lr", "1e-2", name="b")
    table = command("-m", "core.reports.listing")
    assert table.returncode == 0
    assert "v5_multitask/a" in table.stdout
    differing = command("-m", "core.reports.listing", "diff", "v5_multitask/a", "v5_multitask/b").stdout.splitlines()
    assert differing[1].split() == ["lr", "3e-05", "0.01"]
    assert sum("macro F1" in line for line in differing) == 2
    assert len(differing) == 4
    capsys.readouterr()
    listing.table(["v5_multitask/b"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["run", "v5_multitask/b"]
    listing.table(["v5_multitask/c"])
    assert capsys.readouterr().out.startswith("no runs in ")
    damaged = places.runs() / "v5_multitask/a/run.json"
    whole = damaged.read_text()
    wrong = ["{", "[" * 100_000, '["sha256", "classes", "scores"]', '{"sha256": {}, "classes": [], "scores": {}}']
    for text in [*wrong, whole.replace('"training_seconds"', '"seconds"'), whole.replace('"people"', '"faces"')]:
        damaged.write_text(text)
        table = command("-m", "core.reports.listing")
        assert [line.split("  ")[0] for line in table.stdout.splitlines()] == [
            "run",
            "v5_multitask/b",
            "v5_multitask/a",
        ]
        assert not table.stderr
    (places.runs() / "v5_multitask/b/run.json").unlink()
    last = command("-m", "core.reports.listing").stdout.splitlines()[1:]
    assert [line.split("  ", 1)[1].strip() for line in last] == [
        "its run.json is damaged or cannot be read",
        "unfinished, 2 folds done",
    ]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--batch", "9999"], "give a smaller --batch"),
        (["--age-young", "58"], "must lie below the second"),
        (["--age-drop", ",".join(map(str, range(18, 61)))], "leaves nothing to train on"),
        (["--backbone", "vit_tiny_patch16_224"], "cannot see 54x30 pixels"),
        (["--name", "x" * 300], "at most 120 bytes"),
        (["--name", "한" * 50], "at most 120 bytes"),
        (["--name", "two\nlines"], "must be a plain name"),
        (["--name", " "], "must be a plain name"),
    ],
)
def test_a_recipe_that_cannot_be_trained_leaves_nothing_behind(train, flags, says):
    with pytest.raises(Refusal, match=says):
        train(V5, *flags[2:], name=flags[1]) if flags[0] == "--name" else train(V5, *flags)
    assert not places.runs().exists()


def test_a_kill_right_after_the_start_is_mended(train, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crossval, "_train_folds", stop)
        with pytest.raises(KeyboardInterrupt):
            train()
    (places.runs() / "v5_multitask/tiny/rows.csv").unlink()
    assert len(train().rows) == 168


def test_a_report_that_cannot_be_drawn_does_not_lose_the_run(train, monkeypatch, capsys):
    from core.reports import plots

    monkeypatch.setattr(plots, "curves", lambda _: 1 / 0)
    assert train().manifest["scores"]["people"] == 24
    assert "the report was not drawn: division by zero" in capsys.readouterr().err


def test_other_ages_are_another_data_set_to_a_resumed_run(data_dir, tmp_path):
    from core.data import competition

    file = tmp_path / "ages.csv"
    person = next(
        path.name
        for path in (data_dir / "train/images").iterdir()
        if not path.name.endswith(("_18", "_29", "_59", "_60"))
    )
    file.write_text(f"path,column,value\n{person},age,{int(person[-2:]) + 1}\n")
    plain, moved = competition.load(data_dir).digests(), competition.load(data_dir, str(file)).digests()
    assert plain["labels"] == moved["labels"]
    assert plain["ages"] != moved["ages"]


@pytest.mark.parametrize(
    ("kernel", "flags"),
    [("v5_multitask", ["--tta", "flip"]), ("v1_single", []), ("v1_single", ["--augmentations", "flip"])],
)
def test_a_finished_run_predicts_a_folder_as_it_did_its_test_images(train, data_dir, home, kernel, flags):
    """Also where training cropped the whole, shrunken frame at random, and where the run saw mirror images."""
    run = train(PROJECT / f"kernels/{kernel}/run.py", *flags)
    out = home / "probs.csv"
    predict.predict(run.name, predict.Options(images=str(data_dir / "eval/images"), out=str(out)))
    frame = pd.read_csv(out).set_index("file").loc[run.test_ids]
    np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), run.test, atol=2e-5)


def test_a_finished_run_predicts_any_folder(train, data_dir, home, command):
    run = train()
    out = home / "probs.csv"
    done = command("-m", "core.launch.predict", "v5_multitask/tiny", "--images", data_dir / "eval/images", "--out", out)
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(out).set_index("file").loc[run.test_ids]
    np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), run.test, atol=2e-5)
    assert (frame["ans"].to_numpy() == frame.iloc[:, 1:].to_numpy().argmax(1)).all()
    empty = command("-m", "core.launch.predict", "v5_multitask/tiny", "--images", home / "nothing", "--out", out)
    assert empty.returncode == 2
    assert "holds no .jpg" in empty.stderr


def test_mirrored_views_are_averaged(train, data_dir):
    plain, both = train(name="plain"), train(V5, "--tta", "flip", name="both")
    assert (plain.oof != both.oof).any()
    kernel = load(V5)
    asked = recipe.parse(kernel.Recipe, tiny(data_dir))
    table = prepared(asked)
    torch.manual_seed(0)
    net = kernel.Net(asked)
    flipped = dataclasses.replace(table.test.store, array=table.test.store.array[:, :, ::-1])
    views = [
        loop.predict(net, kernel.probs, rows) for rows in (table.test, dataclasses.replace(table.test, store=flipped))
    ]
    np.testing.assert_allclose(loop.predict(net, kernel.probs, table.test, "flip"), np.mean(views, 0), atol=1e-6)
