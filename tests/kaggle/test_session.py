"""Kaggle's own client against a fake server: pushed once, waited for, brought back; and all that can go wrong."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest

from core import disk, places
from core.kaggle import bring, pack, push, session, upload
from core.kaggle import order as orders
from core.refusal import Interrupted, Refusal
from core.runs import reader
from ensembles.voting import run, soft
from ensembles.voting.nodes import check_same_data
from tests.conftest import PROJECT
from tests.kaggle.conftest import FLAGS, order, runs

#: What the client must send of what we ask; a client that renames a field breaks this.
SENT = {
    "language": "python",
    "kernelType": "script",
    "isPrivate": True,
    "enableGpu": True,
    "enableInternet": False,
    "machineShape": "NvidiaTeslaT4",
}


def test_a_run_is_pushed_waited_for_and_votes_with_one_made_here(kaggle, sent, ends, train, capsys):
    here = train(name="here")
    ends()
    folder = push.run(session.Session(), order())
    body = kaggle.pushes[0]
    assert {name: body.get(name) for name in SENT} == SENT
    assert body["datasetDataSources"] == [f"me/{sent['slug']}"]
    assert body["slug"] == f"me/{body['newTitle']}"
    assert len(body["newTitle"]) <= 50
    assert kaggle.log["SaveKernel"] == 1
    there = reader.load("v5_multitask/there")
    np.testing.assert_array_equal(there.oof, here.oof)
    vote = soft(run("v5_multitask/there"), run("v5_multitask/here"))
    check_same_data(vote)
    np.testing.assert_allclose(vote.probs("test"), here.test, rtol=1e-6)
    about = disk.read_json(folder / "kaggle.json")
    assert about["version"] == 1
    assert about["verdict"]["precision"] == "float32"
    assert disk.read_json(folder / "where.json")["data"] == sent["data"]
    assert "on no GPU in float32" in capsys.readouterr().out
    with pytest.raises(Refusal, match="is finished here; give --force"):
        push.run(session.Session(), order())


def test_photographs_and_weights_are_sent_once(kaggle, sent, data_dir):
    dataset = kaggle.datasets[sent["slug"]]
    assert dataset["private"]
    assert json.loads(dataset["fingerprint.json"])["fingerprint"] == sent["fingerprint"]
    for part in ("train", "eval"):
        names = {
            name for name in zipfile.ZipFile(io.BytesIO(dataset[f"{part}.zip"])).namelist() if not name.endswith("/")
        }
        assert names == {p.relative_to(data_dir / part).as_posix() for p in (data_dir / part).rglob("*") if p.is_file()}
    asked = session.Session()
    upload.data(asked, data_dir)
    upload.weights(asked, ["lite0"])
    upload.weights(asked, ["lite0"])
    assert kaggle.log["CreateDataset"] == 2
    (weights,) = (each for slug, each in kaggle.datasets.items() if "weights" in slug)
    assert set(weights) == {"weights.json", "tf_efficientnet_lite0.in1k.safetensors", "private"}
    with pytest.raises(
        Refusal, match=r"no weights of efficientnet_b0\.ra_in1k are on Kaggle; make kaggle-weights TAGS="
    ):
        push.run(asked, orders.order("v5_multitask", ["--backbone", "effb0"]))


def tar(*members):
    """A tar of these (name, type) members."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as packed:
        for name, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            packed.addfile(info)
    return data.getvalue()


def holds(data):
    """A way to end with this tar in the place of the right one, and a verdict that agrees."""

    def change(kaggle):
        kaggle.files["run.tar"] = data

    digest = disk.hashlib.sha256(data).hexdigest()
    return change, {"tar": digest, "bytes": len(data)}


def without_run_json(whole):
    """The tar of a run that is not finished."""
    data = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(whole)) as packed, tarfile.open(fileobj=data, mode="w") as shortened:
        for each in packed:
            if not each.name.endswith("run.json"):
                shortened.addfile(each, packed.extractfile(each))
    return data.getvalue()


ONE = "v5_multitask/there"


