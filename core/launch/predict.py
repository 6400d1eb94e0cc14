"""A finished run looks at any folder of photographs: the mean of its folds, as for the test images.

    python -m core.launch.predict v5_multitask/effb0 --images DIR --out probs.csv

Writes a CSV of file, ans (0..17) and the 18 class probabilities, in the order of the file names.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from tqdm import tqdm

from core import disk, flags, labels, recipe
from core.data import competition
from core.data.table import Rows
from core.images import decode
from core.images.store import Store
from core.refusal import Refusal, first_line
from core.runs import reader
from core.training import device, fold, kernel, loop
from core.training.kernel import Kernel, KernelRecipe

CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to look at."""

    images: str  # a folder of photographs
    out: str  # the CSV to write
    tta: Literal["run", "none", "flip"] = "run"  # as the run did; or none, flip: the mean with the mirror image
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    boxes: flags.Boxes = ""  # of these photographs, where the run was trained with some


def predict(name: str, options: Options) -> None:
    """Write the run's probabilities for every photograph of the folder."""
    run = reader.load(name)
    files = photographs(Path(options.images))
    write(Path(options.out), files, lambda: probabilities(run, files, options))


def write(out: Path, files: list[Path], made: Callable[[], np.ndarray]) -> None:
    """The CSV of what is `made`, (n, 18) probabilities of these files. Refuses another ending before that is made."""
    if out.suffix != ".csv":
        raise Refusal(f"--out {out}: must end in .csv")
    probs = made()
    rows = [(file.name, row.argmax(), *(f"{p:.6g}" for p in row)) for file, row in zip(files, probs, strict=True)]
    disk.write_csv(out, [("file", "ans", *labels.CLASSES), *rows])
    print(f"wrote {out}: {len(files)} photographs")


def probabilities(run: reader.Run, files: list[Path], options: Options) -> np.ndarray:
    """(n, 18) float32: the mean of the run's folds."""
    return np.concatenate(list(_probs(run, files, options)))


def photographs(folder: Path) -> list[Path]:
    """The .jpg, .jpeg and .png files of the folder by name, hidden ones left out. Refuses a folder without any."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [path for path in found if path.suffix.lower() in competition.ENDINGS and not path.name.startswith(".")]
    if not files:
        raise Refusal(f"--images {folder}: holds no .jpg, .jpeg or .png file")
    return files


def _probs(run: reader.Run, files: list[Path], options: Options) -> Iterator[np.ndarray]:
    """(chunk, 18) for each chunk of files."""
    module, trained = rebuilt(run)
    where = device.find(options.device)
    nets = [net.to(where).to(memory_format=torch.channels_last) for net in networks(run)]
    if bool(trained.boxes) != bool(options.boxes):
        how = "needs --boxes, as it was trained with some" if trained.boxes else "was trained without --boxes"
        raise Refusal(f"{run.name}: {how}")
    framing = fold.framing(replace(trained, boxes=options.boxes))
    tta = trained.tta if options.tta == "run" else options.tta
    with tqdm(total=len(files), desc="predicting", unit="img", disable=None) as bar:
        for start in range(0, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            # as the run's own store: a run that cropped at random shrank the frame before it was cropped
            frames = [decode.prepare(file, framing) for file in chunk]
            crops = np.stack([frame[decode.centre_crop(frame.shape, framing.size)] for frame in frames])
            rows = Rows(pd.DataFrame({"image_index": np.arange(len(chunk))}), Store(crops, framing.size))
            yield np.mean([loop.predict(net, module.probs, rows, tta, trained.precision) for net in nets], 0)
            bar.update(len(chunk))


def rebuilt(run: reader.Run) -> tuple[Kernel, KernelRecipe]:
    """The kernel that trained the run, and its recipe without the weights it began with.
    Refuses: a source that does not load with the present core."""
    module = kernel.load(run.folder / "run.py")
    return module, recipe.build(module.Recipe, {**run.manifest["recipe"], "weights": "none"})


def networks(run: reader.Run) -> list[nn.Module]:
    """The trained nets of a run, one per fold, built by the source that trained them.
    Refuses: a run that took probabilities from another run, or whose weights are gone; and as `rebuilt`."""
    module, trained = rebuilt(run)
    for flag, other in recipe.runs(trained).items():
        raise Refusal(f"{run.name}: has no nets for what it took from {other}; predict with a run without --{flag}")
    nets = []
    for number in range(len(run.manifest["folds"])):
        weights = run.folder / "folds" / str(number) / "model.safetensors"
        if not weights.is_file():
            raise Refusal(f"{run.name}: {weights.name} of fold {number} is gone; train it again with --force")
        net = module.Net(trained)
        try:
            if run.manifest["folds"][number].get("weights", disk.digest(weights)) != disk.digest(weights):
                raise ValueError("other bytes than the run left")
            net.load_state_dict(load_file(weights))
        except (ValueError, RuntimeError, SafetensorError) as error:
            raise Refusal(f"{weights}: is damaged ({first_line(error)}); train the run again with --force") from None
        nets.append(net)
    return nets


def main(argv: list[str]) -> None:
    (name,), options = recipe.parse_words(Options, [1], "a run: KERNEL/NAME --images DIR --out probs.csv", argv)
    predict(name, options)


if __name__ == "__main__":
    main(sys.argv[1:])
