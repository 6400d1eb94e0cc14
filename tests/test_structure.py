"""The shape of the house: which folder may import which, and what every file keeps to."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from core.runs import provenance
from tests.conftest import PROJECT

GROUND = {"ground"}
#: Folder -> what its files may import beside their own folder: folders, or single modules of them.
MAY_IMPORT = {
    "ground": set(),
    "data": GROUND,
    "images": GROUND | {"data"},
    "nets": GROUND,
    "runs": GROUND | {"data"},
    "training": GROUND | {"data", "images", "nets", "runs"},
    "reports": GROUND | {"data", "images", "runs"},
    "launch": GROUND | {"data", "images", "nets", "training", "runs", "reports"},
    "people": GROUND,
    "kaggle": GROUND | {"data", "runs", "training.kernel"},
    "kernels": GROUND | {"data", "images", "nets", "training", "launch.crossval"},
    "kernels/v4_separate": GROUND | {"data", "images", "nets", "training", "launch.crossval", "runs"},
    "voting": GROUND | {"data", "runs", "reports.listing"},
    "ensembles": {"voting"},
    "compare": GROUND | {"data", "images.decode", "runs", "reports", "voting"},
}
FILES = [
    path for folder in ("core", "kernels", "ensembles", "submissions") for path in PROJECT.glob(f"{folder}/**/*.py")
]
CORE = [path for path in FILES if path.relative_to(PROJECT).parts[0] == "core"]


def name_of(path):
    return path.relative_to(PROJECT).as_posix()


def folder_of(parts):
    """The folder of MAY_IMPORT in which a module of these parts lives: ("core", "data", "folds") in "data"."""
    match parts:
        case ("core", folder, _, *_):
            return folder
        case ("core", *_):
            return "ground"
        case ("ensembles", "voting", *_):
            return "voting"
        case ("submissions", *_):
            return "compare"
        case ("kernels", kernel, *_):
            return f"kernels/{kernel}"
        case _:
            return parts[0]


def modules(text):
    """The project's own modules that this source imports, as parts."""
    for node in ast.walk(ast.parse(text)):
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if is_module(name) else node.module for name in whole]
        yield from (tuple(name.split(".")) for name in found if name.split(".")[0] in ROOTS)


ROOTS = ("core", "kernels", "ensembles", "submissions", "tests")


def is_module(name):
    path = PROJECT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def forbidden(path, text):
    """The imports of this source, were it at this path, that the table does not allow."""
    own = folder_of(path.with_suffix("").parts)
    allowed = MAY_IMPORT[own if own in MAY_IMPORT else own.partition("/")[0]]
    for parts in modules(text):
        folder = folder_of(parts)
        looks = path.as_posix() == "ensembles/voting/__main__.py" and parts == ("core", "launch", "predict")
        if folder not in {own, *allowed} and f"{folder}.{parts[-1]}" not in allowed and not looks:
            yield ".".join(parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_one_way(path):
    assert not list(forbidden(path.relative_to(PROJECT), path.read_text()))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("core/labels.py", "from core.data import folds"),
        ("core/data/folds.py", "import core.images.store"),
        ("core/runs/reader.py", "def late():\n    from core.training.kernel import load"),
        ("core/training/loop.py", "from core.launch import crossval"),
        ("core/training/loop.py", "from kernels.v5_multitask import run"),
        ("core/reports/plots.py", "from core.launch.predict import main"),
        ("core/people/make.py", "from core.data.table import Rows"),
        ("kernels/v1_single/run.py", "from core.runs import reader"),
        ("kernels/v1_single/run.py", "from core.launch import sweep"),
        ("kernels/v5_multitask/run.py", "from kernels.v4_separate import run"),
        ("ensembles/final.py", "from core.runs import reader"),
        ("ensembles/voting/nodes.py", "from core.reports import plots"),
        ("submissions/compare/page.py", "from core.images import store"),
    ],
)
def test_an_import_in_the_wrong_direction_is_found(path, line):
    assert list(forbidden(Path(path), line))


