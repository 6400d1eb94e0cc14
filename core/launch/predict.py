"""A finished run looks at any folder of photographs: the mean of its folds, as for the test images.

    python -m core.launch.predict v5_multitask/effb0 --images DIR --out probs.csv

Writes a CSV of file, ans (0..17) and the 18 class probabilities, in the order of the file names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from core import disk, labels, recipe
from core.data import competition
from core.data.table import Rows
from core.images import augment, decode, store
from core.refusal import Refusal
from core.runs import reader
from core.training import device, kernel, loop

CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to look at."""

    images: str  # a folder of photographs
    out: str  # the CSV to write
    tta: Literal["run", "none", "flip"] = "run"  # as the run did; or none, flip: the mean with the mirror image
    device: str = "auto"  # auto, cpu, cuda, cuda:1


def main(name: str, options: Options) -> None:
    run = reader.load(name)
    folder, out = Path(options.images), Path(options.out)
    if out.suffix != ".csv":
        raise Refusal(f"--out {out}: must end in .csv")
    files = photographs(folder)
    probs = np.concatenate(list(_probs(run, files, options)))
    rows = [(file.name, row.argmax(), *(f"{p:.6g}" for p in row)) for file, row in zip(files, probs, strict=True)]
    disk.write_csv(out, [("file", "ans", *labels.CLASSES), *rows])
    print(f"wrote {out}: {len(files)} photographs")


def photographs(folder: Path) -> list[Path]:
    """The .jpg, .jpeg and .png files of the folder by name, hidden ones left out. Refuses a folder without any."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [path for path in found if path.suffix.lower() in competition.ENDINGS and not path.name.startswith(".")]
    if not files:
        raise Refusal(f"--images {folder}: holds no .jpg, .jpeg or .png file")
    return files


def _probs(run: reader.Run, files: list[Path], options: Options) -> Iterator[np.ndarray]:
    """(chunk, 18) for each chunk of files."""
    import pandas as pd
    from tqdm import tqdm

    module = kernel.load(run.folder / "run.py")
    nets = [net.to(device.device(options.device)) for net in networks(run)]
    asked = run.about["recipe"]
    crop, scale = tuple(asked["crop"]), asked["scale"]
    size, whole = decode.net_size(crop, scale), augment.needs_whole_frame(asked["augmentations"])
    tta = asked["tta"] if options.tta == "run" else options.tta
    with tqdm(total=len(files), desc="predicting", unit="img", disable=None) as bar:
        for start in range(0, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            # as the run's own store: a run that cropped at random shrank the frame before it was cropped
            frames = [decode.prepare(file, crop, scale, whole) for file in chunk]
            pixels = store.Store(np.stack([frame[decode.middle(frame.shape, size)] for frame in frames]), size)
            rows = Rows(pd.DataFrame({"pixel": np.arange(len(chunk))}), pixels)
            yield np.mean([loop.predict(net, module.probs, rows, tta) for net in nets], 0)
            bar.update(len(chunk))


def networks(run: reader.Run) -> list[nn.Module]:
    """The trained nets of a run, one per fold, built by the source that trained them.

    Raises:
        Refusal: the run took part of its probabilities from another run, or its weights are gone.
    """
    from safetensors.torch import load_file

    asked = run.about["recipe"]
    if asked.get("reuse"):
        raise Refusal(
            f"{run.name}: takes {asked['reuse']}'s word for some tasks and has no nets for them; predict with a run without --reuse"
        )
    module = kernel.load(run.folder / "run.py")
    nets = []
    for number in range(len(run.about["folds"])):
        weights = run.folder / "folds" / str(number) / "model.safetensors"
        if not weights.is_file():
            raise Refusal(f"{run.name}: {weights.name} of fold {number} is gone; train it again with --force")
        nets.append(module.Net(asked["backbone"], "none"))
        nets[-1].load_state_dict(load_file(weights))
    return nets


if __name__ == "__main__":
    main(*recipe.parse_named(Options, "a run: python -m core.launch.predict KERNEL/NAME --images DIR --out probs.csv"))
