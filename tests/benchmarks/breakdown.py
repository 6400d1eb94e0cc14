"""Which part of an image's processor time is whose, in our input path: the pixels of each augmentation, what
albumentations does around them, the loader's copies, and what the workers cost beyond it."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest import mock

from core.images import augment, loader, store

LIBRARY, GATHER = "albumentations: draws, checks, Compose", "gathering all crops of a batch"
COPIES, WORKERS = "copying augmented images into place, seeds, order", "workers: their start, the queue, both at once"


def parts(batches: loader.Loader) -> dict[str, float]:
    """Processor microseconds for an image of one epoch, by part, all in this process: `batches` has no workers.

    An augmentation's own part is its work on pixels, times how often it is drawn.
    """
    assert batches.workers == 0
    spent: dict[str, float] = defaultdict(float)
    made = augment.pipeline(batches.names, batches.rows.opened_store.size).transforms
    with ExitStack() as patched:
        for name, transform in zip(batches.names, made, strict=True):
            patched.enter_context(_timed(type(transform), "apply", name, spent))
        patched.enter_context(_timed(augment, "apply", LIBRARY, spent))
        patched.enter_context(_timed(store.Store, "centre_crops", GATHER, spent))
        start = time.thread_time()
        seen = sum(len(images) for images, _ in batches.epoch((0, 0, 0, 0)))
        spent[COPIES] = time.thread_time() - start - spent[LIBRARY] - spent[GATHER]
    spent[LIBRARY] -= sum(spent[name] for name in batches.names)
    return {name: 1e6 * spent[name] / seen for name in (*batches.names, LIBRARY, GATHER, COPIES)}


def _timed(owner: Any, name: str, part: str, spent: dict[str, float]) -> Any:
    """While it is entered, `owner`'s function adds what it takes to `part`."""
    function: Callable = getattr(owner, name)

    def timed(*args: Any, **params: Any) -> Any:
        start = time.thread_time()
        try:
            return function(*args, **params)
        finally:
            spent[part] += time.thread_time() - start

    return mock.patch.object(owner, name, timed)


def table_of(columns: dict[str, tuple[loader.Loader, float, float, float]]) -> Iterator[str]:
    """The markdown table of the cases by name: (loader, processor microseconds of ours, of the usual way, goal)."""
    found = {name: parts(batches) for name, (batches, *_) in columns.items()}
    for name, (_, ours, _, _) in columns.items():
        found[name][WORKERS] = ours - sum(found[name].values())
    yield f"| processor µs/image, ours | {' | '.join(columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for part in next(iter(found.values())):
        yield f"| {part} | {' | '.join(f'{each[part]:.0f}' for each in found.values())} |"
    yield f"| all | {' | '.join(f'{ours:.0f}' for _, ours, _, _ in columns.values())} |"
    allowed = " | ".join(f"{usual / goal:.0f} ({usual:.0f} / {goal:g})" for _, _, usual, goal in columns.values())
    yield f"| what the goal allows (the usual way / goal) | {allowed} |"
