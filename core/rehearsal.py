"""What can be known before anything trains is said then: the device, the ranks, the cluster, the net, the disk."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from core import checkpoint, cluster, disk, images, ranks
from core.refusal import Refusal, first_line


def carried_out(kernel: ModuleType, recipe: Any) -> Any:
    """The kernel's recipe as it is carried out: --smoke made tiny, the device found.

    Raises:
        Refusal: a device, a cluster or a share of the batch that cannot be had.
    """
    for flag, given in (("jobs", recipe.jobs), ("cluster", recipe.cluster)):
        if ranks.world() > 1 and given not in (1, ""):
            raise Refusal(f"--{flag} {given}: all ranks train one fold together; leave --{flag} out under torchrun")
    if recipe.batch % ranks.world():
        raise Refusal(f"--batch {recipe.batch}: cannot be shared by {ranks.world()} ranks; give a multiple of them")
    if recipe.cluster:
        cluster.reach(recipe.cluster, recipe.jobs)
    there = recipe.device if recipe.cluster else device(recipe.device)  # a cluster's workers have their own
    return kernel.Recipe(**asdict(replace(_tiny(recipe), device=there)))


def _tiny(recipe: Any) -> Any:
    """--smoke: the same recipe on few people, small images, two folds and one epoch."""
    return (
        replace(recipe, folds=min(recipe.folds, 2), epochs=1, batch=min(recipe.batch, 8), scale=min(recipe.scale, 0.2))
        if recipe.smoke
        else recipe
    )


def rehearse(kernel: ModuleType, recipe: Any, work: Path) -> None:
    """Build the net and show it a batch; see that there is room for what training writes.

    Raises:
        Refusal: a backbone that cannot see images of this size, or too little disk.
    """
    net = kernel.Net(recipe.backbone, recipe.weights)
    height, width = images.net_size(recipe.crop, recipe.scale)
    try:
        kernel.probs(net, torch.zeros(min(recipe.batch, 2), 3, height, width, dtype=torch.uint8))
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        raise Refusal(
            f"--backbone {recipe.backbone}: cannot see {height}x{width} pixels in batches of {recipe.batch} ({first_line(error)})"
        ) from None
    disk.require_room(work, checkpoint.room(net, recipe.folds, recipe.jobs), "training")


def device(asked: str) -> str:
    """`auto` is the GPU if there is one; under torchrun each rank has its own. Refuses a device that is not there."""
    if asked == "auto":
        asked = "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "cuda" and ranks.world() > 1:
        asked = f"cuda:{ranks.local()}"
    kind, _, index = asked.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise Refusal(f"--device {asked}: must be auto, cpu, cuda or cuda:NUMBER")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise Refusal(f"--device {asked}: this machine has {torch.cuda.device_count()} GPUs; give --device cpu")
    return asked


def machine(recipe: Any) -> dict[str, Any]:
    """What the recipe is carried out on, as run.json keeps it."""
    name = torch.cuda.get_device_name(recipe.device) if recipe.device.startswith("cuda") else "cpu"
    return {
        "device": f"{recipe.device} on the workers of {recipe.cluster}" if recipe.cluster else name,
        "threads": torch.get_num_threads(),
        "jobs": recipe.jobs,
        "ranks": ranks.world(),
    }
