"""The page as a file: its thumbnails, what it refuses to run, and that it needs no network."""

import html
import json
import re
import shutil

import pytest

from ensembles.voting import submission
from tests.compare.fabricated import COMPARE, fabricate, predictions


def script_data(page: str) -> dict:
    """The data of the page's script."""
    return json.loads(re.search(r'class="data">(.*?)</script>', page, re.S)[1])


def test_thumbnails_are_at_most_200_spread_evenly_and_below_20_mb(three, photographs, command):
    for seed in range(6):
        more = fabricate(f"k/more{seed}", predictions(0.3, 20 + seed), predictions(0.3, 30 + seed))
        submission.write(f"more{seed}", more)
    done = command(*COMPARE, "--data", photographs)
    assert done.returncode == 0, done.stderr
    assert "200 thumbnails" in done.stdout
    path = three / "submissions/index.html"
    assert path.stat().st_size < 20e6
    page = path.read_text()
    assert page.count("data:image/jpeg;base64,") == 200
    images = script_data(page)["images"]
    assert len({(image["part"], image["name"]) for image in images}) == 200
    assert sum(image["part"] == "test" for image in images) == pytest.approx(100, abs=20)
    for image in images:
        assert len(set(image["predicted"])) > 1
        assert (image["true_class"] is None) == (image["part"] == "test")


def test_one_submission_has_no_disagreements(three, command):
    done = command(*COMPARE, "good")
    assert done.returncode == 0, done.stderr
    assert "against" not in done.stdout
    assert script_data((three / "submissions/index.html").read_text())["images"] == []


def test_a_page_without_photographs_gives_the_reason(three, command, tmp_path):
    done = command(*COMPARE, MASK18_DATA=str(tmp_path / "none"))
    assert "0 thumbnails; no data folder" in done.stdout
    page = (three / "submissions/index.html").read_text()
    assert "Without thumbnails: no data folder" in page
    assert script_data(page)["images"]
    command(*COMPARE, "--data", tmp_path)
    assert "does not have the images of these submissions" in (three / "submissions/index.html").read_text()


def test_text_of_the_user_is_never_run(three, command):
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    command("-m", "submissions.compare.leaderboard", "good", "--public-f1", "0.5", "--note", hostile)
    for ending in ("csv", "json"):
        name = f"<img src=x onerror=alert(3)>.{ending}"
        shutil.copy(three / f"submissions/fair.{ending}", three / "submissions" / name)
    done = command(*COMPARE)
    assert done.returncode == 0, done.stderr
    page = (three / "submissions/index.html").read_text()
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert html.escape("<script>alert(1)") in page
    assert "<img src=x onerror=alert(3)>" in script_data(page)["names"]


def test_the_page_needs_no_network(three, command):
    command(*COMPARE)
    page = (three / "submissions/index.html").read_text()
    without_scripts = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert "http:" not in without_scripts.replace("http-equiv", "")
    assert "https:" not in without_scripts
    assert not re.search(r"<link|@import|url\(|<script[^>]+src", without_scripts)
    assert "default-src 'none'" in page
