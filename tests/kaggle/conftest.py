"""A fake Kaggle, and what a session leaves."""

import json
import os
from pathlib import Path

import pytest

from core import places
from core.kaggle import order as orders
from core.kaggle import push, rehearsal, session, upload
from tests.conftest import tiny
from tests.kaggle.fake import Kaggle

FLAGS = [word for word in tiny(Path("."))[2:] if word not in ("--device", "cpu")]


def order(*flags, kernel="v5_multitask"):
    return orders.order(kernel, [*FLAGS, "--name", "there", *flags])


@pytest.fixture(scope="session")
def rehearsed(data_dir, cache, tmp_path_factory):
    """What a session leaves, as bytes by name: the packed script has really run, in an ordinary process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNS", str(tmp_path_factory.mktemp("rehearsed")))
        _, folder = rehearsal.rehearse(order(), data_dir, bubblewrap=False)
        return {name: (folder / name).read_bytes() for name in ("run.tar", "verdict.json")}


@pytest.fixture
def kaggle(home, data_dir, monkeypatch):
    """A fake Kaggle that knows the photographs of `data_dir`, and patience that is counted in milliseconds."""
    found = Kaggle()
    for name, value in found.settings(home).items():
        monkeypatch.setenv(name, value)
    for module, name, value in (
        (session, "PAUSE", 0.01),
        (push, "POLL", 0.01),
        (push, "LONGEST", 3.0),
        (push, "SHOWN_AFTER", 0.01),
        (push, "GONE_AFTER", 1.0),
        (upload, "POLL", 0.01),
    ):
        monkeypatch.setattr(module, name, value)
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def sent(kaggle, data_dir):
    """The photographs are there."""
    return upload.data(session.Session(), data_dir)


@pytest.fixture
def ends(kaggle, rehearsed, monkeypatch):
    """Let the fake's next session end: with the run of `rehearsed`, its verdict changed by these fields."""

    def settle(**changed):
        def pushed(body):
            answer = Kaggle.SaveKernel(kaggle, body)
            told = kaggle.told
            verdict = json.loads(rehearsed["verdict.json"]) | {"push": told["push"], "code": told["code"], **changed}
            kaggle.files.setdefault("run.tar", rehearsed["run.tar"])
            kaggle.files.setdefault("verdict.json", json.dumps(verdict).encode())
            return answer

        monkeypatch.setattr(kaggle, "SaveKernel", pushed)

    return settle


def runs():
    """The names of all that is in places.runs(), but for what is remembered of pushes."""
    return sorted(
        os.path.relpath(path, places.runs()) for path in places.runs().glob("*/*") if ".kaggle" not in str(path)
    )
