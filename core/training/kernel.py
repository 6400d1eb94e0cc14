"""A kernel is loaded by its path: only the path crosses a process border."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from core.refusal import Refusal


@functools.lru_cache
def load(path: Path) -> ModuleType:
    """The kernel at this path, as a module of its own."""
    name = f"kernel_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Refusal(f"{path}: is not a kernel")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
