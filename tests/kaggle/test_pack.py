"""The packed script: the same bytes for the same tree, and what it leaves whatever becomes of the run."""

import ast
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from core import disk, places
from core.kaggle import order as orders
from core.kaggle import pack, rehearsal
from core.refusal import Refusal
from tests.conftest import KERNELS, PROJECT
from tests.kaggle.conftest import order


@pytest.mark.parametrize("kernel", [path.parent.name for path in KERNELS])
def test_each_kernel_packs_to_the_same_small_script(kernel):
    text, told = pack.script(order(kernel=kernel), "f")
    assert pack.script(order(kernel=kernel), "f") == (text, told)
    assert len(text.encode()) < 400_000
    ast.parse(text, feature_version=(3, 11))
    with zipfile.ZipFile(io.BytesIO(pack.payload(order(kernel=kernel)))) as packed:
        names = set(packed.namelist())
    assert names >= {path.relative_to(PROJECT).as_posix() for path in PROJECT.glob("core/**/*.py")}
    assert names >= {f"kernels/{kernel}/run.py", "vendor/fire/core.py", "vendor/termcolor/__init__.py"}


def test_another_attempt_or_another_seed_is_another_push():
    pushes = [pack.script(order(), "f"), pack.script(order(), "f", attempt=2), pack.script(order("--seed", "1"), "f")]
    assert len({told["push"] for _, told in pushes}) == 3
    assert len({told["code"] for _, told in pushes}) == 1


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--cluster", "tcp://a:1"], "--cluster tcp://a:1: can't be had on Kaggle: a session is one machine"),
        (["--device", "cpu"], "--device cpu: can't be had"),
        (["--jobs", "1"], "--jobs 1: can't be had"),
        (["--hours", "24"], "--hours 24: a session ends after 12; give 11.3 at most"),
        (["--name", "a/b"], "--name a/b: must be a plain name"),
        (["--backbone", "nope"], "--backbone nope: is none of effb0"),
        (["--backbone", "resnet18"], "name its weights too, as timm does: --backbone resnet18.a1_in1k"),
        (["--precision", "bfloat16"], "--precision bfloat16: Kaggle's GPUs have none"),
        (["--extra", "more"], "--extra more: can't be had on Kaggle: that folder is here"),
        (["--weights", "x.pth"], "a file of weights is not packed"),
        (["--lr", "0"], "--lr 0.0: must be above 0"),
    ],
)
def test_flags_that_mean_nothing_there_are_refused(flags, says):
    with pytest.raises(Refusal) as refused:
        orders.order("v5_multitask", flags)
    assert says in str(refused.value)
    with pytest.raises(Refusal, match="did you mean v5_multitask"):
        orders.order("v5_multitasks", flags)


def test_files_that_flags_name_are_packed(tmp_path):
    fixes = PROJECT / "fixes.csv"
    asked = order("--fix-labels", "fixes.csv")
    with pytest.raises(Refusal, match=r"--fix-labels fixes.csv: there is no such file"):
        pack.script(asked, "f")
    try:
        fixes.write_text("path,column,value\n")
        with zipfile.ZipFile(io.BytesIO(pack.payload(asked))) as packed:
            assert packed.read("fixes.csv") == fixes.read_bytes()
    finally:
        fixes.unlink()
    with pytest.raises(Refusal, match="can't be packed; name it relative to"):
        pack.script(order("--fix-labels", str(tmp_path / "fixes.csv")), "f")


def test_force_and_hours_are_not_sent():
    asked = order("--force", "True", "--hours", "3", "--lr=1e-3", "--smoke")
    assert asked.hours == 3
    assert asked.flags == [*order().flags, "--lr=1e-3", "--smoke"]


@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
def test_without_network_over_read_only_input_it_gives_the_bytes_of_a_run_made_here(rehearsed, data_dir, home):
    verdict, folder = rehearsal.rehearse(order(), data_dir)
    assert verdict["state"] == "ok"
    for name in ("oof.npy", "test.npy", "start.json", "rows.csv"):
        assert member(folder / "run.tar", name) == member(io.BytesIO(rehearsed["run.tar"]), name)


def member(tar, name):
    with tarfile.open(**{"name" if not isinstance(tar, io.BytesIO) else "fileobj": tar}) as packed:
        return packed.extractfile(f"v5_multitask/there/{name}").read()


