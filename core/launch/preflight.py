"""Checks before training: device, ranks, cluster, network, disk space."""

from pathlib import Path

import torch

from core.launch import cluster
from core.refusal import Refusal, first_line
from core.training import checkpoint, ranks
from core.training.kernel import Kernel, KernelRecipe


def check_machines(recipe: KernelRecipe) -> None:
    """Refuses ranks or a cluster that cannot train this recipe."""
    for flag, value in (("jobs", recipe.jobs), ("cluster", recipe.cluster)):
        if ranks.world() > 1 and value not in (1, ""):
            raise Refusal(f"--{flag} {value}: all ranks train one fold together; leave --{flag} out under torchrun")
    if ranks.world() > 1 and ":" in recipe.device:
        raise Refusal(f"--device {recipe.device}: under torchrun each rank has a GPU of its own; leave --device out")
    if ranks.world() > 1 and recipe.mix != "none":
        raise Refusal(f"--mix {recipe.mix}: images of one batch meet, and ranks have parts of it; leave torchrun out")
    if ranks.world() > 1 and recipe.ema:
        raise Refusal(f"--ema {recipe.ema}: each rank has batch statistics of its own; leave torchrun out")
    if ranks.world() > 1 and recipe.hours:
        raise Refusal(f"--hours {recipe.hours:g}: ranks would not stop at one moment; leave torchrun out")
    if recipe.batch % ranks.world():
        raise Refusal(f"--batch {recipe.batch}: cannot be shared by {ranks.world()} ranks; give a multiple of them")
    if recipe.cluster:
        cluster.reach(recipe.cluster, recipe.jobs)


def check_net(kernel: Kernel, recipe: KernelRecipe, size: tuple[int, int], run_dir: Path) -> int:
    """Build the net and show it images of this size; the bytes that training will write at most.
    Refuses: a backbone that cannot see images of this size, or too little disk."""
    net = kernel.Net(recipe)
    try:
        kernel.probs(net, torch.zeros(min(recipe.batch, 2), 3, *size, dtype=torch.uint8))
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        images = f"{size[0]}x{size[1]} pixels in batches of {recipe.batch}"
        raise Refusal(f"--backbone {recipe.backbone}: cannot see {images} ({first_line(error)})") from None
    return checkpoint.require_room(run_dir, net, recipe.folds, recipe.jobs)
