"""Files that are written whole or not at all, CSV in and out, locks that end with their process, free disk space."""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from core import places
from core.refusal import Refusal, first_line

if TYPE_CHECKING:
    import pandas as pd


def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Let `writer` write to a temporary file, then rename it to `path`: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with named(path):
            writer(temporary)
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())  # a power cut must not leave the new name on an empty file
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """What the system refuses within is of `path`, for a full disk does not tell. Refuses that, with the way out."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        moved = [name for name, folder in places.movable().items() if folder.resolve() in path.resolve().parents]
        other = f"another folder by {' or '.join(moved)}" if moved else "another place"
        raise Refusal(
            f"{path}: cannot be written ({error.strerror}); make room, or name {other}; then the same command goes on"
        ) from None


def sweep(folder: Path) -> None:
    """Remove the temporary files of writers that were killed."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_array(path: Path, array: np.ndarray) -> None:
    data = array_bytes(array)
    write(path, lambda temporary: temporary.write_bytes(data))


def array_bytes(array: np.ndarray) -> bytes:
    """The array as `write_array` writes it."""
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()


def read_json(path: Path) -> Any:
    """Refuses a file that is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{path}: is damaged ({first_line(error)})") from None


def read_array(path: Path, way_out: str) -> np.ndarray:
    """Refuses a file that is damaged, with the way out."""
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Refusal(f"{path}: is damaged ({first_line(error)}); {way_out}") from None


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line, cells without spaces around them) of each row of a CSV file that is not blank, the header first.
    Refuses: no such file, no CSV file, or a row of another length than the header."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except FileNotFoundError:
        raise Refusal(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        advice = 'save it as UTF-8 ("CSV UTF-8" in a spreadsheet)'
        raise Refusal(f"{path}: is not UTF-8 text (byte {error.object[error.start]:#04x}); {advice}") from None
    except (OSError, csv.Error) as error:
        raise Refusal(f"{path}: cannot be read as a CSV ({first_line(error)})") from None
    for line, cells in rows:
        if len(cells) != (wanted := len(rows[0][1])):
            raise Refusal(f"{path} line {line}: has {len(cells)} cells for {wanted} columns; quote a value with commas")
    return rows


def read_csv(path: Path, needed: Sequence[str], may_be_empty: bool = False) -> pd.DataFrame:
    """The file's rows, every cell as text. Refuses a lack of rows, or of a column of `needed`; and as `read_rows`."""
    import pandas as pd

    (_, names), *rows = read_rows(path) or [(1, [])]
    for name in needed:
        if names.count(name) != 1:
            fault = f"two columns {name}" if name in names else f"no column {name}"
            raise Refusal(f"{path}: has {fault}; it needs {', '.join(needed)}")
    if not rows and not may_be_empty:
        raise Refusal(f"{path}: has no rows")
    return pd.DataFrame([cells for _, cells in rows], columns=names, dtype=str)


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows as a CSV file holds them, the header first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    write_text(path, csv_text(rows))


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def lock(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold `path` for this process; a second process is told who holds it, or waits. Nothing stays on disk.

    POSIX record locks: the system drops them when the process dies, and forked loader workers do not inherit them.

    Refuses: a lock that another process holds, unless told to `wait`."""
    made = [parent for parent in path.parents if not parent.exists()]
    with named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path, what, wait)
    try:
        with named(path):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk, again; and a folder that is not empty
            file.close()
            for folder in made:
                folder.rmdir()


def _locked(path: Path, what: str, wait: bool) -> IO[str]:
    """The open, locked file at `path`; tried again if its last owner removed the one just locked."""
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (the caller keeps it open)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError):
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise Refusal(f"{what} is in use by {holder}; wait for it or stop it") from None
        if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            return file
        file.close()


def require_room(folder: Path, needed: int, what: str) -> None:
    """Refuse before the work rather than fail within it: `needed` bytes must be free where `folder` is or will be."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise Refusal(f"{what} needs {needed / 1e9:.1f} GB at {folder}, and {free / 1e9:.1f} are free; make room there")