class Session:
    """A session over folders of its own, with a kernel that does what a test says."""

    def __init__(self, folder, source="print('trained')", **told):
        self.folder, data = folder, io.BytesIO()
        with zipfile.ZipFile(data, "w") as packed:
            packed.writestr("kernels/k/run.py", "import json, os, pathlib, sys\n" + source)
        self.told = {"kernel": "k", "name": "n", "flags": ["--x"], "hours": 2, "tags": [], "part": "", "commit": None}
        self.told |= {"push": "p", "fingerprint": "f", "code": hashlib.sha256(data.getvalue()).hexdigest(), **told}
        self.payload = base64.b85encode(data.getvalue()).decode()
        self.attach("data", "fingerprint.json", {"fingerprint": "f"})
        (folder / "kaggle/working").mkdir(parents=True)

    def attach(self, slug, marker, about, mount="kaggle/input/datasets/me"):
        folder = self.folder / mount / slug
        folder.mkdir(parents=True)
        disk.write_json(folder / marker, about)
        return folder

    def verdict(self):
        code = f"from core.kaggle import script; script.main({self.told!r}, {self.payload!r})"
        environment = {**os.environ, "MASK18_KAGGLE_ROOT": str(self.folder), "PATH": "/nowhere"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        verdict = json.loads((self.folder / "kaggle/working/verdict.json").read_text())
        assert json.loads(done.stdout.splitlines()[-1].removeprefix("MASK18 ")) == verdict
        assert verdict["push"] == "p"
        return verdict


#: A kernel that has trained an epoch, and then …
EPOCH = """
folder = pathlib.Path(os.environ["RUNS"]) / "k/n/folds/0"
folder.mkdir(parents=True)
(folder / "log.jsonl").write_text(json.dumps({"images_per_second": 50.0}) + '\\n{"cut')
print("an epoch")
"""


@pytest.mark.parametrize(
    ("source", "state", "why"),
    [
        ("", "ok", ""),
        ("raise RuntimeError('broken')", "failed", "RuntimeError: broken"),
        ("os.kill(os.getpid(), 9)", "failed", "ended by signal 9: is its memory full?"),
        ("sys.exit('--hours are over') if 0 else (print('stopped'), sys.exit(130))", "interrupted", "stopped"),
        ("print('--lr 0: must be above 0'); sys.exit(2)", "refused", "--lr 0: must be above 0"),
    ],
)
def test_whatever_becomes_of_the_kernel_there_is_a_verdict_and_what_was_trained(tmp_path, source, state, why):
    verdict = Session(tmp_path, EPOCH + source).verdict()
    assert (verdict["state"], verdict["why"]) == (state, why)
    tar = tmp_path / "kaggle/working/run.tar"
    assert (verdict["tar"], verdict["bytes"]) == (disk.digest(tar), tar.stat().st_size)
    assert verdict["images_per_second"] == 50
    assert verdict["log"][0] == "an epoch"
    assert sorted(os.listdir(tmp_path / "kaggle/working")) == ["run.tar", "verdict.json"]


def test_the_kernel_is_told_its_data_its_time_and_its_flags(tmp_path):
    verdict = Session(tmp_path, "print(*sys.argv[1:]); print(os.environ['HF_HUB_OFFLINE'])").verdict()
    words = verdict["log"][0].split()
    assert words[:3] == ["--data", str(tmp_path / "kaggle/input/datasets/me/data"), "--hours"]
    assert 1.9 < float(words[3]) <= 2
    assert words[4:] == ["--jobs", "1", "--x"]


def lacks_data(session):
    shutil.rmtree(session.folder / "kaggle/input")


def has_two(session):
    session.attach("other", "fingerprint.json", {"fingerprint": "g"}, "kaggle/input")


def has_other_photographs(session):
    session.told["fingerprint"] = "g"


def has_broken_code(session):
    session.told["code"] = "0" * 64


def lacks_weights(session):
    session.told["tags"] = ["b0"]


def has_other_part(session):
    session.told["part"] = "0" * 64
    (session.attach("part", "part.json", {}) / "part.txt").write_bytes(base64.encodebytes(b"tar"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lacks_data, "0 attached datasets hold fingerprint.json, and there must be one; run make kaggle-data"),
        (has_two, "2 attached datasets hold fingerprint.json"),
        (has_other_photographs, "holds other photographs than were meant"),
        (has_broken_code, "the code did not arrive as it was sent"),
        (lacks_weights, "0 attached datasets hold weights.json"),
        (has_other_part, "holds another part than was meant"),
    ],
)
def test_what_the_session_lacks_is_said(tmp_path, change, says):
    session = Session(tmp_path)
    change(session)
    verdict = session.verdict()
    assert verdict["state"] == "refused"
    assert says in verdict["why"]
    assert "tar" not in verdict


def test_weights_and_an_earlier_part_lie_where_the_kernel_looks(tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as packed:
        info = tarfile.TarInfo("k/n/checkpoint.pt")
        info.size = 3
        packed.addfile(info, io.BytesIO(b"two"))
    look = """
from huggingface_hub import try_to_load_from_cache
print(open(try_to_load_from_cache("timm/b0", "model.safetensors")).read())
print((pathlib.Path(os.environ["RUNS"]) / "k/n/checkpoint.pt").read_text())
"""
    session = Session(tmp_path, look, tags=["b0"], part=hashlib.sha256(data.getvalue()).hexdigest())
    weights = session.attach("weights", "weights.json", {"b0": {"sha256": "a" * 64}})
    (weights / "b0.safetensors").write_text("one")
    (session.attach("part", "part.json", {}) / "part.txt").write_bytes(base64.encodebytes(data.getvalue()))
    assert session.verdict()["log"] == ["one", "two"]


def test_a_rehearsal_needs_no_kaggle(rehearsed, command, data_dir, home):
    seen = command("-c", "import sys; sys.modules['kaggle'] = None; import core.kaggle.rehearsal, core.kaggle.push")
    assert seen.returncode == 0, seen.stderr
    assert json.loads(rehearsed["verdict.json"])["state"] == "ok"
    assert np.load(io.BytesIO(member(io.BytesIO(rehearsed["run.tar"]), "oof.npy"))).shape[1] == 18
    assert not (places.HOME / "fixes.csv").exists()
