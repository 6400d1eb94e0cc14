"""Images per second of training and predicting on one GPU: the loop that people write, ours, and the ceiling.

    python tests/benchmarks/gpu.py --backbones effb0                            on a GPU, five minutes a backbone
    python tests/benchmarks/gpu.py --people 12 --backbones lite0 --batches 8 --scale 0.2 --seconds 2     anywhere

plain     float32, eager, NCHW; DataLoader workers (half the cores) imread, crop, normalise in every epoch; loss.item()
autocast  the same under autocast, with a gradient scaler in float16
eager     ours without the captured graph
ours      the decoded store, the loader, batches copied ahead, the step of core/training/step.py: end to end
ceiling   our step again and again on one batch that already lies on the GPU

All train v5's network with Adam, from random weights, without augmentations, in this one process. At the end the loss
curves of float32 and of ours on the same batches, each for two seeds: they must agree within seed noise.
"""

import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from core import flags, labels, recipe
from core.data import competition, resample
from core.data.table import Rows, Table
from core.images import loader, store
from core.images.decode import Framing
from core.images.prefetch import prefetch
from core.people import make
from core.training import loop, step
from core.training.device import autocast, dtype
from core.training.device import find as find_device
from core.training.kernel import load

PROJECT = Path(__file__).resolve().parents[2]
KERNEL = load(PROJECT / "kernels/v5_multitask/run.py")
CROP, WARM, LAUNCHES = (360, 200), 10, 20
Steps = Iterator[int]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    people: flags.Count = 300  # drawn to train on, seven images each; repeated up to --rows
    rows: flags.Count = 18900  # images in an epoch, as the real data set has
    backbones: tuple[str, ...] = ("effb0", "resnext50", "effb4")  # any that --backbone of a kernel knows
    batches: tuple[flags.Count, ...] = (16, 32, 64)  # images in a step
    scale: flags.Scale = 1.0  # shrinks the 360x200 crop; below 1 for a CPU
    seconds: flags.Positive = 10.0  # of each measurement, after a warm-up
    curve: flags.NonNegative = 300  # steps of the loss curves; 0 for none
    lr: flags.Positive = 3e-4  # of the loss curves
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # of all but the plain loop
    workers: flags.NonNegative = 0  # of the plain loop; 0: half the cores


class Photographs(torch.utils.data.Dataset):
    """The usual way to a normalised tensor, file by file."""

    def __init__(self, root: Path, rows: Rows, scale: float, mean: tuple[float, ...], std: tuple[float, ...]):
        import albumentations as A
        from albumentations.pytorch import ToTensorV2

        small = [A.Resize(*Framing(CROP, scale).size, interpolation=3)] if scale != 1 else []
        self.files, self.labels = [str(root / file) for file in rows.column("file")], rows.column("label")
        self.transform = A.Compose([A.CenterCrop(*CROP), *small, A.Normalize(mean, std), ToTensorV2()])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        import cv2

        image = cv2.cvtColor(cv2.imread(self.files[number]), cv2.COLOR_BGR2RGB)
        return self.transform(image=image)["image"], int(self.labels[number])


def joint_loss(outputs: list[torch.Tensor], label: torch.Tensor) -> torch.Tensor:
    return sum(cross_entropy(logits, part) for logits, part in zip(outputs, labels.split(label), strict=True))