@pytest.mark.parametrize(
    ("change", "verdict", "says"),
    [
        (lambda k: k.instead.update(SaveKernel=[(200, {"error": "Maximum batch GPU session count of 2 reached."})]), {}, "Kaggle refused the push: Maximum batch GPU"),
        (lambda k: k.datasets.clear(), {}, "Kaggle does not know me/mask18-data-"),
        (lambda k: k.instead.update(SaveKernel=[(400, {"code": 400, "message": "The kernel source must be less than 1 megabytes in size."})]), {}, "Kaggle said 400: The kernel source must be less"),
        (lambda k: k.instead.update(SaveKernel=[(401, {"code": 401, "message": "Unauthenticated"})]), {}, "does not accept the key"),
        (lambda k: k.statuses.__setitem__(slice(None), ["QUEUED"]), {}, "is still queued after"),
        (lambda k: k.statuses.__setitem__(slice(None), ["ERROR"]), {"state": "failed", "why": "MemoryError", "epochs": 0}, "failed there: MemoryError"),
        (lambda k: None, {"state": "refused", "why": "--lr 0: must be above 0", "epochs": 0}, "refused there: --lr 0: must be above 0"),
        (lambda k: (k.files.update({"verdict.json": b"{"}), setattr(k, "session_log", json.dumps([{"data": "one\ntwo\n"}]))), {}, "ended as COMPLETE without a verdict; its log ends: one | two"),
        (lambda k: None, {"push": "0" * 64}, "left the verdict of another push"),
        (lambda k: k.files.update({"run.tar": b"cut"}), {}, r"is not what the session left \(3 of"),
        (*holds(tar((f"{ONE}/../../../evil", tarfile.REGTYPE))), "which is no file of v5_multitask/there"),
        (*holds(tar((ONE, tarfile.DIRTYPE), (f"{ONE}/oof.npy", tarfile.SYMTYPE))), "which is no file of v5_multitask/there"),
        (*holds(tar(("/etc/cron.d/x", tarfile.REGTYPE))), "which is no file of v5_multitask/there"),
        (lambda k: setattr(k, "expired", 99), {}, "Kaggle said 403"),
        (lambda k: setattr(k, "quota", 3), {}, "3.0 GPU hours are left this week, and the run may take 11.3"),
    ],
    ids="two-sessions dataset too-large key queued error refused no-verdict other-push cut up link absolute expired quota".split(),
)  # fmt: skip
def test_what_goes_wrong_ends_in_one_line_and_brings_nothing(kaggle, sent, ends, change, verdict, says):
    ends(**verdict)
    change(kaggle)
    with pytest.raises(Refusal, match=says) as refused:
        push.run(session.Session(), order())
    assert "\n" not in str(refused.value)
    assert runs() == []


@pytest.mark.parametrize(
    "busy", [(429, {"code": 429, "message": "slow down"}), (503, {"code": 503, "message": "oops"})]
)
def test_a_busy_server_is_asked_again(kaggle, sent, ends, busy):
    ends()
    kaggle.instead = {"GetKernelSessionStatus": [(404, {"code": 404, "message": "none"}), busy, busy]}
    kaggle.instead |= {"ListKernelSessionOutput": [busy], "GetAcceleratorQuotaStatistics": [busy]}
    if busy[0] == 429:
        kaggle.instead["SaveKernel"] = [busy]
    kaggle.expired = 1
    push.run(session.Session(), order())
    assert len(kaggle.pushes) == 1


def test_files_beyond_the_first_page_are_found(kaggle, sent, ends):
    kaggle.files = {f"a{number:02}.png": b"" for number in range(45)}
    ends()
    push.run(session.Session(), order())
    assert runs() == ["v5_multitask/there"]


def test_a_push_whose_answer_is_lost_is_looked_for(kaggle, sent, ends):
    ends()
    kaggle.lose_push = True
    push.run(session.Session(), order())
    assert kaggle.log["SaveKernel"] == 1


def test_a_push_that_arrives_late_is_found_by_the_next_command(kaggle, sent, ends):
    ends()
    kaggle.lose_push = True
    kaggle.instead["GetKernelSessionStatus"] = [(404, {"code": 404, "message": "not shown yet"})]
    with pytest.raises(Refusal, match="shows none; the same command looks again"):
        push.run(session.Session(), order())
    push.run(session.Session(), order())
    assert kaggle.log["SaveKernel"] == 1


def test_killed_while_it_waits_and_typed_again_pushes_once(kaggle, sent, ends, command):
    ends()
    kaggle.statuses = ["RUNNING"]
    words = [sys.executable, "-m", "core.kaggle", "run", "v5_multitask", *FLAGS, "--name", "there"]
    waiting = subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 120
    while kaggle.log["GetKernelSessionStatus"] < 2 and time.time() < end:
        time.sleep(0.02)
    os.kill(waiting.pid, signal.SIGKILL)
    waiting.wait()
    with pytest.raises(Refusal, match=r"was pushed with .* and has not come back"):
        push.run(session.Session(), order("--seed", "5"))
    kaggle.statuses = ["COMPLETE"]
    push.run(session.Session(), order())
    assert kaggle.log["SaveKernel"] == 1
    assert runs() == ["v5_multitask/there"]


