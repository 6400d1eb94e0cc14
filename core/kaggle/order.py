"""A run that is to be trained on Kaggle, as its user types it; a flag that cannot mean there what it means here is
refused before anything is sent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core import flags, places, recipe
from core.flags import flag_name
from core.refusal import Refusal, did_you_mean
from core.runs import names
from core.training import kernel as kernels
from core.training.kernel import KernelRecipe

#: Hours to train in a session of twelve: what is left is for starting, for the last predictions and for the way out.
HOURS = 11.3
#: Flags that cannot mean there what they mean here, and why.
HERE_ONLY = {
    "data": "the photographs are those of make kaggle-data",
    "cluster": "a session is one machine",
    "device": "a session has its own GPUs",
    "jobs": "a session trains a fold on each of its GPUs",
    "extra": "that folder is here; put its people into a data set of its own, or train here",
}


@dataclass(frozen=True)
class Order:
    """A run to be trained there: the kernel's file, its recipe, and the flags as typed."""

    file: Path
    recipe: KernelRecipe
    flags: list[str]

    @property
    def kernel(self) -> str:
        return self.file.parent.name

    @property
    def name(self) -> str:
        return names.run_name(self.recipe)

    @property
    def run(self) -> str:
        return f"{self.kernel}/{self.name}"

    @property
    def hours(self) -> float:
        return self.recipe.hours or HOURS

    @property
    def tags(self) -> list[str]:
        """timm's names of the pretrained weights that the run needs."""
        if self.recipe.weights == "none":
            return []
        return sorted({flags.TAGS.get(each, each) for each in flags.each(self.recipe.backbone)})

    def slug(self, push: str) -> str:
        """A name of its own for each push, as Kaggle's addresses hold it: 50 small letters, figures, hyphens."""
        plain = re.sub("[^a-z0-9]+", "-", self.run.lower())[:36].strip("-")
        return f"mask18-{plain}-{push[:6]}"


def order(kernel: str, argv: list[str]) -> Order:
    """The run that these words ask for.
    Refuses: an unknown kernel, what its recipe refuses, and a flag that can't be had there."""
    file = places.HOME / "kernels" / kernel / "run.py"
    if not file.is_file():
        known = sorted(path.parent.name for path in places.HOME.glob("kernels/*/run.py"))
        raise Refusal(f"KERNEL={kernel}: is none of kernels/; {did_you_mean(kernel, known, ', '.join(known))}")
    kind = kernels.load(file).Recipe
    asked = recipe.parse(kind, argv)
    typed = {word[2:].partition("=")[0].replace("-", "_") for word in argv if word.startswith("--")}
    for name in typed & set(HERE_ONLY):
        raise Refusal(f"--{flag_name(name)} {getattr(asked, name)}: can't be had on Kaggle: {HERE_ONLY[name]}")
    if asked.weights not in ("imagenet", "none"):
        raise Refusal(
            f"--weights {asked.weights}: a file of weights is not packed; make kaggle-weights sends the hub's"
        )
    if asked.precision == "bfloat16":
        raise Refusal("--precision bfloat16: Kaggle's GPUs have none; give float16 or float32")
    if asked.hours > HOURS:
        raise Refusal(
            f"--hours {asked.hours:g}: a session ends after 12; give {HOURS} at most, and then another session"
        )
    names.require_plain(names.run_name(asked))
    for each in flags.each(asked.backbone):
        _require_known(each, asked.weights)
    return Order(file, asked, list(_sent(argv)))


def _require_known(backbone: str, weights: str) -> None:
    """Refuses a backbone that timm does not know, or whose weights are not named."""
    import timm

    tag = flags.TAGS.get(backbone, backbone)
    if not timm.is_model(tag):
        raise Refusal(f"--backbone {backbone}: is none of {', '.join(flags.TAGS)} and unknown to timm")
    if weights == "imagenet" and "." not in tag:
        known = timm.get_pretrained_cfg(tag)
        tagged = f"{backbone}.{known.tag if known else 'TAG'}"
        raise Refusal(f"--backbone {backbone}: name its weights too, as timm does: --backbone {tagged}")


def _sent(argv: list[str]) -> Iterator[str]:
    """The words that go there: without --force, which is about runs here, and --hours, of which some will be over."""
    words, given = iter(argv), False
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag == "--hours" and not equals:
            next(words)
        elif flag == "--force":
            given = True
            continue
        elif flag != "--hours" and not (given and not word.startswith("--")):
            yield word
        given = False
