"""What a fold trains on: the device, the precision there, and what run.json keeps of the machine."""

import torch

from core.refusal import Refusal
from core.runs.manifest import Machine
from core.training import ranks


def find(requested: str) -> str:
    """`auto` is the GPU if there is one; under torchrun each rank has its own. Refuses a device that is not there."""
    if requested == "auto":
        requested = "cuda" if torch.cuda.is_available() else "cpu"
    if requested == "cuda" and ranks.world() > 1:
        requested = f"cuda:{ranks.local()}"
    kind, _, index = requested.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise Refusal(f"--device {requested}: must be auto, cpu, cuda or cuda:NUMBER")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise Refusal(f"--device {requested}: this machine has {torch.cuda.device_count()} GPUs; give --device cpu")
    return requested


def precision(device: torch.device, cached: bool = True) -> torch.autocast:
    """bfloat16 on a GPU, float32 on a CPU. A captured step must not keep `cached` casts of weights that move."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda", cache_enabled=cached)


def machine(device: str, cluster: str, jobs: int) -> Machine:
    """What a run is trained on, as run.json keeps it."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
    return {
        "device": f"{device} on the workers of {cluster}" if cluster else name,
        "threads": torch.get_num_threads(),
        "jobs": jobs,
        "ranks": ranks.world(),
    }