def test_a_run_that_ran_out_of_hours_goes_on_in_another_session(kaggle, sent, ends, train, rehearsed):
    """The unfinished run lies here, and goes there again as the part that the next script asks for."""
    change, verdict = holds(without_run_json(rehearsed["run.tar"]))
    change(kaggle)
    ends(state="interrupted", **verdict)
    with pytest.raises(Interrupted, match="the same command trains the rest"):
        push.run(session.Session(), order("--hours", "2"))
    assert not (places.runs() / "v5_multitask/there/run.json").exists()
    kaggle.files = {}
    ends()
    push.run(session.Session(), order("--hours", "2"))
    part = kaggle.told["part"]
    assert f"me/mask18-part-{part[:8]}" in kaggle.pushes[1]["datasetDataSources"]
    assert kaggle.pushes[0]["slug"] != kaggle.pushes[1]["slug"]
    assert reader.load("v5_multitask/there")


def test_what_a_failed_session_trained_is_kept_and_goes_on(kaggle, sent, ends, rehearsed):
    change, verdict = holds(without_run_json(rehearsed["run.tar"]))
    change(kaggle)
    ends(state="failed", why="ended by signal 9: is its memory full?", **verdict)
    with pytest.raises(Refusal, match=r"is its memory full.*the same command goes on from there"):
        push.run(session.Session(), order())
    assert runs() == ["v5_multitask/there"]
    kaggle.files = {}
    ends()
    push.run(session.Session(), order())
    assert kaggle.told["part"]


def test_a_finished_run_stays_until_one_that_is_forced_is_finished(kaggle, sent, ends, rehearsed):
    ends()
    push.run(session.Session(), order())
    change, verdict = holds(without_run_json(rehearsed["run.tar"]))
    kaggle.files = {}
    change(kaggle)
    ends(state="interrupted", **verdict)
    with pytest.raises(Interrupted):
        push.run(session.Session(), order("--force"))
    assert reader.load(ONE)
    assert runs() == ["v5_multitask/.there.new", ONE]
    kaggle.files = {}
    ends()
    push.run(session.Session(), order("--force"))
    assert kaggle.told["part"]
    assert runs() == [ONE]


def test_a_refused_push_is_forgotten_and_one_under_way_says_that_the_code_is_another(
    kaggle, sent, ends, monkeypatch, capsys
):
    ends()
    kaggle.instead["SaveKernel"] = [(200, {"error": "Maximum batch GPU session count of 2 reached."})]
    with pytest.raises(Refusal, match="Maximum batch"):
        push.run(session.Session(), order("--seed", "3"))
    kaggle.statuses = ["RUNNING"]
    with pytest.raises(Refusal, match="is still running"):
        push.run(session.Session(), order())
    monkeypatch.setattr(pack, "digest", lambda _: "another")
    kaggle.statuses = ["COMPLETE"]
    push.run(session.Session(), order())
    assert "the code here was changed since the push" in capsys.readouterr().err


def test_outputs_that_are_listed_late_are_waited_for(kaggle, sent, ends):
    ends()
    kaggle.instead["ListKernelSessionOutput"] = [(200, {"files": [], "log": "", "nextPageToken": ""})] * 2
    push.run(session.Session(), order())
    assert len(kaggle.pushes) == 1


@pytest.mark.parametrize("lacking", ["key", "client"])
def test_without_a_key_or_the_client_it_is_said_what_to_do(kaggle, sent, monkeypatch, lacking):
    if lacking == "key":
        for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
            monkeypatch.delenv(name)
        with pytest.raises(Refusal, match=r"make a token at kaggle\.com/settings"):
            session.Session()
    else:
        monkeypatch.setitem(sys.modules, "kaggle.api.kaggle_api_extended", None)
        with pytest.raises(Refusal, match=r"pip install -e '.\[kaggle\]'"):
            session.Session()


def test_pushed_is_read_back_as_it_was_written(tmp_path):
    one = bring.Pushed("slug", {"kernel": "k", "name": "n"}, "text", ["data"], "folder", "today", 3)
    disk.write_json(tmp_path / "x.json", one.__dict__)
    assert push.remembered(tmp_path / "x.json") == one


@pytest.mark.skipif(
    os.environ.get("KAGGLE_LIVE") != "1", reason="KAGGLE_LIVE=1 pushes a smoke run to the user's Kaggle"
)
def test_live(data_dir, home):
    asked = session.Session()
    upload.data(asked, data_dir)
    folder = push.run(asked, order("--smoke", "--hours", "0.5"))
    assert reader.load(f"v5_multitask/{folder.name}")
