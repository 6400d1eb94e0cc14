"""What a kernel is: the names that kernels/vN_name/run.py defines, checked once when it is loaded by its path."""

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import numpy as np
import torch
from torch import nn

from core.data.folds import Fold
from core.data.table import Rows, Table
from core.flags import PerTask
from core.recipe import Shared
from core.refusal import Refusal, first_line
from core.runs.foldrun import FoldRun
from core.training.phase import Phase


@dataclass(frozen=True, kw_only=True)
class KernelRecipe(Shared):
    """What core reads of a kernel's recipe: what is shared, and these fields, which each kernel has for itself."""

    backbone: str | PerTask[str]
    crop: tuple[int, int]
    scale: float
    epochs: int | PerTask[int]
    batch: int
    augmentations: tuple[str, ...] | PerTask[tuple[str, ...]]


class Kernel(Protocol):
    """A kernel as core sees it.

    Net(recipe): a module in host memory, its backbone trained as --weights says.
    plan(net, rows, recipe): what is trained, in which order; `rows` are fit rows, filtered and repeated.
    probs(net, images): uint8 (b, 3, h, w) -> (b, 18) class probabilities.
    fit_fold(recipe, table, fold, run): (len(fold.held_out), 18) and (n_test, 18) probabilities.
    """

    Recipe: type[KernelRecipe]
    Net: Callable[[KernelRecipe], nn.Module]
    plan: Callable[[nn.Module, Rows, KernelRecipe], list[Phase]]
    probs: Callable[[nn.Module, torch.Tensor], torch.Tensor]
    fit_fold: Callable[[KernelRecipe, Table, Fold, FoldRun], tuple[np.ndarray, np.ndarray]]


#: The names that a kernel defines, and the arguments of each.
ARGUMENTS = {
    "Net": "recipe",
    "plan": "net, rows, recipe",
    "probs": "net, images",
    "fit_fold": "recipe, table, fold, run",
}


@functools.lru_cache
def load(path: Path) -> Kernel:
    """The kernel at this path, as a module of its own.
    Refuses: a file that does not load with the present core, or breaks the contract; says what is missing."""
    name = f"kernel_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Refusal(f"{path}: is not a kernel")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, AttributeError) as error:
        advice = "a finished run's run.py needs the core of the commit in its run.json"
        raise Refusal(f"{path}: does not load with this core ({first_line(error)}); {advice}") from None
    if wrong := _broken(module):
        raise Refusal(f"{path}: {wrong}")
    return cast(Kernel, module)


def _broken(module: ModuleType) -> str:
    """What the kernel's contract misses; empty if nothing."""
    missing = [name for name in ("Recipe", *ARGUMENTS) if not callable(getattr(module, name, None))]
    if missing:
        form = f"{missing[0]}({ARGUMENTS.get(missing[0], '')})"
        return f"has no {form}; a kernel defines Recipe, {', '.join(ARGUMENTS)}"
    recipe = module.Recipe
    if not (inspect.isclass(recipe) and is_dataclass(recipe) and issubclass(recipe, Shared)):
        return "its Recipe is no dataclass over recipe.Shared"
    shared, own, needed = ([field.name for field in fields(kind)] for kind in (Shared, recipe, KernelRecipe))
    for name in filter(inspect.get_annotations(recipe).__contains__, shared):
        return f"its Recipe has {name}, which recipe.Shared has already; give the field another name"
    for name in needed:
        if name not in own:
            return f"its Recipe has no {name}, which core reads; see KernelRecipe in core/training/kernel.py"
    for name, arguments in ARGUMENTS.items():
        found = ", ".join(inspect.signature(getattr(module, name)).parameters)
        if found != arguments:
            return f"its {name} takes ({found}) where core gives ({arguments})"
    return ""
