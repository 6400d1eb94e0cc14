"""What a recipe that scores could be made of: each option against the same base, on photographed people."""

from tests.studies import report
from tests.studies.table import Arm, Claim, Side, Study

OPTIONS = {
    "one_cycle": ("one cycle instead of cosine", {"schedule": "one_cycle"}),
    "ema": ("averaged weights", {"ema": "0.99"}),
    "flip": ("flip at test time", {"tta": "flip"}),
    "cutmix_vertical": ("vertical CutMix", {"mix": "cutmix_vertical"}),
    "mixup": ("mixup", {"mix": "mixup"}),
    "cutmix": ("CutMix", {"mix": "cutmix"}),
    "augment_all": ("augmentation on every row", {"augment": "all"}),
    "balance": ("balanced resampling", {"resample": "balance"}),
    "smoothing": ("label smoothing 0.1", {"label_smoothing": "0.1"}),
    "age_drop": ("without ages 57 to 59", {"age_drop": "57,58,59"}),
    "batch_16": ("batch 16 instead of 32", {"batch": "16"}),
    "lr_3e-4": ("a rate of 3e-4 instead of 1e-3", {"lr": "3e-4"}),
    "lr_2e-3": ("a rate of 2e-3 instead of 1e-3", {"lr": "2e-3"}),
}

STUDY = Study(
    question="What is a recipe that scores made of?",
    data=report.STUDY.data,
    make_data=report.STUDY.make_data,
    kernel="v5_multitask",
    base={**report.STUDY.base, "schedule": "cosine"},
    arms=(Arm("base"), *(Arm(name, flags) for name, (_, flags) in OPTIONS.items())),
    claims=tuple(
        Claim("options", f"{text} helps", Side((name,)), Side(("base",))) for name, (text, _) in OPTIONS.items()
    ),
)
