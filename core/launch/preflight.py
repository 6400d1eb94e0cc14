"""What can be known before anything trains is said then: the device, the ranks, the cluster, the net, the disk."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from core import disk
from core.images import decode
from core.launch import cluster
from core.refusal import Refusal, first_line
from core.training import checkpoint, ranks


def check(recipe: Any) -> None:
    """See that this recipe can be carried out here.

    Raises:
        Refusal: a cluster or a share of the batch that cannot be had.
    """
    for flag, given in (("jobs", recipe.jobs), ("cluster", recipe.cluster)):
        if ranks.world() > 1 and given not in (1, ""):
            raise Refusal(f"--{flag} {given}: all ranks train one fold together; leave --{flag} out under torchrun")
    if recipe.batch % ranks.world():
        raise Refusal(f"--batch {recipe.batch}: cannot be shared by {ranks.world()} ranks; give a multiple of them")
    if recipe.cluster:
        cluster.reach(recipe.cluster, recipe.jobs)


def rehearse(kernel: ModuleType, recipe: Any, work: Path) -> None:
    """Build the net and show it a batch; see that there is room for what training writes.

    Raises:
        Refusal: a backbone that cannot see images of this size, or too little disk.
    """
    net = kernel.Net(recipe.backbone, recipe.weights)
    height, width = decode.net_size(recipe.crop, recipe.scale)
    try:
        kernel.probs(net, torch.zeros(min(recipe.batch, 2), 3, height, width, dtype=torch.uint8))
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        raise Refusal(
            f"--backbone {recipe.backbone}: cannot see {height}x{width} pixels in batches of {recipe.batch} ({first_line(error)})"
        ) from None
    disk.require_room(work, checkpoint.room(net, recipe.folds, recipe.jobs), "training")
