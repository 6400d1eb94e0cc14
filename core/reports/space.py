"""What decoded stores and runs take on the disk, and what can go. Free of torch.

    python -m core.reports.space            list them, the largest first
    python -m core.reports.space --remove   remove the stores that can go: they are made again when they are needed

A store can go unless an unfinished run trains on its data folder. Runs are never removed.
"""

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core import disk, places, recipe
from core.refusal import Refusal
from core.reports import listing
from core.runs import reader


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is done beside listing."""

    remove: bool = False  # remove the stores that can go


@dataclass(frozen=True)
class Item:
    """A store or a run: its files, what is said of it, and whether it can go."""

    name: str
    files: list[Path]
    state: str
    can_go: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(path.lstat().st_size for path in self.files)

    @property
    def used(self) -> float:
        """When it was written or opened last, in seconds since 1970."""
        stats = [path.lstat() for path in self.files]
        return max((max(stat.st_mtime, stat.st_atime) for stat in stats), default=0.0)


def runs() -> Iterator[Item]:
    """Every run, with what its folder holds."""
    for name, folder in reader.folders("start.json"):
        files = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
        finished = (folder / "run.json").is_file()
        yield Item(name, files, "finished" if finished else "unfinished; the same command goes on")


def stores() -> Iterator[Item]:
    """Every decoded store of `places.caches()`."""
    training = _trained_on()
    for path in sorted(places.caches().glob("*/pixels-*.npy")):
        content = re.sub(r"pixels-(\w+)-\w+\.npy", r"\1", path.name)
        about = path.with_name(f"about-{content}.json")
        data, seen = _about(about)
        files = [path, *path.parent.glob(f"images-{content}-*"), *([about] if about.is_file() else [])]
        if data in training:
            yield Item(seen, files, f"needed by {training[data]}, which is unfinished")
        else:
            gone = "its data folder is gone" if data and not Path(data).is_dir() else "is made again when it is needed"
            yield Item(seen, files, f"can go; {gone}", can_go=True)


def _trained_on() -> dict[str, str]:
    """Data folder -> an unfinished run that trains on it."""
    found = {}
    for name, folder in reader.folders("where.json"):
        if not (folder / "run.json").is_file():
            try:
                found[str(disk.read_json(folder / "where.json")["data"])] = name
            except (Refusal, KeyError, TypeError):
                continue
    return found


def _about(path: Path) -> tuple[str, str]:
    """The data folder of a store, and what a net sees of it, in words."""
    try:
        about = disk.read_json(path)
        return about["data"], f"store of {about['data']}, {about['framing']}"
    except (Refusal, OSError, KeyError, TypeError):
        return "", f"store {path.parent.name}"


def show(items: list[Item]) -> None:
    """Print them as a table, the largest first, and how much can go."""
    rows = [("what", "GB", "last used", "state")]
    for item in sorted(items, key=lambda item: -item.size):
        day = time.strftime("%Y-%m-%d", time.localtime(item.used))
        rows.append((item.name, f"{item.size / 1e9:.3f}", day, item.state))
    listing.print_table(rows)
    going = sum(item.size for item in items if item.can_go)
    print(f"{sum(item.size for item in items) / 1e9:.2f} GB, of which {going / 1e9:.2f} can go")


def main(argv: list[str]) -> None:
    options = recipe.parse(Options, argv)
    items = [*stores(), *runs()]
    if not items:
        print(f"nothing in {places.caches()} and {places.runs()}")
        return
    show(items)
    for item in items if options.remove else ():
        if item.can_go:
            for path in item.files:
                path.unlink(missing_ok=True)
            print(f"removed {item.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
