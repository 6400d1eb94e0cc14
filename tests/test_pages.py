"""The pages as a reader finds them: short, their links lead somewhere, and the commands on them are ones there are."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from core.flags import flag_name
from core.training.kernel import load
from tests.conftest import PROJECT

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/**/*.md"))]
KERNELS_PAGES = sorted(PROJECT.glob("kernels/*/README.md"))


def commands(page: Path) -> list[str]:
    """The indented or fenced lines that begin with make, python or torchrun, without what is said beside them."""
    lines = [
        line.strip().partition("  #")[0] for line in page.read_text().splitlines() if line.startswith(("    ", "make"))
    ]
    inline = re.findall(r"`((?:make|python) [^`]+)`", page.read_text())
    return [line.strip() for line in [*lines, *inline] if line.startswith(("make ", "python ", "torchrun "))]


EVERY = sorted({line for page in [*PAGES, *KERNELS_PAGES] for line in commands(page)})


def test_there_are_commands():
    assert any(line.startswith("make demo") for line in EVERY)
    assert any("run.py" in line for line in EVERY)


@pytest.mark.parametrize("line", [line for line in EVERY if line.startswith("make ")])
def test_make_knows_it(line):
    words = [word for word in shlex.split(line) if word not in ("|", "FLAGS=…")]
    done = subprocess.run(["make", "-n", *words[1:]], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    known = (PROJECT / "Makefile").read_text()
    for word in words[2:]:
        assert f"$({word.partition('=')[0]})" in known or f"{word.partition('=')[0]} ?=" in known, word


@pytest.mark.parametrize("line", [line for line in EVERY if "run.py" in line and not line.startswith("make ")])
def test_the_kernel_has_its_flags(line):
    words = shlex.split(line)
    (file,) = (word for word in words if word.endswith("run.py"))
    if not (PROJECT / file).is_file():
        assert "v7_yours" in file or "vN_name" in file
        return
    kind = load(PROJECT / file).Recipe
    known = {f"--{flag_name(name)}" for name in kind.__dataclass_fields__} | {"--help"}
    after = words[words.index(file) + 1 :]
    assert {word.partition("=")[0] for word in after if word.startswith("--")} <= known


@pytest.mark.parametrize("line", [line for line in EVERY if line.startswith("python -m ")])
def test_the_module_is_there(line):
    module = shlex.split(line)[2].replace(".", "/")
    assert (PROJECT / f"{module}.py").is_file() or (PROJECT / module / "__main__.py").is_file()


#: Those of README that neither take minutes nor write a page of the project.
QUICK = [line for line in commands(PROJECT / "README.md") if not re.match(r"make (demo|test|study)", line)]


@pytest.mark.parametrize("line", QUICK)
def test_readmes_commands_run_word_for_word(line, tmp_path):
    """In a place without data and runs: they end well, or in one line that says what is missing."""
    command, *words = shlex.split(line)
    how = {"make": ["make", "-o", ".venv/made", f"PY={sys.executable}"], "python": [sys.executable]}[command]
    places = {name: str(tmp_path / name) for name in ("RUNS", "SUBMISSIONS", "CACHE", "MASK18_DATA")}
    done = subprocess.run([*how, *words], cwd=PROJECT, env={**os.environ, **places}, capture_output=True, text=True)
    said = [each for each in done.stderr.splitlines() if not re.match(r"make(\[\d+\])?: \*\*\*", each)]
    assert done.returncode in (0, 2), done.stderr
    assert len(said) == (done.returncode == 2), done.stderr
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("page", [*PAGES, *KERNELS_PAGES], ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere_and_pictures_have_words(page):
    text = page.read_text()
    for _, target in re.findall(r"\[([^\]]*)\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if not path.startswith("http"):
            assert (page.parent / path).exists(), target
            if anchor:
                heads = re.findall(r"^#+ (.+)$", (page.parent / path).read_text(), re.M)
                assert anchor in [head.lower().replace(" ", "-") for head in heads]
    for words, _ in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text):
        assert len(words) > 10


def test_the_front_page_is_one_page():
    lines = (PROJECT / "README.md").read_text().splitlines()
    assert len(lines) <= 100
    assert any(line.startswith("![") for line in lines[:5])
    assert any(line.startswith("    make ") for line in lines[:12])
    assert all(len(page.read_text().splitlines()) <= 120 for page in PAGES)


def test_pictures_are_small():
    pictures = [path for path in PROJECT.glob("docs/**/*") if path.suffix in (".png", ".jpg", ".svg")]
    assert [path.name for path in pictures if path.stat().st_size > 300_000] == []


def test_the_front_pages_scores_are_the_studys():
    study = (PROJECT / "docs/studies/report.md").read_text()
    of_study = dict(re.findall(r"^\| (v\d) \| [^|]+ \| (\d\.\d+ \[[^]]+\]) \|", study, re.M))
    of_page = dict(
        re.findall(r"^\| \[(v\d)_\w+\]\(\S+\) \| [^|]+ \| ([^|]+) \|", (PROJECT / "README.md").read_text(), re.M)
    )
    assert of_page == of_study
    assert len(of_page) == 5
