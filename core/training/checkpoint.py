"""What a killed fold is resumed from: `loop.fit` loads it, saves it after each epoch, and goes on from there.

Finished folds are skipped by launch/crossval.py; that the run is the same is seen by `RunWriter.begin`.
"""

from pathlib import Path
from typing import TypedDict

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from core import disk
from core.nets.optim import State


class Checkpoint(TypedDict):
    """All that is needed to resume after this epoch of this phase."""

    net: State
    optimizer: State
    schedule: State
    scaler: State
    phase: int
    epoch: int


def save(
    folder: Path,
    net: nn.Module,
    optimizer: Optimizer,
    schedule: LRScheduler,
    scaler: torch.amp.GradScaler,
    phase: int,
    epoch: int,
) -> None:
    """All that is needed to resume after this epoch of this phase."""
    state: Checkpoint = {
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "scaler": scaler.state_dict(),
        "phase": phase,
        "epoch": epoch,
    }
    disk.write(folder / "checkpoint.pt", lambda temporary: torch.save(state, temporary))


def load(folder: Path) -> Checkpoint | None:
    """What `save` wrote last, or None; in host memory, from where each state goes to its own place."""
    path = folder / "checkpoint.pt"
    return torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else None


def remove(folder: Path) -> None:
    (folder / "checkpoint.pt").unlink(missing_ok=True)


def save_weights(folder: Path, net: nn.Module) -> None:
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    disk.write(folder / "model.safetensors", lambda temporary: save_file(tensors, temporary))


def require_room(run_dir: Path, net: nn.Module, folds: int, jobs: int) -> None:
    """Refuse a run that the disk cannot hold: a model per fold; per job two checkpoints with Adam's state."""
    model = sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())
    disk.require_room(run_dir, model * (folds + 6 * jobs), "training")
