"""Which sources belong to a run: those that decide what it finds."""

import importlib.util
import shutil

import pytest

from tests.conftest import PROJECT
from tests.test_structure import MAY_IMPORT

V5 = PROJECT / "kernels/v5_multitask/run.py"
LOOKS_ON = ["kaggle", "launch", "people", "reports"]
FOLDERS = sorted(path.name for path in PROJECT.glob("core/*/") if path.name != "__pycache__")


@pytest.fixture
def copy(tmp_path):
    """A copy of core, and what its own provenance.py says of it."""
    core = shutil.copytree(PROJECT / "core", tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__"))
    spec = importlib.util.spec_from_file_location("provenance_of_the_copy", core / "runs/provenance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return core, lambda: module.sources(V5)


@pytest.mark.parametrize("folder", ["", *FOLDERS])
def test_a_byte_of_a_deciding_folder_is_another_source_and_of_an_onlooking_one_the_same(copy, folder):
    core, sources = copy
    before = sources()
    for path in (core / folder).glob("*.py"):
        text = path.read_bytes()
        path.write_bytes(text + b"#")
        changed = {name for name, digest in sources().items() if digest != before[name]}
        assert changed == (set() if folder in LOOKS_ON else {f"core/{path.relative_to(core).as_posix()}"})
        path.write_bytes(text)


def test_a_new_folder_counts_as_deciding_until_it_is_declared_otherwise(copy):
    core, sources = copy
    (core / "new").mkdir()
    (core / "new/idea.py").write_text("")
    assert "core/new/idea.py" in sources()


def test_folders_that_look_on_are_imported_by_no_deciding_one():
    assert set(LOOKS_ON) < set(MAY_IMPORT)
    for folder in {"ground", *FOLDERS} - set(LOOKS_ON):
        assert not MAY_IMPORT[folder] & set(LOOKS_ON)
