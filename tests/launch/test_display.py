"""Folds that other processes train, in one display."""

import json
import os
import pty
import subprocess
import sys
import termios

import numpy as np

from core.launch import display
from core.runs import progress_file, reader
from tests.conftest import PROJECT, tiny


def test_lines_are_printed_once_in_order_and_a_fold_that_is_given_on_starts_anew(tmp_path, capsys):
    folders = [tmp_path / "folds/0", tmp_path / "folds/1"]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / progress_file.PROGRESS).write_text("what a killed run left")
    shown = display.Display({tmp_path / "folds": "run  "})
    assert not (folders[0] / progress_file.PROGRESS).exists()
    with shown:
        first, second = (progress_file.ProgressFile(folder, "fold", 0, 100) for folder in folders)
        first.write("a 1")
        shown.write("between")
        second.write("b 1")
        first.write("a 2")
        shown.write("between")
        again = progress_file.ProgressFile(folders[0], "fold", 20, 100)
        again.write("a 2")
        (folders[1] / progress_file.PROGRESS).write_text('{"half')
    said = capsys.readouterr().out.splitlines()
    assert said == ["run  a 1", "between", "run  a 2", "run  b 1", "between", "run  a 2"]
    assert not list(tmp_path.rglob(".*"))


def test_a_note_is_renewed_once_a_second_at_most(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_file.time, "monotonic", lambda: now[0])
    note = progress_file.ProgressFile(tmp_path, "fold 1/2", 8, 100)
    done = []
    for _ in range(10):
        now[0] += 0.3
        note.update(8)
        done.append(json.loads((tmp_path / progress_file.PROGRESS).read_text())["done"])
    assert done == [8, 8, 8, 40, 40, 40, 40, 72, 72, 72]
    note.close()
    assert json.loads((tmp_path / progress_file.PROGRESS).read_text())["done"] == 88


def test_two_jobs_share_a_terminal_and_find_what_one_does(train, data_dir, home, tmp_path):
    alone = train(PROJECT / "kernels/v5_multitask/run.py", "--epochs", "2", name="alone")
    words = [
        PROJECT / "kernels/v5_multitask/run.py",
        *tiny(data_dir, "--epochs", "2", "--name", "two", "--jobs", "2"),
    ]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    with subprocess.Popen([sys.executable, *map(str, words)], cwd=PROJECT, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 4096):
                seen += part
        except OSError:  # Linux: the terminal's last process has closed it
            pass
        assert process.wait(60) == 0, seen.decode()
    os.close(ours)
    text = seen.decode()
    assert "fold 1/2:" in text
    assert "fold 2/2:" in text
    assert "img/s" in text
    for line in ("fold 1/2  joint 1/2", "fold 1/2  joint 2/2", "fold 2/2  joint 1/2", "fold 2/2  joint 2/2"):
        assert text.count(line) == 1
    two = reader.load("v5_multitask/two")
    np.testing.assert_array_equal(two.oof, alone.oof)
    np.testing.assert_array_equal(two.test, alone.test)
    assert not list(two.folder.rglob(".*"))
