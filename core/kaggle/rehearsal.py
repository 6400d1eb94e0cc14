"""The packed script, run here as it would run there: without network, over read-only folders, in its own file tree.

In bubblewrap where it is installed. Else in an ordinary process with moved folders, which is told: then neither the
missing network nor that the input can't be written is checked.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from core import disk, places, recipe
from core.data import competition
from core.kaggle import pack, upload
from core.kaggle.bring import Verdict
from core.kaggle.order import Order
from core.refusal import Refusal

#: What the sandbox makes for itself.
OWN = {"proc", "dev", "tmp", "kaggle", "sys", "lost+found"}


def rehearse(order: Order, root: Path, bubblewrap: bool = True) -> tuple[Verdict, Path]:
    """Pack this run and train it over the photographs in `root`: the verdict, and the folder, below RUNS/.kaggle/try,
    where run.tar and verdict.json are. Refuses: what pack refuses."""
    competition.load(root)
    home = places.runs() / ".kaggle" / "try" / order.run.replace("/", "-")
    shutil.rmtree(home, ignore_errors=True)
    attached, left = home / "kaggle/input/datasets/me", home / "kaggle/working"
    for folder in (attached / "data", attached / "weights", left, home / "kaggle/src", home / "tmp"):
        folder.mkdir(parents=True)
    part = ""
    if reused := {name: places.runs() / name for name in recipe.runs(order.recipe).values()}:
        (attached / "part").mkdir()
        part = upload.put_part(attached / "part", reused)
    script, _ = pack.script(order, "rehearsal", part)
    (home / "kaggle/src/script.py").write_text(script, encoding="utf-8")
    disk.write_json(attached / "data/fingerprint.json", {"fingerprint": "rehearsal"})
    for name in ("train", "eval"):
        (attached / "data" / name).symlink_to((root / name).resolve())
    if order.tags:
        upload.put_weights(attached / "weights", upload.files_of_weights(order.tags))
    words = _sandboxed(home) if bubblewrap and _has_bubblewrap() else None
    if words is None:
        print(
            "bubblewrap is not used: that there is no network and the input is read-only is not checked",
            file=sys.stderr,
        )
        words = [sys.executable, "-P", str(home / "kaggle/src/script.py")]
    environment = {**os.environ, "KAGGLE_KERNEL_RUN_TYPE": "Batch", "MASK18_KAGGLE_ROOT": str(home)}
    done = subprocess.run(words, cwd=left, env=environment)
    shutil.rmtree(home / "tmp", ignore_errors=True)
    if done.returncode or not (left / "verdict.json").is_file():
        raise Refusal(
            f"the script ended with code {done.returncode} and left {sorted(os.listdir(left))}; that is a fault"
        )
    return json.loads((left / "verdict.json").read_text(encoding="utf-8")), left


def _has_bubblewrap() -> bool:
    """Whether it is installed, and allowed to make a sandbox here."""
    try:
        return not subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], capture_output=True).returncode
    except OSError:
        return False


def _sandboxed(home: Path) -> list[str]:
    """bwrap's words: this system read-only, the project hidden but for its environment, Kaggle's folders in place."""
    words = "bwrap --unshare-all --die-with-parent --new-session --hostname localhost --proc /proc --dev /dev".split()
    for path in sorted(Path("/").iterdir()):
        if path.name not in OWN:
            words += (
                ["--symlink", os.readlink(path), str(path)]
                if path.is_symlink()
                else ["--ro-bind", str(path), str(path)]
            )
    words += ["--tmpfs", "/tmp", "--tmpfs", str(places.HOME)]
    for folder in sorted({sys.prefix, sys.base_prefix}):
        words += ["--ro-bind", folder, folder]
    words += [
        "--ro-bind",
        str(home / "kaggle/src"),
        "/kaggle/src",
        "--bind",
        str(home / "kaggle/working"),
        "/kaggle/working",
    ]
    for source, target in _attached(home / "kaggle/input"):
        words += ["--ro-bind", str(source), target]
    words += ["--clearenv", "--setenv", "HOME", "/root", "--setenv", "PATH", os.environ.get("PATH", "/usr/bin:/bin")]
    if threads := os.environ.get("OMP_NUM_THREADS"):
        words += ["--setenv", "OMP_NUM_THREADS", threads]  # as many as here give the bytes of a run made here
    words += ["--setenv", "KAGGLE_KERNEL_RUN_TYPE", "Batch", "--chdir", "/kaggle/working"]
    return [*words, sys.executable, "-P", "/kaggle/src/script.py"]


def _attached(folder: Path) -> Iterator[tuple[Path, str]]:
    """(file or folder here, its place there): links are followed, for what they name may be hidden."""
    for path in sorted(folder.glob("datasets/*/*/*")):
        yield path.resolve(), f"/kaggle/input/{path.relative_to(folder)}"
