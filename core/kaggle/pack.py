"""One script that holds all of core, the kernel and what Kaggle's image lacks. The same tree gives the same bytes."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from core import disk, places, recipe
from core.flags import flag_name
from core.kaggle.order import Order
from core.refusal import Refusal
from core.runs import provenance

#: Kaggle takes no script of a million bytes or more.
LARGEST = 1_000_000
#: Pure Python that Kaggle's image lacks.
VENDOR = ("fire", "termcolor")


class Told(TypedDict):
    """What script.main is told; `attempt` of this run, so that each push is another, named by `push`."""

    kernel: str
    name: str
    flags: list[str]
    hours: float
    tags: list[str]
    part: str
    fingerprint: str
    attempt: int
    code: str
    commit: str | None
    push: str


def script(order: Order, fingerprint: str, part: str = "", attempt: int = 1) -> tuple[str, Told]:
    """The script's text, and what it is told.

    fingerprint: of the photographs. part: sha256 of what an earlier session left. Refuses: more than Kaggle takes."""
    code = payload(order)
    told: Told = {
        "kernel": order.kernel,
        "name": order.name,
        "flags": order.flags,
        "hours": order.hours,
        "tags": order.tags,
        "part": part,
        "fingerprint": fingerprint,
        "attempt": attempt,
        "code": hashlib.sha256(code).hexdigest(),
        "commit": provenance.commit(),
        "push": "",
    }
    told["push"] = disk.text_digest(json.dumps(told, sort_keys=True))
    text = base64.b85encode(code).decode()
    lines = "\n".join(text[at : at + 118] for at in range(0, len(text), 118))
    own = Path(__file__).with_name("script.py").read_text(encoding="utf-8")
    whole = f'{own}\n\nmain({told!r}, """\n{lines}\n""")\n'
    if len(whole.encode()) >= LARGEST:
        raise Refusal(f"{order.run}: packs to {len(whole.encode()):,} bytes, and Kaggle takes less than {LARGEST:,}")
    return whole, told


def digest(order: Order) -> str:
    """sha256 of the code, as `Told` has it."""
    return hashlib.sha256(payload(order)).hexdigest()


def payload(order: Order) -> bytes:
    """A zip file of the code, the same bytes for the same files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, path in sorted(_files(order)):
            packed.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return data.getvalue()


def _files(order: Order) -> Iterator[tuple[str, Path]]:
    """(name in the zip, file): all of core, for start.json hashes it; the kernel's folder; what its flags name."""
    for folder in (places.HOME / "core", order.file.parent):
        for path in folder.rglob("*.py"):
            yield path.relative_to(places.HOME).as_posix(), path
    for package in VENDOR:
        spec = find_spec(package)
        folder = Path(((spec and spec.submodule_search_locations) or [""])[0])
        for path in folder.rglob("*.py"):
            if "test" not in path.name:
                yield f"vendor/{path.relative_to(folder.parent).as_posix()}", path
    for field, path in recipe.files(order.recipe).items():
        own = places.HOME / path
        if path.is_absolute() or ".." in path.parts or Path.cwd() != places.HOME:
            raise Refusal(
                f"--{flag_name(field)} {path}: can't be packed; name it relative to {places.HOME}, from there"
            )
        if not own.is_file():
            raise Refusal(f"--{flag_name(field)} {path}: there is no such file")
        yield path.as_posix(), own
