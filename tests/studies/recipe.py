"""What a recipe that scores could be made of: each option against the same base, on photographed people."""

from tests.studies import report
from tests.studies.table import Arm, Claim, Side, Study

#: As many pixels, 90x72 instead of 108x60, and on these photographs the face reaches to their edge.
NEAR = {"crop": "300,240"}
BOXES = {"boxes": "{data}/boxes.csv", "box_margin": "0.05"}
#: More of them, and the training loss falls on while the held-out score does not rise.
EPOCHS = "3"

#: All parts that helped; docs/experiments.md has it as a command.
RECIPE = {**NEAR, **BOXES, "tta": "flip"}
WITHOUT = {
    "without_boxes": ("boxes", {"boxes": ""}),
    "without_crop": ("a crop of the face's aspect", {"crop": "360,200"}),
    "without_flip": ("flip at test time", {"tta": "none"}),
    "without_cosine": ("cosine", {"schedule": "plateau"}),
}
WITH = {
    "with_mixup": ("mixup", {"mix": "mixup"}),
    "with_ema": ("averaging the weights", {"ema": "0.99"}),
    "with_longer": ("6 epochs instead of 3", {"epochs": "6"}),
}

OPTIONS = {
    "flip": ("flip at test time", {"tta": "flip"}),
    "one_cycle": ("one cycle instead of cosine", {"schedule": "one_cycle"}),
    "ema": ("averaging the weights", {"ema": "0.99"}),
    "lr_2e-3": ("a rate of 2e-3 instead of 1e-3", {"lr": "2e-3"}),
    "adamp": ("AdamP instead of Adam", {"optimizer": "adamp"}),
    "cutmix_vertical": ("vertical CutMix", {"mix": "cutmix_vertical"}),
    "mixup": ("mixup", {"mix": "mixup"}),
    "balance": ("balanced resampling", {"resample": "balance"}),
    "augment_all": ("augmentation on every row", {"augment": "all"}),
    "smoothing": ("label smoothing 0.1", {"label_smoothing": "0.1"}),
    "cutmix": ("CutMix", {"mix": "cutmix"}),
    "age_drop": ("without ages 57 to 59", {"age_drop": "57,58,59"}),
    "batch_16": ("batch 16 instead of 32", {"batch": "16"}),
    "lr_3e-4": ("a rate of 3e-4 instead of 1e-3", {"lr": "3e-4"}),
    "longer": ("6 epochs instead of 3", {"epochs": "6"}),
}

STUDY = Study(
    question="What is a recipe that scores made of?",
    data=report.STUDY.data,
    make_data=f"{report.STUDY.make_data}\nmake boxes DATA=DATA",
    kernel="v5_multitask",
    base={**report.STUDY.base, "epochs": EPOCHS, "schedule": "cosine"},
    arms=(
        Arm("base"),
        Arm("near", NEAR),
        Arm("boxes", BOXES, of="near", together="the margin is the boxes' own"),
        *(Arm(name, flags) for name, (_, flags) in OPTIONS.items()),
        Arm("years", kernel="v6_years"),
        Arm("recipe", RECIPE, kernel="v6_years", together="all parts that helped"),
        Arm("with_v5", kernel="v5_multitask", of="recipe"),
        *(Arm(name, flags, of="recipe") for name, (_, flags) in WITHOUT.items()),
        *(Arm(name, flags, of="recipe") for name, (_, flags) in WITH.items()),
        Arm("with_longer_mixup", {"mix": "mixup"}, of="with_longer"),
    ),
    claims=(
        Claim("crop", "a crop of 300x240 instead of 360x200 helps", Side(("near",)), Side(("base",))),
        Claim("crop", "a crop by the face's box instead of 300x240 helps", Side(("boxes",)), Side(("near",))),
        *(Claim("options", f"{text} helps", Side((name,)), Side(("base",))) for name, (text, _) in OPTIONS.items()),
        Claim("years", "age in years (v6) is better than in groups (v5)", Side(("years",)), Side(("base",))),
        Claim("years", "a vote of v5 and v6 is better than v6", Side(("base", "years"), "soft"), Side(("years",))),
        Claim("recipe", "the recipe is better than the base", Side(("recipe",)), Side(("base",))),
        Claim("recipe", "the recipe is better with v6 than with v5", Side(("recipe",)), Side(("with_v5",))),
        *(
            Claim("recipe", f"the recipe is better with {text} than without", Side(("recipe",)), Side((name,)))
            for name, (text, _) in WITHOUT.items()
        ),
        *(
            Claim("recipe", f"{text} helps the recipe", Side((name,)), Side(("recipe",)))
            for name, (text, _) in WITH.items()
        ),
        Claim("recipe", "of 6 epochs, mixup helps the recipe", Side(("with_longer_mixup",)), Side(("with_longer",))),
        Claim(
            "recipe",
            "6 epochs with mixup instead of 3 help the recipe",
            Side(("with_longer_mixup",)),
            Side(("recipe",)),
        ),
    ),
)
