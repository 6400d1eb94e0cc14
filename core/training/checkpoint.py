"""What a killed fold is resumed from: `loop.fit` loads it, saves it after each epoch, and goes on from there.

Finished folds are skipped by launch/crossval.py; that the run is the same is seen by `RunWriter.begin`.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from core import disk
from core.nets import optim
from core.nets.average import Average, AverageState
from core.nets.optim import State
from core.refusal import Refusal
from core.runs.foldrun import FoldRun
from core.training import step
from core.training.device import dtype, memory, smaller
from core.training.phase import Phase
from core.training.step import Step

#: Bytes of the digest that a checkpoint begins with.
SEAL = 32


class LearnerState(TypedDict):
    """What torch gives of a phase's optimizer, schedule and gradient scaler."""

    optimizer: State
    schedule: State
    scaler: State


class Checkpoint(TypedDict):
    """All that is needed to resume after so many rounds; learners: of the phases that have begun and not ended;
    average: of the averaged weights, if there are any."""

    net: State
    average: AverageState | None
    learners: dict[int, LearnerState]
    rounds: int


@dataclass(frozen=True)
class Learner:
    """A phase while it is trained: its step, which has the optimizer, and its schedule."""

    step: Step
    schedule: LRScheduler

    @classmethod
    def begin(cls, net: nn.Module, phase: Phase, run: FoldRun, state: LearnerState | None = None) -> Self:
        """The phase as `state` left it, or at its beginning. Refuses a batch that the memory cannot hold."""
        if phase.before and not state:
            phase.before()
        net.train()
        device = torch.device(run.device)
        with memory(smaller(phase.loader.batch)):
            optimizer = phase.optimizer(phase.parameters)
            schedule = phase.schedule(optimizer, len(phase.loader))
            if state:
                optim.load_state(optimizer, state["optimizer"])
                schedule.load_state_dict(state["schedule"])
            learn = step.make(net, phase, optimizer, device, dtype(device, run.precision), run.mix != "none")
            if state and state["scaler"]:  # empty if the run was in float32 or bfloat16 so far
                learn.scaler.load_state_dict(state["scaler"])
        return cls(learn, schedule)

    def learn(self, images: torch.Tensor, *targets: torch.Tensor) -> None:
        """One step, from what `Step` takes."""
        self.step(images, *targets)
        optim.step_batch(self.schedule)

    def state(self) -> LearnerState:
        optimizer, scaler = self.step.optimizer, self.step.scaler
        return {
            "optimizer": optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": scaler.state_dict(),
        }


def save(
    folder: Path, net: nn.Module, learners: dict[int, Learner], rounds: int, average: Average | None = None
) -> None:
    """All that is needed to resume after so many rounds."""
    states = {number: learner.state() for number, learner in learners.items()}
    followed = average.state() if average else None
    state: Checkpoint = {"net": net.state_dict(), "average": followed, "learners": states, "rounds": rounds}
    data = io.BytesIO()
    torch.save(state, data)
    sealed = hashlib.sha256(data.getvalue()).digest() + data.getvalue()
    disk.write(folder / "checkpoint.pt", lambda temporary: temporary.write_bytes(sealed))


def load(folder: Path) -> Checkpoint | None:
    """What `save` wrote last, or None; in host memory, from where each state goes to its own place.
    Refuses a file that is not as `save` left it."""
    path = folder / "checkpoint.pt"
    if not path.is_file():
        return None
    seal, data = (whole := path.read_bytes())[:SEAL], whole[SEAL:]
    if hashlib.sha256(data).digest() != seal:
        raise Refusal(f"{path}: is damaged; remove the folder {folder} to train that fold from its beginning")
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def remove(folder: Path) -> None:
    (folder / "checkpoint.pt").unlink(missing_ok=True)


def save_weights(folder: Path, net: nn.Module) -> None:
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    data = save(tensors)  # bytes, for safetensors hides why it cannot write a file
    disk.write(folder / "model.safetensors", lambda temporary: temporary.write_bytes(data))


def require_room(run_dir: Path, net: nn.Module, folds: int, jobs: int) -> int:
    """The bytes that a run takes at most: a model per fold; per job two checkpoints with Adam's state and an average.
    Refuses one that the disk cannot hold."""
    model = sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())
    disk.require_room(run_dir, needed := model * (folds + 8 * jobs), "training")
    return needed