def test_no_folder_imports_in_a_circle():
    graph = {
        name_of(path): {"/".join(parts) for parts in modules(path.read_text())} for path in FILES if path.stem[0] != "_"
    }
    top = {name: {f"{used}.py" for used in uses} & set(graph) for name, uses in graph.items()}
    while top:
        free = {name for name, uses in top.items() if not uses & set(top) - {name}}
        assert free, f"a circle among {sorted(top)}"
        top = {name: uses for name, uses in top.items() if name not in free}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short_and_say_what_they_promise(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 200
    assert path.stem not in {*sys.stdlib_module_names, "utils"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_are_short_and_shortcuts_are_not_taken(path):
    text = path.read_text()
    for word in (
        "sys.path",
        "parse_known_args",
        "pickle.load",
        "allow_pickle=True",
        "weights_only=False",
        "except:",
        "__getattr__",
        "TODO",
        "FIXME",
    ):
        assert word not in text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 40, f"{path.name}: {node.name}"


def test_each_folder_of_core_is_declared_and_has_three_to_nine_files():
    for folder in PROJECT.glob("core/*/"):
        if folder.name != "__pycache__":
            assert folder.name in MAY_IMPORT
            assert 3 <= len(list(folder.glob("[!_]*.py"))) <= 9
            assert (folder / "__init__.py").is_file()
    assert len(list(PROJECT.glob("core/*.py"))) == 9
    assert set(MAY_IMPORT) >= provenance.LOOKS_ON


def tracked():
    """The project's Python files by git, new ones too; skips outside a checkout."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    seen = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
    if seen.returncode:
        pytest.skip("needs the git checkout")
    return {PROJECT / line for line in seen.stdout.splitlines() if (PROJECT / line).is_file()}


def test_git_ignores_no_source_file():
    words = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", *ROOTS]
    seen = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
    if seen.returncode:
        pytest.skip("needs the git checkout")
    made = ("submissions/demo", "submissions/index.html")  # by make demo
    assert not [line for line in seen.stdout.splitlines() if not line.endswith(".pyc") and not line.startswith(made)]


def test_ruff_sees_every_file():
    words = [sys.executable, "-m", "ruff", "check", "--show-files", "."]
    seen = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True).stdout.splitlines()
    assert {Path(line) for line in seen if line.endswith(".py")} == tracked()


def test_mypy_sees_every_file_of_the_program():
    from mypy.find_sources import create_source_list
    from mypy.options import Options

    options = Options()
    options.explicit_package_bases = True
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    folders = [str(PROJECT / name.strip()) for name in setup["mypy"]["files"].split(",")]
    assert {Path(source.path) for source in create_source_list(folders, options)} == {
        *FILES,
        *PROJECT.glob("tests/studies/*.py"),
    }


def test_no_import_changes_the_process():
    """Threads of OpenCV and torch, seeds and hooks are as before, but for the hook that makes refusals one line."""
    names = [name_of(path)[:-3].replace("/", ".") for path in CORE if path.stem != "__main__"]
    code = f"""
import importlib, os, random, signal, sys, warnings
import albumentations, cv2, numpy, torch
def state():
    seeds = random.getstate(), numpy.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()
    threads = cv2.getNumThreads(), torch.get_num_threads(), torch.get_num_interop_threads()
    torch_flags = torch.backends.cudnn.benchmark, torch.is_grad_enabled(), torch.get_default_dtype()
    return seeds, threads, torch_flags, dict(os.environ), os.getcwd(), signal.getsignal(signal.SIGINT), list(sys.path)
before = state()
for name in {names!r}:
    importlib.import_module(name)
assert state() == before
assert sys.excepthook.__module__ == "core.refusal"
"""
    seen = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert seen.returncode == 0, seen.stderr


def test_what_is_anything_is_rare():
    words = [word for path in FILES if path.parts[len(PROJECT.parts)] in ("core", "kernels") for word in names_in(path)]
    assert words.count("Any") <= 25


def names_in(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            yield node.id
        if isinstance(node, ast.alias):
            yield node.name


def test_every_function_of_a_kernel_is_typed():
    for path in PROJECT.glob("kernels/*/run.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                arguments = [each for each in node.args.args if each.arg != "self"]
                assert all(each.annotation for each in arguments), f"{name_of(path)}: {node.name}"
                assert node.returns or node.name == "__init__", f"{name_of(path)}: {node.name}"
