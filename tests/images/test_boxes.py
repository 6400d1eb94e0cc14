"""Crops by face: the same for training, held-out and test rows, within the frame, of one shape; and what is refused."""

import re
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import disk
from core.data import competition
from core.images import boxes, decode, store
from core.images.boxes import Box, Boxes
from core.images.decode import Framing
from core.refusal import Refusal
from tests.conftest import PROJECT

V5 = PROJECT / "kernels/v5_multitask/run.py"


def test_the_drawn_boxes_hold_the_faces(data_dir):
    table = competition.load(data_dir)
    found = boxes.read(data_dir / "boxes.csv", 0.2)
    found.require(data_dir / file for file in table.files)
    assert len(found.by_file) == len(table.files)
    for box in found.by_file.values():
        assert 110 < box.width < 230
        assert 150 < box.height < 270
    bare = table.train.frame[table.train.column("label") // 6 == 2]
    faces = [decode.decode(data_dir / file)[slices(found.of(data_dir / file))] for file in bare["file"]]
    greens = [face[..., 0].astype(int) - face[..., 2] for face in faces]  # skin is redder than blue
    assert np.mean([(green > 0).mean() for green in greens]) > 0.8


def slices(box):
    return slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)


@given(
    frame=st.tuples(st.integers(40, 600), st.integers(40, 600)),
    where=st.tuples(*[st.floats(0, 1)] * 4),
    margin=st.floats(0, 3),
    shape=st.tuples(st.integers(20, 400), st.integers(20, 400)),
)
def test_every_crop_lies_in_the_frame_and_has_the_aspect(tmp_path_factory, frame, where, margin, shape):
    top, left = (int(part * (side - 1)) for part, side in zip(where, frame, strict=False))
    height, width = (
        max(1, int(part * (side - at))) for part, side, at in zip(where[2:], frame, (top, left), strict=True)
    )
    found = Boxes(tmp_path_factory.getbasetemp() / "b.csv", margin, {"a.jpg": Box(left, top, width, height)})
    rows, columns = found.crop(tmp_path_factory.getbasetemp() / "a.jpg", frame, shape)
    assert 0 <= rows.start < rows.stop <= frame[0]
    assert 0 <= columns.start < columns.stop <= frame[1]
    sides = rows.stop - rows.start, columns.stop - columns.start
    assert abs(sides[0] * shape[1] - sides[1] * shape[0]) <= max(shape)  # to the pixel
    if max(sides[0] / frame[0], sides[1] / frame[1]) < 0.98:  # nothing had to be cut: the box is in it
        assert rows.start <= top + 1
        assert rows.stop >= top + height - 1
        assert columns.start <= left + 1
        assert columns.stop >= left + width - 1


def test_the_crop_is_the_box_resized_for_training_and_test_images_alike(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("CACHE", str(tmp_path))
    table = competition.load(data_dir)
    found = boxes.read(data_dir / "boxes.csv", 0.1)
    framing = Framing((360, 200), 0.2, boxes=found)
    opened = store.open_store(table, framing)
    assert opened.array.shape[1:] == (72, 40, 3)
    for at in (0, len(table.files) - 1):
        file = data_dir / table.files[at]
        image = decode.decode(file)
        crop = image[found.crop(file, image.shape[:2], framing.crop)]
        np.testing.assert_array_equal(opened.array[at], cv2.resize(crop, (40, 72), interpolation=cv2.INTER_AREA))
    other = store.open_store(table, Framing((360, 200), 0.2, boxes=boxes.read(data_dir / "boxes.csv", 0.3)))
    assert (other.array != opened.array).any()
    assert len(list(tmp_path.rglob("pixels-*.npy"))) == 2


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["a.jpg,1,2,3,4", "a.jpg,1,2,3,4"], "line 3: a.jpg stands twice"),
        (["a.jpg,1,2,0,4"], "line 2: the box of a.jpg is 0x4 pixels"),
        (["a.jpg,1,2,x,4"], "line 2: 1, 2, x, 4 are not four numbers of pixels"),
        (["a.jpg,1,2,nan,4"], "are not four numbers"),
        (["a.jpg,1,2,inf,4"], "are not four numbers"),
        ([], "has no rows"),
    ],
)
def test_a_file_of_boxes_that_cannot_be_used_is_refused(tmp_path, lines, says):
    source = tmp_path / "boxes.csv"
    source.write_text("\n".join(["file,left,top,width,height", *lines]) + "\n")
    with pytest.raises(Refusal, match=re.escape(says)):
        boxes.read(source, 0.2)


def test_a_run_with_boxes_is_refused_what_does_not_fit_and_predicts_with_boxes(train, data_dir, home, command):
    own = home / "boxes.csv"
    shutil.copy(data_dir / "boxes.csv", own)
    run = train(V5, "--boxes", str(own), name="boxed")
    assert run.manifest["files"]["boxes"] == disk.digest(own)
    with pytest.raises(Refusal, match="random_crop crops elsewhere"):
        train(V5, "--boxes", str(own), "--augmentations", "random_crop", name="x")
    text = own.read_text()
    own.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(Refusal, match=r"has no row for \w+\.jpg; make boxes writes one"):
        train(V5, "--boxes", str(own), name="x")
    own.write_text(text.replace(text.splitlines()[1], text.splitlines()[1].partition(",")[0] + ",300,2,100,90"))
    with pytest.raises(Refusal, match="lies outside its 512x384 pixels"):
        train(V5, "--boxes", str(own), name="x")
    look = ["-m", "core.launch.predict", run.name, "--images", data_dir / "eval/images", "--out", home / "p.csv"]
    done = command(*look)
    assert done.returncode == 2
    assert "needs --boxes, as it was trained with some" in done.stderr
    done = command(*look, "--device", "cpu", "--boxes", data_dir / "boxes.csv")
    assert done.returncode == 0, done.stderr
    predicted = np.loadtxt(home / "p.csv", delimiter=",", skiprows=1, usecols=range(2, 20))
    names = [line.split(",")[0] for line in (home / "p.csv").read_text().splitlines()[1:]]
    order = [names.index(name) for name in run.test_ids]
    np.testing.assert_allclose(predicted[order], run.test, atol=1e-5)
