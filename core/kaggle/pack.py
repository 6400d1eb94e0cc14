"""One script that holds all of core, the kernel and what Kaggle's image lacks. The same tree gives the same bytes.

A flag that cannot mean there what it means here is refused before anything is sent.
"""

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from core import disk, flags, places, recipe
from core.flags import flag_name
from core.refusal import Refusal, did_you_mean
from core.runs import names, provenance
from core.training import kernel as kernels
from core.training.kernel import KernelRecipe

#: Kaggle takes no script of a million bytes or more.
LARGEST = 1_000_000
#: Hours to train in a session of twelve: what is left is for starting, for the last predictions and for the way out.
HOURS = 11.3
#: Pure Python that Kaggle's image lacks.
VENDOR = ("fire", "termcolor")
#: Flags that cannot mean there what they mean here, and why.
HERE_ONLY = {
    "data": "the photographs are those of make kaggle-data",
    "cluster": "a session is one machine",
    "device": "a session has its own GPUs",
    "jobs": "a session trains a fold on each of its GPUs",
    "extra": "that folder is here; put its people into a data set of its own, or train here",
}


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


@dataclass(frozen=True)
class Order:
    """A run to be trained there: the kernel's file, its recipe, and the flags as typed."""

    file: Path
    recipe: KernelRecipe
    flags: list[str]

    @property
    def kernel(self) -> str:
        return self.file.parent.name

    @property
    def name(self) -> str:
        return names.run_name(self.recipe)

    @property
    def run(self) -> str:
        return f"{self.kernel}/{self.name}"

    @property
    def hours(self) -> float:
        return self.recipe.hours or HOURS

    @property
    def tags(self) -> list[str]:
        """timm's names of the pretrained weights that the run needs."""
        if self.recipe.weights == "none":
            return []
        return sorted({flags.TAGS.get(each, each) for each in flags.each(self.recipe.backbone)})

    def slug(self, push: str) -> str:
        """A name of its own for each push, as Kaggle's addresses hold it: 50 small letters, figures, hyphens."""
        plain = re.sub("[^a-z0-9]+", "-", self.run.lower())[:36].strip("-")
        return f"mask18-{plain}-{push[:6]}"


def order(kernel: str, argv: list[str]) -> Order:
    """The run that these words ask for.
    Refuses: an unknown kernel, what its recipe refuses, and a flag that can't be had there."""
    file = places.HOME / "kernels" / kernel / "run.py"
    if not file.is_file():
        known = sorted(path.parent.name for path in places.HOME.glob("kernels/*/run.py"))
        raise Refusal(f"KERNEL={kernel}: is none of kernels/; {did_you_mean(kernel, known, ', '.join(known))}")
    kind = kernels.load(file).Recipe
    asked = recipe.parse(kind, argv)
    for name, why in HERE_ONLY.items():
        if getattr(asked, name) != kind.__dataclass_fields__[name].default:
            raise Refusal(f"--{flag_name(name)} {getattr(asked, name)}: can't be had on Kaggle: {why}")
    if asked.weights not in ("imagenet", "none"):
        raise Refusal(
            f"--weights {asked.weights}: a file of weights is not packed; make kaggle-weights sends the hub's"
        )
    return Order(file, asked, list(_sent(argv)))


def _sent(argv: list[str]) -> Iterator[str]:
    """The words that go there: without --force, which is about runs here, and --hours, of which some will be over."""
    words = iter(argv)
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag == "--hours" and not equals:
            next(words)
        elif flag not in ("--hours", "--force"):
            yield word


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
        own = (Path.cwd() / path).resolve()
        if not own.is_relative_to(places.HOME) or path.is_absolute():
            raise Refusal(
                f"--{flag_name(field)} {path}: can't be packed; name it relative to {places.HOME}, from there"
            )
        if not own.is_file():
            raise Refusal(f"--{flag_name(field)} {path}: there is no such file")
        yield own.relative_to(places.HOME).as_posix(), own
