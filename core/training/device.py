"""What a fold trains on: the device, the precision there, and what run.json keeps of the machine."""

from __future__ import annotations

from typing import Any

import torch

from core.refusal import Refusal
from core.training import ranks


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


def precision(device: torch.device, cached: bool = True) -> torch.autocast:
    """bfloat16 on a GPU, float32 on a CPU. A captured step must not keep `cached` casts of weights that move."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda", cache_enabled=cached)


def machine(recipe: Any) -> dict[str, Any]:
    """What the recipe is carried out on, as run.json keeps it."""
    name = torch.cuda.get_device_name(recipe.device) if recipe.device.startswith("cuda") else "cpu"
    return {
        "device": f"{recipe.device} on the workers of {recipe.cluster}" if recipe.cluster else name,
        "threads": torch.get_num_threads(),
        "jobs": recipe.jobs,
        "ranks": ranks.world(),
    }
