"""What a run was made with: the source, the commit, the versions of Python and of the packages."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from core import disk, places

#: Folders of core that look at runs, start them or draw people: no change in them changes what a run finds.
LOOKS_ON = {"launch", "reports", "people", "kaggle"}
PACKAGES = "torch torchvision timm albumentations opencv numpy pandas scikit-learn".split()


def sources(file: Path) -> dict[str, str]:
    """sha256 of the kernel and of every core module that can change what it finds."""
    core = Path(__file__).parents[1]
    deciding = [path for path in sorted(core.rglob("*.py")) if path.relative_to(core).parts[0] not in LOOKS_ON]
    files = {f"kernels/{file.parent.name}/{file.name}": file}
    files.update({f"core/{path.relative_to(core).as_posix()}": path for path in deciding})
    return {name: disk.digest(path) for name, path in files.items()}


def versions() -> dict[str, str | None]:
    """Of Python and of the packages that can change a number."""
    return {"python": sys.version.split()[0], **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str | None:
    """None where another build of the package does its work. OpenCV is asked itself, for several of its wheels may lie
    in one folder (Kaggle's image has three)."""
    if package == "opencv":
        import cv2

        return cv2.__version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def other_version(own: dict[str, str | None], others: dict[str, str | None]) -> str:
    """The first package that another machine has in another version, in words; empty if there is none.

    Builds of one version, such as +cpu and +cu130, count as the same, and so does a package under another name.
    """
    for name in PACKAGES:
        version, other = own.get(name), others.get(name)
        if version and other and version.partition("+")[0] != other.partition("+")[0]:
            return f"has {name} {other} where the command has {version}; install the same there"
    return ""


def commit() -> str | None:
    """The checkout's commit, marked + if files differ from it; outside git what $MASK18_COMMIT says, if anything."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(places.HOME), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("MASK18_COMMIT")