def workers(options: Options) -> int:
    return options.workers or max(1, (os.cpu_count() or 2) // 2)


def plain(
    net, table: Table, rows: Rows, batch: int, options: Options, device: torch.device, precision: torch.dtype
) -> Steps:
    """The loop that people write."""
    torch.backends.cudnn.benchmark = False
    net.to(device).train()
    cfg = net.features.trunk.pretrained_cfg
    source = Photographs(table.root, rows, options.scale, cfg["mean"], cfg["std"])
    loader = torch.utils.data.DataLoader(
        source, batch, shuffle=True, drop_last=True, num_workers=workers(options), pin_memory=device.type == "cuda"
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-5)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    running = 0.0
    while True:
        for pixels, label in loader:
            pixels, label = pixels.to(device), label.to(device)
            optimizer.zero_grad()
            with autocast(device, precision):
                features = net.features.trunk(pixels)
                loss = joint_loss([head(features) for head in net.heads.values()], label)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            running += loss.item()
            yield batch


def step_of(net, rows: Rows, batch: int, lr: float, device: torch.device, precision: str, graph: bool = True):
    """Our step of v5's one phase, and that phase."""
    torch.backends.cudnn.benchmark = True
    net.to(device=device, memory_format=torch.channels_last).train()
    asked = KERNEL.Recipe(batch=batch, lr=lr, augment="none", schedule="none", workers=0)
    (phase,) = KERNEL.plan(net, rows, asked)
    make = step.make if graph else lambda net, *rest: step.Step(*rest)
    return make(net, phase, phase.optimizer(phase.parameters), device, dtype(device, precision)), phase


def ours(learn: step.Step, phase, device: torch.device) -> Steps:
    for epoch in itertools.count():
        for pixels, label in prefetch(phase.loader.epoch((0, 0, 0, epoch)), device):
            learn(pixels, label)
            yield len(label)


def ceiling(learn: step.Step, phase, device: torch.device) -> Steps:
    pixels, label = (tensor.to(device) for tensor in next(phase.loader.epoch((0, 0, 0, 0))))
    while True:
        learn(pixels, label)
        yield len(label)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rate(steps: Steps, device: torch.device, seconds: float) -> float:
    """Images per second, from a device at rest to a device at rest."""
    for _ in range(WARM):
        next(steps)
    wait(device)
    start, seen = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        seen += next(steps)
    wait(device)
    return seen / (time.perf_counter() - start)


def launching(steps: Steps, device: torch.device) -> float:
    """Milliseconds that the host is busy with a step, whenever the device may finish it."""
    wait(device)
    start = time.perf_counter()
    for _ in range(LAUNCHES):
        next(steps)
    spent = time.perf_counter() - start
    wait(device)
    return 1000 * spent / LAUNCHES


def fresh(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> str:
    """GB that the process took from the GPU, the caches of its allocator included."""
    return f"{torch.cuda.max_memory_reserved(device) / 1e9:.2f}" if device.type == "cuda" else "-"


def measured(make: Callable[[], Steps], device: torch.device, seconds: float) -> tuple[float, str]:
    """Images per second, and peak GPU memory."""
    fresh(device)
    steps = make()
    found = rate(steps, device, seconds), peak(device)
    steps.close()  # type: ignore[attr-defined]
    return found


def train_row(backbone: str, batch: int, table: Table, rows: Rows, options: Options, device: torch.device) -> str:
    def net():
        torch.manual_seed(0)
        return KERNEL.Net(KERNEL.Recipe(backbone=backbone, weights="none"))

    def plainly(precision: torch.dtype) -> tuple[float, str]:
        return measured(lambda: plain(net(), table, rows, batch, options, device, precision), device, options.seconds)

    (float32, memory), (amp, _) = plainly(torch.float32), plainly(dtype(device, options.precision))
    made = []

    def our_steps(graph: bool) -> Steps:
        made[:] = [step_of(net(), rows, batch, 3e-5, device, options.precision, graph)]
        return ours(*made[0], device)

    eager, _ = measured(lambda: our_steps(False), device, options.seconds)
    mine, own_memory = measured(lambda: our_steps(True), device, options.seconds)
    still = ceiling(*made[0], device)
    most = rate(still, device, options.seconds)
    gathering = (len(label) for epoch in itertools.count() for _, label in made[0][1].loader.epoch((0, 0, 0, epoch)))
    busy = f"{1000 * batch / most:.2f} | {launching(still, device):.2f} | {launching(gathering, device):.2f}"
    rates = " | ".join(f"{each:.0f}" for each in (float32, amp, eager, mine, most))
    ratios = f"{mine / float32:.1f} | {mine / amp:.1f} | {mine / eager:.1f} | {mine / most:.2f}"
    return f"| {backbone} | {batch} | {rates} | {ratios} | {busy} | {memory} / {own_memory} |"


@torch.inference_mode()
def seeing(net, rows: Rows, batch: int, device: torch.device, precision: torch.dtype) -> Steps:
    """Predicting one batch that already lies on the device."""
    pixels = next(loader.in_order(rows, batch)).to(device)
    while True:
        with autocast(device, precision):
            KERNEL.probs(net, pixels).float()
        yield len(pixels)


def predict_row(backbone: str, rows: Rows, options: Options, device: torch.device) -> str:
    """Our prediction of many rows against the same network on one batch that already lies on the device."""
    fresh(device)
    torch.backends.cudnn.benchmark = True
    net = (
        KERNEL.Net(KERNEL.Recipe(backbone=backbone, weights="none"))
        .to(device=device, memory_format=torch.channels_last)
        .eval()
    )
    batch = loop.PREDICT_BATCH[device.type]
    most = rate(seeing(net, rows, batch, device, dtype(device, options.precision)), device, options.seconds)
    number = batch * max(2, round(most * options.seconds / batch))
    many = rows.take(np.arange(number) % len(rows))
    loop.predict(net, KERNEL.probs, many.take(np.arange(batch)), precision=options.precision)
    start = time.perf_counter()
    loop.predict(net, KERNEL.probs, many, precision=options.precision)
    found = number / (time.perf_counter() - start)
    return f"| {backbone} | {batch} | {found:.0f} | {most:.0f} | {found / most:.2f} | {peak(device)} |"


def curve(fast: bool, seed: int, rows: Rows, options: Options, device: torch.device) -> list[float]:
    """Mean losses of ten parts of a training from random weights: our step, or float32, eager and NCHW."""
    torch.manual_seed(seed)
    net, batch = KERNEL.Net(KERNEL.Recipe(backbone=options.backbones[0], weights="none")), options.batches[0]
    if fast:
        learn, phase = step_of(net, rows, batch, options.lr, device, options.precision)
    else:
        net.to(device).train()
        (phase,) = KERNEL.plan(net, rows, KERNEL.Recipe(batch=batch, augment="none", workers=0))
        optimizer = torch.optim.Adam(net.parameters(), lr=options.lr)
    found: list[float] = []
    part: list[float] = []
    epochs = (phase.loader.epoch((seed, 0, 0, epoch)) for epoch in itertools.count())
    for pixels, label in itertools.islice(itertools.chain.from_iterable(epochs), options.curve):
        if fast:
            learn(pixels.to(device), label.to(device))
            part.append(learn.mean(1))
        else:
            optimizer.zero_grad()
            loss = joint_loss(net(pixels.to(device).contiguous()), label.to(device))
            loss.backward()
            optimizer.step()
            part.append(loss.item())
        if len(part) == max(1, options.curve // 10):
            found.append(sum(part) / len(part))
            part = []
    return found


def drawn(options: Options, folder: Path) -> tuple[Table, Rows]:
    """A drawn competition, opened, and its training rows repeated up to an epoch of the real one."""
    make.draw_competition(make.Options(out=str(folder), people=options.people, eval_people=1))
    table = competition.load(folder)
    table = table.opened(store.open_store(table, Framing(CROP, options.scale)))
    rows = resample.repeat(table.train, "none")
    return table, rows.take(np.arange(max(options.rows, len(rows))) % len(rows))


def main(options: Options) -> None:
    device = torch.device(find_device(options.device))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["CACHE"] = f"{scratch}/cache"
        table, rows = drawn(options, Path(scratch) / "competition")
        height, width = Framing(CROP, options.scale).size
        computed = str(dtype(device, options.precision)).removeprefix("torch.")
        print(f"\n{name}, {os.cpu_count()} cores, torch {torch.__version__}, {height}x{width} pixels, {computed}")
        print(f"an epoch of {len(rows)} images, {workers(options)} workers in the plain loop\n")
        print("Training; images per second, milliseconds of a step, GB:\n")
        print(
            "| backbone | batch | plain | autocast | eager | ours | ceiling | ours / plain | ours / autocast "
            "| ours / eager | ours / ceiling | step ms | launching | gathering | GPU, plain / ours |"
        )
        print("|---" * 15 + "|", flush=True)
        for backbone, batch in itertools.product(options.backbones, options.batches):
            try:
                print(train_row(backbone, batch, table, rows, options, device), flush=True)
            except torch.OutOfMemoryError:
                print(f"| {backbone} | {batch} | out of memory |", flush=True)
        print("\nPredicting; images per second, GB:\n")
        print("| backbone | batch | ours | ceiling | ours / ceiling | GPU |\n|---|---|---|---|---|---|", flush=True)
        for backbone in options.backbones:
            print(predict_row(backbone, rows, options, device), flush=True)
        if options.curve:
            print(f"\nMean loss of each tenth of {options.curve} steps, {options.backbones[0]}, lr {options.lr:g}:\n")
        for fast, seed in itertools.product((False, True), (0, 1) if options.curve else ()):
            losses = "  ".join(f"{value:.3f}" for value in curve(fast, seed, rows, options, device))
            print(f"{'ours' if fast else 'float32':<8} seed {seed}  {losses}", flush=True)


if __name__ == "__main__":
    main(recipe.parse(Options))
