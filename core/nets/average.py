"""Averaged weights: a net that follows the trained one, and forgets its first steps while it is young."""

from typing import Generic, TypedDict, TypeVar

from torch import nn

from core.nets.optim import State

Net = TypeVar("Net", bound=nn.Module)


class AverageState(TypedDict):
    """The averaged net's state, and how many steps it has followed."""

    net: State
    steps: int


class Average(Generic[Net]):
    """The exponential moving average of all weights and buffers, `decay` at most; at step n no more than
    1 - n^(-2/3), so that a short training is not an average of its beginning (timm's warm-up)."""

    def __init__(self, net: Net, decay: float, state: AverageState | None = None):
        from timm.utils import ModelEmaV3  # late, for --help must not wait for timm

        self._ema, self._steps = ModelEmaV3(net, decay=decay, use_warmup=True), 0
        if state:
            self.net.load_state_dict(state["net"])
            self._steps = state["steps"]

    @property
    def net(self) -> Net:
        """The averaged net, in evaluation mode."""
        return self._ema.module

    def follow(self, net: Net) -> None:
        """One step has moved `net`."""
        self._steps += 1
        self._ema.update(net, step=self._steps)

    def state(self) -> AverageState:
        return {"net": self.net.state_dict(), "steps": self._steps}
