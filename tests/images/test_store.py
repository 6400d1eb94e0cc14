"""The decoded store: built once, by one process, whole or not at all, and again when a file changed."""

import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from core.data import competition
from core.images import decode, store
from core.images.decode import Framing
from tests.conftest import PROJECT

#: Opens the store and says how many files it decoded for that.
OPEN = """
import sys
from pathlib import Path
from core.data import competition
from core.images import decode, store
from core.images.decode import Framing
prepare, decoded = decode.prepare, []
decode.prepare = lambda file, *how: decoded.append(file) or prepare(file, *how)
store.open_store(competition.load(Path(sys.argv[1])), Framing((360, 200)))
print(len(decoded))
"""


@pytest.fixture
def copy(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    return shutil.copytree(data_dir, tmp_path / "copy")


def opened(root, scale=0.2):
    return store.open_store(competition.load(root), Framing((360, 200), scale)).array


def cached(root, pattern="pixels-*"):
    return sorted((root.parent / "cache").rglob(pattern))


def opening(root):
    return subprocess.Popen([sys.executable, "-c", OPEN, str(root)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def test_it_is_built_once_and_opened_ever_after(copy):
    opened(copy)
    (store,) = cached(copy)
    before = store.stat()
    opened(copy)
    assert cached(copy) == [store]
    assert (store.stat().st_ino, store.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_size_and_fewer_people_have_stores_of_their_own(copy):
    opened(copy)
    opened(copy, 0.3)
    store.open_store(competition.load(copy, people=4), Framing((360, 200), 0.2))
    three = cached(copy)
    assert len(three) == 3
    opened(copy)
    assert cached(copy) == three


def test_a_changed_file_is_noticed_and_the_old_store_makes_room(copy):
    before = opened(copy)
    kept = np.array(before)
    (old,) = cached(copy)
    cv2.imwrite(str(copy / competition.load(copy).train.column("file")[3]), np.full((512, 384, 3), 7, np.uint8))
    after = opened(copy)
    assert abs(int(after[3].mean()) - 7) <= 1
    np.testing.assert_array_equal(np.delete(after, 3, 0), np.delete(kept, 3, 0))
    assert len(cached(copy)) == 1
    assert cached(copy) != [old]
    np.testing.assert_array_equal(before, kept)  # who has it open keeps it


def test_a_file_of_the_same_size_that_was_written_again_is_noticed(copy):
    before = np.array(opened(copy))
    one, other = (copy / competition.load(copy).train.column("file")[at] for at in (3, 4))
    length = max(one.stat().st_size, other.stat().st_size)
    one.write_bytes(one.read_bytes().ljust(length, b"\0"))
    other.write_bytes(other.read_bytes().ljust(length, b"\0"))
    np.testing.assert_array_equal(opened(copy), before)
    one.write_bytes(other.read_bytes())
    assert one.stat().st_size == length
    after = opened(copy)
    np.testing.assert_array_equal(after[3], before[4])


def test_kill_nine_while_it_is_built(copy):
    expected = np.stack(
        [decode.prepare(copy / file, Framing((360, 200))) for file in competition.load(copy).train.column("file")]
    )
    killed = opening(copy)
    while killed.poll() is None and not cached(copy, "*.building"):
        time.sleep(0.001)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert not cached(copy, "*.npy")
    np.testing.assert_array_equal(opened(copy, 1.0)[: len(expected)], expected)
    (left,) = cached(copy)
    assert left.suffix == ".npy"


def test_what_is_left_of_a_build_is_never_taken(copy):
    expected = np.array(opened(copy))
    (store,) = cached(copy)
    what = store.stem.rpartition("-")[0]
    store.unlink()
    store.with_name(f"{what}.building").write_bytes(b"half a file")
    touched = copy / competition.load(copy).train.column("file")[0]
    os.utime(touched)  # and by the time the next comes along a file has changed
    np.testing.assert_array_equal(opened(copy), expected)
    assert [path.suffix for path in cached(copy)] == [".npy"]


def test_processes_that_open_it_at_once_build_it_once(copy):
    table = competition.load(copy)
    decoded = [int(process.communicate()[0]) for process in [opening(copy) for _ in range(3)]]
    # the first file once more, for the shape of all
    assert sorted(decoded) == [0, 0, len(table.train) + len(table.test) + 1]


def test_the_digest_is_of_the_bytes_not_of_names_and_times(copy):
    table = competition.load(copy)
    before = store.open_store(table, Framing((360, 200), 0.15)).images
    other_framing = store.open_store(table, Framing((360, 200), 0.2)).images
    assert before == other_framing
    assert table.opened(store.open_store(table, Framing((360, 200), 0.15))).digests()["images"] == before
    victim = copy / table.train.column("file")[3]
    image = cv2.imread(str(victim))
    image[100, 100] = 255 - image[100, 100]
    cv2.imwrite(str(victim), image)
    assert store.open_store(competition.load(copy), Framing((360, 200), 0.15)).images != before
